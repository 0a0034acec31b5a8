import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import type { ProcessWorld } from "../testing/simulate-processes.ts";
import { simulateProcesses } from "../testing/simulate-processes.ts";

const asks = reactor("asks", { input: z.unknown() }, (steps) =>
  steps
    .approval("one", { title: "May we?" })
    .approval("other", { title: "Really?" })
    .returns(() => 1),
);

const approvalsOf = (world: ProcessWorld, runId: string): string[] =>
  world
    .history(runId)
    .flatMap(({ event }) =>
      event.type === "step.waiting" && event.data.wait.for === "approval" ? [event.data.wait.approvalId] : [],
    );

test("what others write while the run is read anew is not missed", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [asks] });
  const { readStream, commit } = world.store;
  const reading = Promise.withResolvers<void>();
  let isFirst = true;
  let held: Promise<void> | undefined;
  let heldReads = 0;
  world.store.commit = async (batch, now, follow) => {
    const types = batch.flatMap(({ streams }) => streams.flatMap(({ events }) => events.map(({ type }) => type)));
    // The next to read a stream is the driver, which has heard of the first decision.
    if (isFirst && types.includes("approval.decided")) {
      isFirst = false;
      held = reading.promise;
    }
    return await commit(batch, now, follow);
  };
  world.store.readStream = async (...args) => {
    const until = held;
    held = undefined;
    heldReads += until === undefined ? 0 : 1;
    const page = await readStream(...args);
    await until;
    return page;
  };
  const { ctx, reactors } = await world.start();
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  for (const approvalId of approvalsOf(world, runId))
    expect(await world.settled(reactors.decide(ctx, approvalId, { decision: "approved" }))).toMatchObject({ ok: true });
  expect(heldReads).toBe(1);
  reading.resolve();
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
});
