import type { Timer } from "@viable/kernel";
import type { Position } from "@viable/log";
import { comparePositions } from "@viable/log";
import type { PresentClient } from "@viable/protocol";
import { maxUnacknowledgedEvents } from "@viable/protocol";
import type { Present } from "../session-presence.ts";
import type { FlowBatch, FlowEvent, FlowMember, SessionFlow } from "./session-flow.ts";

/** The socket that a join's events go out over. */
export interface JoinLine {
  /** Bytes that the client has not taken yet. */
  readonly bufferedBytes: number;
  /** Frames as they go over the wire, whole. Whoever has the line says `taken` to its joins when the client has taken all that lay there. */
  writeFrames(frames: Buffer): void;
  /** A message that is not framed yet. */
  write(message: string): void;
  /** Called once, when no more will be sent: the join is over. */
  joinOver(sessionId: string, why: JoinEnd): void;
}

export interface SessionJoinSettings {
  readonly line: JoinLine;
  readonly flow: SessionFlow;
  readonly after: Position;
  readonly acks: boolean;
  readonly client: PresentClient;
  /** Wall time in milliseconds from which on nothing more is told. */
  readonly until: number;
}

/** Why a join is over. */
export type JoinEnd =
  | { readonly kind: "last_event" | "expired" | "slow" }
  | { readonly kind: "failed"; readonly error: unknown };

/** What may lie here for a client that does not read, in bytes, and the one message that goes beyond: a second of a slow line. */
export const maxBufferedBytes = 1024 * 1024;
/** How many events are read at once for one client; fewer where they are large. What it has no room for is read again. */
const pageEvents = 100;
/** A client that has no room and takes nothing for this long, in milliseconds, is told so and cut: twice a heartbeat. */
const stalledMs = 30_000;

/**
 * One session's events on one socket, each once and in log order, from a position on.
 *
 * States: catching up (reads the log by itself, as fast as the client takes it) ⇄ live (handed each event as it comes) → over. A client that
 * has no room for an event while live catches up again: bursts are no fault of its own, and what it does not take must not collect here
 * nor hold anybody up. What it does take is its pace; one that takes nothing is too slow, and the join is over.
 */
export class SessionJoin implements FlowMember, Present {
  readonly client: PresentClient;
  readonly #line: JoinLine;
  readonly #flow: SessionFlow;
  readonly #acks: boolean;
  readonly #until: number;
  #state: "catching up" | "live" | "over" = "catching up";
  /** Everything of the session up to here was sent. */
  #covered: Position;
  /** Positions that were sent and not acknowledged, oldest first; none where nobody asked for that. */
  #unacknowledged: Position[] = [];
  #waiting: { proceed(): void; timer: Timer } | undefined;

  constructor({ line, flow, after, acks, client, until }: SessionJoinSettings) {
    this.#line = line;
    this.#flow = flow;
    this.#acks = acks;
    this.#until = until;
    this.client = client;
    this.#covered = after;
  }

  /** The last position that was sent, or that nothing was to be sent up to. */
  get position(): Position {
    return this.#covered;
  }

  /** Resolves when it has caught up for the first time, or is over. */
  async start(): Promise<void> {
    await this.#catchUp().catch((error) => this.fail(error));
  }

  /** The client has handled everything up to here; false where that was not even sent. */
  acknowledge(position: Position): boolean {
    if (comparePositions(position, this.#covered) > 0) return false;
    const rest = this.#unacknowledged.findIndex((sent) => comparePositions(sent, position) > 0);
    this.#unacknowledged = rest < 0 ? [] : this.#unacknowledged.slice(rest);
    this.#progressed();
    return true;
  }

  /** Ends it where its time is over. */
  look(now: number): void {
    if (now >= this.#until) this.#end({ kind: "expired" });
  }

  /** Lets go of it; nobody is told. */
  leave(): void {
    this.#state = "over";
    this.#flow.detach(this);
    this.#waiting?.timer.cancel();
    this.#waiting?.proceed();
  }

  /** The client has taken all that lay at its line. */
  taken(): void {
    this.#progressed();
  }

  take(batch: FlowBatch): void {
    if (this.#state !== "live") return;
    const { events, frames, isLast } = batch;
    if (
      isLast ||
      !this.#hasRoom(events.length) ||
      comparePositions((events[0] as FlowEvent).position, this.#covered) <= 0
    )
      for (const event of events) this.#takeOne(event);
    else if (!this.#isOverInTime()) this.#write(frames, events);
  }

  #takeOne(event: FlowEvent): void {
    if (this.#state !== "live" || comparePositions(event.position, this.#covered) <= 0) return;
    if (this.#hasRoom()) {
      this.#send(event);
      return;
    }
    this.#state = "catching up";
    this.#flow.detach(this);
    void this.start();
  }

  fail(error: unknown): void {
    this.#end({ kind: "failed", error });
  }

  hearPresence(message: string): boolean {
    if (this.#line.bufferedBytes >= maxBufferedBytes) return false;
    this.#line.write(message);
    return true;
  }

  async #catchUp(): Promise<void> {
    while (this.#state === "catching up") {
      if (!this.#hasRoom()) {
        await this.#untilRoomy();
        continue;
      }
      const recent = this.#flow.since(this.#covered);
      if (recent === undefined) await this.#readPage();
      // No wait between what is kept and what comes: nothing can fall between.
      else if (this.#sendWhileRoom(recent)) this.#goLive();
    }
  }

  #goLive(): void {
    if (this.#state !== "catching up") return;
    this.#state = "live";
    this.#flow.attach(this);
  }

  #readPage(): Promise<void> {
    const after = () => (this.#state === "over" ? undefined : this.#covered);
    return this.#flow.read(after, pageEvents, ({ events, reached }) => {
      const sentAll = this.#sendWhileRoom(events);
      // What was there before the reading and is not in it is other sessions'.
      if (sentAll && reached !== undefined && comparePositions(reached, this.#covered) > 0) this.#covered = reached;
    });
  }

  /** Whether all of them were sent. */
  #sendWhileRoom(events: readonly FlowEvent[]): boolean {
    for (const event of events) {
      if (this.#state === "over" || !this.#hasRoom()) return false;
      this.#send(event);
    }
    return this.#state !== "over";
  }

  #send(event: FlowEvent): void {
    if (this.#isOverInTime()) return;
    this.#write(event.frame, [event]);
    if (event.isLast) this.#end({ kind: "last_event" });
  }

  #write(frames: Buffer, events: readonly FlowEvent[]): void {
    this.#line.writeFrames(frames);
    this.#covered = (events.at(-1) as FlowEvent).position;
    if (this.#acks) for (const { position } of events) this.#unacknowledged.push(position);
  }

  /** Ends it where nothing more may be told. */
  #isOverInTime(): boolean {
    if (this.#flow.runtime.clock.now() < this.#until) return false;
    this.#end({ kind: "expired" });
    return true;
  }

  #end(why: JoinEnd): void {
    if (this.#state === "over") return;
    this.leave();
    this.#line.joinOver(this.#flow.sessionId, why);
  }

  /** Whether there is room for so many events. */
  #hasRoom(events = 1): boolean {
    return (
      this.#line.bufferedBytes < maxBufferedBytes && this.#unacknowledged.length + events <= maxUnacknowledgedEvents
    );
  }

  /** Half of it, so that a client that has had no room is not sent one event at a time. */
  #isRoomy(): boolean {
    return (
      this.#line.bufferedBytes <= maxBufferedBytes / 2 && this.#unacknowledged.length <= maxUnacknowledgedEvents / 2
    );
  }

  #untilRoomy(): Promise<void> {
    return new Promise((resolve) => {
      const proceed = () => {
        this.#waiting = undefined;
        resolve();
      };
      this.#waiting = { proceed, timer: this.#stall() };
    });
  }

  #stall(): Timer {
    const { clock } = this.#flow.runtime;
    return clock.setTimer(() => this.#end({ kind: "slow" }), stalledMs, { background: true });
  }

  /** The client has taken something. */
  #progressed(): void {
    if (this.#waiting === undefined) return;
    this.#waiting.timer.cancel();
    if (this.#isRoomy()) this.#waiting.proceed();
    else this.#waiting.timer = this.#stall();
  }
}
