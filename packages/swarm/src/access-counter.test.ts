// Reads of memory, counted: what is kept of them over restarts, crashes, a second process, expiry, new lives and failing writes, over a
// store in memory and in simulated time. A property ties it together: no count is ever more than the reads made, and at most those of
// the last batch time are missing.
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError, withContext } from "@viable/kernel";
import type { CommitResult, EncodedAppend, Store } from "@viable/log";
import { createLog, createMemoryStore, storeRefused } from "@viable/log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AccessCounter } from "./access-counter.ts";
import type { EntryUse } from "./entry-use.ts";
import { createMemory } from "./memory-records.ts";

/** What becomes of a commit: nothing of it, it is done but nobody hears, or it happens after something else. */
type Fate = "refused" | "unheard" | (() => Promise<unknown>);

/** A database, and processes that come and go on it. */
function createDatabase() {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time, random: seededRandom(1) });
  const ctx = rootContext(runtime);
  const store = createMemoryStore();
  const startProcess = async () => {
    const fates: Fate[] = [];
    let written = 0;
    let dead = false;
    const commit = async (batch: readonly EncodedAppend[], now: number): Promise<CommitResult> => {
      if (dead) return await new Promise<never>(() => {});
      const fate = batch.every(writesUses) ? fates.shift() : undefined;
      if (fate === "refused") throw new ViableError(storeRefused, "The disk is full.");
      if (typeof fate === "function") await fate();
      const result = await store.commit(batch, now);
      written += batch.length;
      if (fate === "unheard") throw new Error("The connection was lost.");
      return result;
    };
    const seen: Store = { ...store, exclusive: false, open: async () => {}, close: async () => {}, commit };
    const log = createLog(seen, runtime);
    await log.start(ctx);
    const accesses = new AccessCounter(log);
    await accesses.start(ctx);
    const memory = createMemory(log, ctx, "notes", accesses);
    return {
      log,
      accesses,
      memory,
      /** What becomes of its next commits of uses, one after the other. */
      next: (...given: Fate[]) => void fates.push(...given),
      /** How many appends its commits held, those that met a conflict included. */
      written: () => written,
      async read(key: string, times = 1) {
        for (let read = 0; read < times; read++) await memory.get(key);
      },
      async stop() {
        await accesses.stop(ctx);
        await log.stop(ctx);
      },
      /** As if it was killed: of what it does from now on nothing happens. */
      crash() {
        dead = true;
      },
    };
  };
  const shown = async (key: string, of: { memory: ReturnType<typeof createMemory> }) => {
    const entry = (await of.memory.list("default", { prefix: key }))[0];
    return entry && [entry.accessCount, entry.lastAccessAt];
  };
  return { time, ctx, startProcess, shown };
}

const writesUses = ({ records }: EncodedAppend): boolean =>
  records.length === 1 && records.every((record) => record.key.endsWith(" use"));

type Process = Awaited<ReturnType<ReturnType<typeof createDatabase>["startProcess"]>>;

/** A use of no entry that there is. */
const useOf = (life: string): EntryUse => ({
  key: `memory/default/notes/default/${life} use`,
  version: 1,
  expiresAt: null,
  life,
  accessCount: 0,
  lastAccessAt: null,
});

test("a read shows in the next look, at once and without a write; a list is no access", async () => {
  const { time, startProcess, shown } = createDatabase();
  const one = await startProcess();
  await one.memory.set("a", 1);
  expect(await one.memory.get("a")).toMatchObject({ accessCount: 0, lastAccessAt: null });
  const firstAt = time.now();
  await time.advance(1_000);
  expect(await one.memory.get("a")).toMatchObject({ accessCount: 1, lastAccessAt: firstAt });
  for (let look = 0; look < 3; look++) expect(await shown("a", one)).toEqual([2, firstAt + 1_000]);
  expect(one.written()).toBe(1);
  expect(await one.memory.get("a")).toMatchObject({ version: 1, updatedAt: firstAt });
});

test("reads are written down every five seconds where there are any, and change no version", async () => {
  const { time, startProcess, shown } = createDatabase();
  const [one, two] = [await startProcess(), await startProcess()];
  await one.memory.set("a", 1);
  await one.memory.set("b", 1);
  const timers = time.pending;
  await one.read("a", 100);
  await one.read("b");
  await time.advance(4_999);
  expect(await shown("a", two)).toEqual([0, null]);
  await time.advance(1);
  expect(await shown("a", two)).toEqual([100, time.now() - 5_000]);
  expect(await shown("b", two)).toEqual([1, time.now() - 5_000]);
  expect([one.written(), time.pending, one.accesses.stats().waitingEntries]).toEqual([4, timers, 0]);
  await time.advance(60_000);
  expect(one.written()).toBe(4);
  expect(await one.memory.set("a", 2, { expected: 1 })).toEqual({ ok: true, version: 2 });
});

test("a writing keeps the count of what it overwrites", async () => {
  const { time, startProcess, shown } = createDatabase();
  const one = await startProcess();
  await one.memory.set("a", 1);
  await one.read("a", 2);
  await time.advance(5_000);
  await one.read("a");
  await one.memory.set("a", 2, { metadata: { kind: "number" } });
  expect(await shown("a", one)).toEqual([3, time.now()]);
  await one.memory.set("a", 3, { expiresInMs: 60_000 });
  await time.advance(5_000);
  expect(await shown("a", await startProcess())).toEqual([3, time.now() - 5_000]);
});

test("counts survive a restart whole, and a crash but for the last batch time", async () => {
  const { time, startProcess, shown } = createDatabase();
  const first = await startProcess();
  await first.memory.set("a", 1);
  await first.read("a", 3);
  await first.stop();
  const second = await startProcess();
  expect(await shown("a", second)).toEqual([3, time.now()]);
  await second.read("a", 4);
  await time.advance(5_000);
  await second.read("a", 5);
  await time.advance(4_999);
  second.crash();
  await time.advance(60_000);
  expect(await shown("a", await startProcess())).toEqual([7, time.now() - 69_999]);
});

test("reads counted before the start are written after it, those after the stop are not", async () => {
  const { time, ctx, startProcess, shown } = createDatabase();
  const one = await startProcess();
  await one.memory.set("a", 1);
  const late = new AccessCounter(one.log);
  const memory = createMemory(one.log, ctx, "notes", late);
  await memory.get("a");
  await late.start(ctx);
  await time.advance(5_000);
  expect(await shown("a", one)).toEqual([1, time.now() - 5_000]);
  await late.stop(ctx);
  await late.stop(ctx);
  await memory.get("a");
  await time.advance(5_000);
  expect(await shown("a", one)).toEqual([1, time.now() - 10_000]);
  expect(late.stats()).toMatchObject({ waitingEntries: 0, uncounted: 1 });
});

test("without a counter memory works, and nothing is counted", async () => {
  const { ctx, startProcess, shown } = createDatabase();
  const one = await startProcess();
  const memory = createMemory(one.log, ctx, "notes");
  await memory.set("a", 1);
  await memory.get("a");
  expect(await memory.get("a")).toMatchObject({ value: 1, accessCount: 0 });
  expect(await shown("a", one)).toEqual([0, null]);
});

describe("two processes", () => {
  test("counts add up, also where both write at the same moment", async () => {
    const { time, startProcess, shown } = createDatabase();
    const [one, two] = [await startProcess(), await startProcess()];
    await one.memory.set("a", 1);
    for (let round = 1; round <= 5; round++) {
      await one.read("a", 2);
      await two.read("a", 3);
      await time.advance(5_000);
      for (const process of [one, two]) expect(await shown("a", process)).toEqual([round * 5, time.now() - 5_000]);
    }
  });

  test("what another has written is added to without a second try where the entry was read since", async () => {
    const { time, startProcess, shown } = createDatabase();
    const [one, two] = [await startProcess(), await startProcess()];
    await two.memory.set("a", 1);
    await two.read("a");
    await time.advance(2_000);
    await one.read("a");
    await time.advance(4_000);
    await one.read("a");
    await time.advance(1_000);
    expect([await shown("a", two), one.written()]).toEqual([[3, time.now() - 1_000], 1]);
  });

  test("what another adds between a write's reading and its append is kept", async () => {
    const { time, startProcess, shown } = createDatabase();
    const [one, two] = [await startProcess(), await startProcess()];
    await one.memory.set("a", 1);
    await one.read("a", 2);
    await two.read("a", 3);
    one.next(() => two.stop());
    await time.advance(5_000);
    expect(await shown("a", one)).toEqual([5, time.now() - 5_000]);
  });

  test("what is on its way while it is read shows once", async () => {
    const { time, startProcess, shown } = createDatabase();
    const one = await startProcess();
    await one.memory.set("a", 1);
    await one.read("a", 2);
    const looks: unknown[] = [];
    one.next(async () => looks.push(await shown("a", one)));
    await time.advance(5_000);
    await one.read("a");
    one.next("unheard");
    await time.advance(5_000);
    // It has happened, and nobody here knows: what is read has it already.
    looks.push(await shown("a", one));
    await time.advance(5_000);
    looks.push(await shown("a", one));
    expect(looks.map((look) => (look as number[])[0])).toEqual([2, 3, 3]);
  });
});

describe("the end of an entry", () => {
  test("reads of an entry that was deleted are dropped, and leave nothing behind", async () => {
    const { time, ctx, startProcess } = createDatabase();
    const [one, two] = [await startProcess(), await startProcess()];
    await one.memory.set("a", 1);
    await one.read("a", 3);
    await two.memory.delete("a");
    await time.advance(5_000);
    expect((await one.log.listRecords(ctx, "memory/")).records).toEqual([]);
    expect(one.accesses.stats()).toEqual({ waitingEntries: 0, earlyBatches: 0, uncounted: 0, lost: 0 });
  });

  test("reads of an entry do not count for a later one of the same key", async () => {
    const { time, startProcess, shown } = createDatabase();
    const [one, two] = [await startProcess(), await startProcess()];
    await one.memory.set("a", 1);
    await one.read("a", 3);
    await two.memory.delete("a");
    await two.memory.set("a", 2);
    await one.read("a");
    await time.advance(5_000);
    for (const process of [one, two]) expect(await shown("a", process)).toEqual([1, time.now() - 5_000]);
  });

  test("nor where the one ends and the other begins while its reads are being written", async () => {
    const { time, startProcess, shown } = createDatabase();
    const [one, two] = [await startProcess(), await startProcess()];
    await one.memory.set("a", 1);
    await one.read("a", 3);
    one.next(async () => {
      await two.memory.delete("a");
      await two.memory.set("a", 2);
    });
    await time.advance(5_000);
    expect(await shown("a", one)).toEqual([0, null]);
    expect(one.accesses.stats()).toMatchObject({ waitingEntries: 0, lost: 0 });
  });

  test("a use expires with its entry, whatever time a later write gives it", async () => {
    const { time, ctx, startProcess, shown } = createDatabase();
    const [one, two] = [await startProcess(), await startProcess()];
    await one.memory.set("a", 1, { expiresInMs: 6_000 });
    await one.read("a");
    // While the use is on its way the entry is given longer, then shorter, then for ever, then ten seconds.
    one.next(() => two.memory.set("a", 2, { expiresInMs: 60_000 }));
    await time.advance(5_000);
    expect(await shown("a", one)).toEqual([1, time.now() - 5_000]);
    await one.memory.set("a", 3, { expiresInMs: 1_000 });
    await one.memory.set("a", 4);
    await time.advance(60_000);
    expect(await shown("a", one)).toEqual([1, time.now() - 65_000]);
    await one.memory.set("a", 5, { expiresInMs: 10_000 });
    await one.read("a");
    await time.advance(5_000);
    expect((await one.log.listRecords(ctx, "memory/")).records.map((record) => record.expiresAt)).toEqual(
      Array(2).fill(time.now() + 5_000),
    );
    await time.advance(5_000);
    expect((await one.log.listRecords(ctx, "memory/")).records).toEqual([]);
  });

  test("reads of an entry that has expired meanwhile are dropped", async () => {
    const { time, startProcess, shown } = createDatabase();
    const one = await startProcess();
    await one.memory.set("a", 1, { expiresInMs: 3_000 });
    await one.read("a", 3);
    await time.advance(3_000);
    await one.memory.set("a", 2);
    await time.advance(5_000);
    expect(await shown("a", one)).toEqual([0, null]);
    expect(one.accesses.stats()).toMatchObject({ waitingEntries: 0, lost: 0 });
  });
});

describe("a write that fails", () => {
  test("refused, it is written by a later batch with what was read since", async () => {
    const { time, startProcess, shown } = createDatabase();
    const one = await startProcess();
    await one.memory.set("a", 1);
    await one.read("a", 2);
    one.next("refused", "refused");
    await time.advance(5_000);
    await one.read("a");
    expect(await shown("a", one)).toEqual([3, time.now()]);
    await time.advance(5_000);
    await one.stop();
    expect(await shown("a", await startProcess())).toEqual([3, time.now() - 5_000]);
  });

  test("unheard, it counts once", async () => {
    const { time, startProcess, shown } = createDatabase();
    const one = await startProcess();
    await one.memory.set("a", 1);
    await one.read("a", 2);
    one.next("unheard", "unheard");
    await time.advance(20_000);
    expect(await shown("a", one)).toEqual([2, time.now() - 20_000]);
    expect(one.accesses.stats()).toEqual({ waitingEntries: 0, earlyBatches: 0, uncounted: 0, lost: 0 });
  });

  test("refused, and another process wrote since: it had not happened, and counts", async () => {
    const { time, startProcess, shown } = createDatabase();
    const [one, two] = [await startProcess(), await startProcess()];
    await one.memory.set("a", 1);
    await one.read("a", 2);
    await two.read("a", 3);
    one.next("refused");
    await time.advance(10_000);
    expect(await shown("a", two)).toEqual([5, time.now() - 10_000]);
    expect(one.accesses.stats()).toMatchObject({ waitingEntries: 0, lost: 0 });
  });

  test("unheard, and another process wrote since: its reads are given up rather than counted twice, and that is said", async () => {
    const { time, startProcess, shown } = createDatabase();
    const [one, two] = [await startProcess(), await startProcess()];
    await one.memory.set("a", 1);
    await one.read("a", 2);
    one.next("unheard");
    await time.advance(5_000);
    await two.read("a", 3);
    await two.stop();
    await time.advance(5_000);
    expect(await shown("a", one)).toEqual([5, time.now() - 5_000]);
    expect(one.accesses.stats()).toMatchObject({ waitingEntries: 0, lost: 2 });
  });

  test("a log that does not answer holds up the stop no longer than its context lasts, and what is missing is said", async () => {
    const { time, ctx, startProcess } = createDatabase();
    for (const passMs of [0, 5_000]) {
      const one = await startProcess();
      await one.memory.set("a", 1);
      await one.read("a");
      one.crash();
      // After five seconds a batch is on its way already.
      await time.advance(passMs);
      const stopping = one.accesses.stop(withContext(ctx, { deadline: time.now() + 1_000 }));
      const code = passMs === 0 ? "memory.accesses_not_written" : "context.deadline_exceeded";
      const ended = expect(stopping).rejects.toMatchObject({ code });
      await time.advance(1_000);
      await ended;
    }
  });
});

describe("bounds", () => {
  test("5,000 waiting entries begin a batch before its time; it is counted", async () => {
    const { time, startProcess, shown } = createDatabase();
    const one = await startProcess();
    await one.memory.set("a", 1);
    await one.read("a");
    for (let life = 2; life <= 4_999; life++) one.accesses.count(useOf(`${life}`), 0);
    await time.settle();
    expect(one.accesses.stats()).toMatchObject({ waitingEntries: 4_999, earlyBatches: 0 });
    one.accesses.count(useOf("5000"), 0);
    await time.settle();
    expect(one.accesses.stats()).toEqual({ waitingEntries: 0, earlyBatches: 1, uncounted: 0, lost: 0 });
    expect(await shown("a", await startProcess())).toEqual([1, time.now()]);
  });

  test("while writes are refused 10,000 entries wait; reads of more are not counted, and that is said", async () => {
    const { time, startProcess } = createDatabase();
    const one = await startProcess();
    one.next(...Array<Fate>(1_000).fill("refused"));
    for (let life = 1; life <= 10_003; life++) one.accesses.count(useOf(`${life}`), 0);
    one.accesses.count(useOf("7"), 0);
    await time.settle();
    expect(one.accesses.stats()).toEqual({ waitingEntries: 10_000, earlyBatches: 1, uncounted: 3, lost: 0 });
  });
});

// The property: processes read, write, delete, stop and are killed, and answers get lost, in any order.

type Step =
  | { readonly kind: "read"; readonly process: 0 | 1; readonly key: string; readonly times: number }
  | { readonly kind: "set"; readonly process: 0 | 1; readonly key: string; readonly expiresInMs: number | undefined }
  | { readonly kind: "delete"; readonly process: 0 | 1; readonly key: string }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "restart" | "crash"; readonly process: 0 | 1 }
  | { readonly kind: "fail"; readonly process: 0 | 1; readonly fate: "refused" | "unheard" };

const process = fc.constantFrom(0 as const, 1 as const);
const key = fc.constantFrom("a", "b");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("read"), process, key, times: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("set"),
      process,
      key,
      expiresInMs: fc.constantFrom(undefined, 7_000, 90_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete"), process, key }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.constantFrom(0, 1, 2_500, 4_999, 5_000, 12_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("restart", "crash"), process }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("fail"), process, fate: fc.constantFrom("refused", "unheard") }),
  },
) as fc.Arbitrary<Step>;

/** What is known of an entry: who read it when in this life. */
interface Life {
  expiresAt: number;
  reads: { readonly process: 0 | 1; readonly at: number; lost: boolean }[];
}

test("no count is ever more than the reads made, and at most those of a batch time before a crash are missing", async () => {
  const check = async (steps: readonly Step[]) => {
    const { time, startProcess } = createDatabase();
    const processes: [Process, Process] = [await startProcess(), await startProcess()];
    const lives = new Map<string, Life>();
    let givenUp = 0;
    const alive = (name: string) => {
      const life = lives.get(name);
      return life !== undefined && life.expiresAt > time.now() ? life : undefined;
    };
    const replace = async (which: 0 | 1) => {
      givenUp += processes[which].accesses.stats().lost;
      processes[which] = await startProcess();
    };
    const act = {
      async read({ process: which, key: name, times }: Extract<Step, { kind: "read" }>) {
        await processes[which].read(name, times);
        for (let read = 0; read < times; read++)
          alive(name)?.reads.push({ process: which, at: time.now(), lost: false });
      },
      async set({ process: which, key: name, expiresInMs }: Extract<Step, { kind: "set" }>) {
        await processes[which].memory.set(name, 1, expiresInMs === undefined ? {} : { expiresInMs });
        const expiresAt = expiresInMs === undefined ? Number.POSITIVE_INFINITY : time.now() + expiresInMs;
        lives.set(name, { expiresAt, reads: alive(name)?.reads ?? [] });
      },
      async delete({ process: which, key: name }: Extract<Step, { kind: "delete" }>) {
        await processes[which].memory.delete(name);
        lives.delete(name);
      },
      pass: ({ ms }: Extract<Step, { kind: "pass" }>) => time.advance(ms),
      async restart({ process: which }: { process: 0 | 1 }) {
        await processes[which].stop().catch(() => undefined);
        // What could not be written at the stop may be missing.
        if (processes[which].accesses.stats().waitingEntries > 0) forget(which);
        await replace(which);
      },
      async crash({ process: which }: { process: 0 | 1 }) {
        processes[which].crash();
        forget(which);
        await replace(which);
      },
      fail: async ({ process: which, fate }: Extract<Step, { kind: "fail" }>) => processes[which].next(fate),
    };
    /** Those reads that no batch can have written yet, of which each failed one waits for the next. */
    const forget = (which: 0 | 1) => {
      const failures = steps.filter((one) => one.kind === "fail" && one.process === which).length;
      const since = time.now() - 5_000 * (1 + failures);
      for (const { reads } of lives.values())
        for (const read of reads) if (read.process === which && read.at > since) read.lost = true;
    };
    const compare = async (least: (life: Life) => number) => {
      for (const { memory } of processes) {
        for (const entry of await memory.list()) {
          const life = alive(entry.key) as Life;
          expect(entry.accessCount).toBeLessThanOrEqual(life.reads.length);
          expect(entry.accessCount).toBeGreaterThanOrEqual(least(life));
          expect(entry.lastAccessAt ?? 0).toBeLessThanOrEqual(life.reads.at(-1)?.at ?? 0);
        }
      }
    };
    for (const one of steps) {
      await act[one.kind](one as never);
      await compare(() => 0);
    }
    // Whatever still fails has its turn, and then all that is left is written.
    await time.advance(60_000);
    for (const one of processes) givenUp += one.accesses.stats().lost;
    await compare(({ reads }) => reads.filter((read) => !read.lost).length - givenUp);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), check), { numRuns: 300 });
});
