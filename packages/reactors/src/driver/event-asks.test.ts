// That many steps which wait for the same event get one each, and that the log is not asked by each of them about each that comes.
import { ViableError } from "@viable/kernel";
import { storeRefused } from "@viable/log";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "../testing/simulate-processes.ts";
import { simulateProcesses } from "../testing/simulate-processes.ts";

const many = 200;
const dayMs = 24 * 3_600_000;
const input = z.unknown();

const waits = reactor("waits", { input }, (steps) =>
  steps
    .map("each", { maxConcurrency: 1_000, over: () => Array.from({ length: many }, (_, nr) => nr) }, (each) =>
      each
        .waitFor("w", { event: "paid", args: () => ({ key: "k", timeoutMs: dayMs }) })
        .returns(({ results }) => results.w),
    )
    .returns(({ results }) => results.each),
);

/** A world whose questions about what was sent are counted. */
async function counted(processes: number) {
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [waits] });
  const asked = { times: 0 };
  const { readStream } = world.store;
  world.store.readStream = async (...args) => {
    if (args[0].startsWith("awaited:")) asked.times += 1;
    return await readStream(...args);
  };
  for (let count = 0; count < processes; count++) await world.start();
  return { world, asked };
}

const processOf = (world: ProcessWorld): SimulatedProcess => world.running[0] as SimulatedProcess;

async function send(world: ProcessWorld, from: number, to: number) {
  const { reactors, ctx } = processOf(world);
  for (let nr = from; nr < to; nr++) await world.settled(reactors.send(ctx, "paid", "k", nr));
}

const inOrder = { type: "run.completed", data: { result: Array.from({ length: many }, (_, nr) => nr) } };

describe("two hundred steps that wait for the same get one event each, in their order, for a question or two about each", () => {
  test("as the events come", async () => {
    const { world, asked } = await counted(1);
    const runId = await world.begin("waits", 1, "k");
    await world.time.advance(10_000);
    expect(asked.times).toBeLessThan(10);
    await send(world, 0, many);
    expect(await world.finish(runId)).toMatchObject(inOrder);
    expect(asked.times).toBeLessThan(3 * many);
  });

  test("where all of them came before the run began", async () => {
    const { world, asked } = await counted(1);
    await send(world, 0, many);
    expect(await world.finish(await world.begin("waits", 1, "k"))).toMatchObject(inOrder);
    expect(asked.times).toBeLessThan(3 * many);
  });

  test("where they came while nobody carried the run on", async () => {
    const { world, asked } = await counted(2);
    const runId = await world.begin("waits", 1, "k");
    await world.time.advance(10_000);
    processOf(world).kill();
    await send(world, 0, many);
    expect(await world.finish(runId)).toMatchObject(inOrder);
    expect(asked.times).toBeLessThan(3 * many);
  });
});

test("of steps that wait for the same, each whose time is up while another asks gets what has come, or fails", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps
      .waitFor("first", { event: "paid", args: () => ({ key: "k" }) })
      .waitFor("second", { event: "paid", args: () => ({ key: "k", timeoutMs: 5_000 }) })
      .waitFor("third", { event: "paid", args: () => ({ key: "k", timeoutMs: 60_000 }) })
      .returns(({ results }) => [results.first, results.second, results.third]),
  );
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [definition] });
  const { readStream } = world.store;
  let isRefusing = false;
  world.store.readStream = async (...args) => {
    if (isRefusing && args[0].startsWith("awaited:")) throw new ViableError(storeRefused, "Refused.");
    return await readStream(...args);
  };
  await world.start();
  const runId = await world.begin("waits", 1, "k");
  await world.time.advance(1_000);
  isRefusing = true;
  await send(world, 1, 3);
  await world.time.advance(9_000);
  isRefusing = false;
  await world.time.advance(2_000);
  const got = world.history(runId).flatMap(({ event }) => (event.type === "step.succeeded" ? [event.data] : []));
  expect(got.map(({ step }) => step).sort()).toEqual(["first", "second"]);
  expect(got.map(({ result }) => result)).toEqual([1, 2]);
  expect(await world.finish(runId)).toMatchObject({
    type: "run.failed",
    data: { error: { code: "reactor.wait_timed_out", message: expect.stringContaining("third") } },
  });
});

test("what comes while a later step has its answer on the way, that nothing is there, is not missed by an earlier one", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps
      .waitFor("early", { event: "paid", args: () => ({ key: "k" }) })
      .sleep("nap", { args: () => ({ forMs: 1_000 }) })
      .waitFor("late", { event: "paid", after: ["nap"], args: () => ({ key: "k" }) })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [definition] });
  const { readStream } = world.store;
  let asked = 0;
  world.store.readStream = async (...args) => {
    const answer = await readStream(...args);
    const isSlow = args[0].startsWith("awaited:") && ++asked === 2;
    if (isSlow) await new Promise<void>((resolve) => void world.time.setTimer(resolve, 5_000));
    return answer;
  };
  await world.start();
  const runId = await world.begin("waits", 1, "k");
  await world.time.advance(3_000);
  expect(asked).toBe(2);
  await send(world, 1, 2);
  await world.time.advance(10_000);
  expect(world.history(runId).at(-1)?.event).toMatchObject({ type: "step.succeeded", data: { consumed: 1 } });
});
