import type { Context, Runtime } from "@viable/kernel";
import { rootContext } from "@viable/kernel";
import type { Log, Position, StoredEvent, Subscription } from "@viable/log";
import { comparePositions } from "@viable/log";
import { toFeedEvent } from "../event-view.ts";
import type { PageReaders } from "./page-readers.ts";

/** An event as it goes out to all sockets of its session: written once. */
export interface FlowEvent {
  readonly position: Position;
  /** The whole message as it goes over the wire, its frame included: the same bytes for all. */
  readonly frame: Buffer;
  /** Nothing of the session is told after it. */
  readonly isLast: boolean;
}

/** Events that came in one turn of the loop, oldest first and at least one. */
export interface FlowBatch {
  readonly events: readonly FlowEvent[];
  /** All of them, one after the other. */
  readonly frames: Buffer;
  /** Nothing of the session is told after them. */
  readonly isLast: boolean;
}

/** What was read for one who catches up. */
export interface FlowPage {
  readonly events: readonly FlowEvent[];
  /** There was nothing else of the session up to here; undefined where there may be. */
  readonly reached: Position | undefined;
}

/** Whoever is handed the events of a session as they come. */
export interface FlowMember {
  /** Must not wait. What a member has been given already may be among them. */
  take(batch: FlowBatch): void;
  /** There will be no more: the log cannot be followed, or a defect was met. */
  fail(error: unknown): void;
}

export interface SessionFlowSettings {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly tenant: string;
  readonly sessionId: string;
  readonly readers: PageReaders;
  /** Makes a message a frame of the sockets. */
  toFrame(message: Buffer): Buffer;
}

/** Events that are kept for whoever catches up: more than come while a page is read. Older ones are read from the log. */
const maxRecentEvents = 200;
/** How much of them is kept, in bytes, and the one event that goes beyond: of thousands of sessions it is still no more than memory has. */
const maxRecentBytes = 128 * 1024;
/** Handed out together at most, in bytes, and the one event that goes beyond: a sixteenth of what may lie at a socket. */
const maxBatchBytes = 64 * 1024;

/**
 * The events of one session from here on, read from the log once in this process for all of its sockets. What comes in one turn of the loop
 * goes out together: what is handed to the network costs more by the piece than by the byte.
 *
 * Keeps W9 for those who join later: `since` hands out what is kept only where nothing is missing before it, and `attach` right after it, in
 * the same turn, leaves no room for an event between.
 *
 * States: flowing → failed | stopped.
 */
export class SessionFlow {
  readonly #settings: SessionFlowSettings;
  readonly #ctx: Context;
  readonly #subscription: Subscription;
  readonly #members = new Set<FlowMember>();
  readonly #recent: FlowEvent[] = [];
  #recentBytes = 0;
  /** Those of the recent that are not handed out yet. */
  #fresh: FlowEvent[] = [];
  /** All events after it are among the recent. */
  #floor: Position;
  #failure: { readonly error: unknown } | undefined;

  constructor(settings: SessionFlowSettings) {
    const { runtime, log, tenant, sessionId } = settings;
    this.#settings = settings;
    this.#ctx = rootContext(runtime, { tenant });
    this.#subscription = log.subscribe(this.#ctx, {
      name: "sockets",
      after: "now",
      filter: { tenant, session: sessionId },
      decoding: "lenient",
      handle: (event) => this.#hand(event),
      onParked: (error) => this.#fail(error),
    });
    this.#floor = this.#subscription.position;
  }

  get runtime(): Runtime {
    return this.#settings.runtime;
  }

  get sessionId(): string {
    return this.#settings.sessionId;
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

  /**
   * Reads what came after a position from the log, in its turn among all who read, for whoever wants it when that has come: at most so many
   * events.
   */
  async read(after: () => Position | undefined, limit: number, take: (page: FlowPage) => void): Promise<void> {
    const { log, tenant, sessionId, readers } = this.#settings;
    await readers.read(async () => {
      const from = after();
      if (from === undefined) return;
      const { reached } = this;
      const page = await log.readAllPage(this.#ctx, {
        from,
        limit,
        filter: { tenant, session: sessionId },
        decoding: "lenient",
      });
      const events = page.events.map((event) => this.#toFlowEvent(event));
      take({ events, reached: page.isEnd ? reached : undefined });
    });
  }

  /** Hands everything from here on to a member, who has been given all before it. */
  attach(member: FlowMember): void {
    if (this.#failure === undefined) this.#members.add(member);
    else member.fail(this.#failure.error);
  }

  detach(member: FlowMember): void {
    this.#members.delete(member);
  }

  /** Writes an event as the frame that all sockets of the session are sent. */
  #toFlowEvent(event: StoredEvent): FlowEvent {
    const { sessionId, toFrame } = this.#settings;
    const { position } = event;
    const message = { type: "event", sessionId, position, event: toFeedEvent(event) };
    const frame = toFrame(Buffer.from(JSON.stringify(message)));
    return { position, frame, isLast: event.type === "session.ended" };
  }

  stop(): void {
    this.#subscription.stop();
    this.#members.clear();
    this.#fresh = [];
  }

  #hand(event: StoredEvent): void {
    const flowing = this.#toFlowEvent(event);
    this.#recent.push(flowing);
    this.#recentBytes += flowing.frame.length;
    while (this.#recent.length > maxRecentEvents || (this.#recentBytes > maxRecentBytes && this.#recent.length > 1)) {
      const oldest = this.#recent.shift() as FlowEvent;
      this.#recentBytes -= oldest.frame.length;
      this.#floor = oldest.position;
    }
    this.#fresh.push(flowing);
    if (this.#fresh.length === 1) void this.#settings.runtime.clock.nextTurn().then(() => this.#handOut());
  }

  #handOut(): void {
    const events = this.#fresh;
    this.#fresh = [];
    for (const batch of toBatches(events)) for (const member of [...this.#members]) member.take(batch);
  }

  #fail(error: unknown): void {
    this.#handOut();
    this.#failure = { error };
    for (const member of [...this.#members]) member.fail(error);
    this.#members.clear();
  }
}

function* toBatches(events: readonly FlowEvent[]): Generator<FlowBatch> {
  let from = 0;
  let bytes = 0;
  for (const [index, { frame }] of events.entries()) {
    bytes += frame.length;
    if (bytes < maxBatchBytes && index + 1 < events.length) continue;
    const batch = events.slice(from, index + 1);
    const [only] = batch as [FlowEvent];
    yield {
      events: batch,
      frames: batch.length === 1 ? only.frame : Buffer.concat(batch.map((each) => each.frame)),
      isLast: batch.some(({ isLast }) => isLast),
    };
    from = index + 1;
    bytes = 0;
  }
}
