// That runs are loaded in their turn, as many as there is room for, and that room which comes free is used.
import { createRuntime, rootContext, seededRandom, simulateTime, sleep } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { expect, test } from "vitest";
import { z } from "zod";
import type { OpenRun } from "./open-run.ts";
import { reactor } from "./reactor.ts";
import { RunLoader } from "./run-loader.ts";
import { settled } from "./testing/settled.ts";
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

test("one that throws as it is loaded takes up no room for good, and can be loaded again", async () => {
  const thrown: unknown[] = [];
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => thrown.push(error));
  try {
    const time = simulateTime({ random: seededRandom(1) });
    const runtime = createRuntime({ clock: time, random: seededRandom(2) });
    const log = createLog(createMemoryStore(), runtime);
    await settled(time, log.start(rootContext(runtime)));
    const loaded: string[] = [];
    const loader = new RunLoader({
      log,
      runtime,
      get: (runId) => ({ runId, version: 1 }) as OpenRun,
      room: () => 1,
      load: async ({ runId }) => {
        loaded.push(runId);
        if (loaded.length === 1) throw new Error("no");
      },
      changed() {},
    });
    loader.add("one");
    loader.add("other");
    await time.advance(1_000);
    loader.add("one");
    await time.advance(1_000);
    expect(loaded).toEqual(["one", "other", "one"]);
    // A defect, which belongs where everybody sees it.
    expect(thrown).toMatchObject([{ message: "no" }]);
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const other of others) process.on("unhandledRejection", other);
  }
});
