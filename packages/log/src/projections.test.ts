// Projections: what is kept is what folding the log from its beginning gives, whoever crashes and however often answers are lost; an
// event that cannot be done stops it and is told of; another generation is built beside, and takes the place when it has caught up.
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { createLog } from "./create-log.ts";
import type { EventType } from "./event-type.ts";
import { eventType } from "./event-type.ts";
import type { StoredEvent } from "./events.ts";
import type { Log } from "./log.ts";
import { maxPageBytes } from "./log-page.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { Projection, ProjectionWrites } from "./projection.ts";
import { logEventTypes } from "./projection-events.ts";
import { createProjections } from "./projections.ts";
import type { RowWrite } from "./row-write.ts";
import { storeUnavailable } from "./store.ts";
import { controlStore } from "./testing/controlled-store.ts";

/** Keeps the sum of all amounts, and which positions it is of: one that counted twice, or not at all, shows. */
const sums = (
  log: Log,
  changes: Partial<Projection> & { factor?: number; fails?: (event: StoredEvent) => boolean } = {},
): Projection => {
  const { factor = 1, fails = () => false, ...rest } = changes;
  return {
    name: "sums",
    version: 1,
    filter: { types: ["paid"] },
    async project(events, target, ctx) {
      const kept = (await log.getRecord(ctx, target.key("acme", "sum")))?.value as
        | { sum: number; positions: string[] }
        | undefined;
      let { sum, positions } = kept ?? { sum: 0, positions: [] };
      for (const event of events) {
        if (fails(event)) throw new Error(`${event.data.amount} cannot be added`);
        sum += Number(event.data.amount) * factor;
        positions = [...positions, event.position];
      }
      return { records: [{ key: target.key("acme", "sum"), value: { sum, positions }, expected: "any" }] };
    },
    ...rest,
  };
};

function setup(options: { types?: readonly EventType[] } = {}) {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time }));
  const store = controlStore(
    { ...createMemoryStore(), exclusive: false },
    () => new ViableError(storeUnavailable, "away", { retryable: true }),
  );
  let seed = 0;
  const startProcess = async (
    make: (log: Log) => readonly Projection[],
    types = options.types,
    clock: SimulatedTime = time,
  ) => {
    const runtime = createRuntime({ clock, random: seededRandom(++seed) });
    const own = rootContext(runtime);
    const log = createLog(store, runtime, types === undefined ? {} : { types });
    await log.start(own);
    const projections = createProjections(log, make(log));
    await settled(clock, projections.start(own));
    return {
      log,
      projections,
      pay: (...amounts: number[]) =>
        log.append(own, {
          streams: [
            {
              stream: "payments",
              expected: "any",
              events: amounts.map((amount) => ({ type: "paid", data: { amount } })),
            },
          ],
        }),
      other: () =>
        log.append(own, { streams: [{ stream: "else", expected: "any", events: [{ type: "else", data: {} }] }] }),
      read: async () => {
        const target = await settled(clock, projections.untilCaughtUp(own, "sums"));
        return {
          generation: target.generation,
          ...((await log.getRecord(own, target.key("acme", "sum")))?.value as object),
        };
      },
      status: () => settled(clock, projections.status(own)),
      stop: async () => {
        await settled(clock, projections.stop(own));
        await settled(clock, log.stop(own));
      },
      /** Ends without a word, as a crash does. */
      crash: () => settled(clock, log.stop(own)),
    };
  };
  return { clock: time, ctx, store, startProcess };
}

/** Moves time on until a promise is settled. */
async function settled<T>(clock: SimulatedTime, promise: Promise<T>): Promise<T> {
  let done = false;
  const noted = promise.finally(() => {
    done = true;
  });
  noted.catch(() => {});
  for (let steps = 0; !done && steps < 100_000; steps++) await clock.advance(10);
  return await noted;
}

/** What folding the log from its beginning gives. */
async function folded(log: Log, isLeftOut: (event: StoredEvent) => boolean = () => false) {
  const ctx = rootContext(createRuntime());
  const paid = (await log.readAll(ctx, { filter: { types: ["paid"] }, decoding: "none", limit: 10_000 })).filter(
    (event) => !isLeftOut(event),
  );
  return {
    sum: paid.reduce((sum, { data }) => sum + Number(data.amount), 0),
    positions: paid.map(({ position }) => position),
  };
}

const toldOf = async (log: Log) =>
  (await log.readAll(rootContext(createRuntime()), { filter: { streamPrefix: "projection:" } })).map(
    ({ type, data }) => ({
      told: type,
      ...data,
    }),
  );

test("what is kept is what folding the log gives, from the first event on, and goes on with what comes", async () => {
  const { startProcess } = setup();
  const first = await startProcess(() => []);
  await first.pay(1, 2);
  await first.other();
  const second = await startProcess((log) => [sums(log)]);
  await first.pay(3);
  expect(await second.read()).toEqual({ generation: 1, ...(await folded(first.log)), sum: 6 });
  await first.other();
  await second.pay(4);
  expect(await second.read()).toEqual({ generation: 1, ...(await folded(first.log)), sum: 10 });
  expect(await second.status()).toMatchObject([
    { name: "sums", version: 1, generation: 1, state: "live", lagEvents: 0 },
  ]);
  expect(await toldOf(first.log)).toEqual([{ told: "projection.switched", generation: 1, version: 1 }]);
});

test("a process that goes on after another reads nothing again; one that crashed is followed within its lease", async () => {
  const { clock, startProcess } = setup();
  const asked: string[] = [];
  const noting = (log: Log): Projection => {
    const projection = sums(log);
    return {
      ...projection,
      project: (events, target, ctx) => {
        asked.push(...events.map(({ position }) => position));
        return projection.project(events, target, ctx);
      },
    };
  };
  const first = await startProcess((log) => [noting(log)]);
  await first.pay(1, 2, 3);
  await first.read();
  await first.stop();
  const second = await startProcess((log) => [noting(log)]);
  await second.pay(4);
  await second.read();
  expect(asked).toHaveLength(4);
  const third = await startProcess((log) => [noting(log)]);
  await second.crash();
  await third.pay(5);
  await clock.advance(9_000);
  expect(await third.read()).toMatchObject({ sum: 15 });
  expect(asked).toHaveLength(5);
});

test("property: each event counts once, with two processes and whatever becomes of their commits", async () => {
  const fate = fc.constantFrom(
    "ok" as const,
    "lost-answer" as const,
    new ViableError(storeUnavailable, "away", { retryable: true }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 9 }) }, fc.constant("crash" as const)), {
        maxLength: 12,
      }),
      fc.array(fate, { maxLength: 40 }),
      async (steps, fates) => {
        const { clock, store, startProcess } = setup();
        const make = (log: Log) => [sums(log)];
        const payer = await startProcess(() => []);
        let [one, two] = [await startProcess(make), await startProcess(make)];
        store.next(...fates);
        for (const step of steps) {
          if (step === "crash") {
            await one.crash();
            [one, two] = [two, await startProcess(make)];
          } else {
            await settled(clock, payer.pay(step));
          }
          await clock.advance(700);
        }
        const { generation, ...kept } = await one.read();
        expect({ sum: 0, positions: [], ...kept }).toEqual(await folded(payer.log));
        expect(generation).toBe(1);
      },
    ),
    { numRuns: 40 },
  );
});

test("a process that was away for longer than its lease adds nothing to what another has done", async () => {
  const { clock, startProcess } = setup();
  /** A table to which is only added: what is done twice is seen. */
  const added: string[] = [];
  let held: Promise<void> | undefined;
  const adding = (): Projection => ({
    name: "sums",
    version: 1,
    filter: { types: ["paid"] },
    async project(events) {
      await held;
      const apply = () => {
        added.push(...events.map(({ position }) => position));
        return () => added.splice(-events.length);
      };
      return { with: [{ apply }] };
    },
  });
  // Its clock is its own, and stands still with it.
  const slowClock = simulateTime();
  const slow = await startProcess(() => [adding()], undefined, slowClock);
  await settled(slowClock, slow.projections.untilCaughtUp(rootContext(createRuntime()), "sums"));
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  held = promise;
  await slow.pay(1, 2);
  await slowClock.advance(100);
  held = undefined;
  const other = await startProcess(() => [adding()]);
  await clock.advance(12_000);
  await other.pay(3);
  await other.read();
  const { positions } = await folded(other.log);
  expect(added).toEqual(positions);
  letGo();
  await slow.pay(4);
  for (let seconds = 0; seconds < 30; seconds++) {
    await slowClock.advance(1_000);
    await clock.advance(1_000);
  }
  expect(added).toEqual((await folded(other.log)).positions);
});

test("an event that cannot be done stops it before that event, in every process, until a person lets it go on without", async () => {
  const { startProcess } = setup();
  const fails = (event: StoredEvent) => event.data.amount === 13;
  const one = await startProcess((log) => [sums(log, { fails })]);
  const two = await startProcess((log) => [sums(log, { fails })]);
  await one.pay(1, 2, 13, 4);
  await expect(one.read()).rejects.toMatchObject({
    code: "log.projection_parked",
    next: expect.stringContaining('viable projections skip sums 4 --reason "…"'),
    details: { type: "paid" },
  });
  await expect(two.read()).rejects.toMatchObject({ code: "log.projection_parked" });
  const [status] = await one.status();
  const position = status?.parked?.position as string;
  expect(status).toMatchObject({
    state: "live",
    parked: { code: "internal", message: "13 cannot be added", type: "paid" },
  });
  const sum = await one.log.getRecord(rootContext(createRuntime()), "projected/sums/1/acme/sum");
  expect(sum?.value).toMatchObject({ sum: 3 });

  const owner = rootContext(createRuntime(), { principal: "owner" });
  await expect(two.projections.skip(owner, "sums", "1", "wrong place")).rejects.toMatchObject({
    code: "log.not_parked",
  });
  await expect(two.projections.skip(owner, "products", position, "")).rejects.toMatchObject({
    code: "log.unknown_projection",
  });
  await two.projections.skip(owner, "sums", position, "nobody pays that");
  expect(await one.read()).toEqual({ generation: 1, ...(await folded(one.log, fails)), sum: 7 });
  expect(await toldOf(one.log)).toEqual([
    { told: "projection.switched", generation: 1, version: 1 },
    {
      told: "projection.parked",
      generation: 1,
      version: 1,
      position,
      type: "paid",
      code: "internal",
      message: "13 cannot be added",
    },
    {
      told: "projection.event_skipped",
      generation: 1,
      version: 1,
      position,
      type: "paid",
      by: "owner",
      reason: "nobody pays that",
    },
  ]);
});

test("a process that takes over tries the event once more: a mended projection goes on by itself, one that is not is not told of twice", async () => {
  const { startProcess } = setup();
  const fails = (event: StoredEvent) => event.data.amount === 13;
  const broken = await startProcess((log) => [sums(log, { fails })]);
  await broken.pay(1, 13, 4);
  await expect(broken.read()).rejects.toMatchObject({ code: "log.projection_parked" });
  await broken.stop();
  const stillBroken = await startProcess((log) => [sums(log, { fails })]);
  await expect(stillBroken.read()).rejects.toMatchObject({ code: "log.projection_parked" });
  await stillBroken.stop();
  const mended = await startProcess((log) => [sums(log)]);
  // What it is told of first is still that it stands: it has not tried yet.
  await expect.poll(async () => (await mended.status())[0]?.parked).toBeUndefined();
  expect(await mended.read()).toEqual({ generation: 1, ...(await folded(mended.log)), sum: 18 });
  expect((await toldOf(mended.log)).filter(({ told }) => told === "projection.parked")).toHaveLength(1);
});

test("an event that cannot be brought to the shape of today stops it as one that cannot be done", async () => {
  const { startProcess } = setup();
  const paid = eventType("paid", z.object({ amount: z.number() }));
  const paidInCoins = eventType("paid", z.object({ amount: z.number(), coins: z.number() }), [
    (data) => ({ ...data, coins: data.amount === 13 ? "none" : 1 }),
  ]);
  const old = await startProcess(() => [], [...logEventTypes, paid]);
  await old.pay(1, 13, 2);
  const today = await startProcess((log) => [sums(log)], [...logEventTypes, paidInCoins]);
  await expect(today.read()).rejects.toMatchObject({
    code: "log.projection_parked",
    details: { position: "2", code: "log.undecodable_event" },
  });
  await today.projections.skip(rootContext(createRuntime()), "sums", "2", "coins are not kept");
  expect(await today.read()).toMatchObject({ sum: 3, positions: ["1", "3"] });
});

/** As `sums`, in a table, and for projections that may not read: a sum is added to. */
function table(changes: Partial<Projection> & { fails?: (event: StoredEvent) => boolean } = {}) {
  const { fails = () => false, ...rest } = changes;
  const positions: string[] = [];
  const projection: Projection = {
    name: "sums",
    version: 1,
    consistency: "immediate",
    filter: { types: ["paid"] },
    project(events) {
      for (const event of events) if (fails(event)) throw new Error(`${event.data.amount} cannot be added`);
      const apply = () => {
        positions.push(...events.map(({ position }) => position));
        return () => positions.splice(-events.length);
      };
      return { with: [{ apply }] };
    },
    ...rest,
  };
  return { positions, projection };
}

test("immediate: who was answered reads what came of it, in a log with a past, through either of two processes", async () => {
  const { clock, startProcess } = setup();
  const past = await startProcess(() => []);
  await past.pay(1, 2);
  const { positions, projection } = table();
  const one = await startProcess(() => [projection]);
  const two = await startProcess(() => [projection]);
  await settled(clock, one.projections.untilCaughtUp(rootContext(createRuntime()), "sums"));
  for (const by of [one, two, one]) {
    await by.pay(3);
    // No time has passed.
    expect(positions).toEqual((await folded(past.log)).positions);
  }
  for (let others = 0; others < 600; others++) await two.other();
  await two.pay(4);
  expect(positions).toEqual((await folded(past.log)).positions);
  await clock.advance(20_000);
  expect(positions).toEqual((await folded(past.log)).positions);
});

test("immediate: where a process without it appends it is eventual, and then immediate again", async () => {
  const { clock, startProcess } = setup();
  const without = await startProcess(() => []);
  const { positions, projection } = table();
  const one = await startProcess(() => [projection]);
  await clock.advance(2_000);
  for (let flushes = 0; flushes < 23; flushes++) await without.pay(...Array.from({ length: 100 }, () => 1));
  expect(positions).toEqual([]);
  await one.pay(2);
  // More than two thousand events are not done in a flush.
  expect(positions).toEqual([]);
  await clock.advance(2_000);
  expect(positions).toEqual((await folded(one.log)).positions);
  await one.pay(3);
  expect(positions).toEqual((await folded(one.log)).positions);
});

test("immediate: all of the largest append, or of one in pages, is done in its flush", async () => {
  const { clock, startProcess } = setup();
  const pages: number[] = [];
  const { positions, projection } = table();
  const project: Projection["project"] = (events, ...rest) => {
    pages.push(events.length);
    return projection.project(events, ...rest);
  };
  const one = await startProcess(() => [{ ...projection, project }]);
  await clock.advance(2_000);
  const ctx = rootContext(createRuntime());
  const pay = async (count: number, text: string) => {
    const events = Array.from({ length: count }, () => ({ type: "paid", data: { amount: 1, text } }));
    await one.log.append(ctx, { streams: [{ stream: "payments", expected: "any", events }] });
    // No time has passed.
    expect(positions).toEqual((await folded(one.log)).positions);
  };
  for (const count of [499, 500, 501]) await pay(count, "");
  // What does not concern it is not written down at each flush, and is looked through again.
  for (let others = 0; others < 200; others++) await one.other();
  await pay(1_999, "");
  // Of bytes it has more than two pages.
  await pay(5, "é".repeat(maxPageBytes / 5 - 100));
  expect(pages).toEqual([499, 500, 500, 1, 500, 500, 500, 499, 3, 2]);
  expect((await one.status())[0]).toMatchObject({ lagEvents: 0 });
});

test("immediate: what a flush leaves is done as soon as the flush has happened", async () => {
  const { clock, startProcess } = setup();
  const { positions, projection } = table();
  const one = await startProcess(() => [projection]);
  const without = await startProcess(() => []);
  await clock.advance(2_000);
  for (let times = 0; times < 3; times++) {
    for (let flushes = 0; flushes < 23; flushes++) await without.pay(...Array.from({ length: 100 }, () => 1));
    const done = positions.length;
    await one.pay(2);
    expect(positions).toHaveLength(done);
    await clock.advance(50);
    expect(positions).toEqual((await folded(one.log)).positions);
    // In between it is done in flushes again.
    await one.pay(3);
    expect(positions).toEqual((await folded(one.log)).positions);
    await clock.advance(1_200);
  }
});

const payLarge = async (log: Log, ...amounts: number[]) => {
  for (const amount of amounts) {
    const data = { amount, text: "x".repeat(maxPageBytes / 3) };
    const write = { stream: "payments", expected: "any" as const, events: [{ type: "paid", data }] };
    await log.append(rootContext(createRuntime()), { streams: [write] });
  }
};

test("of events so large that no page of them is full none is left out, and it takes over only after the last", async () => {
  const { ctx, startProcess } = setup();
  const writer = await startProcess(() => []);
  await payLarge(writer.log, 1, 2, 3, 4, 5, 6, 7);
  let done = 0;
  const doneAtSwitch: number[] = [];
  const reader = await startProcess((log) => {
    const filter = { types: ["projection.switched"] };
    log.subscribe(ctx, { name: "switched", after: "now", filter, handle: () => void doneAtSwitch.push(done) });
    const inner = sums(log);
    const project: Projection["project"] = (events, ...rest) => {
      done += events.length;
      return inner.project(events, ...rest);
    };
    return [{ ...inner, project }];
  });
  expect(await reader.read()).toMatchObject(await folded(writer.log));
  expect(doneAtSwitch).toEqual([7]);
  await payLarge(writer.log, 8, 9, 10, 11);
  expect(await reader.read()).toMatchObject(await folded(writer.log));
});

test("immediate: of more text than an append may hold the flush does a part, and leaves the rest", async () => {
  const { clock, startProcess } = setup();
  const { positions, projection } = table();
  const one = await startProcess(() => [projection]);
  const other = await startProcess(() => []);
  await clock.advance(2_000);
  await payLarge(other.log, 1, 2, 3, 4, 5);
  expect(await one.pay(6)).toMatchObject({ ok: true });
  expect(positions).toHaveLength(3);
  await clock.advance(50);
  expect(positions).toEqual((await folded(one.log)).positions);
});

test("immediate: what it cannot do harms no append, and parks it as any other", async () => {
  const { clock, startProcess } = setup();
  const { positions, projection } = table({ fails: (event) => event.data.amount === 13 });
  const one = await startProcess(() => [projection]);
  await clock.advance(2_000);
  expect(await one.pay(1)).toMatchObject({ ok: true });
  expect(await one.pay(13)).toMatchObject({ ok: true });
  expect(await one.pay(2)).toMatchObject({ ok: true });
  expect(positions).toHaveLength(1);
  await clock.advance(5_000);
  const [status] = await one.status();
  expect(status?.parked).toMatchObject({ message: "13 cannot be added" });
  await one.projections.skip(rootContext(createRuntime()), "sums", status?.parked?.position as string, "");
  await clock.advance(3_000);
  expect(positions).toEqual((await folded(one.log, ({ data }) => data.amount === 13)).positions);
  await one.pay(3);
  expect(positions).toEqual((await folded(one.log, ({ data }) => data.amount === 13)).positions);
});

test("immediate: what cannot be kept harms no append, nor does one that does less than it was asked for lose anything", async () => {
  const { clock, startProcess } = setup();
  const tooLong: Projection = {
    name: "long",
    version: 1,
    consistency: "immediate",
    filter: { types: ["paid"] },
    project: () => ({ records: [{ key: "k".repeat(1_000), value: 1, expected: "any" }] }),
  };
  const some: string[] = [];
  const someOf: Projection = {
    ...table().projection,
    name: "some",
    project(events) {
      const done = events.slice(0, 2);
      const apply = () => {
        some.push(...done.map(({ position }) => position));
        return () => some.splice(-done.length);
      };
      return { with: [{ apply }], ...(done.length < events.length && { upTo: done.at(-1)?.position as string }) };
    },
  };
  const one = await startProcess(() => [tooLong, someOf]);
  await clock.advance(2_000);
  expect(await one.pay(1, 2, 3, 4, 5)).toMatchObject({ ok: true });
  expect(await one.other()).toMatchObject({ ok: true });
  await clock.advance(20_000);
  expect(some).toEqual((await folded(one.log)).positions);
  expect((await one.status()).find(({ name }) => name === "long")?.parked).toMatchObject({ code: "log.invalid_event" });
});

/** As `table`, with rows or records of their own for each event; says how many events it was handed, and how often. */
function each(writesOf: (event: StoredEvent, done: (event: StoredEvent) => RowWrite, key: string) => ProjectionWrites) {
  const positions: string[] = [];
  const asked = { times: 0, events: 0 };
  const done = (event: StoredEvent): RowWrite => ({
    apply: () => {
      positions.push(event.position);
      return () => positions.pop();
    },
  });
  const project: Projection["project"] = (events, target) => {
    asked.times += 1;
    asked.events += events.length;
    const writes = events.map((event) => writesOf(event, done, target.key("acme", event.position)));
    return {
      records: writes.flatMap(({ records = [] }) => records),
      with: writes.flatMap((write) => write.with ?? []),
    };
  };
  return { positions, asked, projection: { ...table().projection, project } };
}

const nothingMore: RowWrite = { apply: () => () => {} };
const many = (count: number) => Array.from({ length: count }, () => 1);

test("immediate: a flush does as many pages as one append may write for, and leaves the rest to be done at once", async () => {
  const { clock, startProcess } = setup();
  const { positions, asked, projection } = each((event, done) => ({ with: [done(event)] }));
  const one = await startProcess(() => [projection]);
  await clock.advance(2_000);
  await one.pay(...many(1_000));
  expect(positions).toEqual((await folded(one.log)).positions);
  await one.pay(...many(1_001));
  expect(positions).toHaveLength(2_000);
  await clock.advance(50);
  expect(positions).toEqual((await folded(one.log)).positions);
  expect(asked.events).toBeLessThan(2_010);
});

test.each<[string, Parameters<typeof each>[0]]>([
  ["rows", (event, done) => ({ with: [done(event), nothingMore, nothingMore] })],
  [
    "records",
    (event, done, key) => ({
      records: [1, 2, 3, 4].map((at) => ({ key: `${key}/${at}`, value: at, expected: "any" })),
      with: [done(event)],
    }),
  ],
  [
    "characters",
    (event, done, key) => ({
      records: [{ key, value: "x".repeat(20_000), expected: "any" }],
      with: [done(event)],
    }),
  ],
])(
  "immediate: where one page is more %s than an append may hold no flush tries it again, and it is done at once",
  async (_, writesOf) => {
    const { clock, startProcess } = setup();
    const { positions, asked, projection } = each(writesOf);
    const one = await startProcess(() => [projection]);
    const without = await startProcess(() => []);
    await clock.advance(2_000);
    for (let paid = 0; paid < 5; paid++) await without.pay(...many(100));
    await one.other();
    expect(positions).toEqual([]);
    // What the run does goes with flushes of this process, too.
    for (let others = 0; others < 20; others++) await one.other();
    expect(asked.times).toBeLessThan(8);
    await clock.advance(50);
    await one.pay(1);
    expect(positions).toEqual((await folded(one.log)).positions);
  },
);

test("immediate: a row that is refused is tried in one flush, and then by the run until that has come past it", async () => {
  const { clock, startProcess } = setup();
  const refused: RowWrite = {
    apply() {
      throw new Error("there is one already");
    },
  };
  const { positions, asked, projection } = each((event, done) => ({
    with: [event.data.amount === 13 ? refused : done(event)],
  }));
  const one = await startProcess(() => [projection]);
  await clock.advance(2_000);
  await one.pay(1);
  await one.pay(13);
  for (let flushes = 0; flushes < 30; flushes++) await one.pay(2);
  expect(positions).toHaveLength(1);
  expect(asked.times).toBeLessThan(15);
  await clock.advance(2_500);
  const [status] = await one.status();
  expect(status?.parked).toMatchObject({ message: expect.stringContaining("there is one already") });
  await one.projections.skip(rootContext(createRuntime()), "sums", status?.parked?.position as string, "");
  await clock.advance(2_000);
  await one.pay(3);
  const { positions: all } = await folded(one.log, ({ data }) => data.amount === 13);
  expect(positions).toEqual(all);
});

test("immediate: a flush that is tried again does for it what it did the first time", async () => {
  const { clock, store, startProcess } = setup();
  const { positions, projection } = table();
  const one = await startProcess(() => [projection]);
  await clock.advance(2_000);
  await one.pay(1);
  const { commit } = store;
  let failures = 0;
  // All is asked, and then the database is lost before it has committed.
  store.commit = async (batch, now, follow) => {
    if (failures++ > 2) return await commit(batch, now, follow);
    const lost = new ViableError(storeUnavailable, "away", { retryable: true });
    return await commit(batch, now, async (reader) => {
      await follow?.(reader);
      throw lost;
    });
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  const doneWhenAnswered = one.pay(2).then(() => {
    resolve();
    return [...positions];
  });
  await settled(clock, promise);
  expect(failures).toBeGreaterThan(2);
  expect(await doneWhenAnswered).toEqual((await folded(one.log)).positions);
});

test("immediate: after very many events that do not concern it in one flush it is immediate again", async () => {
  const { ctx, clock, startProcess } = setup();
  const { positions, projection } = table();
  const one = await startProcess(() => [projection]);
  await clock.advance(2_000);
  await one.pay(1);
  const other = (stream: string) => {
    const events = Array.from({ length: 1_500 }, () => ({ type: "else", data: {} }));
    return one.log.append(ctx, { streams: [{ stream, expected: "any", events }] });
  };
  for (let times = 0; times < 3; times++) {
    await Promise.all([other("a"), other("b")]);
    await clock.advance(50);
    await one.pay(2);
    expect(positions).toEqual((await folded(one.log)).positions);
  }
});

test("immediate: what a flush leaves while it is told that it has caught up is done at once, too", async () => {
  const { clock, store, startProcess } = setup();
  const { positions, projection } = each((event, done) => ({ with: [done(event)] }));
  const payer = await startProcess(() => []);
  // One that has taken its place already: being told writes nothing.
  const before = await startProcess(() => [projection]);
  await before.read();
  await before.stop();
  const { getRecords } = store;
  let reads = 0;
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  store.getRecords = async (keys, now) => {
    // First when it begins, and then when it is told.
    if (keys[0] === "projections/sums" && ++reads > 1) await held;
    return await getRecords(keys, now);
  };
  const one = await startProcess(() => [projection]);
  await clock.advance(50);
  expect(reads).toBe(2);
  await one.pay(...many(1_200));
  expect(positions).toHaveLength(1_000);
  letGo();
  await clock.advance(50);
  expect(positions).toEqual((await folded(payer.log)).positions);
});

test("under a load that never ends a new generation is still read, when it has done what was there", async () => {
  const { clock, startProcess } = setup();
  const one = await startProcess((log) => [sums(log)]);
  const { resolve: stopPaying, promise: stopped } = Promise.withResolvers<void>();
  let paying = true;
  void stopped.then(() => {
    paying = false;
  });
  const load = (async () => {
    while (paying) {
      await one.pay(1);
      await new Promise<void>((resolve) => void clock.setTimer(resolve, 1));
    }
  })();
  await clock.advance(1_500);
  expect(one.projections.target("sums")?.generation).toBe(1);
  expect((await one.status())[0]?.lagEvents).toBeLessThan(600);
  stopPaying();
  await settled(clock, load);
});

test("who stands by looks once a second, however much there is to be done", async () => {
  const { clock, store, startProcess } = setup();
  const one = await startProcess((log) => [sums(log)]);
  await one.read();
  await startProcess((log) => [sums(log)]);
  await clock.advance(2_000);
  const before = store.batches.flat().length;
  for (let paid = 0; paid < 100; paid++) {
    await one.pay(1);
    await clock.advance(10);
  }
  const owns = store.batches
    .flat()
    .slice(before)
    .filter(({ records }) => records.some(({ key }) => key.endsWith("/owner")));
  expect(owns.length).toBeLessThan(6);
});

test("a lease is renewed no longer than the work takes, also where its renewal is under way when that ends", async () => {
  const { clock, store, startProcess } = setup();
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const project = async () => {
    await held;
    return {};
  };
  const one = await startProcess(() => [{ name: "sums", version: 1, filter: { types: ["paid"] }, project }]);
  await clock.advance(100);
  await one.pay(1);
  await clock.advance(2_500);
  const release = store.hold();
  await clock.advance(1_000);
  letGo();
  await clock.advance(10);
  release();
  await clock.advance(10);
  await one.stop();
  expect(clock.pending).toBe(0);
});

test("it stops within the time it is given, whatever goes on", async () => {
  const { clock, startProcess } = setup();
  const one = await startProcess(() => [
    { name: "stuck", version: 1, filter: { types: ["paid"] }, project: () => new Promise(() => {}) },
  ]);
  await one.pay(1);
  await clock.advance(1_000);
  const bounded = rootContext(createRuntime({ clock }), { deadline: clock.now() + 3_000 });
  await expect(settled(clock, one.projections.stop(bounded))).rejects.toMatchObject({
    code: "context.deadline_exceeded",
  });
});

test("immediate: one that waits is told that it may not, and is eventual", async () => {
  const { clock, startProcess } = setup();
  const one = await startProcess((log) => [sums(log, { consistency: "immediate" })]);
  await clock.advance(2_000);
  await one.pay(1, 2);
  expect((await one.status())[0]?.failure).toMatchObject({ code: "log.projection_failed" });
  expect(await one.read()).toMatchObject({ sum: 3 });
});

test("another generation is built beside: until it has caught up the old one is read, a minute later that is gone", async () => {
  const { clock, ctx, startProcess } = setup();
  let held: Promise<void> | undefined;
  const one = await startProcess((log) => {
    const projection = sums(log);
    return [
      {
        ...projection,
        async project(events, target, own) {
          if (target.generation === 2) await held;
          return projection.project(events, target, own);
        },
      },
    ];
  });
  await one.pay(1, 2);
  expect(await one.read()).toMatchObject({ generation: 1, sum: 3 });
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  held = promise;
  expect(await one.projections.rebuild(ctx, "sums")).toBe(2);
  expect(await one.projections.rebuild(ctx, "sums")).toBe(2);
  await one.pay(3);
  expect(await one.read()).toMatchObject({ generation: 1, sum: 6 });
  expect((await one.status()).map(({ generation, state }) => [generation, state])).toEqual([
    [1, "live"],
    [2, "building"],
  ]);
  letGo();
  await settled(clock, expect.poll(() => one.projections.target("sums")?.generation).toBe(2) as Promise<void>);
  expect(await one.read()).toEqual({ generation: 2, ...(await folded(one.log)), sum: 6 });
  const left = async () => (await one.log.listRecords(ctx, "projected/sums/")).records.map(({ key }) => key);
  expect(await left()).toEqual(["projected/sums/1/acme/sum", "projected/sums/2/acme/sum"]);
  await clock.advance(130_000);
  expect(await left()).toEqual(["projected/sums/2/acme/sum"]);
  expect((await one.status()).map(({ generation }) => generation)).toEqual([2]);
  expect((await one.log.listRecords(ctx, "projections/sums/1/")).records.map(({ key }) => key)).toEqual([]);
});

test("a retired generation that cannot be dropped keeps no other from it, and its status says why", async () => {
  const { clock, ctx, startProcess } = setup();
  const dropped: string[] = [];
  const one = await startProcess((log) =>
    ["sums", "others"].map((name) => ({
      ...sums(log, { name }),
      drop: ({ table }) => {
        const apply = () => {
          if (table === "sums_1") throw new Error(`${table} is in use`);
          dropped.push(table);
          return () => dropped.pop();
        };
        return [{ apply }];
      },
    })),
  );
  await one.pay(1);
  await one.read();
  for (let times = 0; times < 2; times++) {
    for (const name of ["sums", "others"]) await one.projections.rebuild(ctx, name);
    await clock.advance(5_000);
  }
  await clock.advance(180_000);
  expect(dropped).toEqual(["sums_2", "others_1", "others_2"]);
  expect(await one.status()).toMatchObject([
    { name: "sums", generation: 1, state: "retired", failure: { message: "sums: sums_1 is in use" } },
    { name: "sums", generation: 3, state: "live" },
    { name: "others", generation: 3, state: "live" },
  ]);
});

test("a generation whose tables were lost is dropped without dropping them again", async () => {
  const { clock, store, startProcess } = setup();
  const tables = new Set<string>();
  const run = (sql: string) => () => {
    const [verb, table = ""] = sql.split(" ");
    if (tables.has(table) === (verb === "CREATE")) throw new Error(`cannot ${sql}`);
    tables[verb === "CREATE" ? "add" : "delete"](table);
    return () => tables[verb === "CREATE" ? "delete" : "add"](table);
  };
  const commit = store.commit;
  // Statements, which a store in memory does not know.
  store.commit = (batch, ...rest) =>
    commit(
      batch.map((append) => ({
        ...append,
        with: (append.with ?? []).map((write) => ("sql" in write ? { apply: run(write.sql) } : write)),
      })),
      ...rest,
    );
  store.query = async ({ params }) => [{ found: tables.has(String(params[0])) }];
  const one = await startProcess((log) => [
    sums(log, {
      create: ({ table }) => [{ sql: `CREATE ${table}`, params: [] }],
      drop: ({ table }) => [{ sql: `DROP ${table}`, params: [] }],
    }),
  ]);
  await one.pay(1);
  await one.read();
  await one.stop();
  tables.clear();
  const two = await startProcess((log) => [
    sums(log, {
      create: ({ table }) => [{ sql: `CREATE ${table}`, params: [] }],
      drop: ({ table }) => [{ sql: `DROP ${table}`, params: [] }],
    }),
  ]);
  await clock.advance(180_000);
  expect([...tables]).toEqual(["sums_2"]);
  expect((await two.status()).map(({ generation, failure }) => [generation, failure])).toEqual([[2, undefined]]);
});

test("a release with another version builds its own; the one before goes on keeping and reading what it knows", async () => {
  const { startProcess } = setup();
  const before = await startProcess((log) => [sums(log)]);
  await before.pay(1, 2);
  expect(await before.read()).toMatchObject({ generation: 1, sum: 3 });
  const after = await startProcess((log) => [sums(log, { version: 2, factor: 100 })]);
  await before.pay(4);
  expect(await after.read()).toMatchObject({ generation: 2, sum: 700 });
  expect(await before.read()).toMatchObject({ generation: 1, sum: 7 });
  expect((await after.status()).map(({ generation, isKept }) => [generation, isKept])).toEqual([
    [1, false],
    [2, true],
  ]);
});

test("a projection that could not be kept under its name is refused", async () => {
  const { startProcess } = setup();
  for (const bad of [
    { name: "Sums" },
    { name: "sums_1" },
    { name: "" },
    { name: "a/b" },
    { name: "x".repeat(41) },
    { version: 0 },
  ])
    await expect(startProcess((log) => [sums(log, bad)])).rejects.toMatchObject({ code: "log.invalid_projection" });
  await expect(startProcess((log) => [sums(log), sums(log)])).rejects.toMatchObject({ code: "log.invalid_projection" });
});
