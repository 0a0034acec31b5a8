import type { Decoding } from "./event-types.ts";
import type { EventFilter, Position, StoredEvent } from "./events.ts";
import { maxPageBytes } from "./log-page.ts";

export interface SubscriptionOptions {
  /** For people: shown in health and in errors. */
  readonly name: string;
  /** Where to begin: after this position, or `now` for what comes from here on. */
  readonly after: Position | "now";
  readonly filter?: EventFilter;
  /** Default `strict`: an event that cannot be brought to the shape of today parks the subscription before it. */
  readonly decoding?: Decoding;
  /** Called for one event at a time, in position order; the next waits for it. A rejection parks the subscription. */
  readonly handle: (event: StoredEvent) => void | Promise<void>;
  /** Called once when the subscription stops by itself: an event could not be handled, or the log could not be read. */
  readonly onParked?: (error: unknown, at: Position) => void;
}

/**
 * States: catching up (reads pages from the store) ⇄ live (handed each event as it comes) → parked | stopped.
 * A live one that falls more than `maxBufferedEvents` or `maxBufferedChars` behind goes back to reading pages, so a slow handler costs
 * nobody more memory than a page does, and loses nothing.
 */
export interface Subscription {
  readonly name: string;
  readonly state: "catching-up" | "live" | "parked" | "stopped";
  /** The last position that has been handled or passed over by the filter. */
  readonly position: Position;
  readonly lagEvents: number;
  /** Resolves when what was stored at the time of the call has been handled. */
  caughtUp(): Promise<void>;
  stop(): void;
}

/** How many events a subscription may hold before it returns to reading pages. */
export const maxBufferedEvents = 1_000;
/** How much of their data, in characters of JSON, and the one event that goes beyond: as a page. Few large events are as many small ones. */
export const maxBufferedChars = maxPageBytes;
/** How many events a page holds; fewer where they are large. */
export const pageEvents = 500;
