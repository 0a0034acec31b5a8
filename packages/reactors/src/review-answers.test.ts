// That a person's answer is taken for the step, and for the question, that the person was shown.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const fails = (): number => {
  throw new Error("no");
};
const definition = reactor("asks", { input: z.unknown() }, (steps) =>
  steps
    .step("one", { run: () => 1, undo: () => void fails() })
    .step("two", { after: ["one"], run: () => 1, undo: () => void fails() })
    .step("bad", { after: ["two"], run: fails })
    .returns(() => 1),
);

/** A run that asks about `two`, and the version of the event by which it does. */
async function ask() {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const [{ reactors, ctx }] = world.processes as [SimulatedProcess];
  const runId = await world.begin("asks", 1, "k");
  await world.finish(runId);
  const review = (said: Parameters<typeof reactors.review>[2]) =>
    world.settled(reactors.review(ctx, runId, said), 120_000);
  return { world, runId, review, asked: askedIn(world, runId) };
}

const askedIn = (world: ProcessWorld, runId: string) =>
  world.history(runId).findLast(({ event }) => event.type === "run.needs_review")?.version ?? 0;

test("one that is for another step is refused, with what it asks about", async () => {
  const { review } = await ask();
  expect(await review({ step: "one", decision: "done" })).toEqual({
    ok: false,
    reason: expect.stringMatching(/about two.*for one/),
  });
  expect(await review({ step: "two", decision: "done" })).toEqual({ ok: true });
});

test("one that is for what the same step asked before is refused", async () => {
  const { world, runId, review, asked } = await ask();
  expect(await review({ step: "two", reviewVersion: asked, decision: "retry" })).toEqual({ ok: true });
  // It fails again, and asks again.
  await world.finish(runId);
  expect(await review({ step: "two", reviewVersion: asked, decision: "failed" })).toMatchObject({ ok: false });
  expect(await review({ step: "two", reviewVersion: askedIn(world, runId), decision: "failed" })).toEqual({ ok: true });
});

test("one that names no step is for the one that it asks about", async () => {
  const { world, runId, review } = await ask();
  expect(await review({ decision: "failed" })).toEqual({ ok: true });
  expect(world.history(runId).find(({ event }) => event.type === "run.reviewed")?.event.data).toMatchObject({
    step: "two",
  });
});
