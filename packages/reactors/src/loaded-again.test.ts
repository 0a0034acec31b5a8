// That a process which loads a run again knows what of it may have been done, by itself as by others before it.
import { rootContext, sleep, ViableError } from "@viable/kernel";
import { storeRefused, storeUnavailable } from "@viable/log";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const away = () => new ViableError(storeUnavailable, "Away for a moment.", { retryable: true });
const has = (world: ProcessWorld, runId: string, type: string) =>
  world.history(runId).some(({ event }) => event.type === type);

/** Does it at once, and answers ten seconds later. */
const book = (effects: Set<string>) => ({
  run: async ({ runtime }: { runtime: Parameters<typeof rootContext>[0] }) => {
    effects.add("book");
    await sleep(rootContext(runtime), 10_000);
    return 1;
  },
  undo: () => void effects.delete("book"),
});

const books = (effects: Set<string>): ReactorDefinition =>
  reactor("books", { input }, (steps) => steps.step("book", book(effects)).returns(() => 1)) as ReactorDefinition;

test("what was under way when a run could not be read on is not left behind where the run is cancelled", async () => {
  const effects = new Set<string>();
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [books(effects)] });
  const { readStream } = world.store;
  let refused = 0;
  let runId = "";
  world.store.readStream = async (...args) => {
    if (refused > 0 || !has(world, runId, "run.cancel_requested")) return await readStream(...args);
    refused += 1;
    throw away();
  };
  await world.start();
  const other = await world.start();
  runId = await world.begin("books", 1, "k");
  await world.time.advance(1_000);
  await world.settled(other.reactors.cancel(other.ctx, runId, "enough"));
  expect(await world.finish(runId)).toMatchObject({ type: "run.cancelled" });
  expect(refused).toBe(1);
  expect([...effects]).toEqual([]);
});

test("nor what somebody else had under way, where the answer to the claim was lost", async () => {
  const effects = new Set<string>();
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [books(effects)] });
  const { commit } = world.store;
  let losesAnswers = true;
  let lost = 0;
  world.store.commit = async (batch, now, follow) => {
    const result = await commit(batch, now, follow);
    if (!losesAnswers || !batch.some(({ streams }) => streams.some(({ events }) => events.some(isClaim))))
      return result;
    lost += 1;
    throw new ViableError(storeRefused, "It was written, and the answer was not.");
  };
  const one = await world.start();
  const two = await world.start();
  const runId = await world.begin("books", 1, "k");
  await world.time.advance(1_000);
  one.kill();
  await world.time.until(() => lost > 0, 120_000);
  await world.time.advance(1_000);
  losesAnswers = false;
  await world.settled(two.reactors.cancel(two.ctx, runId, "enough"));
  expect(await world.finish(runId)).toMatchObject({ type: "run.cancelled" });
  expect([...effects]).toEqual([]);
});

test("nor where the run was forgotten meanwhile, as it rested until a person had said something", async () => {
  const effects = new Set<string>();
  const naps = reactor("naps", { input }, (steps) =>
    steps.sleep("nap", { args: () => ({ forMs: 3_600_000 }) }).returns(() => 1),
  );
  const definition = reactor("asks", { input }, (steps) =>
    steps
      .step("charge", { idempotent: false, run: () => new Promise<number>(() => {}) })
      .step("book", book(effects))
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, definitions: [definition, naps] });
  const [one, two] = world.processes as [SimulatedProcess, SimulatedProcess];
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  one.kill();
  await world.time.until(() => has(world, runId, "run.needs_review"), 120_000);
  expect(two.reactors.stats().resting).toBe(1);
  for (let count = 0; count < 1_000; count++) await world.begin("naps", count, `${count}`);
  await world.time.until(() => two.reactors.stats().resting === 1_000);
  await world.settled(two.reactors.review(two.ctx, runId, { decision: "failed" }));
  expect(await world.finish(runId)).toMatchObject({ type: "run.compensated" });
  expect([...effects]).toEqual([]);
});

const isClaim = ({ type }: { readonly type: string }) => type === "run.claimed";
