// That what a person is asked has one answer, while the run still asks.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;

const asks = reactor("asks", { input }, (steps) =>
  steps
    .step("book", { run: () => 1, undo: (ctx) => sleep(rootContext(ctx.runtime), 5_000) })
    .approval("ok", { title: "May we?", after: ["book"] })
    .step("next", { after: ["ok"], run: (ctx) => sleep(rootContext(ctx.runtime), 5_000) })
    .returns(() => 1),
);
const approvalOf = (world: ProcessWorld, runId: string): string => {
  for (const { event } of world.history(runId))
    if (event.type === "step.waiting" && event.data.wait.for === "approval") return event.data.wait.approvalId;
  throw new Error("no approval was asked for");
};

test("of two decisions at the same time one holds, and the other is told so", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [asks] });
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  const { reactors, ctx } = first(world);
  const decided = await world.settled(
    Promise.all([
      reactors.decide(ctx, approvalOf(world, runId), { decision: "approved" }),
      reactors.decide(ctx, approvalOf(world, runId), { decision: "rejected" }),
    ]),
  );
  expect(decided.filter(({ ok }) => ok)).toHaveLength(1);
});

test("a decision on what a run asked for that is being undone is refused", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [asks] });
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  const { reactors, ctx } = first(world);
  await world.settled(reactors.cancel(ctx, runId, "enough"));
  await world.time.advance(1_000);
  const decided = await world.settled(reactors.decide(ctx, approvalOf(world, runId), { decision: "approved" }));
  expect(decided).toMatchObject({ ok: false });
});
