import type { Context, Runtime } from "@viable/kernel";
import { invariant, rootContext, throwIfDone, waitFor, withContext } from "@viable/kernel";
import { Announcer, maxCarriedChars } from "./announcer.ts";
import { decodeEvent, encodeAppend } from "./encode.ts";
import { logNotClosed } from "./errors.ts";
import type { EventType } from "./event-type.ts";
import type { Decoding } from "./event-types.ts";
import { anyType, createEventTypes } from "./event-types.ts";
import type { StoredEvent } from "./events.ts";
import { toOrdinal, toPosition } from "./events.ts";
import type { ReadFailure } from "./follower.ts";
import type { Flush, GroupCommitLimits } from "./group-commit.ts";
import { defaultGroupCommitLimits, GroupCommit } from "./group-commit.ts";
import type { AppendOutcome, AppendRequest, Follower, Log } from "./log.ts";
import type { LogPage } from "./log-page.ts";
import { maxPageBytes } from "./log-page.ts";
import type { News, Word, WrittenEvent } from "./news.ts";
import { RecordWatch } from "./record-watch.ts";
import type { CommitOutcome, CommitReader, EncodedAppend, Follow, Store } from "./store.ts";
import { Tail } from "./tail.ts";

/** What a page holds unless told: enough for any one execution, little enough for memory. */
const defaultLimit = 1_000;
/** No read answers more than this at once; whoever wants more goes on from the last. */
const maxLimit = 10_000;
/** How many streams are read in one question. */
const maxStreams = 1_000;
/** How long `stop` waits for what is under way: longer than any statement may take, so that only what hangs is left behind. */
const drainMs = 20_000;
/** How long it waits for the store to close: connections end with their statements, and PGlite's thread writes what it holds. */
const closeMs = 30_000;

export interface LogOptions {
  /**
   * Every type of event that may be in this log: others are refused when written, and what is read is brought to the shape of today.
   * Without it, any type and any shape may be.
   */
  readonly types?: readonly EventType[];
  /** How processes on one database tell each other of what they wrote. Default: what the store has for it. */
  readonly news?: News;
  readonly limits?: Partial<GroupCommitLimits>;
}

/** The log over a store: encoding, group commit, the tail, subscriptions and watches. The store decides and keeps. */
export function createLog(store: Store, runtime: Runtime, options: LogOptions = {}): Log {
  const types = options.types === undefined ? anyType : createEventTypes(options.types);
  const recordWatch = new RecordWatch(store, runtime.clock);
  const tail = new Tail(store, runtime.clock, types, () => recordWatch.showAgain());
  // A store has its own once it is open.
  const news = () => options.news ?? store.news;
  const announcer = new Announcer(runtime.clock, news);
  const followers = new Set<Follower>();
  let appendedEvents = 0;

  const decodePage = ({ events, isEnd }: LogPage, decoding: Decoding): LogPage => ({
    events: events.map((event) => types.decode(event, decoding)),
    isEnd,
  });
  const follow: Follow = async (reader) => {
    const appends: EncodedAppend[] = [];
    const decoding: CommitReader = {
      ...reader,
      async readAll(...query) {
        return decodePage(await reader.readAll(...query), "lenient");
      },
    };
    for (const follower of followers) {
      const wanted = await follower(decoding);
      if (wanted === undefined) continue;
      try {
        appends.push(encodeAppend(wanted.ctx, wanted.request, types).append);
      } catch {
        // What cannot be kept must not keep others' appends from happening; whoever wanted it meets it again outside of the flush.
      }
    }
    return appends;
  };

  const wake = () => {
    tail.wake();
    recordWatch.wake();
  };
  const hear = (word?: Word) => {
    if (word === undefined) return wake();
    if (word.events === "many") tail.wake();
    else if (word.events !== "none") tail.hear(word.events);
    if (word.records) recordWatch.wake();
  };
  const commit = new GroupCommit(
    store,
    runtime,
    { ...defaultGroupCommitLimits, ...options.limits },
    {
      flushed(flush) {
        const isTold = news() !== undefined && flush.chars <= maxCarriedChars;
        const written = takeEvents(flush, tail, isTold);
        appendedEvents += written.count;
        recordWatch.take(flush);
        const records = flush.batch.some(
          ({ records }, index) => records.length > 0 && isWritten(flush.outcomes[index]),
        );
        if (flush.outcomes.some(isWritten)) announcer.written({ events: written.told, records }, written.count);
        // What an earlier try of this flush has written, without our hearing of it, is there to be read.
        if (flush.outcomes.some((outcome) => outcome.kind === "appended" && outcome.repeated)) wake();
      },
      lost: wake,
    },
    () => (followers.size === 0 ? undefined : follow),
  );

  const self: Log = {
    get durability() {
      return store.durability;
    },
    async start(ctx) {
      throwIfDone(ctx);
      const opening = store.open();
      try {
        await waitFor(ctx, opening);
        await tail.start(ctx);
        await recordWatch.start(ctx);
        news()?.listen(hear);
      } catch (error) {
        await tail.stop();
        // A store that is still opening when the context ends is closed as soon as it is open; nobody waits for that.
        const closing = opening.then(
          () => store.close(),
          () => undefined,
        );
        await waitFor(within(ctx, closeMs), closing).catch(() => undefined);
        throw error;
      }
    },
    async stop(ctx) {
      const draining = within(ctx, drainMs);
      await commit.close(draining);
      announcer.stop();
      await waitFor(draining, news()?.stop() ?? Promise.resolve()).catch(() => undefined);
      // A reading that does not end is left behind.
      await waitFor(draining, Promise.all([tail.stop(), recordWatch.stop()])).catch(() => undefined);
      try {
        await waitFor(within(rootContext(runtime), closeMs), store.close());
      } catch (error) {
        throw logNotClosed(error);
      }
    },
    async append(ctx, request) {
      throwIfDone(ctx);
      const { append, chars } = encodeAppend(ctx, request, types);
      const outcome = commit.offer(append, chars, request.lane ?? "normal");
      if (outcome === undefined) {
        return {
          ok: false,
          reason: "overloaded",
          waiting: commit.waiting,
          retryAfterMs: Math.ceil(commit.flushMs * 20) + 50,
        };
      }
      return toAppendOutcome(await waitFor(ctx, outcome), request, append);
    },
    async readStream(ctx, stream, options = {}) {
      return await readWhole(options.limit, (limit, last) => {
        const step = options.direction === "backward" ? -1 : 1;
        const from = last === undefined ? options : { ...options, fromVersion: last.version + step };
        return self.readStreamPage(ctx, stream, { ...from, limit });
      });
    },
    async readStreamPage(ctx, stream, options = {}) {
      const { direction = "forward", decoding = "strict" } = options;
      const from = options.fromVersion ?? (direction === "forward" ? 1 : Number.MAX_SAFE_INTEGER);
      const limit = boundLimit(options.limit);
      return decodePage(await ask(ctx, () => store.readStream(stream, from, limit, direction)), decoding);
    },
    async readStreams(ctx, from, options = {}) {
      invariant(from.length <= maxStreams, "W10", `${from.length} streams are asked for at once, of ${maxStreams}`);
      const { limit = maxLimit, decoding = "strict" } = options;
      const events = Math.min(boundLimit(limit), Math.floor(maxLimit / Math.max(1, from.length)));
      const pages = await ask(ctx, () => store.readStreams(from, { events, bytes: maxPageBytes }));
      return pages.map((page) => decodePage(page, decoding));
    },
    async readAll(ctx, options = {}) {
      return await readWhole(options.limit, (limit, last) => {
        const from = last === undefined ? options : { ...options, from: last.position };
        return self.readAllPage(ctx, { ...from, limit });
      });
    },
    async readAllPage(ctx, options = {}) {
      const { direction = "forward", decoding = "strict", filter = {} } = options;
      const from =
        options.from === undefined ? (direction === "forward" ? 0 : Number.MAX_SAFE_INTEGER) : toOrdinal(options.from);
      const limit = boundLimit(options.limit);
      return decodePage(await ask(ctx, () => store.readAll(from, limit, direction, filter)), decoding);
    },
    async head(ctx) {
      const { ordinal } = await ask(ctx, () => store.head());
      tail.noteHead(ordinal);
      return toPosition(ordinal);
    },
    subscribe(ctx, options) {
      const stop = () => subscription.stop();
      const subscription = tail.subscribe(options, () => ctx.signal.removeEventListener("abort", stop));
      if (ctx.signal.aborted) stop();
      else ctx.signal.addEventListener("abort", stop, { once: true });
      return subscription;
    },
    onStream: (stream, callback) => tail.onStream(stream, callback),
    wake,
    async getRecord(ctx, key) {
      return (await ask(ctx, () => store.getRecords([key], ctx.runtime.clock.now())))[0];
    },
    listRecords(ctx, prefix, options = {}) {
      const { after = "", limit } = options;
      return ask(ctx, () => store.listRecords(prefix, after, boundLimit(limit), ctx.runtime.clock.now()));
    },
    watchRecords: (ctx, prefix, callback) => recordWatch.watch(ctx, prefix, callback),
    stats() {
      let slowest: { name: string; lagEvents: number } | undefined;
      for (const { name, lagEvents } of tail.subscriptions) {
        if (slowest === undefined || lagEvents > slowest.lagEvents) slowest = { name, lagEvents };
      }
      return {
        waitingAppends: commit.waiting,
        flushes: commit.flushes,
        appendedEvents,
        flushMs: commit.flushMs,
        slowestSubscription: slowest,
        unreadEvents: tail.unreadEvents,
        readFailure: earlier(tail.failure, recordWatch.failure),
      };
    },
    follow(follower) {
      followers.add(follower);
      return () => followers.delete(follower);
    },
    query: (ctx, query) => ask(ctx, () => store.query(query)),
    sizeBytes: () => store.sizeBytes(),
    purgeRecords(ctx, olderThanMs, limit) {
      return ask(ctx, () => store.purgeRecords(ctx.runtime.clock.now() - olderThanMs, boundLimit(limit)));
    },
  };
  return self;
}

const isWritten = (
  outcome: CommitOutcome | undefined,
): outcome is Extract<CommitOutcome, { readonly kind: "appended" }> =>
  outcome?.kind === "appended" && !outcome.repeated;

/** Asks the store, and waits for its answer no longer than the context lasts. */
async function ask<T>(ctx: Context, question: () => Promise<T>): Promise<T> {
  throwIfDone(ctx);
  return await waitFor(ctx, question());
}

/** Reads page after page until there are as many events as are wanted, or no more. */
async function readWhole(
  wanted: number | undefined,
  readPage: (limit: number, last: StoredEvent | undefined) => Promise<LogPage>,
): Promise<StoredEvent[]> {
  const limit = boundLimit(wanted);
  const events: StoredEvent[] = [];
  for (let isEnd = false; !isEnd && events.length < limit; ) {
    const page = await readPage(limit - events.length, events.at(-1));
    events.push(...page.events);
    isEnd = page.isEnd;
  }
  return events;
}

/** A context that ends `ms` from now at the latest. */
const within = (ctx: Context, ms: number): Context => withContext(ctx, { deadline: ctx.runtime.clock.now() + ms });

function earlier(one: ReadFailure | undefined, other: ReadFailure | undefined): ReadFailure | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.since <= other.since ? one : other;
}

const boundLimit = (limit: number | undefined): number => Math.max(0, Math.min(limit ?? defaultLimit, maxLimit));

/** Hands the tail what this process has just written. Answers how many events that is, and what others may be told of them, if they are. */
function takeEvents(
  flush: Flush,
  tail: Tail,
  isTold: boolean,
): { readonly count: number; readonly told: Word["events"] } {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  let lastId = "";
  let written = 0;
  flush.batch.forEach(({ streams }, index) => {
    const outcome = flush.outcomes[index];
    if (!isWritten(outcome)) return;
    let ordinal = outcome.firstOrdinal - 1;
    for (const { events } of streams) {
      ordinal += events.length;
      lastId = events.at(-1)?.id ?? lastId;
    }
    if (ordinal < outcome.firstOrdinal) return;
    first = Math.min(first, outcome.firstOrdinal);
    last = ordinal;
    written += ordinal - outcome.firstOrdinal + 1;
  });
  if (written === 0) return { count: 0, told: "none" };
  const afterId = tail.ordinal + 1 === first ? tail.lastId : undefined;
  tail.take({ from: first, to: last, lastId, events: heardOf(flush, tail), chars: flush.chars });
  if (!isTold || afterId === undefined) return { count: written, told: "many" };
  return { count: written, told: { from: first, afterId, events: [...writtenOf(flush)] } };
}

/** The events of a flush as they stand in the log. */
function* writtenOf({ batch, outcomes }: Flush): Iterable<WrittenEvent> {
  for (const [index, { streams }] of batch.entries()) {
    const outcome = outcomes[index];
    if (!isWritten(outcome)) continue;
    for (const [at, { stream, events }] of streams.entries()) {
      const first = outcome.firstVersions[at] as number;
      for (const [nth, event] of events.entries()) yield { stream, version: first + nth, event };
    }
  }
}

/** The events of a flush, each of which is decoded when it is its turn, if somebody listens to it then. */
function* heardOf({ batch, outcomes }: Flush, tail: Tail): Iterable<StoredEvent> {
  for (const [index, { streams }] of batch.entries()) {
    const outcome = outcomes[index];
    if (!isWritten(outcome)) continue;
    let ordinal = outcome.firstOrdinal;
    for (const [at, { stream, events }] of streams.entries()) {
      let version = outcome.firstVersions[at] as number;
      for (const event of events) {
        if (tail.isHeard(stream, event)) yield decodeEvent(event, stream, version, ordinal);
        version += 1;
        ordinal += 1;
      }
    }
  }
}

/** Of one append all events have one. */
const timeOf = ({ streams }: EncodedAppend): number | undefined =>
  streams.find(({ events }) => events.length > 0)?.events[0]?.time;

function toAppendOutcome(outcome: CommitOutcome, request: AppendRequest, encoded: EncodedAppend): AppendOutcome {
  const streams = request.streams ?? [];
  switch (outcome.kind) {
    case "appended": {
      const events = streams.reduce((sum, write) => sum + write.events.length, 0);
      return {
        ok: true,
        position: events === 0 ? undefined : toPosition(outcome.firstOrdinal + events - 1),
        versions: streams.map((write, index) => (outcome.firstVersions[index] as number) + write.events.length - 1),
        recordVersions: outcome.recordVersions,
        time: outcome.repeated ? undefined : timeOf(encoded),
        repeated: outcome.repeated,
      };
    }
    case "stream_conflict": {
      const expected = streams.find((write) => write.stream === outcome.stream)?.expected ?? "any";
      return { ok: false, reason: "conflict", stream: outcome.stream, expected, actual: outcome.actual };
    }
    case "record_conflict": {
      const expected = request.records?.find((write) => write.key === outcome.key)?.expected ?? "any";
      return { ok: false, reason: "record_conflict", key: outcome.key, expected, actual: outcome.actual };
    }
    case "row_refused":
      return { ok: false, reason: "row_refused", ...outcome.refusal };
  }
}
