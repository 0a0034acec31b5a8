// Group commit under simulated time, over a store that can be held up and broken: what travels together, what waits, what is
// tried again, and what callers are told.
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError, withContext } from "@viable/kernel";
import { expect, test } from "vitest";
import { createLog } from "./create-log.ts";
import type { GroupCommitLimits } from "./group-commit.ts";
import type { AppendRequest } from "./log.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { Store } from "./store.ts";
import { storeNoSpace, storeRefused, storeUnavailable } from "./store.ts";
import { controlStore } from "./testing/controlled-store.ts";

const unavailable = () => new ViableError(storeUnavailable, "gone", { retryable: true });
const refused = () => new ViableError(storeRefused, "no");

async function setup(limits: Partial<GroupCommitLimits> = {}) {
  const clock = simulateTime();
  const runtime = createRuntime({ clock, random: seededRandom(1) });
  const ctx = rootContext(runtime);
  const store = controlStore(createMemoryStore(), unavailable);
  const log = createLog(store, runtime, { limits });
  await log.start(ctx);
  const append = (stream: string, parts: Partial<AppendRequest> & { expected?: number | "any"; id?: string } = {}) => {
    const { expected = "any", id, ...rest } = parts;
    const event = { type: "t", data: {}, ...(id !== undefined && { id }) };
    return log.append(ctx, { streams: [{ stream, expected, events: [event] }], ...rest });
  };
  const streamsOf = (batch: number) => store.batches[batch]?.map((one) => one.streams[0]?.stream);
  return { clock, ctx, store, log, append, streamsOf };
}

test("appends of one turn travel in one flush, those that come during it in the next", async () => {
  const { clock, store, append, streamsOf } = await setup();
  const release = store.hold();
  const first = [append("a"), append("b"), append("c")];
  await clock.settle();
  const second = [append("d"), append("e")];
  await clock.settle();
  expect(store.batches).toHaveLength(1);
  release();
  await Promise.all([...first, ...second]);
  expect([streamsOf(0), streamsOf(1), store.batches.length]).toEqual([["a", "b", "c"], ["d", "e"], 2]);
});

test("of what may have happened in an earlier try nobody says that it did not, whatever the last one says", async () => {
  const { clock, ctx, log, store, append } = await setup();
  const noSpace = new ViableError("log.no_space", "full");
  store.next("lost-answer", noSpace);
  const doubted = expect(append("a")).rejects.toMatchObject({ code: "log.unavailable", retryable: true });
  await clock.advance(1_000);
  await doubted;
  expect(await log.readStream(ctx, "a")).toHaveLength(1);
  // With no doubt before it the answer stands.
  store.next(noSpace);
  await expect(append("b")).rejects.toMatchObject({ code: "log.no_space" });
});

test("what may have happened in an earlier try is looked for, though nobody else writes, where the last try fails for good", async () => {
  const { clock, ctx, log, store, append } = await setup();
  const seen: string[] = [];
  log.subscribe(ctx, { name: "all", after: "now", handle: ({ stream }) => void seen.push(stream) });
  store.next("lost-answer", new ViableError(storeNoSpace, "full"));
  const doubted = expect(append("a")).rejects.toMatchObject({ code: "log.unavailable" });
  await clock.advance(1_000);
  await doubted;
  expect(seen).toEqual(["a"]);
});

test("what may have happened is looked for, also where its time is up while it waits to be tried alone", async () => {
  const { clock, ctx, log, store, append } = await setup({ maxRetryMs: 3_000 });
  const seen: string[] = [];
  log.subscribe(ctx, { name: "all", after: "now", handle: ({ stream }) => void seen.push(stream) });
  const outcomes = Promise.allSettled([append("a"), append("b")]);
  store.next("lost-answer", refused(), ...Array.from({ length: 100 }, unavailable));
  await clock.until(() => store.batches.length === 1);
  const release = store.hold();
  await clock.advance(1_000);
  const urgent = expect(append("pain", { lane: "urgent" })).rejects.toMatchObject({ code: "log.unavailable" });
  release();
  await clock.advance(2_000);
  for (const outcome of await outcomes)
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "log.unavailable" } });
  await clock.settle();
  expect(seen).toEqual(["a", "b"]);
  await clock.advance(1_000);
  await urgent;
});

test("appends to one stream keep their order, one in each flush, and nobody overtakes them", async () => {
  const { ctx, append, streamsOf, log } = await setup();
  await Promise.all([append("a", { id: "1" }), append("a", { id: "2" }), append("b"), append("a", { id: "3" })]);
  expect([streamsOf(0), streamsOf(1), streamsOf(2)]).toEqual([["a", "b"], ["a"], ["a"]]);
  expect((await log.readStream(ctx, "a")).map((event) => event.id)).toEqual(["1", "2", "3"]);
});

test("an append of two streams waits for both, and those behind it wait for it", async () => {
  const { ctx, log, store, append } = await setup();
  const write = (stream: string, id: string) => ({
    stream,
    expected: "any" as const,
    events: [{ type: "t", data: {}, id }],
  });
  // `b` is free when the first flush is made up, but for the append of both, which must not be overtaken by the last.
  await Promise.all([
    append("a", { id: "first" }),
    log.append(ctx, { streams: [write("a", "both-a"), write("b", "both-b")] }),
    append("b", { id: "last" }),
    append("c", { id: "other" }),
  ]);
  const idsOf = (batch: number) => store.batches[batch]?.map((one) => one.streams[0]?.events[0]?.id);
  expect([idsOf(0), idsOf(1), idsOf(2)]).toEqual([["first", "other"], ["both-a"], ["last"]]);
  expect((await log.readStream(ctx, "b")).map((event) => event.id)).toEqual(["both-b", "last"]);
});

test("a record and a stream of the same name are not the same", async () => {
  const { ctx, log, store, append } = await setup();
  await Promise.all([append("a"), log.append(ctx, { records: [{ key: "a", value: 1, expected: 0 }] })]);
  expect(store.batches).toHaveLength(1);
});

test("an urgent append goes with the next flush, before what waits", async () => {
  const { clock, store, append, streamsOf } = await setup({ maxBatch: 2 });
  const release = store.hold();
  const appends = ["a", "b", "c", "d", "e"].map((name) => append(name));
  await clock.settle();
  appends.push(append("pain", { lane: "urgent" }));
  release();
  await Promise.all(appends);
  expect([streamsOf(0), streamsOf(1), streamsOf(2)]).toEqual([
    ["a", "b"],
    ["pain", "c"],
    ["d", "e"],
  ]);
});

test("a flush holds no more than its bounds, but always at least one append", async () => {
  const { ctx, log, store } = await setup({ maxBatchChars: 1_000 });
  const append = (stream: string, chars: number) =>
    log.append(ctx, { streams: [{ stream, expected: 0, events: [{ type: "t", data: { x: "x".repeat(chars) } }] }] });
  await Promise.all([append("a", 600), append("b", 600), append("c", 5_000), append("d", 300), append("e", 300)]);
  expect(store.batches.map((batch) => batch.length)).toEqual([1, 1, 1, 2]);
});

test("W10: a full queue is an answer; urgent appends have twice the room; it empties and takes again", async () => {
  const { clock, store, append, log } = await setup({ maxWaiting: 2 });
  const release = store.hold();
  const first = append("0");
  await clock.settle();
  const waiting = [append("1"), append("2")];
  expect(await append("3")).toMatchObject({ ok: false, reason: "overloaded", waiting: 2 });
  const urgent = [append("4", { lane: "urgent" }), append("5", { lane: "urgent" })];
  expect(await append("6", { lane: "urgent" })).toMatchObject({ reason: "overloaded" });
  expect(log.stats().waitingAppends).toBe(4);
  release();
  for (const outcome of await Promise.all([first, ...waiting, ...urgent])) expect(outcome.ok).toBe(true);
  expect(await append("7")).toMatchObject({ ok: true });
});

test("W10: few large appends fill the queue as many small ones do", async () => {
  const { clock, ctx, store, log } = await setup({ maxWaitingChars: 1_000 });
  const release = store.hold();
  const append = (stream: string) =>
    log.append(ctx, { streams: [{ stream, expected: 0, events: [{ type: "t", data: { x: "x".repeat(600) } }] }] });
  const first = append("a");
  await clock.settle();
  const second = append("b");
  expect(await append("c")).toMatchObject({ reason: "overloaded" });
  release();
  await Promise.all([first, second]);
  expect(await append("c")).toMatchObject({ ok: true });
});

test("while the database is away the same flush is tried again, and an answer that was lost is recognised", async () => {
  const { clock, ctx, store, append, log } = await setup();
  store.next(unavailable(), "lost-answer", unavailable());
  const appended = append("a", { expected: 0 });
  await clock.until(() => store.batches.length === 4);
  expect(await appended).toMatchObject({ ok: true, repeated: true, versions: [1] });
  expect(new Set(store.batches.map((batch) => batch[0]?.streams[0]?.events[0]?.id)).size).toBe(1);
  expect(await log.readStream(ctx, "a")).toHaveLength(1);
});

test("an append of records alone whose answer was lost is no conflict with itself", async () => {
  const { clock, ctx, store, log } = await setup();
  store.next("lost-answer", unavailable());
  const taken = log.append(ctx, { records: [{ key: "lease", value: 1, expected: 0 }] });
  await clock.until(() => store.batches.length === 3);
  expect(await taken).toMatchObject({ ok: true, repeated: true, recordVersions: [1] });
});

test("an append of records alone that was given an id can be sent again by its caller", async () => {
  const { ctx, store, log } = await setup({ maxRetryMs: 0 });
  const request: AppendRequest = { id: "mint-1", records: [{ key: "token", value: 1, expected: 0 }] };
  store.next("lost-answer");
  await expect(log.append(ctx, request)).rejects.toMatchObject({ code: "log.unavailable" });
  expect(await log.append(ctx, request)).toMatchObject({ ok: true, repeated: true, recordVersions: [1] });
  expect(await log.append(ctx, { ...request, id: "mint-2" })).toMatchObject({ ok: false, reason: "record_conflict" });
});

test("W10: the retries end after their time, and callers learn that it may or may not have happened", async () => {
  const { clock, store, append } = await setup({ maxRetryMs: 3_000 });
  store.next(...Array.from({ length: 100 }, unavailable));
  const startedMs = clock.monotonicMs();
  const outcomes = Promise.allSettled([append("a"), append("b")]);
  await clock.advance(3_000);
  for (const outcome of await outcomes) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "log.unavailable", retryable: true } });
  }
  expect(clock.monotonicMs() - startedMs).toBeLessThanOrEqual(3_000);
  expect(store.batches.length).toBeGreaterThan(3);
});

test("W10: each caller hears in its own time, however many wait before it, and whoever still has time is tried again", async () => {
  const clock = simulateTime();
  const runtime = createRuntime({ clock, random: seededRandom(1) });
  const ctx = rootContext(runtime);
  // Each try takes a second to fail, as where nobody answers on the network.
  let isAway = true;
  let tries = 0;
  const memory = createMemoryStore();
  const store: Store = {
    ...memory,
    async commit(batch, now) {
      tries += 1;
      if (!isAway) return memory.commit(batch, now);
      await new Promise<void>((resolve) => void clock.setTimer(resolve, 1_000));
      throw unavailable();
    },
  };
  const log = createLog(store, runtime, { limits: { maxRetryMs: 3_000, maxBatch: 2 } });
  await log.start(ctx);
  const heardAfterMs: number[] = [];
  const append = async (stream: string) => {
    const offeredMs = clock.monotonicMs();
    await log
      .append(ctx, { streams: [{ stream, expected: 0, events: [{ type: "t", data: {} }] }] })
      .catch((error) => expect(error).toMatchObject({ code: "log.unavailable", retryable: true }));
    heardAfterMs.push(clock.monotonicMs() - offeredMs);
  };
  const first = Array.from({ length: 20 }, (_, nr) => append(`first-${nr}`));
  await clock.advance(2_500);
  const second = Array.from({ length: 20 }, (_, nr) => append(`second-${nr}`));
  await clock.until(() => heardAfterMs.length === 20);
  await Promise.all(first);
  isAway = false;
  await clock.until(() => heardAfterMs.length === 40);
  await Promise.all(second);
  for (const ms of heardAfterMs) expect(ms).toBeLessThanOrEqual(3_000 + 1_000);
  expect((await log.readAll(ctx)).map((event) => event.stream)).toEqual(second.map((_, nr) => `second-${nr}`));
  expect(tries).toBeLessThan(20);
});

interface Writers {
  readonly writers: number;
  readonly appendsEach: number;
  /** What a writer does with an answer, before it appends again. */
  readonly workMs: number;
  readonly commitMs: (appends: number) => number;
}

/**
 * Writers that append, work on the answer and append again, all on one thread, over a database that takes so long for a flush whatever the
 * thread does meanwhile. Answers the sizes of flushes, and how many answers were worked on during one.
 */
async function runWriters({ writers, appendsEach, workMs, commitMs }: Writers) {
  const time = simulateTime();
  let busyUntilMs = 0;
  const monotonicMs = () => Math.max(busyUntilMs, time.monotonicMs());
  const pass = (ms: number) =>
    new Promise<void>((resolve) => void time.setTimer(resolve, monotonicMs() + ms - time.monotonicMs()));
  let isCommitting = false;
  let overlapped = 0;
  const sizes: number[] = [];
  const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const memory = createMemoryStore();
  const store: Store = {
    ...memory,
    async commit(batch, now) {
      expect(isCommitting).toBe(false);
      isCommitting = true;
      sizes.push(batch.length);
      const passed = pass(commitMs(batch.length));
      const result = await memory.commit(batch, now);
      await passed;
      isCommitting = false;
      return result;
    },
  };
  const runtime = createRuntime({ clock: { ...time, monotonicMs, nextTurn }, random: seededRandom(1) });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  let done = 0;
  const write = async (stream: string) => {
    for (let version = 0; version < appendsEach; version++) {
      const write = { stream, expected: version, events: [{ type: "t", data: {} }] };
      expect(await log.append(ctx, { streams: [write] })).toMatchObject({ ok: true, versions: [version + 1] });
      if (isCommitting) overlapped += 1;
      busyUntilMs = monotonicMs() + workMs;
    }
    done += 1;
  };
  const written = Promise.all(Array.from({ length: writers }, (_, nr) => write(`s${nr}`)));
  await time.until(() => done === writers);
  await written;
  return { sizes, overlapped, tookMs: monotonicMs() };
}

const eight = { writers: 8, appendsEach: 40, workMs: 1 };

test("W9: where answers take the thread as long as the disk takes, one half is written while the other is answered, one flush at a time", async () => {
  const { sizes, overlapped, tookMs } = await runWriters({ ...eight, commitMs: (appends) => 1 + appends });
  // Together each round would take 8 ms and 9 ms; in halves it takes 5 ms twice.
  expect(sizes.slice(5, 60)).toEqual(Array(55).fill(4));
  expect(overlapped).toBeGreaterThan(250);
  expect(tookMs).toBeLessThan(40 * 12);
});

test("on a slow disk everybody travels together", async () => {
  const { sizes, overlapped } = await runWriters({ ...eight, commitMs: (appends) => 50 + appends });
  expect(sizes).toEqual(Array(40).fill(8));
  expect(overlapped).toBe(0);
});

test("whoever listens has heard of an append before its caller is told", async () => {
  const { log, append } = await setup();
  const order: string[] = [];
  log.onStream("a", () => order.push("heard of a"));
  const told = append("a").then(() => order.push("told of a"));
  await Promise.all([told, append("b").then(() => order.push("told of b"))]);
  expect(order).toEqual(["heard of a", "told of a", "told of b"]);
});

test("a database that leaves an append without an outcome is a defect that callers are told of, and no end of all appends", async () => {
  const memory = createMemoryStore();
  let isShort = true;
  const store: Store = {
    ...memory,
    async commit(...args) {
      const result = await memory.commit(...args);
      return isShort ? { ...result, outcomes: result.outcomes.slice(1) } : result;
    },
  };
  const runtime = createRuntime({ clock: simulateTime(), random: seededRandom(1) });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  const append = (stream: string) =>
    log.append(ctx, { streams: [{ stream, expected: 0, events: [{ type: "t", data: {} }] }] });
  for (const outcome of await Promise.allSettled([append("a"), append("b")]))
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "invariant.broken" } });
  isShort = false;
  expect(await append("c")).toMatchObject({ ok: true });
});

test("an append that the database refuses does not take its neighbours down", async () => {
  const { store, append } = await setup();
  store.next(refused(), "ok", refused(), "ok");
  const outcomes = await Promise.allSettled([append("a"), append("b"), append("c")]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(outcomes[1]).toMatchObject({ reason: { code: storeRefused } });
});

test("an urgent append goes before what is tried alone, but not before an earlier one to its stream", async () => {
  const { clock, ctx, log, store, append, streamsOf } = await setup();
  store.next(refused());
  const appends = [append("a"), append("b", { id: "first" }), append("c"), append("d")];
  const release = store.hold();
  await clock.settle();
  appends.push(append("e"), append("b", { lane: "urgent", id: "second" }), append("pain", { lane: "urgent" }));
  release();
  for (const outcome of await Promise.all(appends)) expect(outcome).toMatchObject({ ok: true });
  const order = store.batches.map((_, batch) => streamsOf(batch)?.join());
  expect(order).toEqual(["a,b,c,d", "pain", "a", "b", "b", "c", "d", "e"]);
  expect((await log.readStream(ctx, "b")).map(({ id }) => id)).toEqual(["first", "second"]);
});

/** Urgent appends to some streams, each again as soon as it was answered: from the first flush on they are of every one. */
const keepUrgent = (
  append: (stream: string, parts: Partial<AppendRequest>) => Promise<unknown>,
  ...streams: string[]
) =>
  Promise.all(
    streams.map(async (stream) => {
      for (let times = 0; times < 20; times++) await append(stream, { lane: "urgent" });
    }),
  );

test.each<[string, Partial<GroupCommitLimits>, string[], string[], string[]]>([
  ["they fill each flush", { maxBatch: 2 }, ["u", "v"], ["a", "b", "c"], ["u,v", "a,b", "u,v", "c,u"]],
  ["they have more text than a flush", { maxBatchChars: 2 }, ["u", "v"], ["a", "b"], ["u", "a", "v", "b"]],
  ["they are to the same stream", {}, ["u"], ["u", "a", "a", "a"], ["u,a", "u,a", "u,a"]],
])("W10: urgent appends that keep coming leave the others every second flush: %s", async (...all) => {
  const [, limits, urgent, normal, order] = all;
  const { append, store, streamsOf } = await setup(limits);
  const urgents = keepUrgent(append, ...urgent);
  for (const outcome of await Promise.all(normal.map((stream) => append(stream)))) expect(outcome.ok).toBe(true);
  expect(store.batches.length).toBeLessThanOrEqual(order.length + 1);
  await urgents;
  expect(order.map((_, batch) => streamsOf(batch)?.join())).toEqual(order);
  expect(store.batches.length).toBeGreaterThan(20);
});

test("W10: of what is tried alone one goes after every urgent flush, and then the normal lane", async () => {
  const { clock, store, append, streamsOf } = await setup();
  store.next(refused());
  const appends = [append("a"), append("b"), append("c")];
  const release = store.hold();
  await clock.settle();
  const urgents = keepUrgent(append, "u", "v");
  appends.push(append("d"));
  release();
  for (const outcome of await Promise.all(appends)) expect(outcome).toMatchObject({ ok: true });
  await urgents;
  const order = Array.from({ length: 8 }, (_, batch) => streamsOf(batch)?.join());
  expect(order).toEqual(["a,b,c", "u,v", "a", "u,v", "b", "u,v", "c", "u,v,d"]);
});

test("W10: urgent appends that the database refuses, too, are tried alone among the urgent ones", async () => {
  const { clock, log, store, append, streamsOf } = await setup({ maxWaitingChars: 10 });
  store.next(refused(), refused());
  const appends = [append("a"), append("b")];
  const release = store.hold();
  await clock.settle();
  appends.push(append("u", { lane: "urgent" }), append("v", { lane: "urgent" }));
  release();
  for (const outcome of await Promise.all(appends)) expect(outcome).toMatchObject({ ok: true });
  expect(store.batches.map((_, batch) => streamsOf(batch)?.join())).toEqual(["a,b", "u,v", "a", "u", "b", "v"]);
  // What waits no more takes no room.
  expect(log.stats().waitingAppends).toBe(0);
  const held = store.hold();
  const filling = Array.from({ length: 6 }, (_, nr) => append(`s${nr}`));
  expect(await append("s6")).toMatchObject({ reason: "overloaded" });
  held();
  await Promise.all(filling);
});

test("what is tried alone is overtaken on its streams by nothing of the other lane", async () => {
  const { clock, ctx, log, store, append, streamsOf } = await setup();
  store.next(refused());
  const appends = [append("a", { lane: "urgent" }), append("b", { lane: "urgent", id: "first" })];
  const release = store.hold();
  await clock.settle();
  appends.push(append("b", { id: "second" }), append("c"));
  release();
  for (const outcome of await Promise.all(appends)) expect(outcome).toMatchObject({ ok: true });
  expect(store.batches.map((_, batch) => streamsOf(batch)?.join())).toEqual(["a,b", "a", "c", "b", "b"]);
  expect((await log.readStream(ctx, "b")).map(({ id }) => id)).toEqual(["first", "second"]);
});

test("a full disk is told to all of a flush at once: one by one they would meet it again", async () => {
  const { store, append } = await setup();
  store.next(new ViableError(storeNoSpace, "full"));
  const outcomes = await Promise.allSettled([append("a"), append("b"), append("c")]);
  for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: storeNoSpace } });
  expect(store.batches).toHaveLength(1);
  expect(await append("a")).toMatchObject({ ok: true });
});

test("stopping lets go through what waits, refuses what comes, and does not wait for a database that is away", async () => {
  const { clock, ctx, store, append, log } = await setup();
  const release = store.hold();
  const waiting = [append("a"), append("b")];
  const stopped = log.stop(ctx);
  await expect(append("c")).rejects.toMatchObject({ code: "log.closed", retryable: true });
  release();
  for (const outcome of await Promise.all(waiting)) expect(outcome.ok).toBe(true);
  await stopped;

  const other = await setup();
  other.store.next(...Array.from({ length: 100 }, unavailable));
  const lost = expect(other.append("a")).rejects.toMatchObject({ code: "log.unavailable" });
  await other.clock.settle();
  const stopping = other.log.stop(other.ctx);
  await other.clock.advance(1_000);
  await Promise.all([lost, stopping]);
  expect(clock.pending).toBe(0);
});

test("who is of the second half of a flush that is in the log is told so, also where stopping waits no longer", async () => {
  let nowMs = 0;
  const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const runtime = createRuntime({
    clock: { ...simulateTime(), monotonicMs: () => nowMs, nextTurn },
    random: seededRandom(1),
  });
  const memory = createMemoryStore();
  const store: Store = {
    ...memory,
    async commit(batch, now) {
      const result = await memory.commit(batch, now);
      await nextTurn();
      nowMs += 1 + batch.length;
      return result;
    },
  };
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  const told: string[] = [];
  let stopped: Promise<void> | undefined;
  const write = async (stream: string) => {
    for (let version = 0; version < 2; version++) {
      const write = { stream, expected: version, events: [{ type: "t", data: {} }] };
      expect(await log.append(ctx, { streams: [write] })).toMatchObject({ ok: true });
      nowMs += 1;
    }
    told.push(stream);
    // The first of all: its half has been answered, the other has not.
    stopped ??= log.stop(withContext(ctx, { signal: AbortSignal.abort() })).then(() => void told.push("stopped"));
  };
  const streams = Array.from({ length: 8 }, (_, nr) => `s${nr}`);
  await Promise.all(streams.map(write));
  await stopped;
  const first = streams.slice(0, 4);
  expect(told.slice(0, 4)).toEqual(first);
  expect(told.filter((one) => one !== "stopped")).toEqual(streams);
});

test("outcomes find their way back: conflict, record conflict, versions, positions", async () => {
  const { ctx, log, append } = await setup();
  await append("a", { expected: 0 });
  expect(await append("a", { expected: 0 })).toEqual({
    ok: false,
    reason: "conflict",
    stream: "a",
    expected: 0,
    actual: 1,
  });
  await log.append(ctx, { records: [{ key: "k", value: 1, expected: "any" }] });
  expect(await log.append(ctx, { records: [{ key: "k", value: 2, expected: 0 }] })).toEqual({
    ok: false,
    reason: "record_conflict",
    key: "k",
    expected: 0,
    actual: 1,
  });
  const event = { type: "t", data: {} };
  expect(
    await log.append(ctx, {
      streams: [
        { stream: "a", expected: 1, events: [event, event] },
        { stream: "b", expected: 0, events: [event] },
      ],
      records: [{ key: "k", value: null, expected: 1 }],
    }),
  ).toEqual({
    ok: true,
    position: "4",
    versions: [3, 1],
    recordVersions: [2],
    time: expect.any(Number),
    repeated: false,
  });
  const [stored] = await log.readStream(ctx, "b");
  const again = { streams: [{ stream: "c", expected: 0, events: [{ ...event, id: "known" }] }] };
  const first = await log.append(ctx, again);
  expect(first).toMatchObject({ ok: true, time: (await log.readStream(ctx, "c"))[0]?.time, repeated: false });
  expect(stored?.time).toBeTypeOf("number");
  expect(await log.append(ctx, again)).toMatchObject({ ok: true, time: undefined, repeated: true });
  expect(await log.append(ctx, { records: [] })).toMatchObject({ ok: true, position: undefined, versions: [] });
});

test("a listener that throws harms neither the appender nor the next listener", async () => {
  const { ctx, log, append } = await setup();
  const heard: string[] = [];
  // What a listener throws surfaces as an uncaught error; here it is taken before the test runner sees it.
  const uncaught: unknown[] = [];
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => uncaught.push(error));
  try {
    log.onStream("a", () => {
      throw new Error("stream listener");
    });
    log.onStream("a", (event) => heard.push(event.stream));
    const refuse = () => {
      throw new Error("cannot");
    };
    const complain = () => {
      throw new Error("onParked");
    };
    log.subscribe(ctx, { name: "parked", after: "now", handle: refuse, onParked: complain });
    log.subscribe(ctx, { name: "next", after: "now", handle: (event) => void heard.push(`next ${event.stream}`) });
    await log.watchRecords(ctx, "k", () => {
      throw new Error("record listener");
    });
    expect(await append("a", { records: [{ key: "k", value: 1, expected: 0 }] })).toMatchObject({ ok: true });
    expect(await append("a")).toMatchObject({ ok: true });
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const other of others) process.on("uncaughtException", other);
  }
  expect(heard).toEqual(["a", "next a", "a", "next a"]);
  expect(uncaught.map(String).sort()).toEqual([
    "Error: onParked",
    "Error: record listener",
    "Error: stream listener",
    "Error: stream listener",
  ]);
});
