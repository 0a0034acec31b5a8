// One event that cannot be read, as of a newer release or of a damaged database, costs what is known of its run here, and nothing of the others.
import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { EventType, Log, Store } from "@viable/log";
import { createLog, createMemoryStore, eventType } from "@viable/log";
import { runEvents } from "@viable/protocol";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactorEventTypes } from "./event-types.ts";
import { listApprovals } from "./list-runs.ts";
import { createOpenRuns } from "./open-runs.ts";
import { reactor } from "./reactor.ts";
import { settled } from "./testing/settled.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;
const naps = reactor("naps", { input }, (steps) =>
  steps.sleep("nap", { args: () => ({ forMs: 60_000 }) }).returns(() => "rested"),
);

/** Writes into a world's log as a release does that knows other shapes: this one judges none. */
async function foreignLog(world: ProcessWorld) {
  const runtime = createRuntime({ clock: world.time, random: seededRandom(99) });
  const ctx = rootContext(runtime);
  const log = createLog(world.store, runtime);
  await world.settled(log.start(ctx));
  return async (stream: string, type: string, data: JsonObject = {}) => {
    const outcome = await world.settled(
      log.append(ctx, { streams: [{ stream, expected: "any", events: [{ type, data }] }] }),
    );
    expect(outcome).toMatchObject({ ok: true });
  };
}

test("a process starts beside it, carries the other runs on, leaves that one alone and says why", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [naps] });
  const bad = await world.begin("naps", 1, "bad");
  const good = await world.begin("naps", 1, "good");
  await world.time.advance(1_000);
  first(world).kill();
  const write = await foreignLog(world);
  await write(`run:${bad}`, "run.claimed", { processId: 7 });
  await write(`run:${bad}`, "run.paused");

  const other = await world.start();
  expect(await world.finish(good)).toMatchObject({ type: "run.completed" });
  expect(other.problems).toEqual([expect.stringMatching(`${bad}: .*run.claimed.* cannot be read: data.processId`)]);
  expect(world.history(bad).at(-1)?.event.type).toBe("step.waiting");
  expect([...other.reactors.openRuns(other.ctx)]).toMatchObject([
    { runId: bad, unreadable: { reason: expect.stringContaining("run.claimed") } },
  ]);
});

test("also where it comes while processes run: whoever carries that run on gives it up", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [naps] });
  const bad = await world.begin("naps", 1, "bad");
  const good = await world.begin("naps", 1, "good");
  await world.time.advance(1_000);
  const write = await foreignLog(world);
  await write(`run:${bad}`, "run.paused");

  expect(await world.finish(good)).toMatchObject({ type: "run.completed" });
  const { reactors, problems } = first(world);
  expect(problems).toEqual([expect.stringMatching(`${bad}: .*run.paused.* cannot be read`)]);
  expect(reactors.failure()).toBeUndefined();
  expect(reactors.stats()).toMatchObject({ active: 0, resting: 0, open: 1, unreadable: 1 });
});

test("of many runs that begin so, some are told of and then that there are more", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [naps] });
  const write = await foreignLog(world);
  for (let count = 0; count < 50; count++)
    await write(`run:${first(world).ctx.runtime.ids.next("run")}`, "run.started");
  const { problems, reactors } = first(world);
  await world.time.advance(1_000);
  expect(reactors.stats()).toMatchObject({ open: 50 });
  expect(problems).toHaveLength(21);
  expect(problems.at(-1)).toMatch(/more runs/);
});

test("a run whose end cannot be read is open no more, and the run it is part of hears of it", async () => {
  const parent = reactor("parent", { input }, (steps) =>
    steps.compose("child", naps, { args: () => 1 }).returns(({ results }) => results.child),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [parent] });
  const runId = await world.begin("parent", 1, "k");
  await world.time.advance(1_000);
  const child = world.runIds.find((each) => each !== runId) as string;
  const write = await foreignLog(world);
  await write(`run:${child}`, "run.completed");

  expect(await world.finish(runId)).toMatchObject({
    type: "run.failed",
    data: { error: { code: "log.undecodable_event" } },
  });
  expect(first(world).reactors.stats()).toMatchObject({ open: 0 });
});

test("what an older release noted and could not read, a newer one that starts reads", async () => {
  const time = simulateTime({ random: seededRandom(1) });
  const store: Store = { ...createMemoryStore(), exclusive: false };
  const asNewer = (type: EventType): EventType =>
    type.type === "run.claimed" ? eventType(type.type, runEvents["run.claimed"], [(data) => data]) : type;
  const start = async (seed: number, types: readonly EventType[]) => {
    const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
    const ctx = rootContext(runtime);
    const log = createLog(store, runtime, { types });
    await settled(time, log.start(ctx));
    const openRuns = createOpenRuns(log, { changed() {}, ended() {}, received() {}, unreadable() {}, problem() {} });
    await settled(time, openRuns.start(ctx));
    return { ctx, log, openRuns };
  };
  const older = await start(1, reactorEventTypes);
  const newer = await start(2, reactorEventTypes.map(asNewer));
  const runId = newer.ctx.runtime.ids.next("run");
  const append = (log: Log, type: string, data: JsonObject) =>
    settled(
      time,
      log.append(newer.ctx, { streams: [{ stream: `run:${runId}`, expected: "any", events: [{ type, data }] }] }),
    );
  await append(newer.log, "run.started", { reactor: "r", version: 1, hash: "h", input: null });
  await settled(time, newer.openRuns.stop(newer.ctx));
  const claim = { processId: "prc_new", epoch: 3, attempt: 1 };
  await append(newer.log, "run.claimed", { ...claim, reason: "nobody had it" });
  await append(newer.log, "run.needs_review", { step: "a", during: "run", reason: "nobody knows" });
  await time.advance(12_000);
  expect([...older.openRuns.all()]).toMatchObject([{ runId, claim: undefined, unreadable: { version: 2 } }]);
  expect(older.openRuns.unreadable).toBe(1);

  const { openRuns } = await start(3, reactorEventTypes.map(asNewer));
  expect([...openRuns.all()]).toMatchObject([{ runId, claim, standing: "needs_review", unreadable: undefined }]);
  expect(openRuns.unreadable).toBe(0);
});

test("what other runs ask persons for is listed without it", async () => {
  const asks = reactor("asks", { input }, (steps) => steps.approval("ok", { title: "May we?" }).returns(() => 1));
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [asks] });
  const bad = await world.begin("asks", 1, "bad");
  const good = await world.begin("asks", 1, "good");
  await world.time.advance(1_000);
  const write = await foreignLog(world);
  await write(`run:${bad}`, "run.paused");
  await world.time.advance(1_000);
  const { ctx, log, reactors } = first(world);
  const listed = await world.settled(listApprovals(ctx, log, reactors.approvals(ctx), { limit: 10 }));
  expect(listed).toMatchObject({ approvals: [{ runId: good }], more: 1 });
});
