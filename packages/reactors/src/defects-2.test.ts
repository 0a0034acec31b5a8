// Each of these fails by a defect of the engine, and moves into the file it belongs to as soon as it does not.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();

test("24. a process that loses a run while it records that a once-only step begins gives back the step's place in its pool", async () => {
  const definition = reactor("pooled", { input }, (steps) =>
    steps
      .step("charge", { pool: "narrow", idempotent: false, findOutcome: () => ({ result: 1 }), run: () => 1 })
      .returns(({ results }) => results.charge),
  );
  let isFirst = true;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    pools: { narrow: 1 },
    fate: ({ when, what }) => {
      if (!isFirst || when !== "before" || what !== "step.started") return "go";
      isFirst = false;
      return "pause";
    },
  });
  await world.finish(await world.begin("pooled", 1, "k"));
  expect(world.processes.map(({ state, reactors }) => [state, reactors.stats().pools.narrow?.used])).toEqual([
    ["running", 0],
    ["running", 0],
  ]);
});

/** Does it at once, and answers a second later: what is on its way then cannot be called back. */
const book = (effects: Set<string>) => ({
  run: async ({ runtime }: { runtime: Parameters<typeof rootContext>[0] }) => {
    effects.add("book");
    await sleep(rootContext(runtime), 1_000);
    return 1;
  },
  undo: () => void effects.delete("book"),
});

test("25a. what a step has done whose answer is on its way when its run is cancelled is not left behind", async () => {
  const effects = new Set<string>();
  const definition = reactor("alone", { input }, (steps) => steps.step("book", book(effects)).returns(() => 1));
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("alone", 1, "k");
  await world.time.advance(500);
  const { reactors, ctx } = world.processes[0] as SimulatedProcess;
  await world.settled(reactors.cancel(ctx, runId, "enough"));
  await world.finish(runId);
  expect([...effects]).toEqual([]);
});

test("25b. nor where a composed run is told to end, since something beside it failed", async () => {
  const effects = new Set<string>();
  const child = reactor("child", { input, reversible: true }, (steps) =>
    steps.step("book", book(effects)).returns(() => 1),
  );
  const parent = reactor("parent", { input }, (steps) =>
    steps
      .compose("kid", child, { args: () => 1 })
      .step("bad", {
        run: async ({ runtime }): Promise<number> => {
          await sleep(rootContext(runtime), 500);
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [parent] });
  await world.finish(await world.begin("parent", 1, "k"));
  expect([...effects]).toEqual([]);
});

test("26. a composed run that is to be begun anew is not asked after before it is durable that it began", async () => {
  const play = async (seed: number, pauseAt: number) => {
    let failures = 0;
    const child = reactor("child", { input }, (steps) =>
      steps
        .step("c", {
          run: () => {
            failures += 1;
            if (failures === 1) throw new Error("no");
            return 1;
          },
        })
        .returns(() => 1),
    );
    const parent = reactor("parent", { input }, (steps) =>
      steps.compose("kid", child, { args: () => 1, onFailure: () => "restart" }).returns(() => 1),
    );
    const fate = ({ index }: { index: number }) => (index === pauseAt ? "pause" : "go");
    const world = await simulateProcesses({ seed, definitions: [parent], maxLatencyMs: 20, fate });
    const ended = await world.finish(await world.begin("parent", 1, "k"));
    return `${ended.type} ${"error" in ended.data ? ended.data.error?.code : ""}`;
  };
  const wrong: string[] = [];
  for (let seed = 1; seed <= 15; seed++)
    for (let pauseAt = -1; pauseAt < 9; pauseAt++) {
      const came = await play(seed, pauseAt);
      if (!came.startsWith("run.completed")) wrong.push(`seed ${seed}, pause at ${pauseAt}: ${came}`);
    }
  expect(wrong).toEqual([]);
});
