// That a process which cannot reach its database for a while loses nothing of its runs, and does nothing of what it has lost.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const three = reactor("three", { input: z.unknown() }, (steps) =>
  steps
    .step("a", { run: () => 1 })
    .sleep("rest", { after: ["a"], args: () => ({ forMs: 1_000 }) })
    .step("b", { after: ["rest"], run: () => 2 })
    .step("c", { after: ["b"], run: () => 3 })
    .returns(({ results }) => results.c),
);

/** Cuts the process off that has the run, while the run rests. */
async function cutOff(processes: number, forMs: number) {
  const world = await simulateProcesses({ seed: 1, processes, definitions: [three] });
  const runId = await world.begin("three", 1, "k");
  const holder = world.processes[0] as SimulatedProcess;
  await world.time.advance(500);
  holder.link.up = false;
  await world.time.advance(forMs);
  const before = lastOf(world, runId);
  holder.link.up = true;
  const end = await world.finish(runId);
  return { world, runId, holder, before, end };
}
const lastOf = (world: ProcessWorld, runId: string) => world.history(runId).at(-1)?.event.type;
const callsOf = (world: ProcessWorld) => world.calls.map(({ process, step }) => `${process}: ${step}`);

test("the only one goes on as soon as it can, and calls no step again that has its outcome", async () => {
  const { world, before, end, holder } = await cutOff(1, 5_000);
  // Its time to wake came and went while nothing could be written.
  expect(before).toBe("step.waiting");
  expect(end).toMatchObject({ type: "run.completed", data: { result: 3 } });
  expect(new Set(callsOf(world))).toEqual(new Set(["process 1: a", "process 1: b", "process 1: c"]));
  expect(callsOf(world).filter((each) => each.endsWith("a"))).toHaveLength(1);
  expect(holder.reactors.stats()).toMatchObject({ active: 0, resting: 0 });
});

test("another takes its runs, and it keeps nothing of them when it is back", async () => {
  const { world, runId, before, end, holder } = await cutOff(2, 30_000);
  expect(before).toBe("run.completed");
  expect(end).toMatchObject({ type: "run.completed", data: { result: 3 } });
  expect(world.history(runId).filter(({ event }) => event.type === "run.claimed")).toHaveLength(1);
  expect(callsOf(world).filter((each) => each.startsWith("process 2"))).toEqual(["process 2: b", "process 2: c"]);
  expect(holder.reactors.stats()).toMatchObject({ active: 0, resting: 0 });
});
