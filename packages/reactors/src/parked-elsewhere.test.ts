// That a run which its process cannot carry on is carried on by one that can, and does not wait until the first one is gone.
import type { JsonObject } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import { storeRefused } from "@viable/log";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const carriedOn = ["run.started", "run.parked", "run.claimed", "step.waiting", "step.succeeded", "run.completed"];

/** Two processes, of which the first comes to a defect where the other does not, as no definition can be made that has one. */
async function startUnlike() {
  const child = reactor("child", { input }, (steps) => steps.step("c", { run: () => 1 }).returns(() => 1));
  const definition = reactor("composes", { input }, (steps) =>
    steps.compose("kid", child, { args: () => 1 }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [definition] });
  // Whether the database takes no order to park a run, and how often it took none.
  const parking = { isRefused: false, refused: 0 };
  const { commit } = world.store;
  world.store.commit = async (batch, now, follow) => {
    const types = batch.flatMap(({ streams }) => streams.flatMap(({ events }) => events.map(({ type }) => type)));
    if (!parking.isRefused || !types.includes("run.parked")) return await commit(batch, now, follow);
    parking.refused += 1;
    throw new ViableError(storeRefused, "Read only.");
  };
  const [one, two] = [await world.start(), await world.start()];
  for (const { name, children } of one.reactors.definitions)
    if (name === "composes") (children as Map<string, unknown>).clear();
  const events = (runId: string) => world.history(runId).map(({ event }) => describeEvent(event).split(" ")[0]);
  return { world, one, two, parking, events };
}

test("though the first one lives and its claim holds", async () => {
  const { world, one, two, events } = await startUnlike();
  const runId = await world.begin("composes", 1, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect(events(runId)).toEqual(carriedOn);
  expect(one.membership.isGone(one.membership.processId, one.membership.epoch)).toBe(false);
  expect(two.reactors.stats()).toMatchObject({ open: 0 });
});

test("though the first one could not say for a while that it cannot, which it tells once", async () => {
  const { world, one, parking, events } = await startUnlike();
  parking.isRefused = true;
  const runId = await world.begin("composes", 1, "k");
  await world.time.advance(60_000);
  expect(events(runId)).toEqual(["run.started"]);
  expect(parking.refused).toBeGreaterThan(5);
  expect(one.problems).toEqual([
    expect.stringContaining("It cannot be carried on"),
    expect.stringContaining("Nor could it be parked"),
  ]);
  parking.isRefused = false;
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect(events(runId)).toEqual(carriedOn);
});

test("nothing is said of a run that has ended while it was read", async () => {
  const naps = reactor("naps", { input }, (steps) =>
    steps.sleep("nap", { args: () => ({ forMs: 60_000 }) }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [naps] });
  const reading = Promise.withResolvers<void>();
  let isRead = false;
  const { readStreams } = world.store;
  world.store.readStreams = async (...args) => {
    const pages = await readStreams(...args);
    isRead = true;
    await reading.promise;
    return pages;
  };
  const one = await world.start();
  const runId = await world.begin("naps", 1, "k");
  const append = (type: string, data: JsonObject) =>
    world.settled(
      two.log.append(two.ctx, { streams: [{ stream: `run:${runId}`, expected: "any", events: [{ type, data }] }] }),
    );
  // Its definition has no such step.
  const two = await world.start();
  one.kill();
  await append("step.succeeded", { step: "walk" });
  await world.time.until(() => isRead);
  await append("run.failed", { error: { code: "internal", message: "no", retryable: false } });
  reading.resolve();
  await world.time.advance(10_000);
  expect(two.reactors.stats()).toMatchObject({ open: 0 });
  expect(two.problems).toEqual([]);
});
