// Subscriptions: every event once, in order, from any position, whoever wrote it and however slow the handler is. "Others"
// are a second log over the same store, of whose flushes the first one hears nothing.
import type { Context } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError, withContext } from "@viable/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createLog } from "./create-log.ts";
import { anyType } from "./event-types.ts";
import type { StoredEvent } from "./events.ts";
import { toOrdinal } from "./events.ts";
import type { Log } from "./log.ts";
import { maxPageBytes } from "./log-page.ts";
import { createMemoryStore } from "./memory-store.ts";
import { storeUnavailable } from "./store.ts";
import { maxBufferedEvents, pageEvents } from "./subscription.ts";
import { Tail } from "./tail.ts";
import { controlStore } from "./testing/controlled-store.ts";

const unavailable = () => new ViableError(storeUnavailable, "away", { retryable: true });

async function setup({ exclusive = false } = {}) {
  const clock = simulateTime();
  const runtime = createRuntime({ clock, random: seededRandom(1) });
  const ctx = rootContext(runtime);
  let reads = 0;
  let fail: Error | Promise<void> | undefined;
  let held: Promise<void> | undefined;
  const memory = createMemoryStore();
  const store = controlStore(
    {
      ...memory,
      exclusive,
      async readAll(...args) {
        reads += 1;
        if (fail instanceof Error) throw fail;
        await fail;
        const page = await memory.readAll(...args);
        await held;
        return page;
      },
    },
    unavailable,
  );
  // Without patience, so that a lost answer is one at once.
  const log = createLog(store, runtime, { limits: { maxRetryMs: 0 } });
  const others = createLog(store, runtime);
  await log.start(ctx);
  await others.start(ctx);
  let appended = 0;
  const append = async (count = 1, by: Log = log, type = "t") => {
    const events = Array.from({ length: count }, () => ({ type, data: { nr: ++appended } }));
    await by.append(ctx, { streams: [{ stream: `s${appended}`, expected: 0, events }] });
  };
  return {
    clock,
    ctx,
    store,
    log,
    others,
    append,
    reads: () => reads,
    /** Lets reads see what is there and then wait, until the returned function is called. */
    holdReads: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return () => {
        held = undefined;
        resolve();
      };
    },
    /** Reads fail, or wait for a promise and fail with it. */
    breakReads: (error: Error | Promise<void> | undefined) => {
      fail = error;
    },
  };
}

/** A handler that remembers, and can be made to wait. */
function collect() {
  const seen: number[] = [];
  let gate: Promise<void> | undefined;
  return {
    seen,
    handle: async (event: StoredEvent) => {
      await gate;
      seen.push(event.data.nr as number);
    },
    block() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return () => {
        gate = undefined;
        resolve();
      };
    },
  };
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

test("a subscription gets what is stored, then what comes", async () => {
  const { ctx, log, append } = await setup();
  await append(3);
  const { seen, handle } = collect();
  const subscription = log.subscribe(ctx, { name: "all", after: "0", handle });
  expect(subscription.state).toBe("catching-up");
  await append(2);
  await subscription.caughtUp();
  await append();
  await subscription.caughtUp();
  expect(seen).toEqual(upTo(6));
  expect(subscription).toMatchObject({ state: "live", position: "6", lagEvents: 0 });
});

test("flushes that come while the log is read are kept, and the log is not read again for them", async () => {
  const { clock, ctx, log, append, reads, holdReads } = await setup();
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "all", after: "now", handle });
  const release = holdReads();
  log.wake();
  const before = reads();
  for (let count = 0; count < 5; count++) await append(2);
  expect(seen).toEqual([]);
  release();
  await clock.settle();
  expect(seen).toEqual(upTo(10));
  expect(reads()).toBe(before);
});

test("what others wrote between flushes that came during a reading is read, each event once and in order", async () => {
  const { clock, ctx, log, others, append, holdReads } = await setup();
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "all", after: "now", handle });
  const release = holdReads();
  log.wake();
  await append();
  await append(2, others);
  await append(3);
  release();
  await clock.settle();
  expect(seen).toEqual(upTo(6));
});

test("of more flushes than are kept during a reading none is lost", async () => {
  const { clock, ctx, log, append, holdReads } = await setup();
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "all", after: "now", handle });
  const release = holdReads();
  log.wake();
  for (let count = 0; count < 250; count++) await append();
  release();
  await clock.settle();
  expect(seen).toEqual(upTo(250));
});

test("an event that comes at the very moment of going live is handed over, and none overtakes it", async () => {
  // Whatever the number of turns that an append takes here, one of these comes just when the subscription has read all there was.
  for (let turns = 0; turns < 40; turns++) {
    const { ctx, log, append } = await setup();
    await append();
    const { seen, handle } = collect();
    const subscription = log.subscribe(ctx, { name: "all", after: "0", handle });
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await append();
    await append();
    await subscription.caughtUp();
    expect(seen).toEqual([1, 2, 3]);
  }
});

test("from `now` on there is nothing old, and own events need no read of the store", async () => {
  const { ctx, log, append, reads } = await setup();
  await append(2);
  const before = reads();
  const { seen, handle } = collect();
  const subscription = log.subscribe(ctx, { name: "new", after: "now", handle });
  await append(2);
  await append();
  await subscription.caughtUp();
  expect(seen).toEqual([3, 4, 5]);
  expect(reads()).toBe(before);
});

test("a store is read page by page, and a page's end is not the log's end", async () => {
  const { ctx, log, append } = await setup();
  const total = pageEvents * 2;
  await append(pageEvents);
  await append(pageEvents);
  const { seen, handle } = collect();
  const subscription = log.subscribe(ctx, { name: "all", after: "0", handle });
  await subscription.caughtUp();
  expect(seen).toEqual(upTo(total));
});

/** Events of so many bytes each, as large as is allowed where it is more than a page holds; each in an append of its own. */
async function appendLarge(log: Log, ctx: Context, bytes: number, count: number): Promise<void> {
  const text = "é".repeat(bytes / 2);
  for (let nr = 1; nr <= count; nr++)
    await log.append(ctx, {
      streams: [{ stream: "large", expected: "any", events: [{ type: "t", data: { nr, text } }] }],
    });
}

test.each([
  ["a third of a page", maxPageBytes / 3],
  ["more than a page", maxPageBytes + 2],
])(
  "a page that ends early, since each of its events is %s, is not the end for one that catches up",
  async (_, bytes) => {
    const { clock, ctx, log } = await setup();
    await appendLarge(log, ctx, bytes, 7);
    const { seen, handle } = collect();
    const filtered = collect();
    const all = log.subscribe(ctx, { name: "all", after: "0", handle });
    const some = log.subscribe(ctx, { name: "some", after: "0", filter: { types: ["t"] }, handle: filtered.handle });
    await Promise.all([all.caughtUp(), some.caughtUp()]);
    expect([seen, filtered.seen]).toEqual([upTo(7), upTo(7)]);
    await clock.settle();
    expect([all.state, some.state]).toEqual(["live", "live"]);
  },
);

test.each([
  ["a third of a page", maxPageBytes / 3],
  ["more than a page", maxPageBytes + 2],
])("what others wrote is read on to its end where each event is %s", async (_, bytes) => {
  const { clock, ctx, log, others } = await setup();
  const { seen, handle } = collect();
  const subscription = log.subscribe(ctx, { name: "all", after: "now", handle });
  await appendLarge(others, ctx, bytes, 7);
  log.wake();
  await clock.settle();
  expect(seen).toEqual(upTo(7));
  expect(subscription).toMatchObject({ state: "live", position: "7", lagEvents: 0 });
  expect(log.stats()).toMatchObject({ unreadEvents: 0, readFailure: undefined });
});

test("what others wrote is found at a wake-up at once, and without one at the next poll (W3)", async () => {
  const { clock, ctx, log, others, append } = await setup();
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "all", after: "now", handle });
  const streamed: string[] = [];
  log.onStream("s1", (event) => streamed.push(event.id));
  await append(1, others);
  await clock.settle();
  expect(seen).toEqual([]);
  log.wake();
  await clock.settle();
  expect(seen).toEqual([1]);
  expect(streamed).toHaveLength(1);
  await append(1, others);
  await clock.advance(1_000);
  expect(seen).toEqual([1, 2]);
});

test("own events that follow others' are not handed out before them", async () => {
  const { clock, ctx, log, others, append } = await setup();
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "all", after: "now", handle });
  await append(2, others);
  await append(1, log);
  await clock.settle();
  expect(seen).toEqual([1, 2, 3]);
});

test("what a subscription read ahead of the tail is not handed to it again", async () => {
  const { clock, ctx, log, others, append } = await setup();
  await append(1, log);
  await append(2, others);
  const { seen, handle } = collect();
  const subscription = log.subscribe(ctx, { name: "all", after: "0", handle });
  await subscription.caughtUp();
  await clock.settle();
  log.wake();
  await clock.settle();
  await append(1, log);
  await subscription.caughtUp();
  expect(seen).toEqual([1, 2, 3, 4]);
});

test("a wake-up during a read makes it read again", async () => {
  const { clock, ctx, log, others, append, holdReads } = await setup();
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "all", after: "now", handle });
  const release = holdReads();
  await append(1, others);
  log.wake();
  await clock.settle();
  // The read under way has looked already.
  await append(1, others);
  log.wake();
  release();
  await clock.settle();
  expect(seen).toEqual([1, 2]);
});

test("a slow handler gets every event, in order, though more came than it may hold", async () => {
  const { clock, ctx, log, append } = await setup();
  const { seen, handle, block } = collect();
  const subscription = log.subscribe(ctx, { name: "slow", after: "now", handle });
  const release = block();
  const total = maxBufferedEvents + 500;
  for (let nr = 0; nr < total; nr += 100) await append(100);
  expect(subscription.state).toBe("catching-up");
  expect(log.stats().slowestSubscription).toEqual({ name: "slow", lagEvents: total });
  release();
  await subscription.caughtUp();
  await clock.settle();
  expect(seen).toEqual(upTo(total));
  expect(subscription.state).toBe("live");
});

test("of large events a slow handler holds no more than a page does, and gets every one in order", async () => {
  const { clock, ctx, log } = await setup();
  const { seen, handle, block } = collect();
  const subscription = log.subscribe(ctx, { name: "slow", after: "now", handle });
  const release = block();
  // One is under way, and four are a page.
  await appendLarge(log, ctx, maxPageBytes / 2, 5);
  expect(subscription.state).toBe("live");
  await appendLarge(log, ctx, maxPageBytes / 2, 1);
  expect(subscription.state).toBe("catching-up");
  release();
  await subscription.caughtUp();
  await clock.settle();
  expect(seen).toEqual([1, 2, 3, 4, 5, 1]);
  expect(subscription.state).toBe("live");
});

test("a handler that keeps up with large events goes on being handed them, however many come", async () => {
  const { clock, ctx, log, reads } = await setup();
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "quick", after: "now", handle });
  const before = reads();
  for (let times = 0; times < 4; times++) {
    const text = "x".repeat(maxPageBytes / 4);
    const events = [1, 2, 3].map((nr) => ({ type: "t", data: { nr, text } }));
    await log.append(ctx, { streams: [{ stream: "large", expected: "any", events }] });
    await clock.settle();
  }
  expect(seen).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  expect(reads()).toBe(before);
});

test.each([
  ["as much as a page has", maxPageBytes / 2, 0],
  ["and what is more is read", maxPageBytes, 1],
])("of the text of flushes that come during a reading is kept: %s", async (_, chars, readings) => {
  const { clock, ctx, log, store, others, append, reads, holdReads } = await setup();
  const tail = new Tail(store, clock, anyType, () => {});
  await tail.start(ctx);
  const { seen, handle } = collect();
  tail.subscribe({ name: "all", after: "now", handle }, () => {});
  const release = holdReads();
  tail.wake();
  await append(2, others);
  for (const event of await log.readStream(ctx, "s2")) {
    const ordinal = toOrdinal(event.position);
    tail.take({ from: ordinal, to: ordinal, lastId: event.id, events: [event], chars });
  }
  const before = reads();
  release();
  await clock.settle();
  expect(seen).toEqual([1, 2]);
  expect(reads()).toBe(before + readings);
  await tail.stop();
});

test("a filter passes over events, and the position with them", async () => {
  const { ctx, log, append } = await setup();
  await append(1, log, "a.b");
  await append(1, log, "c");
  const { seen, handle } = collect();
  const subscription = log.subscribe(ctx, { name: "some", after: "0", filter: { types: ["a.*"] }, handle });
  await append(1, log, "a.c");
  await append(1, log, "c");
  await subscription.caughtUp();
  expect(seen).toEqual([1, 3]);
  expect(subscription).toMatchObject({ position: "4", lagEvents: 0 });
});

test.each([
  ["while catching up", "0", () => Promise.reject(new Error("cannot"))],
  ["live", "now", () => Promise.reject(new Error("cannot"))],
  [
    "live, at once",
    "now",
    () => {
      throw new Error("cannot");
    },
  ],
] as const)("an event that cannot be handled parks its subscription before it: %s", async (_, after, handle) => {
  const { clock, ctx, log, append } = await setup();
  await append(after === "now" ? 0 : 2);
  const parked: [string, string][] = [];
  const healthy = collect();
  const subscription = log.subscribe(ctx, {
    name: "broken",
    after,
    handle,
    onParked: (error, at) => parked.push([String(error), at]),
  });
  log.subscribe(ctx, { name: "healthy", after, handle: healthy.handle });
  if (after === "now") await append(2);
  await clock.settle();
  expect(subscription).toMatchObject({ state: "parked", position: "0" });
  expect(parked).toEqual([["Error: cannot", "0"]]);
  await append();
  await clock.settle();
  expect(parked).toHaveLength(1);
  expect(healthy.seen).toEqual([1, 2, 3]);
  await subscription.caughtUp();
  subscription.stop();
  expect(subscription.state).toBe("parked");
});

test("while the store cannot be read, live subscriptions wait, and go on where they were", async () => {
  const { clock, ctx, log, others, append, breakReads } = await setup();
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "all", after: "now", handle });
  breakReads(new Error("away"));
  await append(1, others);
  log.wake();
  await clock.advance(3_000);
  expect(seen).toEqual([]);
  breakReads(undefined);
  await append(1, log);
  await clock.advance(1_000);
  expect(seen).toEqual([1, 2]);
});

test("a reading that failed is repeated after a second, also where nobody else writes and nobody polls", async () => {
  const { clock, ctx, log, others, append, breakReads } = await setup({ exclusive: true });
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "all", after: "now", handle });
  // Something that only a reading brings, and that reading fails.
  breakReads(unavailable());
  await append(1, others);
  log.wake();
  await clock.advance(3_500);
  expect(seen).toEqual([]);
  breakReads(undefined);
  await clock.advance(1_000);
  expect(seen).toEqual([1]);
  // Where all is well nothing is set any more.
  expect(clock.pending).toBe(0);
});

test("what was written although its answer was lost is read, without another flush or a wake-up", async () => {
  const { clock, ctx, log, store, append } = await setup({ exclusive: true });
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "all", after: "now", handle });
  const changes: string[] = [];
  await log.watchRecords(ctx, "", (change) => changes.push(change.key));
  store.next("lost-answer", "lost-answer");
  await expect(append()).rejects.toMatchObject({ code: "log.unavailable" });
  await expect(log.append(ctx, { records: [{ key: "k", value: 1, expected: 0 }] })).rejects.toMatchObject({
    code: "log.unavailable",
  });
  await clock.settle();
  expect([seen, changes]).toEqual([[1], ["k"]]);
});

test("a tail that cannot read says why, since when, and how much it knows to be unread", async () => {
  const { clock, ctx, log, others, append, breakReads } = await setup();
  expect(log.stats()).toMatchObject({ unreadEvents: 0, readFailure: undefined });
  breakReads(unavailable());
  await append(2, others);
  const since = clock.now() + 1_000;
  await clock.advance(3_000);
  const readFailure = { code: storeUnavailable, message: "away", since };
  expect(log.stats()).toMatchObject({ unreadEvents: 0, readFailure });
  // An own flush, or a question, tells how far the log reaches.
  await append(1, log);
  expect(log.stats()).toMatchObject({ unreadEvents: 3, readFailure });
  await append(1, others);
  await log.head(ctx);
  expect(log.stats()).toMatchObject({ unreadEvents: 4, readFailure });
  breakReads(undefined);
  await clock.advance(1_000);
  expect(log.stats()).toMatchObject({ unreadEvents: 0, readFailure: undefined });
});

test("after it was stopped, by itself, by its context or with the log, a subscription gets nothing more", async () => {
  const { clock, ctx, log, append } = await setup();
  const controller = new AbortController();
  const collected = [collect(), collect(), collect()];
  const [one, two, three] = collected.map(({ handle }, index) =>
    log.subscribe(index === 1 ? withContext(ctx, { signal: controller.signal }) : ctx, {
      name: `${index}`,
      after: "now",
      handle,
    }),
  );
  await append();
  one?.stop();
  controller.abort();
  await append();
  await clock.settle();
  expect(collected.map(({ seen }) => seen)).toEqual([[1], [1], [1, 2]]);
  const release = collected[2]?.block();
  await append();
  await append();
  const waiting = three?.caughtUp();
  await log.stop(ctx);
  await waiting;
  release?.();
  await clock.settle();
  expect([one?.state, two?.state, three?.state]).toEqual(["stopped", "stopped", "stopped"]);
  // The one under way when it was stopped is finished, the next is not begun.
  expect(collected[2]?.seen).toEqual([1, 2, 3]);
});

test.each(["a handler", "a page"])(
  "what fails of a subscription that was stopped is nobody's alarm: %s",
  async (what) => {
    const { clock, ctx, log, append, holdReads, breakReads } = await setup();
    await append();
    const { promise: held, reject: fail } = Promise.withResolvers<void>();
    const parked: unknown[] = [];
    const release = holdReads();
    if (what === "a page") breakReads(held);
    const subscription = log.subscribe(ctx, {
      name: "stopped",
      after: "0",
      handle: () => held,
      onParked: (error) => parked.push(error),
    });
    if (what === "a handler") release();
    await clock.settle();
    subscription.stop();
    fail(new Error("too late"));
    await clock.settle();
    expect([subscription.state, parked]).toEqual(["stopped", []]);
  },
);

test("caught up is who has handled what was answered before it asked, also while the log is read", async () => {
  const { clock, ctx, log, append, holdReads } = await setup();
  const { seen, handle } = collect();
  const subscription = log.subscribe(ctx, { name: "all", after: "now", handle });
  const release = holdReads();
  log.wake();
  await append(2);
  const caughtUp = subscription.caughtUp().then(() => [...seen]);
  await clock.settle();
  release();
  expect(await caughtUp).toEqual([1, 2]);
});

test("a subscription in a context that has ended gets nothing, and is stopped", async () => {
  const { clock, ctx, log, append } = await setup();
  await append();
  const { seen, handle } = collect();
  const gone = withContext(ctx, { signal: AbortSignal.abort() });
  const subscriptions = ["0", "now"].map((after) => log.subscribe(gone, { name: after, after, handle }));
  await append();
  await clock.settle();
  expect(seen).toEqual([]);
  expect(subscriptions.map(({ state }) => state)).toEqual(["stopped", "stopped"]);
  expect(log.stats().slowestSubscription).toBeUndefined();
});

test.each(["now", "its own position"])(
  "a subscription that a listener makes gets the rest of the flush: from %s",
  async (from) => {
    const { clock, ctx, log, others, append } = await setup();
    const { seen, handle } = collect();
    // Nobody listens to the other streams, so their events are not decoded when the flush is handed out.
    const forget = log.onStream("s2", (event) => {
      log.subscribe(ctx, { name: "late", after: from === "now" ? "now" : event.position, handle });
      forget();
    });
    await Promise.all([append(), append(), append(), append()]);
    await clock.settle();
    expect(seen).toEqual([3, 4]);
    // The same where the tail reads what others wrote.
    const second = collect();
    const forgetSecond = log.onStream("s6", () => {
      log.subscribe(ctx, { name: "later", after: "now", handle: second.handle });
      forgetSecond();
    });
    await Promise.all([append(1, others), append(1, others), append(1, others)]);
    log.wake();
    await clock.settle();
    await append();
    await clock.settle();
    expect(second.seen).toEqual([7, 8]);
    expect(seen).toEqual([3, 4, 5, 6, 7, 8]);
  },
);

test.each([
  ["of this process", true],
  ["of another", false],
])("onStream from within an event hears what follows in the same flush: %s", async (_, own) => {
  const { clock, ctx, log, others } = await setup();
  const heard: string[] = [];
  const from = (name: string) => () => {
    heard.push(name);
    log.onStream("last", () => heard.push(`${name} of last`));
  };
  log.onStream("first", from("a listener"));
  log.subscribe(ctx, { name: "one", after: "now", filter: { types: ["second"] }, handle: from("a handler") });
  const write = (stream: string) => ({ stream, expected: 0, events: [{ type: stream, data: {} }] });
  await (own ? log : others).append(ctx, { streams: ["first", "second", "last"].map(write) });
  log.wake();
  await clock.settle();
  expect(heard).toEqual(["a listener", "a handler", "a listener of last", "a handler of last"]);
});

test("who begins to listen during a reading hears of the flushes that came meanwhile", async () => {
  const { clock, ctx, log, append, holdReads } = await setup();
  const release = holdReads();
  log.wake();
  // Nobody listens to it when it comes.
  await append(2);
  const { seen, handle } = collect();
  log.subscribe(ctx, { name: "late", after: "1", handle });
  const heard: number[] = [];
  log.onStream("s2", (event) => heard.push(event.data.nr as number));
  release();
  await clock.settle();
  expect([seen, heard]).toEqual([[2], [1, 2]]);
});

test.each(["wake", "caughtUp"])(
  "a reading that is called for from within an event begins after its flush: %s",
  async (by) => {
    const { clock, ctx, log, append } = await setup();
    await append();
    const { seen, handle } = collect();
    const parked: unknown[] = [];
    const subscription = log.subscribe(ctx, {
      name: "all",
      after: "now",
      handle,
      onParked: (error) => parked.push(error),
    });
    log.onStream("s2", () => (by === "wake" ? log.wake() : void subscription.caughtUp()));
    await append();
    await append(2);
    await clock.settle();
    expect([parked, seen]).toEqual([[], [2, 3, 4]]);
  },
);

test("onStream tells of one stream, until it is told to stop", async () => {
  const { ctx, log } = await setup();
  const heard: number[] = [];
  const forget = log.onStream("a", (event) => heard.push(event.version));
  const write = (stream: string) =>
    log.append(ctx, { streams: [{ stream, expected: "any", events: [{ type: "t", data: {} }] }] });
  await write("a");
  await write("b");
  await write("a");
  forget();
  await write("a");
  expect(heard).toEqual([1, 2]);
});

test("property: whatever the interleaving, each subscription sees every event once and in order", async () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant("own" as const), count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ kind: fc.constant("others" as const), count: fc.integer({ min: 1, max: 5 }) }),
    fc.constant({ kind: "wake" as const, count: 0 }),
    fc.constant({ kind: "subscribe" as const, count: 0 }),
    fc.constant({ kind: "settle" as const, count: 0 }),
    fc.constant({ kind: "block" as const, count: 0 }),
    fc.constant({ kind: "release" as const, count: 0 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 15 }), async (actions) => {
      const { clock, ctx, log, others, append } = await setup();
      const first = collect();
      const collected = [first];
      log.subscribe(ctx, { name: "first", after: "0", handle: first.handle });
      let release = () => {};
      let total = 0;
      const appends: Promise<void>[] = [];
      for (const { kind, count } of actions) {
        if (kind === "own" || kind === "others") {
          total += count;
          appends.push(append(count, kind === "own" ? log : others));
        } else if (kind === "wake") log.wake();
        else if (kind === "settle") await clock.settle();
        else if (kind === "release") release();
        else if (kind === "block") {
          release();
          release = first.block();
        } else {
          const next = collect();
          collected.push(next);
          log.subscribe(ctx, { name: "next", after: "0", handle: next.handle });
        }
      }
      release();
      await Promise.all(appends);
      await clock.advance(1_500);
      const order = (await log.readAll(ctx, { limit: 1_000 })).map((event) => event.data.nr);
      expect(order).toHaveLength(total);
      for (const { seen } of collected) expect(seen).toEqual(order);
      await log.stop(ctx);
      await others.stop(ctx);
    }),
    { numRuns: 60 },
  );
});
