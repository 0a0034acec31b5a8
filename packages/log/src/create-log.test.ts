// No call of a log outlasts its context, and no stop its bound, over a store that may stop answering at any moment.
import type { Context } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, withContext } from "@viable/kernel";
import { expect, test } from "vitest";
import { createLog } from "./create-log.ts";
import type { StoredEvent } from "./events.ts";
import { toPosition } from "./events.ts";
import type { Log } from "./log.ts";
import { maxPageBytes } from "./log-page.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { Store } from "./store.ts";

/** A log over a store of which any method can be made to hang. */
function setup() {
  const clock = simulateTime();
  const runtime = createRuntime({ clock, random: seededRandom(1) });
  const ctx = rootContext(runtime);
  const memory = createMemoryStore();
  const held = new Map<keyof Store, Promise<void>>();
  const calls: string[] = [];
  const holdable = <A extends unknown[], R>(name: keyof Store, method: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      calls.push(name);
      await held.get(name);
      return await method(...args);
    };
  };
  const store: Store = {
    ...memory,
    open: holdable("open", memory.open),
    close: holdable("close", memory.close),
    commit: holdable("commit", memory.commit),
    readStream: holdable("readStream", memory.readStream),
    readStreams: holdable("readStreams", memory.readStreams),
    readAll: holdable("readAll", memory.readAll),
    head: holdable("head", memory.head),
    getRecords: holdable("getRecords", memory.getRecords),
    listRecords: holdable("listRecords", memory.listRecords),
    purgeRecords: holdable("purgeRecords", memory.purgeRecords),
  };
  const log = createLog(store, runtime);
  const append = (stream: string, context: Context = ctx) =>
    log.append(context, { streams: [{ stream, expected: 0, events: [{ type: "t", data: {}, id: stream }] }] });
  return {
    clock,
    ctx,
    log,
    append,
    calls,
    /** Holds up every call of a method from now on until the returned function is called. */
    hold(name: keyof Store) {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(name, promise);
      return () => {
        held.delete(name);
        resolve();
      };
    },
    within: (ms: number) => withContext(ctx, { deadline: clock.now() + ms }),
  };
}

const deadlineExceeded = { code: "context.deadline_exceeded" };
const cancelled = { code: "context.cancelled" };
const unavailable = { code: "log.unavailable", retryable: true };

const questions: [keyof Store, (log: Log, ctx: Context) => Promise<unknown>][] = [
  ["readStream", (log, ctx) => log.readStream(ctx, "s")],
  ["readStream", (log, ctx) => log.readStreamPage(ctx, "s")],
  ["readStreams", (log, ctx) => log.readStreams(ctx, [{ stream: "s", fromVersion: 1 }])],
  ["readAll", (log, ctx) => log.readAll(ctx)],
  ["readAll", (log, ctx) => log.readAllPage(ctx)],
  ["head", (log, ctx) => log.head(ctx)],
  ["getRecords", (log, ctx) => log.getRecord(ctx, "k")],
  ["listRecords", (log, ctx) => log.listRecords(ctx, "")],
  ["purgeRecords", (log, ctx) => log.purgeRecords(ctx, 1_000, 10)],
];

test.each(questions)(
  "W10: a question ends with its context although the store does not answer: %s",
  async (name, ask) => {
    const { clock, ctx, log, hold, within, calls } = setup();
    await log.start(ctx);
    hold(name);
    const controller = new AbortController();
    const late = expect(ask(log, within(500))).rejects.toMatchObject(deadlineExceeded);
    const left = expect(ask(log, withContext(ctx, { signal: controller.signal }))).rejects.toMatchObject(cancelled);
    await clock.advance(499);
    controller.abort();
    await left;
    await clock.advance(1);
    await late;
    // One that is over already asks nothing.
    const asked = calls.length;
    await expect(ask(log, within(0))).rejects.toMatchObject(deadlineExceeded);
    expect(calls).toHaveLength(asked);
  },
);

test("W10: an append's answer is waited for no longer than its context lasts; a repeat finds out what came of it", async () => {
  const { clock, ctx, log, append, hold, within } = setup();
  await log.start(ctx);
  const release = hold("commit");
  const late = expect(append("a", within(500))).rejects.toMatchObject(deadlineExceeded);
  await clock.advance(500);
  await late;
  release();
  await clock.settle();
  expect(await append("a")).toMatchObject({ ok: true, repeated: true, versions: [1] });
});

test("an append in a context that cannot end sets no timer", async () => {
  const { clock, ctx, log, append, hold } = setup();
  await log.start(ctx);
  const release = hold("commit");
  const appended = append("a");
  await clock.settle();
  expect(clock.pending).toBe(0);
  release();
  expect(await appended).toMatchObject({ ok: true });
});

test("W10: stopping waits for a commit that hangs no longer than its context lasts, tells who waits, and closes the store", async () => {
  const { clock, ctx, log, append, hold, within, calls } = setup();
  await log.start(ctx);
  const release = hold("commit");
  const under = expect(append("under way")).rejects.toMatchObject(unavailable);
  await clock.settle();
  const queued = expect(append("queued")).rejects.toMatchObject(unavailable);
  const stopped = log.stop(within(1_000));
  await clock.advance(999);
  expect(calls).not.toContain("close");
  await clock.advance(1);
  await Promise.all([under, queued, stopped]);
  expect(calls.at(-1)).toBe("close");
  expect(log.stats().waitingAppends).toBe(0);
  // What it comes to in the end concerns nobody any more.
  release();
  await clock.settle();
  expect(calls.filter((call) => call === "commit")).toHaveLength(1);
});

test("W10: without a deadline stopping ends within its own bounds, also where a reading or the closing hangs", async () => {
  const { clock, ctx, log, append, hold, calls } = setup();
  await log.start(ctx);
  hold("commit");
  hold("readAll");
  hold("close");
  log.wake();
  const lost = expect(append("a")).rejects.toMatchObject(unavailable);
  const stopped = expect(log.stop(ctx)).rejects.toMatchObject({ code: "log.not_closed" });
  await clock.advance(20_000);
  await lost;
  expect(calls).toContain("close");
  await clock.advance(30_000);
  await stopped;
  expect(clock.pending).toBe(0);
});

test("a start whose context ends lets go: the store is closed when it has opened at last", async () => {
  const { clock, ctx, log, hold, within, calls } = setup();
  const release = hold("open");
  const started = expect(log.start(within(1_000))).rejects.toMatchObject(deadlineExceeded);
  await clock.advance(1_000);
  await started;
  expect(calls).not.toContain("close");
  release();
  await clock.settle();
  expect(calls).toEqual(["open", "close"]);

  const other = setup();
  other.hold("head");
  const second = expect(other.log.start(other.within(1_000))).rejects.toMatchObject(deadlineExceeded);
  await other.clock.advance(1_000);
  await second;
  await other.clock.settle();
  expect(other.calls).toEqual(["open", "readAll", "head", "close"]);
  await log.stop(ctx);
});

test("W10: of many streams together no more is read than a page may hold, and more than 1,000 are not asked for", async () => {
  const { ctx, log } = setup();
  await log.start(ctx);
  const events = Array.from({ length: 30 }, () => ({ type: "t", data: {} }));
  await log.append(ctx, { streams: [{ stream: "s", expected: 0, events }] });
  const ask = async (streams: number, limit?: number) => {
    const from = Array.from({ length: streams }, () => ({ stream: "s", fromVersion: 1 }));
    const pages = await log.readStreams(ctx, from, limit === undefined ? {} : { limit });
    return new Set(pages.map((page) => `${page.events.length} ${page.isEnd}`));
  };
  expect(await ask(2)).toEqual(new Set(["30 true"]));
  expect(await ask(2, 30)).toEqual(new Set(["30 false"]));
  expect(await ask(1_000)).toEqual(new Set(["10 false"]));
  await expect(ask(1_001)).rejects.toThrow("W10: 1001 streams are asked for at once");
});

test("W10: a page holds no more than fits memory and says whether it is the end; whoever asks for so many events gets so many", async () => {
  const { ctx, log } = setup();
  await log.start(ctx);
  const text = "x".repeat(maxPageBytes / 4);
  for (let nr = 0; nr < 10; nr++)
    await log.append(ctx, { streams: [{ stream: "s", expected: nr, events: [{ type: "t", data: { nr, text } }] }] });
  const versions = (events: readonly StoredEvent[]) => events.map((event) => event.version);
  const upwards = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  for (const direction of ["forward", "backward"] as const) {
    const wanted = direction === "forward" ? upwards : upwards.toReversed();
    expect(versions(await log.readStream(ctx, "s", { direction }))).toEqual(wanted);
    expect(versions(await log.readStream(ctx, "s", { direction, limit: 6 }))).toEqual(wanted.slice(0, 6));
    expect(versions(await log.readAll(ctx, { direction }))).toEqual(wanted);
    expect(versions(await log.readAll(ctx, { direction, limit: 6 }))).toEqual(wanted.slice(0, 6));
    const ofStream = await log.readStreamPage(ctx, "s", { direction });
    const ofAll = await log.readAllPage(ctx, { direction });
    for (const page of [ofStream, ofAll]) {
      expect(versions(page.events)).toEqual(wanted.slice(0, 4));
      expect(page.isEnd).toBe(false);
    }
    expect(await log.readAllPage(ctx, { direction, limit: 2 })).toMatchObject({ isEnd: false });
  }
  expect(await log.readStreamPage(ctx, "s", { fromVersion: 8 })).toMatchObject({ isEnd: true, events: [{}, {}, {}] });
  expect(await log.readAllPage(ctx, { from: toPosition(10) })).toEqual({ isEnd: true, events: [] });
});
