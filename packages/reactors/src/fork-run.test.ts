// What a fork takes over: the outcomes of all that does not come after the step it begins anew from, as they were, and nothing of others.
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { checkForkSize, forkedOutcomes } from "./fork-run.ts";
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

/** The fold of a run of it, as far as its events go. */
async function runOf(definition: ReactorDefinition, events = Number.POSITIVE_INFINITY): Promise<Progress> {
  const run = await testReactor(definition, { input: 1 });
  const progress = new Progress(planOf(definition), run.runId);
  for (const [index, event] of run.events.slice(0, events).entries()) progress.apply(event, index + 1);
  return progress;
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
  const started = { reactor: "trip", version: 1, hash: trip.hash, input: 1 };
  for (const [index, event] of [{ type: "run.started" as const, data: started }, ...kept].entries())
    fork.apply(event, index + 1);
  expect([...fork.open.keys()]).toEqual(["pay"]);
  expect(fork.undoable).toBe(0);
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
      message: `The run ${original.runId} cannot be forked there: ${reason}.`,
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
      message: `The run ${original.runId} cannot be forked there: "pay" stands before it, and has no outcome.`,
      next: "Fork from that step, or from one before it.",
    }),
  );
  expect(forkedOutcomes(original, "pay")).toEqual([outcome("plan", 1)]);
});

test("what is taken over fits the append that a run begins with, to the event and to the character", () => {
  const kept = [outcome("a", "x"), outcome("b", "y")] as unknown as Parameters<typeof checkForkSize>[1];
  const chars = kept.reduce((sum, { data }) => sum + JSON.stringify(data).length + 100, 0);
  expect(() => checkForkSize("run_1", kept, 2, chars)).not.toThrow();
  for (const [maxEvents, maxChars] of [
    [1, chars],
    [2, chars - 1],
  ] as const)
    expect(() => checkForkSize("run_1", kept, maxEvents, maxChars)).toThrow(
      `what it takes over, 2 outcomes of ${chars} characters, is more than ${maxEvents} or ${maxChars}`,
    );
});
