// What a fork takes over: the outcomes of all that does not come after the step it begins anew from, as they were, and nothing of others.
import type { JsonValue } from "@viable/kernel";
import type { RunEvent } from "@viable/protocol";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ForkOptions } from "./begin-run.ts";
import type { ReactorDefinition } from "./definition.ts";
import { checkForkSize, forkedOutcomes } from "./fork-run.ts";
import type { OriginalRun } from "./original-run.ts";
import { OriginalNotes } from "./original-run.ts";
import { planOf } from "./plan.ts";
import { Progress } from "./progress.ts";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;

test("a fork that would take over more than fits one append is refused, and says where to fork instead", async () => {
  const large = () => "x".repeat(3 * 1024 * 1024);
  const definition = reactor("large", { input }, (steps) =>
    steps
      .step("a", { run: large })
      .step("b", { run: large })
      .step("c", { run: large })
      .step("d", { after: ["a", "b", "c"], run: () => 1 })
      .returns(({ results }) => results.d),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("large", 1, "k");
  await world.finish(runId);
  const { reactors, ctx } = first(world);
  const forked = reactors.fork(ctx, runId, { from: "d" }).catch((error: unknown) => error);
  expect(await world.settled(forked)).toMatchObject({ code: "reactor.not_forkable" });
});

const trip = reactor("trip", { input }, (steps) =>
  steps
    .step("plan", { run: () => ({ to: "rome" }) })
    .step("insure", { run: () => undefined, where: () => false })
    .map("book", { over: () => [1, 2], after: ["plan"] }, (each) =>
      each
        .step("one", { args: ({ element }) => ({ n: element }), run: (_ctx, { n }) => n * 10 })
        .returns(({ results }) => results.one),
    )
    .step("pay", { after: ["book"], run: () => "paid" })
    .step("fly", { after: ["pay", "insure"], run: () => "flown" })
    .returns(({ results }) => results.fly),
) as ReactorDefinition;

/** A run of it, as a fork sees it. */
async function runOf(definition: ReactorDefinition): Promise<OriginalRun> {
  const run = await testReactor(definition, { input: 1 });
  const progress = new Progress(planOf(definition), run.runId);
  const notes = new OriginalNotes();
  for (const [index, event] of run.events.entries()) {
    notes.note(progress, event);
    progress.apply(event, index + 1);
  }
  return notes.of(progress);
}

const outcome = (step: string, result?: unknown) => ({
  type: "step.succeeded",
  data: { step, by: "fork", ...(result !== undefined && { result }) },
});

test.for<[string, readonly object[]]>([
  ["plan", [outcome("insure")]],
  ["insure", [outcome("plan", { to: "rome" }), outcome("book", [10, 20]), outcome("pay", "paid")]],
  ["book", [outcome("plan", { to: "rome" }), outcome("insure")]],
  ["fly", [outcome("plan", { to: "rome" }), outcome("insure"), outcome("book", [10, 20]), outcome("pay", "paid")]],
])("from %s on, what does not come after it is taken over, a step with steps inside as one", async ([from, kept]) => {
  expect(forkedOutcomes(await runOf(trip), from)).toEqual(kept);
});

test("a run that begins with what was taken over does the rest, and nothing that was done", async () => {
  const kept = forkedOutcomes(await runOf(trip), "pay");
  const fork = new Progress(planOf(trip), "run_fork");
  const forkedFrom = { runId: "run_original", step: "pay" };
  const started = { reactor: "trip", version: 1, hash: trip.hash, input: 1, forkedFrom };
  for (const [index, event] of [{ type: "run.started" as const, data: started }, ...kept].entries())
    fork.apply(event, index + 1);
  expect([...fork.open.keys()]).toEqual(["pay"]);
  expect(fork.undo.undoable).toBe(0);
});

test.for<[string, string, string, string]>([
  ["no step of it", "swim", '"swim" is none of its outermost steps', "Name one of: plan, insure, book, pay, fly."],
  [
    "a step inside of another",
    "one",
    '"one" is none of its outermost steps',
    "Name one of: plan, insure, book, pay, fly.",
  ],
])("is refused from %s", async ([, from, reason, next]) => {
  const original = await runOf(trip);
  expect(() => forkedOutcomes(original, from)).toThrow(
    expect.objectContaining({
      code: "reactor.not_forkable",
      message: `The run ${original.progress.runId} cannot be forked there: ${reason}.`,
      next,
    }),
  );
});

test("is refused from a step that the run had not come to, and is not from one that failed", async () => {
  const failing = reactor("trip", { input }, (steps) =>
    steps
      .step("plan", { run: () => 1 })
      .step("pay", {
        after: ["plan"],
        run: (): number => {
          throw new Error("no");
        },
      })
      .step("fly", { after: ["pay"], run: () => 1 })
      .returns(() => 1),
  ) as ReactorDefinition;
  const original = await runOf(failing);
  expect(() => forkedOutcomes(original, "fly")).toThrow(
    expect.objectContaining({
      message: `The run ${original.progress.runId} cannot be forked there: "pay" stands before it, and has no outcome.`,
      next: "Fork from that step, or from one before it.",
    }),
  );
  expect(forkedOutcomes(original, "pay")).toEqual([outcome("plan", 1)]);
});

test("what it begins with fits the append that a run begins with, to the event and to the character", () => {
  const kept = [outcome("a", "x"), outcome("b", "y")] as unknown as RunEvent[];
  const started: RunEvent = { type: "run.started", data: { reactor: "trip", version: 1, hash: "h", input: "long" } };
  const all: [RunEvent, ...RunEvent[]] = [started, ...kept];
  const chars = all.reduce((sum, { data }) => sum + JSON.stringify(data).length + 100, 0);
  expect(() => checkForkSize("run_1", all, { events: 2, chars })).not.toThrow();
  for (const max of [
    { events: 1, chars },
    { events: 2, chars: chars - 1 },
  ])
    expect(() => checkForkSize("run_1", all, max)).toThrow(
      `its input and what it takes over, 2 outcomes, ${chars} characters in all, is more than ${max.events} or ${max.chars}`,
    );
});

/** Begins a run, forks it when it has ended, and plays the fork to its end. */
async function forkOf(
  definition: object,
  began: JsonValue,
  options: ForkOptions,
  before: (world: ProcessWorld) => Promise<void> = async () => {},
) {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition as ReactorDefinition] });
  const { reactors, ctx } = first(world);
  await before(world);
  const { name } = definition as ReactorDefinition;
  const runId = await world.begin(name, began, "k");
  await world.finish(runId);
  const forked = await world.settled(reactors.fork(ctx, runId, options));
  if (!forked.ok) throw new Error(forked.message);
  return { world, ctx, reactors, runId, forkId: forked.runId, end: await world.finish(forked.runId) };
}

const each = reactor("each", { input }, (steps) =>
  steps
    .map("all", { over: ({ input }) => (input as unknown as { items: never[] }).items }, (one) =>
      one
        .step("double", { args: ({ element }) => ({ n: element }), run: (_ctx, { n }) => (n as number) * 2 })
        .returns(({ results }) => results.double),
    )
    .step("last", { args: ({ results }) => ({ all: results.all }), run: (_ctx, { all }) => all })
    .returns(({ results }) => results.last),
);

test.for<[string, JsonValue, JsonValue | undefined, unknown]>([
  ["an empty list", { items: [] }, undefined, []],
  ["an empty list by the new input", { items: [1, 2] }, { items: [] }, [2, 4]],
  ["no list by the new input", { items: [1, 2] }, { items: "none" }, [2, 4]],
  ["more by the new input", { items: [1] }, { items: [1, 2, 3] }, [2]],
])("a map that was taken over stays as it was where it goes over %s", async ([, began, input, result]) => {
  const { world, forkId, end } = await forkOf(each, began, { from: "last", ...(input !== undefined && { input }) });
  expect(end).toMatchObject({ type: "run.completed", data: { result } });
  expect(world.calls.filter(({ runId }) => runId === forkId).map(({ step }) => step)).toEqual(["last"]);
});

test("a group of no steps that was taken over stays as it was", async () => {
  const definition = reactor("bare", { input }, (steps) =>
    steps
      .group("none", {}, (inner) => inner.returns(() => "nothing"))
      .step("last", { args: ({ results }) => ({ none: results.none }), run: (_ctx, { none }) => none })
      .returns(({ results }) => results.last),
  );
  const { end } = await forkOf(definition, 1, { from: "last" });
  expect(end).toMatchObject({ type: "run.completed", data: { result: "nothing" } });
});

test("a map that is done again goes over the new list", async () => {
  const { end } = await forkOf(each, { items: [1] }, { from: "all", input: { items: [] } });
  expect(end).toMatchObject({ type: "run.completed", data: { result: [] } });
});

const fails = (): never => {
  throw new Error("no");
};
/** Books and reserves, and pays, which fails: what was reserved is given back. */
const booking = (undo: () => void) =>
  reactor("booking", { input }, (steps) =>
    steps
      .step("look", { run: () => "seen" })
      .group("hold", { after: ["look"] }, (inner) =>
        inner.step("reserve", { run: () => "held", undo }).returns(({ results }) => results.reserve),
      )
      .step("pay", { after: ["hold"], run: fails })
      .returns(() => 1),
  );

test("what was undone is not taken over: the fork is refused, and is not from there on", async () => {
  const original = await runOf(booking(() => {}) as ReactorDefinition);
  expect(() => forkedOutcomes(original, "pay")).toThrow(
    expect.objectContaining({
      code: "reactor.not_forkable",
      message: `The run ${original.progress.runId} cannot be forked there: "hold" stands before it, and was undone.`,
      next: "Fork from that step, or from one before it.",
    }),
  );
  expect(forkedOutcomes(original, "hold")).toEqual([outcome("look", "seen")]);
});

test.for<["done" | "failed", string[]]>([
  ["done", []],
  ["failed", ["look", "hold"]],
])("what a person says of an undo counts: %s", async ([decision, kept]) => {
  const definition = booking(fails);
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition as ReactorDefinition] });
  const { reactors, ctx } = first(world);
  const runId = await world.begin("booking", 1, "k");
  await world.finish(runId);
  await world.settled(reactors.review(ctx, runId, { decision }));
  await world.finish(runId);
  const forked = await world.settled(reactors.fork(ctx, runId, { from: "pay" }).catch((error: unknown) => error));
  if (kept.length === 0) expect(forked).toMatchObject({ code: "reactor.not_forkable" });
  else {
    const { runId: forkId } = forked as { runId: string };
    const taken = world.history(forkId).filter(({ event }) => event.type === "step.succeeded");
    expect(taken.map(({ event }) => (event.data as { step: string }).step)).toEqual(kept);
  }
});

test("what was taken over has taken its events: a fork gets the next one, and so does a fork of it", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps
      .waitFor("a", { event: "e", args: () => ({ key: "k" }) })
      .group("b", { after: ["a"] }, (inner) =>
        inner.waitFor("inside", { event: "e", args: () => ({ key: "k" }) }).returns(({ results }) => results.inside),
      )
      .waitFor("c", { event: "e", after: ["b"], args: () => ({ key: "k" }) })
      .returns(({ results }) => ({ a: results.a, b: results.b, c: results.c })),
  );
  const { world, ctx, reactors, forkId, end } = await forkOf(definition, 1, { from: "b" }, async (world) => {
    const { reactors, ctx } = first(world);
    for (const payload of [1, 2, 3]) await world.settled(reactors.send(ctx, "e", "k", payload));
  });
  const result = { a: 1, b: 2, c: 3 };
  expect(end).toMatchObject({ type: "run.completed", data: { result } });
  const again = await world.settled(reactors.fork(ctx, forkId, { from: "c" }));
  if (!again.ok) throw new Error(again.message);
  expect(await world.finish(again.runId)).toMatchObject({ type: "run.completed", data: { result } });
});

test("a fork under a key is found by it also once the run that it repeats has been undone", async () => {
  const definition = reactor("books", { input, reversible: true }, (steps) =>
    steps
      .step("book", { run: () => 1, undo: () => {} })
      .step("pack", { after: ["book"], run: () => 2 })
      .returns(() => 1),
  );
  const options = { from: "pack", key: "again", causation: "exe_one" };
  const { world, ctx, reactors, runId, forkId } = await forkOf(definition, 1, options);
  const fork = (more: Partial<ForkOptions> = {}) => world.settled(reactors.fork(ctx, runId, { ...options, ...more }));
  await world.settled(reactors.undo(ctx, runId, "ordered twice"));
  for (let each = 0; each < 2; each++) {
    expect(await fork()).toEqual({ ok: true, runId: forkId, repeated: false });
    expect(await fork({ causation: "exe_two" })).toEqual({ ok: true, runId: forkId, repeated: true });
    expect(await fork({ causation: "exe_two", input: 2 })).toMatchObject({ ok: false, reason: "mismatch" });
    // At first it is being undone, and then it has been.
    await world.finish(runId);
  }
  await expect(fork({ key: "new" })).rejects.toMatchObject({ code: "reactor.not_forkable" });
});

test("a fork under a key is found by it, shows it, and is mismatched with another input", async () => {
  const { world, ctx, reactors, runId, forkId } = await forkOf(trip, 1, { from: "pay", key: "again" });
  expect(world.history(forkId)[0]?.event.data).toMatchObject({ key: "again" });
  expect(await world.settled(reactors.fork(ctx, runId, { from: "pay", key: "again" }))).toEqual({
    ok: true,
    runId: forkId,
    repeated: true,
  });
  expect(await world.settled(reactors.fork(ctx, runId, { from: "pay", key: "again", input: 2 }))).toMatchObject({
    ok: false,
    reason: "mismatch",
  });
});
