// That the picture of what is open is what the log says, for very many runs, and that a process that starts has it from its notes and the last
// seconds of the log.
import type { JsonObject, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, sleep } from "@viable/kernel";
import type { NewEvent, Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { controlStore } from "@viable/log/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { reactorEventTypes } from "./event-types.ts";
import { createOpenRuns } from "./open-runs.ts";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import { settled } from "./testing/settled.ts";
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

test("a run that ended, was opened anew and ended again between two notes is not open to a process that starts", async () => {
  const definition = reactor("undone", { input, reversible: true }, (steps) =>
    steps
      .step("a", { run: () => 1, undo: () => {} })
      .sleep("rest", { after: ["a"], args: () => ({ forMs: 6_000 }) })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("undone", 1, "k");
  await world.time.until(() => world.isOver(runId));
  const { reactors, ctx } = first(world);
  await world.settled(reactors.undo(ctx, runId, "enough"));
  await world.time.until(() => world.isOver(runId));
  await world.time.advance(10_000);
  first(world).kill();
  expect((await world.start()).reactors.stats()).toMatchObject({ open: 0 });
});

test("a process that notes late what is open does not undo what another has noted meanwhile", async () => {
  const time = simulateTime({ random: seededRandom(1) });
  const shared: Store = { ...createMemoryStore(), exclusive: false };
  const start = async (seed: number) => {
    const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
    const ctx = rootContext(runtime);
    const store = controlStore(shared, () => new Error("lost"));
    const log = createLog(store, runtime, { types: reactorEventTypes });
    const openRuns = createOpenRuns(log, { changed() {}, ended() {}, received() {}, unreadable() {}, problem() {} });
    await log.start(ctx);
    await settled(time, openRuns.start(ctx));
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

describe("of 50,000 runs", () => {
  const count = 50_000;
  const perAppend = 100;
  const isOdd = (index: number) => index % 2 === 1;

  /** A process with a picture of its own, on a store that counts what is read of it. */
  async function start(store: Store, time: SimulatedTime, seed: number) {
    const read = { events: 0, records: 0 };
    const counted: Store = {
      ...store,
      readAll: async (...query) => {
        const page = await store.readAll(...query);
        read.events += page.events.length;
        return page;
      },
      listRecords: async (...query) => {
        const page = await store.listRecords(...query);
        read.records += page.records.length;
        return page;
      },
    };
    const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
    const ctx = rootContext(runtime);
    const log = createLog(counted, runtime, { types: reactorEventTypes });
    const openRuns = createOpenRuns(log, { changed() {}, ended() {}, received() {}, unreadable() {}, problem() {} });
    await settled(time, log.start(ctx));
    await settled(time, openRuns.start(ctx));
    return { ctx, log, openRuns, read };
  }
  // The memory store looks at all records for each page of them.
  test("a process that starts reads their notes, and of the log only what came after those; what has ended leaves none", {
    timeout: 120_000,
  }, async () => {
    const time = simulateTime({ random: seededRandom(1) });
    const store: Store = { ...createMemoryStore(), exclusive: false };
    const first = await start(store, time, 1);
    const { ctx, log } = first;
    const ids = Array.from({ length: count }, () => ctx.runtime.ids.next("run"));
    const write = async (which: readonly string[], expected: number, events: readonly NewEvent[]) => {
      for (let from = 0; from < which.length; from += perAppend) {
        const streams = which.slice(from, from + perAppend).map((id) => ({ stream: `run:${id}`, expected, events }));
        expect(await settled(time, log.append(ctx, { streams }))).toMatchObject({ ok: true });
      }
    };
    const waitsFor = (step: string, wait: JsonObject): NewEvent => ({
      type: "step.waiting",
      data: { step, wait, idle: null },
    });
    await write(ids, 0, [
      { type: "run.started", data: { reactor: "r", version: 1, hash: "h", input: null } },
      waitsFor("w", { for: "event", event: "e", key: "k" }),
    ]);
    await write(ids.slice(0, 1), 2, [waitsFor("a", { for: "approval", approvalId: "apr_1", title: "?" })]);
    await time.advance(12_000);
    expect(first.openRuns.size).toBe(count);
    expect([...first.openRuns.awaiting("default", "e", "k")]).toHaveLength(count);

    // Half of them end, the one that asks among those that do not.
    await write(
      ids.filter((_, index) => isOdd(index)),
      2,
      [{ type: "run.completed", data: { result: 1 } }],
    );
    await time.advance(12_000);
    const second = await start(store, time, 2);
    const left = ids.filter((_, index) => !isOdd(index)).sort();
    for (const { openRuns } of [first, second]) {
      expect(openRuns.size).toBe(left.length);
      expect([...openRuns.all()].map(({ runId }) => runId).sort()).toEqual(left);
      expect([...openRuns.awaiting("default", "e", "k")]).toHaveLength(left.length);
      expect(openRuns.byApproval("apr_1")?.runId).toBe(ids[0]);
    }
    expect(second.openRuns.get(ids[8] as string)).toEqual(first.openRuns.get(ids[8] as string));
    expect(second.read.records).toBe(left.length);
    expect(second.read.events).toBeLessThan(1_000);
  });
});
