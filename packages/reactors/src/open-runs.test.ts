import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, sleep } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { controlStore } from "@viable/log/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactorEventTypes } from "./event-types.ts";
import { createOpenRuns } from "./open-runs.ts";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const lines = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => describeEvent(event));
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;

test("a run that is undone right after it has ended is known to a process that starts", async () => {
  const definition = reactor("undone", { input, reversible: true }, (steps) =>
    steps
      .step("a", { run: () => 1, undo: (ctx) => sleep(rootContext(ctx.runtime), 20_000) })
      .sleep("rest", { after: ["a"], args: () => ({ forMs: 7_000 }) })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("undone", 1, "k");
  await world.time.until(() => world.isOver(runId));
  const { reactors, ctx } = first(world);
  await world.settled(reactors.undo(ctx, runId, "enough"));
  await world.time.advance(6_000);
  first(world).kill();
  await world.start();
  await world.time.advance(120_000);
  expect(lines(world, runId).at(-1)).toMatch("run.compensated");
});

test("a process that notes late what is open does not undo what another has noted meanwhile", async () => {
  const time = simulateTime({ random: seededRandom(1) });
  const shared: Store = { ...createMemoryStore(), exclusive: false };
  const start = async (seed: number) => {
    const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
    const ctx = rootContext(runtime);
    const store = controlStore(shared, () => new Error("lost"));
    const log = createLog(store, runtime, { types: reactorEventTypes });
    const openRuns = createOpenRuns(log, { changed() {}, ended() {}, received() {} });
    await log.start(ctx);
    const started = openRuns.start(ctx).then(() => true);
    let isStarted = false;
    void started.then(() => {
      isStarted = true;
    });
    await time.until(() => isStarted);
    return { ctx, log, openRuns, store };
  };
  const late = await start(1);
  await time.advance(1_000);
  const other = await start(2);
  const stream = `run:${other.ctx.runtime.ids.next("run")}`;
  const append = (expected: number, type: string, data: JsonObject) =>
    void other.log.append(other.ctx, { streams: [{ stream, expected, events: [{ type, data }] }] });
  append(0, "run.started", { reactor: "r", version: 1, hash: "h", input: null });
  await time.advance(1_500);
  const release = late.store.hold();
  await time.advance(3_000);
  append(1, "run.completed", { result: 1 });
  await time.advance(2_000);
  release();
  await time.advance(30_000);
  expect([late.openRuns.size, other.openRuns.size]).toEqual([0, 0]);
  expect([...(await start(3)).openRuns.all()]).toEqual([]);
});
