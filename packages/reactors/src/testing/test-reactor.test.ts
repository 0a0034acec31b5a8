// That a run under test is the engine's, in a world whose time passes as it is needed; and that what a test asks for can be.
import { inspect } from "node:util";
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
  [
    "a try after the last",
    { step: "wave", attempt: 4 },
    /There is no attempt 4 of "wave": it is tried 3 times at most/,
  ],
  ["a try after the last of one that says nothing", { step: "both/nod", attempt: 6 }, /tried 5 times at most/],
  ["an undo after the last", { step: "book", role: "undo", attempt: 6 }, /"book" undo: it is tried 5 times at most/],
] as const)("what could never happen is refused, to fail or to die at: %s", async (_what, calls, message) => {
  const around = reactor("around", { input: z.strictObject({ to: z.string() }) }, (steps) =>
    steps
      .compose("trip", trip, { args: ({ input }) => ({ to: input.to }) })
      .approval("ask", { title: "May we?" })
      .task("pack", { capability: "pack", args: () => ({}) })
      .step("wave", { retry: { maxAttempts: 3 }, run: () => 1 })
      .group("both", {}, (inner) => inner.step("nod", { run: () => 1 }).returns(() => 1))
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

test("what was to fail or to die at and no call met is told", async () => {
  const each = reactor("each", { input: z.strictObject({}) }, (steps) =>
    steps
      .map("m", { over: () => [1] }, (element) => element.step("z", { run: () => 1 }).returns(() => 1))
      .returns(() => 1),
  );
  const [met, unmet, second] = [{ step: "m[0]/z", attempt: 1 }, { step: "m[7]/z" }, { step: "m/z", attempt: 2 }];
  const [dies, diesLater] = [{ step: "m/z" }, { step: "m/z", when: "after" }] as const;
  const run = await testReactor(each, { input: {}, failAt: [met, unmet, second], crashAt: [dies, diesLater] });
  expect(run.lines.at(-1)).toBe("run.failed: run of m[0]/z was made to fail.");
  expect(run.unmet).toEqual([unmet, second, diesLater]);
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

describe("what a test asks for", () => {
  const asks = reactor("asks", { input: none }, (steps) =>
    steps
      .map("m", { over: () => [1, 2] }, (each) => each.approval("x", { title: "May it?" }).returns(() => 1))
      .returns(() => 1),
  );
  const wrong = (message: string, next: string) =>
    expect.objectContaining({ code: "reactor.wrong_test", message, next: expect.stringContaining(next) });

  test("to let pass is a time that there is", async () => {
    for (const ms of [Number.NaN, Number.POSITIVE_INFINITY, -5, 1e300]) {
      const run = await testReactor(asks, { input: {} });
      await expect(run.advance(ms)).rejects.toEqual(
        wrong(`${ms} is no time that can pass.`, "a number of milliseconds from 0 on"),
      );
      expect(run.elapsedMs).toBe(0);
    }
  });

  test("to be approved is one that is asked for", async () => {
    const run = await testReactor(asks, { input: {} });
    await expect(run.approve()).rejects.toEqual(
      wrong("2 approvals are asked for (m[0]/x, m[1]/x), and one is to be decided.", "Name its step"),
    );
    await expect(run.approve({ step: "m/x" })).rejects.toEqual(
      wrong("2 approvals are asked for (m[0]/x, m[1]/x), and one is to be decided.", "Name its step"),
    );
    await expect(run.reject({ step: "y" })).rejects.toEqual(
      wrong(
        'No approval is asked for by "y": those that are, are asked for by m[0]/x, m[1]/x.',
        "Name one of these steps",
      ),
    );
    await (await run.approve({ step: "m[0]/x" })).approve();
    await expect(run.approve({ step: "m[0]/x" })).rejects.toEqual(
      wrong("No approval is asked for.", "`waits` says what the run waits for"),
    );
  });

  test("to be seen of a run is how it stands", async () => {
    const run = await testReactor(asks, { input: {} });
    expect(inspect(run)).toMatch(/^TestRun {\n {2}status: 'waiting',[\s\S]*lines: \[[\s\S]*waits: \[/);
  });
});

describe("what takes longer than a test waits", () => {
  test("of something real is told, with what can be done", async () => {
    const real = reactor("real", { input: none }, (steps) =>
      steps.step("x", { run: () => forReal(60).then(() => 1) }).returns(({ results }) => results.x),
    );
    const run = await testReactor(real, { input: {}, patienceMs: 5 });
    expect(run.error).toMatchObject({ code: "reactor.step_timed_out" });
    expect(run.problems).toEqual([
      "run x has not ended within 5 ms of real time, and simulated time goes on without it. Where it waits for something real, as a file, give it longer: patienceMs.",
    ]);
    expect((await testReactor(real, { input: {}, patienceMs: 10_000 })).problems).toEqual([]);
  });
});

describe("a step that breaks", () => {
  const breakHere = (order: { at?: { nix: number } }): number => (order.at as { nix: number }).nix;
  const breaks = reactor("breaks", { input: z.strictObject({ steps: z.array(z.number()) }) }, (steps) =>
    steps
      .map("each", { over: ({ input }) => input.steps }, (each) =>
        each.step("x", { run: () => breakHere({}) }).returns(() => 1),
      )
      .returns(() => 1),
  );

  test("is shown with its stack, which is no problem of the engine's", async () => {
    const run = await testReactor(breaks, { input: { steps: [0] } });
    expect(run.thrown).toEqual([expect.stringMatching(/^each\[0\]\/x: TypeError: .*nix.*\n {4}at breakHere /)]);
    expect(run.problems).toEqual([]);
    expect(inspect(run)).toContain("at breakHere ");
  });

  test("is shown as often as somebody reads", async () => {
    const run = await testReactor(breaks, { input: { steps: Array.from({ length: 30 }, (_, nr) => nr) } });
    expect(run.thrown).toHaveLength(20);
  });

  test("is not shown where the test made it fail", async () => {
    const run = await testReactor(breaks, {
      input: { steps: [0] },
      failAt: [{ step: "each/x", error: new Error("as asked") }],
    });
    expect([run.status, run.thrown]).toEqual(["failed", []]);
  });
});
