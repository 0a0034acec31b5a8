// That a run whose definition is in no process any more says so at once, whatever it waits for, and goes on where the definition comes back.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const before = reactor("pays", { input, version: 1 }, (steps) =>
  steps.approval("ask", { title: "May we?" }).returns(({ results }) => results.ask),
);
const today = reactor("pays", { input, version: 2 }, (steps) =>
  steps
    .step("check", { run: () => 1 })
    .approval("ask", { after: ["check"], title: "May we?" })
    .returns(({ results }) => results.ask),
);

async function waitThenChange() {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [before] });
  const runId = await world.begin("pays", 1, "k");
  const types = () => world.history(runId).map(({ event }) => event.type);
  await world.time.until(() => types().at(-1) === "step.waiting");
  const [first] = world.processes as [SimulatedProcess];
  first.kill();
  const second = await world.start([today]);
  await world.time.advance(60_000);
  return { world, runId, types, second };
}

test("it is parked though nothing of it is due, once, and says what it began with", async () => {
  const { world, runId, types, second } = await waitThenChange();
  expect(types()).toEqual(["run.started", "step.waiting", "run.parked"]);
  expect(world.history(runId).at(-1)?.event.data).toMatchObject({
    reason: expect.stringMatching(
      new RegExp(`began with the definition ${before.hash} .*${today.hash} \\(version 2\\)`),
    ),
  });
  await world.start([today]);
  await world.time.advance(600_000);
  expect(types()).toHaveLength(3);
  const cancelled = await world.settled(second.reactors.cancel(second.ctx, runId, "enough"));
  expect(cancelled).toMatchObject({ ok: false, reason: expect.stringContaining(`list it in the config again`) });
});

test("it goes on in a process that lists both, and that is asked in others", async () => {
  const { world, runId, types } = await waitThenChange();
  const third = await world.start([before, today]);
  await world.time.until(() => types().includes("run.claimed"));
  const [asked] = [...third.reactors.approvals(third.ctx)];
  await world.settled(third.reactors.decide(third.ctx, asked?.approvalId ?? "", { decision: "approved" }));
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
});

test("it is let be as long as a process lives that has it", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [before] });
  const runId = await world.begin("pays", 1, "k");
  await world.start([today]);
  await world.time.advance(600_000);
  expect(world.history(runId).map(({ event }) => event.type)).toEqual(["run.started", "step.waiting"]);
});

test("where its process is gone it is left to those that live, of which one may have it", async () => {
  const naps = reactor("naps", { input, version: 1 }, (steps) =>
    steps.sleep("nap", { args: () => ({ forMs: 300_000 }) }).returns(() => 1),
  );
  const others = reactor("naps", { input, version: 2 }, (steps) =>
    steps.step("sit", { run: () => 1 }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [naps] });
  const runId = await world.begin("naps", 1, "k");
  const [first] = world.processes as [SimulatedProcess];
  for (const definition of [naps, others, others]) await world.start([definition]);
  first.kill();
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect(world.history(runId).map(({ event }) => event.type)).not.toContain("run.parked");
});
