import type { Runtime } from "@viable/kernel";
import { rootContext } from "@viable/kernel";
import type { Log, Position, StoredEvent, Subscription } from "@viable/log";
import { comparePositions } from "@viable/log";
import { toFeedEvent } from "../event-view.ts";

/** An event as it goes out to all sockets of its session: written once. */
export interface FlowEvent {
  readonly position: Position;
  /** The whole message, as UTF-8. */
  readonly message: Buffer;
  /** Nothing of the session is told after it. */
  readonly isLast: boolean;
}

/** Whoever is handed the events of a session as they come. */
export interface FlowMember {
  /** Must not wait. */
  take(event: FlowEvent): void;
  /** There will be no more: the log cannot be followed, or a defect was met. */
  fail(error: unknown): void;
}

export interface SessionFlowSettings {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly tenant: string;
  readonly sessionId: string;
}

/** Events that are kept for whoever catches up: more than come while a page is read. Older ones are read from the log. */
const maxRecentEvents = 200;
/** How much of them is kept, in bytes, and the one event that goes beyond: of thousands of sessions it is still no more than memory has. */
const maxRecentBytes = 128 * 1024;

/**
 * The events of one session from here on, read from the log once in this process for all of its sockets.
 *
 * Keeps W9 for those who join later: `since` hands out what is kept only where nothing is missing before it, and `attach` right after it, in
 * the same turn, leaves no room for an event between.
 *
 * States: flowing → failed | stopped.
 */
export class SessionFlow {
  readonly #sessionId: string;
  readonly #subscription: Subscription;
  readonly #members = new Set<FlowMember>();
  readonly #recent: FlowEvent[] = [];
  #recentBytes = 0;
  /** All events after it are among the recent. */
  #floor: Position;
  #failure: { readonly error: unknown } | undefined;

  constructor({ runtime, log, tenant, sessionId }: SessionFlowSettings) {
    this.#sessionId = sessionId;
    this.#subscription = log.subscribe(rootContext(runtime, { tenant }), {
      name: "sockets",
      after: "now",
      filter: { tenant, session: sessionId },
      decoding: "lenient",
      handle: (event) => this.#hand(event),
      onParked: (error) => this.#fail(error),
    });
    this.#floor = this.#subscription.position;
  }

  /** Whatever was appended up to here can be read from the log. */
  get reached(): Position {
    return this.#subscription.position;
  }

  /** What came after a position; undefined where that is too long ago to be kept. */
  since(position: Position): readonly FlowEvent[] | undefined {
    if (comparePositions(position, this.#floor) < 0) return undefined;
    return this.#recent.filter((event) => comparePositions(event.position, position) > 0);
  }

  /** Hands everything from here on to a member, who has been given all before it. */
  attach(member: FlowMember): void {
    if (this.#failure === undefined) this.#members.add(member);
    else member.fail(this.#failure.error);
  }

  detach(member: FlowMember): void {
    this.#members.delete(member);
  }

  stop(): void {
    this.#subscription.stop();
    this.#members.clear();
  }

  #hand(event: StoredEvent): void {
    const flowing = toFlowEvent(this.#sessionId, event);
    this.#recent.push(flowing);
    this.#recentBytes += flowing.message.length;
    while (this.#recent.length > maxRecentEvents || (this.#recentBytes > maxRecentBytes && this.#recent.length > 1)) {
      const oldest = this.#recent.shift() as FlowEvent;
      this.#recentBytes -= oldest.message.length;
      this.#floor = oldest.position;
    }
    for (const member of [...this.#members]) member.take(flowing);
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    for (const member of [...this.#members]) member.fail(error);
    this.#members.clear();
  }
}

/** Writes an event as the message that all sockets of its session are sent. */
export function toFlowEvent(sessionId: string, event: StoredEvent): FlowEvent {
  const { position } = event;
  const frame = { type: "event", sessionId, position, event: toFeedEvent(event) };
  return { position, message: Buffer.from(JSON.stringify(frame)), isLast: event.type === "session.ended" };
}
