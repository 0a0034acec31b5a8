// That an order to a run which rests in this process does not read all that the run has written.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const asks = reactor("asks", { input: z.array(z.number()) }, (steps) =>
  steps
    .map("each", { over: ({ input }) => input, maxConcurrency: 1_000 }, (each) =>
      each.approval("ok", { title: "May we?" }).returns(({ results }) => results.ok),
    )
    .returns(({ results }) => results.each),
);

/** How many events of streams are read from here on. */
function countRead(world: ProcessWorld): () => number {
  const { readStream } = world.store;
  let read = 0;
  world.store.readStream = async (...args) => {
    const page = await readStream(...args);
    read += page.events.length;
    return page;
  };
  return () => read;
}

async function ask(count: number) {
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [asks] });
  const read = countRead(world);
  const processes = [await world.start(), await world.start()] as [SimulatedProcess, SimulatedProcess];
  const runId = await world.begin(
    "asks",
    Array.from({ length: count }, (_, nr) => nr),
    "k",
  );
  await world.time.advance(1_000);
  const approvalIds = world
    .history(runId)
    .flatMap(({ event }) =>
      event.type === "step.waiting" && event.data.wait.for === "approval" ? [event.data.wait.approvalId] : [],
    );
  return { world, runId, processes, approvalIds, read };
}

test("each of 200 approvals costs a few events and not the run's 200", async () => {
  const { world, runId, processes, approvalIds, read } = await ask(200);
  const [{ reactors, ctx }] = processes;
  expect(approvalIds).toHaveLength(200);
  const before = read();
  for (const approvalId of approvalIds) {
    expect(await world.settled(reactors.decide(ctx, approvalId, { decision: "approved" }))).toMatchObject({ ok: true });
    await world.time.advance(1_000);
  }
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect((read() - before) / 200).toBeLessThan(10);
});

test("what another process has written meanwhile, and this one has not heard of, counts", async () => {
  const { world, runId, processes, approvalIds } = await ask(2);
  const [one, two] = processes;
  const [first = "", second = ""] = approvalIds;
  const decide = ({ reactors, ctx }: SimulatedProcess, approvalId: string) =>
    reactors.decide(ctx, approvalId, { decision: "approved" });
  // Both decide on what they know, and the same twice.
  const answers = [decide(two, first), decide(one, first), decide(one, second), decide(two, second)];
  const said = await world.settled(Promise.all(answers));
  expect(said.filter(({ ok }) => ok)).toHaveLength(2);
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
});

test("another tenant is told that there is no such run", async () => {
  const { world, runId, processes } = await ask(1);
  const [{ reactors, ctx }] = processes;
  const cancelled = reactors.cancel({ ...ctx, tenant: "someone-else" }, runId, "enough");
  await expect(world.settled(cancelled)).rejects.toMatchObject({ code: "reactor.run_not_found" });
});
