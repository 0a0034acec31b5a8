import { ViableError } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

test("that a run cannot be carried on, nor that be noted in its stream, is told", async () => {
  const naps = reactor("naps", { input: z.unknown() }, (steps) =>
    steps.sleep("nap", { args: () => ({ forMs: 60_000 }) }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [naps] });
  const { commit } = world.store;
  world.store.commit = async (batch, now, follow) => {
    const types = batch.flatMap(({ streams }) => streams.flatMap(({ events }) => events.map(({ type }) => type)));
    if (types.includes("run.parked")) throw new ViableError("log.store_refused", "Read only.");
    return await commit(batch, now, follow);
  };
  const runId = await world.begin("naps", 1, "k");
  const { ctx, log, problems } = world.processes[0] as SimulatedProcess;
  // Its definition has no such step.
  const events = [{ type: "step.succeeded", data: { step: "walk" } }];
  const stream = { stream: `run:${runId}`, expected: "any" as const, events };
  await world.settled(log.append(ctx, { streams: [stream] }));
  await world.time.advance(70_000);
  expect(problems).toEqual([
    expect.stringMatching(`${runId}: It cannot be carried on: W8.*walk`),
    expect.stringMatching(`${runId}: .*could it be parked.*Read only`),
  ]);
});
