// That a run is known by its key, and that what is too much is answered and not begun.
import type { JsonValue } from "@viable/kernel";
import type { LogOptions } from "@viable/log";
import { createLog } from "@viable/log";
import { expect, test } from "vitest";
import { z } from "zod";
import type { BeginOptions, Begun } from "./begin-run.ts";
import { reactorEventTypes } from "./event-types.ts";
import { reactor } from "./reactor.ts";
import type { ReactorsSettings } from "./reactors.ts";
import { createReactors } from "./reactors.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

test("under one key, the same input in another order of its members is the same input", async () => {
  const definition = reactor("amounts", { input: z.record(z.string(), z.number()) }, (steps) =>
    steps.step("one", { run: () => 1 }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("amounts", { a: 1, b: 2 }, "k");
  expect(await world.begin("amounts", { b: 2, a: 1 }, "k")).toBe(runId);
});

const ends = reactor("ends", { input: z.unknown() }, (steps) =>
  steps
    .waitFor("word", { event: "word" })
    .step("last", { after: ["word"], run: () => 1 })
    .returns(({ results }) => results.last),
);

const runIdOf = (begun: Begun): string => {
  if (!begun.ok) throw new Error(begun.message);
  return begun.runId;
};

interface Bounds {
  readonly definitions?: ReactorsSettings["definitions"];
  readonly maxOpenRuns?: number;
  readonly limits?: LogOptions["limits"];
}

/** A process whose reactors, or whose log, take no more than is said. */
async function bounded({ limits, ...settings }: Bounds) {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [] });
  const process = world.processes[0] as SimulatedProcess;
  const { ctx, membership } = process;
  const { runtime } = ctx;
  await world.settled(process.reactors.stop(ctx));
  const log = createLog(world.linkOf(process), runtime, { types: reactorEventTypes, ...(limits && { limits }) });
  const reactors = createReactors({ log, membership, runtime, definitions: [ends], ...settings });
  for (const part of [log, reactors]) await world.settled(part.start(ctx));
  return {
    ...{ world, ctx, reactors },
    begin: (input: JsonValue) => world.settled(reactors.begin(ctx, "ends", input)),
    finish: async (begun: Begun) => {
      const runId = runIdOf(begun);
      await world.settled(reactors.send(ctx, "word", runId, "go"));
      await world.finish(runId);
      return runId;
    },
  };
}

test("at the bound of open runs a run is not begun and not forked, and is once one has ended", async () => {
  const { world, ctx, reactors, begin, finish } = await bounded({ maxOpenRuns: 2 });
  const ended = await finish(await begin(1));
  const open = [await begin(2), await begin(3)] as const;
  const overloaded = { ok: false, reason: "overloaded", message: "2 runs are open.", retryAfterMs: 1_000 };
  const fork = () => world.settled(reactors.fork(ctx, ended, { from: "last" }));
  expect([await begin(4), await fork()]).toEqual([overloaded, overloaded]);
  expect(world.runIds).toHaveLength(3);
  await finish(open[0]);
  expect(await fork()).toMatchObject({ ok: true });
});

test("what has begun a run under a key finds it, though no other run may begin by now", async () => {
  const { world, ctx, reactors } = await bounded({ maxOpenRuns: 1 });
  const begin = (input: JsonValue, options: BeginOptions) => world.settled(reactors.begin(ctx, "ends", input, options));
  const runId = runIdOf(await begin(1, { key: "k" }));
  expect(await begin(1, { key: "k" })).toEqual({ ok: true, runId, repeated: true });
  expect(await begin(2, { key: "k" })).toMatchObject({ ok: false, reason: "mismatch", first: { runId } });
  expect(await begin(1, { key: "other" })).toMatchObject({ ok: false, reason: "overloaded" });
});

test("a beginning that is done again by the same cause is the first, whatever its input is by now and its reactor has become", async () => {
  let drawn = 0;
  const draws = reactor("ends", { input: z.object({ nr: z.number().default(() => ++drawn) }) }, (steps) =>
    steps.sleep("nap", { args: () => ({ forMs: 60_000 }) }).returns(() => 1),
  );
  const { world, ctx, reactors } = await bounded({ definitions: [draws] });
  const begin = (causation: string) => world.settled(reactors.begin(ctx, "ends", {}, { key: "k", causation }));
  const runId = runIdOf(await begin("exe_one"));
  expect(await begin("exe_one")).toEqual({ ok: true, runId, repeated: false });
  expect(await begin("exe_two")).toMatchObject({ ok: false, reason: "mismatch", first: { runId } });
  const without = await world.start([]);
  const again = without.reactors.begin(without.ctx, "ends", {}, { key: "k", causation: "exe_one" });
  expect(await world.settled(again)).toEqual({ ok: true, runId, repeated: false });
});

test("where the log takes no more, whoever begins a run is told when to come again, and nothing began", async () => {
  const { world, ctx, reactors } = await bounded({ limits: { maxWaiting: 2 } });
  const begun = await world.settled(Promise.all([1, 2, 3].map((input) => reactors.begin(ctx, "ends", input))));
  expect(begun.map(({ ok }) => ok)).toEqual([true, true, false]);
  expect(begun[2]).toEqual({
    ok: false,
    reason: "overloaded",
    message: "2 appends are waiting for the database.",
    retryAfterMs: expect.any(Number),
  });
  expect(world.runIds).toHaveLength(2);
});

test("beyond what a process carries on at once a run begins too, is nobody's, and is carried on once there is room", {
  timeout: 60_000,
}, async () => {
  const one = Promise.withResolvers<void>();
  const hangs = reactor("ends", { input: z.number() }, (steps) =>
    steps
      .step("last", {
        args: ({ input }) => ({ n: input }),
        timeoutMs: 24 * 3_600_000,
        run: (_ctx, { n }) => (n === 0 ? one.promise : new Promise<never>(() => {})),
      })
      .returns(() => 1),
  );
  const { world, ctx, reactors, begin } = await bounded({ definitions: [hangs] });
  await world.settled(Promise.all(Array.from({ length: 10_000 }, (_, n) => reactors.begin(ctx, "ends", n))));
  const more = runIdOf(await begin(10_000));
  await world.time.advance(6_000);
  expect(world.history(more)).toHaveLength(1);
  expect(world.history(more)[0]?.event.data).not.toHaveProperty("claim");
  expect(reactors.stats()).toMatchObject({ active: 10_000, waiting: 1, open: 10_001 });
  one.resolve();
  await world.time.advance(6_000);
  expect(world.history(more).map(({ event }) => event.type)).toEqual(["run.started", "run.claimed"]);
  expect(reactors.stats()).toMatchObject({ active: 10_000, waiting: 0, open: 10_000 });
});
