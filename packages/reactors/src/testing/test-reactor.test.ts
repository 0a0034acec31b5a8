// That a run under test is the engine's, in a world whose time passes as it is needed; and that what a test asks for can be.
import { systemClock } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import { testReactor } from "./test-reactor.ts";

const trip = reactor("trip", { input: z.strictObject({ to: z.string() }) }, (steps) =>
  steps
    .step("book", {
      args: ({ input }) => ({ to: input.to }),
      run: (_ctx, { to }) => ({ ticket: `T-${to}` }),
      undo: () => {},
    })
    .sleep("rest", { after: ["book"], args: () => ({ forMs: 10 * 86_400_000 }) })
    .step("fly", { after: ["rest"], args: ({ results }) => ({ with: results.book.ticket }), run: () => 1 })
    .returns(({ results }) => ({ ticket: results.book.ticket })),
);

test("a sleep of ten days passes", async () => {
  const run = await testReactor(trip, { input: { to: "rome" } });
  expect(run).toMatchObject({ status: "completed", result: { ticket: "T-rome" }, elapsedMs: 864_000_000 });
  expect(run.lines).toEqual([
    "run.started",
    "step.succeeded book",
    "step.waiting rest for time",
    "step.succeeded rest",
    "step.succeeded fly",
    "run.completed",
  ]);
});

test.each([
  ["a step that there is none of", { step: "flee" }, /There is no step "flee"/],
  ["a step's undo that it has not", { step: "fly", role: "undo" }, /"fly" has no undo/],
  ["a step's compensation that it has not", { step: "book", role: "compensate" }, /"book" has no compensate/],
  ["a sleep", { step: "rest" }, /"rest" is a sleep and calls nothing/],
  ["an approval", { step: "ask" }, /"ask" is an approval and calls nothing/],
  ["a group", { step: "both" }, /"both" is a group and calls nothing/],
  ["a task of a step that is none", { step: "fly", role: "task" }, /"fly" has no task/],
  ["a function of a task", { step: "pack", role: "undo" }, /"pack" has no undo/],
  ["a try before the first", { step: "fly", attempt: 0 }, /There is no attempt 0/],
] as const)("what could never happen is refused, to fail or to die at: %s", async (_what, calls, message) => {
  const around = reactor("around", { input: z.strictObject({ to: z.string() }) }, (steps) =>
    steps
      .compose("trip", trip, { args: ({ input }) => ({ to: input.to }) })
      .approval("ask", { title: "May we?" })
      .task("pack", { capability: "pack", args: () => ({}) })
      .group("both", {}, (inner) => inner.step("wave", { run: () => 1 }).returns(() => 1))
      .returns(() => 1),
  );
  const wrong = expect.objectContaining({ code: "reactor.wrong_test", message: expect.stringMatching(message) });
  for (const options of [{ failAt: [calls] }, { crashAt: [calls] }])
    await expect(testReactor(around, { input: { to: "rome" }, doTask: () => null, ...options })).rejects.toEqual(wrong);
});

test("what can happen is not: of a step or a task, in a composed run, and of elements of a map", async () => {
  const around = reactor("around", { input: z.strictObject({ to: z.string() }) }, (steps) =>
    steps
      .compose("trip", trip, { args: ({ input }) => ({ to: input.to }) })
      .task("pack", { capability: "pack", args: () => ({}) })
      .map("each", { over: () => [1, 2] }, (each) =>
        each.step("wave", { run: () => 1 }).returns(({ results }) => results.wave),
      )
      .returns(() => 1),
  );
  const failAt = [
    { step: "book", attempt: 2 },
    { step: "book", role: "undo" },
    { step: "pack", attempt: 2 },
    { step: "pack", role: "task", attempt: 2 },
    { step: "each[7]/wave" },
    { step: "each/wave", attempt: 2 },
  ] as const;
  const run = await testReactor(around, { input: { to: "rome" }, doTask: () => null, failAt });
  expect(run.status).toBe("completed");
});

test("a task cannot fail in a test where nobody has it done", async () => {
  const packs = reactor("packs", { input: z.strictObject({}) }, (steps) =>
    steps.task("pack", { capability: "pack", args: () => ({}) }).returns(() => 1),
  );
  await expect(testReactor(packs, { input: {}, failAt: [{ step: "pack" }] })).rejects.toThrow(
    expect.objectContaining({ code: "reactor.wrong_test", next: expect.stringMatching("doTask") }),
  );
});

test("a run's status is the one that its view has: what is to be tried again goes on, and waits for nobody", async () => {
  const retries = reactor("retries", { input: z.strictObject({}) }, (steps) =>
    steps
      .waitFor("news", { event: "news" })
      .sleep("rest", { args: () => ({ forMs: 5_000 }) })
      .step("call", { after: ["rest"], retry: { baseMs: 60_000, maxMs: 60_000 }, run: () => 1 })
      .returns(() => 1),
  );
  const run = await testReactor(retries, { input: {}, failAt: [{ step: "call", attempt: 1 }] });
  expect(run.status).toBe("waiting");
  await run.advance(6_000);
  expect(run.lines.at(-1)).toMatch("step.failed call");
  expect(run.status).toBe("running");
  await run.advance(120_000);
  expect(run.status).toBe("waiting");
  await run.send("news", null);
  expect(run.status).toBe("completed");
});

const none = z.strictObject({});
/** What a test waits for that is no business of simulated time, as a file is. */
const forReal = (ms: number) => new Promise<void>((resolve) => void systemClock.setTimer(resolve, ms));

describe("a process that has died", () => {
  const beside = reactor("beside", { input: none }, (steps) =>
    steps
      .step("a", { run: async () => 1 })
      .step("b", { run: async () => 2 })
      .returns(() => 1),
  );

  test("calls nothing more of what it was about to call", async () => {
    const run = await testReactor(beside, { input: {}, crashAt: [{ step: "a" }] });
    expect(run.callLines).toEqual(["run a", "run a", "run b"]);
  });

  test("does not die once more where what it had called comes back: the next one does", async () => {
    const crashAt = [
      { step: "a", when: "after" },
      { step: "b", when: "after" },
    ] as const;
    const run = await testReactor(beside, { input: {}, crashAt });
    expect(run.callLines).toEqual(["run a", "run b", "run a", "run b", "run a", "run b"]);
    expect(run.status).toBe("completed");
  });

  const alsoReal = reactor("alsoReal", { input: none }, (steps) =>
    steps
      .step("a", { run: () => forReal(20).then(() => 1) })
      .step("c", { after: ["a"], run: () => 3 })
      .step("b", { retry: { maxAttempts: 1 }, run: () => forReal(60).then(() => 2) })
      .returns(({ results }) => results.b),
  );

  test("leaves nothing behind that keeps others from waiting for something real", async () => {
    const run = await testReactor(alsoReal, { input: {}, crashAt: [{ step: "c" }] });
    expect([run.status, run.result, run.elapsedMs]).toEqual(["completed", 2, 0]);
  });

  test("leaves no timers behind that let time pass for it while a person is asked", async () => {
    const asks = reactor("asks", { input: none }, (steps) =>
      steps
        .step("a", { run: () => 1 })
        .approval("ask", { title: "May it?", after: ["a"] })
        .returns(() => 1),
    );
    const run = await testReactor(asks, { input: {}, crashAt: [{ step: "a" }] });
    expect([run.status, run.elapsedMs]).toEqual(["waiting", 0]);
  });
});
