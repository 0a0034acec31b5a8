// That an order given again under its id counts once and is answered as the first time, whatever the run has come to since: whoever dies
// between giving it and saying so may give it again.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { OrderOptions } from "./run-orders.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const id = "evt_word";
const types = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => event.type);
const count = (world: ProcessWorld, runId: string, type: string) =>
  types(world, runId).filter((each) => each === type).length;

const naps = reactor("naps", { input }, (steps) =>
  steps.sleep("nap", { args: () => ({ forMs: 60_000 }) }).returns(() => 1),
);
const books = reactor("books", { input, reversible: true }, (steps) =>
  steps.step("book", { run: () => 1, undo: () => {} }).returns(() => 1),
);
const unsure = reactor("unsure", { input }, (steps) =>
  steps.step("wire", { idempotent: false, timeoutMs: 100, run: () => new Promise<number>(() => {}) }).returns(() => 1),
);

type Give = (process: SimulatedProcess, runId: string, options?: OrderOptions) => Promise<{ readonly ok: boolean }>;
const cancel: Give = ({ reactors, ctx }, runId, options) => reactors.cancel(ctx, runId, "enough", options);
const undo: Give = ({ reactors, ctx }, runId, options) => reactors.undo(ctx, runId, "enough", options);
const retry: Give = ({ reactors, ctx }, runId, options) => reactors.review(ctx, runId, { decision: "retry" }, options);

test.for([
  ["a cancellation", naps, cancel, "run.cancel_requested"],
  ["an undo", books, undo, "run.undo_requested"],
] as const)("%s is not given twice, and another one is refused", async ([, definition, give, type]) => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const [one] = world.processes as [SimulatedProcess];
  const runId = await world.begin(definition.name, 1, "k");
  await world.time.advance(1_000);
  expect(await world.settled(give(one, runId, { id }))).toEqual({ ok: true });
  await world.finish(runId);
  expect(await world.settled(give(one, runId, { id }))).toEqual({ ok: true });
  expect(await world.settled(give(one, runId, { id: "evt_other" }))).toMatchObject({ ok: false });
  expect(await world.settled(give(one, runId))).toMatchObject({ ok: false });
  // Nor does it matter what is here by now of the definition that the run began with.
  const without = await world.start([]);
  expect(await world.settled(give(without, runId, { id }))).toEqual({ ok: true });
  expect(count(world, runId, type)).toBe(1);
});

test("a word that is given again answers no second question", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [unsure] });
  const [one] = world.processes as [SimulatedProcess];
  const runId = await world.begin("unsure", 1, "k");
  await world.finish(runId);
  for (let each = 0; each < 2; each++) {
    expect(await world.settled(retry(one, runId, { id }))).toEqual({ ok: true });
    await world.finish(runId);
  }
  expect(types(world, runId).slice(2)).toEqual([
    "run.needs_review",
    "run.reviewed",
    "step.started",
    "run.needs_review",
  ]);
});

test("a word that was held up on its way, and was given again elsewhere meanwhile, counts once", async () => {
  let held: SimulatedProcess | undefined;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [unsure],
    fate: ({ process, when, what }) => {
      if (held !== undefined || when !== "before" || what !== "run.reviewed") return "go";
      held = process;
      return "pause";
    },
  });
  const runId = await world.begin("unsure", 1, "k");
  await world.finish(runId);
  const [one, two] = world.processes as [SimulatedProcess, SimulatedProcess];
  const late = retry(one, runId, { id });
  await world.time.until(() => held !== undefined);
  expect(await world.settled(retry(two, runId, { id }))).toEqual({ ok: true });
  await world.finish(runId);
  expect(await world.settled(late)).toEqual({ ok: true });
  expect(count(world, runId, "run.reviewed")).toBe(1);
});
