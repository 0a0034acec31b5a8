import type { StoredEvent } from "./events.ts";
import type { LogPage } from "./log-page.ts";

/** From where on a stream is read, among several. */
export interface StreamFrom {
  readonly stream: string;
  readonly fromVersion: number;
}

/** How much is read of several streams at once. */
export interface StreamPageLimits {
  /** Events of each stream. */
  readonly events: number;
  /** Bytes of data of all of them: no event follows the one that reaches it. */
  readonly bytes: number;
}

/** @internal An event that was found, and for which of the streams that were asked for, from 0. */
export interface FoundEvent {
  readonly at: number;
  readonly event: StoredEvent;
}

/**
 * @internal What was found as pages, one for each stream that was asked for. `found` is by stream, then by version; where it `isCut`, because
 * the bytes were reached, nobody knows what follows in the last stream of it and in those after: they are not the end, and those after have
 * no event.
 */
export function toStreamPages(
  streams: number,
  found: readonly FoundEvent[],
  maxEvents: number,
  isCut: boolean,
): LogPage[] {
  const pages = Array.from({ length: streams }, (): StoredEvent[] => []);
  for (const { at, event } of found) pages[at]?.push(event);
  const whole = isCut ? (found.at(-1)?.at ?? 0) : streams;
  return pages.map((events, at) => ({ events, isEnd: at < whole && events.length < maxEvents }));
}
