import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();

test("however long it takes to look through all runs, those at the end are taken over too", async () => {
  const long = reactor("long", { input }, (steps) =>
    steps
      .step("s", { timeoutMs: 80_000_000, run: ({ runtime }) => sleep(rootContext(runtime), 70_000_000) })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, definitions: [long] });
  const runIds: string[] = [];
  for (let nr = 0; nr < 4_500; nr++) runIds.push(await world.begin("long", nr, `k${nr}`));
  const [one, two] = world.processes as [SimulatedProcess, SimulatedProcess];
  // Two turns are needed, and both together take longer than it is until runs are looked through again.
  two.clock.nextTurn = () => new Promise((resolve) => void world.time.setTimer(resolve, 3_000));
  one.kill();
  await world.time.advance(600_000);
  const taken = runIds.filter((runId) => world.history(runId).some(({ event }) => event.type === "run.claimed"));
  expect(taken.length).toBe(runIds.length);
});

test("a run that was lost as the lease ran out, and taken again, wakes in time", async () => {
  const naps = reactor("naps", { input }, (steps) =>
    steps.sleep("nap", { args: () => ({ forMs: 202_300 }) }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [naps] });
  const beganMs = world.time.now();
  const runId = await world.begin("naps", 1, "k");
  const [process] = world.processes as [SimulatedProcess];
  const { epoch } = process.membership;
  await world.time.advance(20_000);
  process.link.up = false;
  await world.time.advance(30_000);
  process.link.up = true;
  await world.finish(runId);
  expect(process.membership.epoch).toBeGreaterThan(epoch);
  expect((world.history(runId).at(-1)?.atMs ?? Number.NaN) - beganMs).toBeLessThan(202_300 + 500);
});
