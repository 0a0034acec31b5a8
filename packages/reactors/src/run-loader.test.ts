// That runs are loaded in their turn, as many as there is room for, and that room which comes free is used.
import { createRuntime, rootContext, seededRandom, sleep } from "@viable/kernel";
import { createLog } from "@viable/log";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

test("where a process carries on as many as it can, one more goes on as soon as one of those is given up", async () => {
  const definition = reactor("slow", { input: z.unknown() }, (steps) =>
    steps.step("a", { run: ({ runtime }) => sleep(rootContext(runtime), 3_600_000) }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const [{ reactors }] = world.processes as [SimulatedProcess];
  const runIds: string[] = [];
  for (let count = 0; count < 10_001; count++) runIds.push(await world.begin("slow", count, `${count}`));
  await world.time.advance(6_000);
  expect(reactors.stats()).toMatchObject({ active: 10_000, waiting: 1 });

  // One that cannot be read on is not carried on any more.
  const runtime = createRuntime({ clock: world.time, random: seededRandom(99) });
  const foreign = createLog(world.store, runtime);
  const streams = [
    { stream: `run:${runIds[0]}`, expected: "any" as const, events: [{ type: "run.paused", data: {} }] },
  ];
  expect(await world.settled(foreign.append(rootContext(runtime), { streams }))).toMatchObject({ ok: true });
  await world.time.advance(6_000);
  expect(reactors.stats()).toMatchObject({ active: 10_000, waiting: 0, unreadable: 1 });
  expect(world.calls.at(-1)?.runId).toBe(runIds.at(-1));
});
