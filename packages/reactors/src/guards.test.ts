// That a guard is part of an attempt and no more: one that fails or does not answer is tried as often as the step says, and what it finds that
// this run may have done itself is taken back like all else.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const fails = (): number => {
  throw new Error("no");
};

test("W10: a guard that never answers is one failed attempt after the other, also of a step that must not be done twice", async () => {
  let guards = 0;
  const definition = reactor("charges", { input }, (steps) =>
    steps
      .step("charge", {
        idempotent: false,
        timeoutMs: 1_000,
        retry: { maxAttempts: 3 },
        guard: () => {
          guards += 1;
          return new Promise<undefined>(() => {});
        },
        run: () => 1,
        findOutcome: () => ({ result: 1 }),
      })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1, patienceMs: 10 });
  expect(run.lines).toEqual([
    "run.started",
    "step.failed charge, attempt 1: reactor.step_timed_out, again later",
    "step.failed charge, attempt 2: reactor.step_timed_out, again later",
    "step.failed charge, attempt 3: reactor.step_timed_out",
    "run.failed: reactor.step_timed_out",
  ]);
  expect([guards, run.callLines.filter((line) => !line.startsWith("guard"))]).toEqual([3, []]);
});

/** A step that finds by its guard what is there, whoever it was; and one after it that fails. */
function finding(options: { isThere?: boolean; answerIsLost?: boolean; guardFails?: number; undo?: boolean }) {
  const world = { isThere: options.isThere ?? false };
  let guards = 0;
  const definition = reactor("books", { input }, (steps) =>
    steps
      .step("book", {
        args: () => ({ room: 7 }),
        retry: { maxAttempts: 3 },
        guard: () => {
          if (guards++ < (options.guardFails ?? 0)) throw new Error("cannot be asked");
          return world.isThere ? { result: "there" } : undefined;
        },
        run: () => {
          world.isThere = true;
          if (options.answerIsLost) throw new Error("lost");
          return "there";
        },
        ...(options.undo !== false && {
          undo: (_ctx: unknown, { args, result }: { args: { room: number }; result: string }) => {
            if (args.room === 7 && result === "there") world.isThere = false;
          },
        }),
      })
      .step("bad", { after: ["book"], run: fails })
      .returns(() => 1),
  );
  return { definition, world };
}

test("what the guard finds that an attempt before it did is undone", async () => {
  const { definition, world } = finding({ answerIsLost: true });
  const run = await testReactor(definition, { input: 1 });
  expect(run.lines.slice(1)).toEqual([
    "step.failed book, attempt 1: lost, again later",
    "step.succeeded book by guard, attempt 2",
    "step.failed bad, attempt 1: no",
    "run.undoing: step_failed bad",
    "step.undone book",
    "run.compensated: step_failed bad",
  ]);
  expect(world.isThere).toBe(false);
});

test("and what was done by a process that died is, wherever the run is undone from", async () => {
  const { definition, world } = finding({});
  const crashAt = [
    { step: "book", when: "after" as const },
    { step: "bad", when: "before" as const },
  ];
  const run = await testReactor(definition, { input: 1, crashAt });
  expect(run.status).toBe("compensated");
  expect(world.isThere).toBe(false);
});

test("where it declares no undo, the run's end names it", async () => {
  const { definition } = finding({ answerIsLost: true, undo: false });
  const run = await testReactor(definition, { input: 1 });
  expect(run.ending).toMatchObject({ type: "run.failed", data: { kept: ["book"] } });
});

test("what was there before the run is left there", async () => {
  const { definition, world } = finding({ isThere: true });
  const run = await testReactor(definition, { input: 1 });
  expect(run.lines).toContain("step.succeeded book by guard");
  expect(run.ending).toMatchObject({ type: "run.failed" });
  expect(run.ending?.data).not.toHaveProperty("kept");
  expect(world.isThere).toBe(true);
});

test("also where the guard could not say so at once: a guard that failed has done nothing", async () => {
  const { definition, world } = finding({ isThere: true, guardFails: 2 });
  const run = await testReactor(definition, { input: 1 });
  expect(run.lines.at(-1)).toBe("run.failed: no");
  expect(world.isThere).toBe(true);
});

test("what the outcome was looked for and not found of is not this run's, whatever its guard finds then", async () => {
  let isTheirs = false;
  const undone: unknown[] = [];
  const definition = reactor("books", { input: z.unknown() }, (steps) =>
    steps
      .step("book", {
        idempotent: false,
        guard: () => (isTheirs ? { result: "theirs" } : undefined),
        findOutcome: () => {
          isTheirs = true;
          return undefined;
        },
        run: () => "ours",
        undo: (_ctx, { result }) => void undone.push(result),
      })
      .step("fail", {
        after: ["book"],
        retry: { maxAttempts: 1 },
        run: (): number => {
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  let isMet = false;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ when, what, kind }) => {
      if (isMet || kind !== "effect" || when !== "before" || what !== "run book") return "go";
      isMet = true;
      return "kill";
    },
  });
  const runId = await world.begin("books", 1, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.failed" });
  expect(isTheirs).toBe(true);
  expect(undone).toEqual([]);
});
