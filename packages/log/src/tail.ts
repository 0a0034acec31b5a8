import type { Clock, Context } from "@viable/kernel";
import { waitFor } from "@viable/kernel";
import { decodeEvent } from "./encode.ts";
import { logWentBack } from "./errors.ts";
import type { Decoding, EventTypes } from "./event-types.ts";
import type { EventFilter, Position, StoredEvent } from "./events.ts";
import { matchesFilter, passesFilter, toOrdinal, toPosition } from "./events.ts";
import type { ReadFailure } from "./follower.ts";
import { Follower } from "./follower.ts";
import { countJsonChars } from "./json-chars.ts";
import type { LogPage } from "./log-page.ts";
import { maxPageBytes } from "./log-page.ts";
import type { WrittenEvents } from "./news.ts";
import { notify } from "./notify.ts";
import type { EncodedEvent, Store } from "./store.ts";
import type { Subscription, SubscriptionOptions } from "./subscription.ts";
import { maxBufferedChars, maxBufferedEvents, pageEvents } from "./subscription.ts";

/** What a flush of this process wrote. */
export interface ArrivedFlush {
  readonly from: number;
  readonly to: number;
  /** Id of the event at `to`. */
  readonly lastId: string;
  /** Its events, but for those that nobody listens to when it is their turn: who does is asked, and each made, as they are handed out. */
  readonly events: Iterable<StoredEvent>;
  /** How much was sent with it and added by followers, in characters of JSON: what it takes to keep it. */
  readonly chars: number;
}

/** How many flushes are kept during a reading: more than come while a page is read. One more, and they are read instead. */
const maxArrivedFlushes = 100;
/** How much of them is kept, in characters of JSON, and the one flush that goes beyond: as much as a page has. */
const maxArrivedChars = maxPageBytes;

/**
 * The process's one reader of the log: it sees every event once, in order, and fans it out in memory.
 *
 * Events of this process arrive with their flush; positions have no gaps, so a flush that continues where the tail stands
 * needs no read at all. Anything else (another process wrote in between, a wake-up, a poll) makes it read what it has not seen. Flushes
 * that come meanwhile are kept for when that is done: under load each reading would else call for the next, for ever.
 *
 * Each reading begins with the last event that was seen. Where that is not there any more, another database has taken the place of ours
 * without our last events (a failover to a standby that lacked them): whoever was handed those is parked, and the tail begins again at
 * the log's end.
 */
export class Tail {
  readonly #store: Store;
  readonly #types: EventTypes;
  readonly #follower: Follower;
  readonly #onWentBack: () => void;
  #ordinal = 0;
  /** Id of the event at `#ordinal`; undefined before the first. */
  #lastId: string | undefined;
  /** The last ordinal of this process's flushes: the next is beyond it, or the log has gone back. */
  #ownOrdinal = 0;
  /** The last ordinal that is known to be in the log: of this process's own flushes and of what was asked. */
  #known = 0;
  #reading = false;
  /** Flushes of this process that came during a reading, in order. */
  #arrived: ArrivedFlush[] = [];
  #arrivedChars = 0;
  /** The event that is being handed out at this moment. */
  #current: StoredEvent | undefined;
  readonly #streams = new Map<string, Set<(event: StoredEvent) => void>>();
  readonly #live = new Set<TailSubscription>();

  /** `onWentBack` is called when events that were handed out are not in the log any more. */
  constructor(store: Store, clock: Clock, types: EventTypes, onWentBack: () => void) {
    this.#store = store;
    this.#types = types;
    this.#onWentBack = onWentBack;
    this.#follower = new Follower(clock, !store.exclusive, () => this.#readNew());
  }

  async start(ctx: Context): Promise<void> {
    await waitFor(ctx, this.#beginAtEnd());
    this.#follower.start();
  }

  async #beginAtEnd(): Promise<void> {
    const {
      events: [last],
    } = await this.#store.readAll(Number.MAX_SAFE_INTEGER, 1, "backward", {});
    this.#ordinal = last === undefined ? 0 : toOrdinal(last.position);
    this.#lastId = last?.id;
    this.#known = this.#ordinal;
  }

  async stop(): Promise<void> {
    for (const subscription of [...this.#live]) subscription.stop();
    await this.#follower.stop();
  }

  get ordinal(): number {
    return this.#ordinal;
  }

  /** Id of the last event that was seen; undefined where there was none. */
  get lastId(): string | undefined {
    return this.#lastId;
  }

  /** Where whoever begins now begins: a listener may do so from within an event. */
  get now(): number {
    return this.#current === undefined ? this.#ordinal : toOrdinal(this.#current.position);
  }

  /** How far the log is known to reach. */
  get known(): number {
    return Math.max(this.#known, this.#ordinal);
  }

  /** How many events are known to be in the log that have not been read. */
  get unreadEvents(): number {
    return this.known - this.#ordinal;
  }

  get failure(): ReadFailure | undefined {
    return this.#follower.failure;
  }

  /** Notes that the log reaches at least as far as this. */
  noteHead(ordinal: number): void {
    this.#known = Math.max(this.#known, ordinal);
  }

  get subscriptions(): Iterable<TailSubscription> {
    return this.#live;
  }

  /** Whether anybody would be told of this event, were it handed out now. Spares decoding where nobody listens. */
  isHeard(stream: string, event: EncodedEvent): boolean {
    if (this.#streams.has(stream)) return true;
    for (const subscription of this.#live) if (subscription.wants(stream, event)) return true;
    return false;
  }

  onStream(stream: string, callback: (event: StoredEvent) => void): () => void {
    const callbacks = this.#streams.get(stream) ?? new Set();
    callbacks.add(callback);
    this.#streams.set(stream, callbacks);
    return () => {
      callbacks.delete(callback);
      if (callbacks.size === 0 && this.#streams.get(stream) === callbacks) this.#streams.delete(stream);
    };
  }

  /** Takes in what a flush of this process wrote. */
  take(flush: ArrivedFlush): void {
    this.noteHead(flush.to);
    const isGivenAgain = flush.from <= this.#ownOrdinal;
    this.#ownOrdinal = flush.to;
    if (isGivenAgain) this.wake();
    if (!this.#reading) {
      this.#takeIn(flush);
    } else if (this.#arrived.length < maxArrivedFlushes && this.#arrivedChars < maxArrivedChars) {
      this.#arrived.push(flush);
      this.#arrivedChars += flush.chars;
    } else {
      this.#takeArrived();
      this.wake();
    }
  }

  /** Takes in what another process says it has written, where that goes on from what was seen last, and else looks for itself. */
  hear({ from, afterId, events }: WrittenEvents): void {
    const to = from + events.length - 1;
    if (to <= this.#ordinal) return;
    this.noteHead(to);
    const last = events.at(-1)?.event.id;
    const follows = from === this.#ordinal + 1 && afterId === this.#lastId;
    if (this.#reading || this.#current !== undefined || !follows || last === undefined) {
      this.wake();
      return;
    }
    this.#dispatch(this.#heardOf(from, events), (event) => this.#types.isCurrent(event));
    this.#advance(to, last);
  }

  /** Each is made when it is its turn, if somebody listens to it then. */
  *#heardOf(from: number, events: WrittenEvents["events"]): Iterable<StoredEvent> {
    for (const [index, { stream, version, event }] of events.entries())
      if (this.isHeard(stream, event)) yield decodeEvent(event, stream, version, from + index);
  }

  #takeIn({ from, to, lastId, events }: ArrivedFlush): void {
    if (from === this.#ordinal + 1) {
      this.#dispatch(events, () => true);
      this.#advance(to, lastId);
    } else if (to > this.#ordinal || (to === this.#ordinal && lastId !== this.#lastId)) {
      this.wake();
    }
  }

  wake(): void {
    // A reading begins where the tail stands. While it hands a flush out it stands before that, and soon behind it.
    if (this.#current === undefined) this.#follower.wake();
    else queueMicrotask(() => this.#follower.wake());
  }

  /** `onEnd` is called once, when the subscription stopped or was parked. */
  subscribe(options: SubscriptionOptions, onEnd: () => void): TailSubscription {
    const subscription = new TailSubscription(this, this.#store, this.#types, options, () => {
      if (this.#live.delete(subscription)) onEnd();
    });
    this.#live.add(subscription);
    subscription.begin();
    return subscription;
  }

  async #readNew(): Promise<void> {
    this.#reading = true;
    try {
      await this.#readPages();
    } finally {
      this.#reading = false;
      for (const flush of this.#takeArrived()) this.#takeIn(flush);
    }
  }

  #takeArrived(): ArrivedFlush[] {
    const arrived = this.#arrived;
    this.#arrived = [];
    this.#arrivedChars = 0;
    return arrived;
  }

  async #readPages(): Promise<void> {
    for (;;) {
      const known = this.#known;
      const { events, isEnd } = await this.#readFromSeen();
      const hasSeen = this.#ordinal > 0;
      if (hasSeen && events[0]?.id !== this.#lastId) {
        await this.#goBack();
        return;
      }
      const found = hasSeen ? events.slice(1) : events;
      this.#dispatch(found, () => false);
      const last = found.at(-1);
      if (last !== undefined) this.#advance(toOrdinal(last.position), last.id);
      if (!isEnd) continue;
      // What was known before, and is not found, is lost.
      if (this.#known === known) this.#known = this.#ordinal;
      return;
    }
  }

  /** The last event that was seen and what comes after it: at least one, where there is one. */
  async #readFromSeen(): Promise<LogPage> {
    const fromSeen = () => this.#store.readAll(Math.max(0, this.#ordinal - 1), pageEvents, "forward", {});
    const page = await fromSeen();
    if (this.#ordinal === 0 || page.events.length !== 1 || page.isEnd) return page;
    // It is so large that nothing has room beside it. That it is still there when what follows has been read says that this is of the same log.
    const rest = await this.#store.readAll(this.#ordinal, pageEvents, "forward", {});
    const seen = await this.#store.readAll(this.#ordinal - 1, 1, "forward", {});
    return { ...rest, events: [...seen.events, ...rest.events] };
  }

  async #goBack(): Promise<void> {
    const seen = this.#ordinal;
    await this.#beginAtEnd();
    for (const subscription of [...this.#live]) subscription.park(logWentBack(toPosition(seen)));
    notify(this.#onWentBack, undefined);
  }

  /** `isCurrent`: whether an event is known to have the shape of today, as those do that this process has written just now. */
  #dispatch(events: Iterable<StoredEvent>, isCurrent: (event: StoredEvent) => boolean): void {
    for (const event of events) {
      this.#current = event;
      const callbacks = this.#streams.get(event.stream);
      if (callbacks !== undefined) for (const callback of [...callbacks]) notify(callback, event);
      const current = isCurrent(event);
      for (const subscription of [...this.#live]) subscription.offer(event, current);
    }
    this.#current = undefined;
  }

  #advance(ordinal: number, id: string): void {
    this.#ordinal = ordinal;
    this.#lastId = id;
    for (const subscription of [...this.#live]) subscription.passed(ordinal);
  }
}

/** An event that waits for its handler. */
interface Buffered {
  readonly event: StoredEvent;
  readonly chars: number;
}

/** See `subscription.ts` for the states and promises. */
export class TailSubscription implements Subscription {
  readonly name: string;
  readonly #tail: Tail;
  readonly #store: Store;
  readonly #types: EventTypes;
  readonly #filter: EventFilter;
  readonly #decoding: Decoding;
  readonly #options: SubscriptionOptions;
  readonly #forget: () => void;
  state: Subscription["state"] = "catching-up";
  #ordinal: number;
  #buffer: Buffered[] = [];
  #bufferedChars = 0;
  #working = false;
  #waiters: { ordinal: number; resolve: () => void }[] = [];

  constructor(tail: Tail, store: Store, types: EventTypes, options: SubscriptionOptions, forget: () => void) {
    this.name = options.name;
    this.#tail = tail;
    this.#store = store;
    this.#types = types;
    this.#filter = options.filter ?? {};
    this.#decoding = options.decoding ?? "strict";
    this.#options = options;
    this.#forget = forget;
    this.#ordinal = options.after === "now" ? tail.now : toOrdinal(options.after);
  }

  get position(): Position {
    return toPosition(this.#ordinal);
  }

  get lagEvents(): number {
    return Math.max(0, this.#tail.ordinal - this.#ordinal);
  }

  /** Whether such an event passes its filter. */
  wants(stream: string, event: EncodedEvent): boolean {
    return passesFilter(stream, event.type, event, this.#filter);
  }

  begin(): void {
    if (this.#ordinal >= this.#tail.now) this.state = "live";
    else void this.#work();
  }

  /** An event that the tail has just seen. While catching up it will be read from the store instead. */
  offer(event: StoredEvent, isCurrent: boolean): void {
    if (this.state !== "live" || toOrdinal(event.position) <= this.#ordinal || !matchesFilter(event, this.#filter))
      return;
    if (this.#buffer.length >= maxBufferedEvents || this.#bufferedChars >= maxBufferedChars) {
      this.state = "catching-up";
      this.#dropBuffer();
      return;
    }
    if (this.#working) this.#hold(event);
    else this.#handleNow(event, isCurrent);
  }

  #hold(event: StoredEvent): void {
    const chars = countJsonChars(event.data);
    this.#buffer.push({ event, chars });
    this.#bufferedChars += chars;
  }

  #nextHeld(): StoredEvent | undefined {
    const held = this.#buffer.shift();
    this.#bufferedChars -= held?.chars ?? 0;
    return held?.event;
  }

  #dropBuffer(): void {
    this.#buffer = [];
    this.#bufferedChars = 0;
  }

  /** The tail has seen everything up to here. A live subscription with nothing to do has, too. */
  passed(ordinal: number): void {
    if (this.state === "live" && this.#buffer.length === 0 && !this.#working) this.#settle(ordinal);
    else if (this.state === "catching-up" && !this.#working) void this.#work();
  }

  caughtUp(): Promise<void> {
    const target = this.#tail.known;
    // Nobody else might look so soon for what is only known of.
    if (target > this.#tail.ordinal) this.#tail.wake();
    if (this.#ordinal >= target || this.state === "parked" || this.state === "stopped") return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push({ ordinal: target, resolve });
    });
  }

  stop(): void {
    if (this.state !== "parked") this.state = "stopped";
    this.#end();
  }

  /** With nothing before it an event is handled at once; only a handler that waits makes others wait. */
  #handleNow(event: StoredEvent, isCurrent: boolean): void {
    try {
      const handled = this.#options.handle(isCurrent ? event : this.#types.decode(event, this.#decoding));
      if (handled === undefined) this.#settle(toOrdinal(event.position));
      else void this.#work(handled.then(() => this.#settle(toOrdinal(event.position))));
    } catch (error) {
      this.park(error);
    }
  }

  /** Works off what there is, after `before`. */
  async #work(before?: Promise<void>): Promise<void> {
    this.#working = true;
    try {
      await before;
      while (this.state === "live" || this.state === "catching-up") {
        if (this.state === "live") {
          const event = this.#nextHeld();
          if (event === undefined) break;
          await this.#handle(event);
        } else {
          await this.#readPage();
        }
      }
    } catch (error) {
      this.park(error);
    } finally {
      this.#working = false;
    }
    if (this.state === "live") this.#settle(Math.max(this.#ordinal, this.#tail.ordinal));
  }

  /** Reads one page, or goes live where nothing is left to read: what the tail sees from then on is buffered. */
  async #readPage(): Promise<void> {
    const target = this.#tail.ordinal;
    if (this.#ordinal >= target) {
      // No wait between this check and the change of state: nothing the tail sees can fall between.
      this.state = "live";
      return;
    }
    const page = await this.#store.readAll(this.#ordinal, pageEvents, "forward", this.#filter);
    for (const event of page.events) {
      if (this.state !== "catching-up") return;
      await this.#handle(event);
    }
    // Then nothing up to `target` was left that passes the filter.
    if (page.isEnd) this.#settle(Math.max(this.#ordinal, target));
  }

  async #handle(event: StoredEvent): Promise<void> {
    await this.#options.handle(this.#types.decode(event, this.#decoding));
    this.#settle(toOrdinal(event.position));
  }

  #settle(ordinal: number): void {
    this.#ordinal = Math.max(this.#ordinal, ordinal);
    if (this.#waiters.length === 0) return;
    const ready = this.#waiters.filter((waiter) => waiter.ordinal <= this.#ordinal);
    this.#waiters = this.#waiters.filter((waiter) => waiter.ordinal > this.#ordinal);
    for (const waiter of ready) waiter.resolve();
  }

  park(error: unknown): void {
    // What goes wrong in whoever is on the way out is nobody's alarm.
    if (this.state === "stopped" || this.state === "parked") return;
    this.state = "parked";
    this.#end();
    const { onParked } = this.#options;
    if (onParked !== undefined) notify((at) => onParked(error, at), this.position);
  }

  #end(): void {
    this.#forget();
    this.#dropBuffer();
    for (const waiter of this.#waiters) waiter.resolve();
    this.#waiters = [];
  }
}
