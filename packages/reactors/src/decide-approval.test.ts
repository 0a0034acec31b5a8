// That what a person is asked has one answer, while the run still asks.
import { rootContext, sleep } from "@viable/kernel";
import type { Position } from "@viable/log";
import { expect, test } from "vitest";
import { z } from "zod";
import { findDecision } from "./decide-approval.ts";
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

test("a decision is found again by its id, with the step that had asked, by whoever may see it and knows since when", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [asks] });
  const { reactors, ctx, log } = first(world);
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  const approvalId = approvalOf(world, runId);
  const since = await world.settled(log.head(ctx));
  const decided = reactors.decide(ctx, approvalId, { decision: "approved" }, { id: "evt_word" });
  expect(await world.settled(decided)).toEqual({ ok: true, runId, step: "ok" });
  await world.finish(runId);
  const find = (by: { readonly id?: string; readonly since?: Position }, asking = ctx) =>
    world.settled(findDecision(asking, log, approvalId, { id: "evt_word", since, ...by }));
  expect(await find({})).toEqual({ runId, step: "ok" });
  expect(await find({ id: "evt_other" })).toBeUndefined();
  expect(await find({ since: await world.settled(log.head(ctx)) })).toBeUndefined();
  expect(await find({}, { ...ctx, tenant: "another" })).toBeUndefined();
});

test("a decision that is given again while the run's next step goes on is answered with the step that had asked", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [asks] });
  const { reactors, ctx } = first(world);
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  const approvalId = approvalOf(world, runId);
  const decide = () => reactors.decide(ctx, approvalId, { decision: "approved" }, { id: "evt_word" });
  const answers = await world.settled(Promise.all([decide(), decide()]));
  expect(answers).toEqual([
    { ok: true, runId, step: "ok" },
    { ok: true, runId, step: "ok" },
  ]);
  await world.finish(runId);
  expect(world.history(runId).filter(({ event }) => event.type === "approval.decided")).toHaveLength(1);
});
