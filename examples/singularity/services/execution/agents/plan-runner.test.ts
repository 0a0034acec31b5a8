/**
 * Plans in a whole system under simulated time: order, what runs side by side, answers handed on, failures by both policies, what is refused
 * before anything runs; and after a crash nothing that was recorded is computed again, which the effects outside the system tell.
 */
import type { Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import { startTestSystem } from "@viable/testing";
import type { AgentContext, DelegateOutcome, JsonObject, JsonValue } from "viable";
import { agent, defineSystem, service, ViableError } from "viable";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { execution } from "../index.ts";
import { planRunner } from "./plan-runner.ts";

/** Adds, for tests that need a right answer and no system. */
async function add(_capability: string, args: JsonValue): Promise<DelegateOutcome> {
  const { a, b } = args as { a: number; b: number };
  return { ok: true, executionId: "exe_1", result: { sum: a + b, parts: [a, b] } };
}

followsInput(planRunner, "answers are handed on to the steps that take them", async (bench) => {
  const plan = (start: number) => ({
    steps: [
      // Written before what it takes: the order is by what is needed.
      {
        id: "last",
        capability: "add",
        args: { a: { $from: "first", path: "sum" }, b: { $from: "second", path: "parts.1" } },
      },
      { id: "first", capability: "add", args: { a: start, b: 1 } },
      { id: "second", capability: "add", args: { a: { $from: "first", path: "sum" }, b: 10 } },
    ],
  });
  const one = await bench.run(planRunner, plan(1), { delegate: add });
  const done = { status: "completed", executionId: "exe_1", durationMs: expect.any(Number) };
  expect(one).toEqual({
    ok: true,
    completed: 3,
    failed: 0,
    notRun: 0,
    steps: [
      { id: "last", capability: "add", ...done, result: { sum: 12, parts: [2, 10] } },
      { id: "first", capability: "add", ...done, result: { sum: 2, parts: [1, 1] } },
      { id: "second", capability: "add", ...done, result: { sum: 12, parts: [2, 10] } },
    ],
    truncated: {},
  });
  const other = await bench.run(planRunner, plan(100), { delegate: add });
  expect(other).toMatchObject({
    steps: [{ result: { sum: 111 } }, { result: { sum: 101 } }, { result: { sum: 111 } }],
  });
  return [one, other];
});

const pause = (ctx: AgentContext, ms: number) =>
  new Promise<void>((resolve, reject) => {
    const timer = ctx.runtime.clock.setTimer(resolve, ms);
    ctx.signal.addEventListener("abort", () => {
      timer.cancel();
      reject(ctx.signal.reason);
    });
  });

/** A service whose steps take a second or fail; `calls` lies outside the system and outlives its processes. */
function systemWith(calls: string[]) {
  const work = agent({
    name: "work",
    capability: "work",
    description: "Takes a second, or fails.",
    input: z.strictObject({
      label: z.string(),
      fails: z.boolean().default(false),
      ms: z.number().default(1_000),
      with: z.json().optional(),
    }),
    handle: async (ctx, { label, fails, ms, with: given }) => {
      calls.push(`${label} begun`);
      await pause(ctx, ms);
      if (fails) throw new ViableError("work.failed", `${label} failed.`);
      calls.push(`${label} done`);
      return { label, ...(given !== undefined && { given }) };
    },
  });
  const works = service({ name: "works", description: "Works.", port: 0, agents: [work], workers: 5 });
  return defineSystem({ name: "test", services: [works, execution] });
}

const step = (id: string, after: string[] = [], more: JsonObject = {}) => ({
  id,
  capability: "work",
  args: { label: id, ...((more.args as JsonObject) ?? {}) },
  after,
  ...(more.onFailure !== undefined && { onFailure: more.onFailure }),
});

const slow = { args: { ms: 1_500 } };

async function run(calls: string[], args: JsonObject): Promise<JsonObject> {
  await using t = await startTestSystem(systemWith(calls));
  const client = await t.connect();
  const answer = await client.run("workflow_management", args);
  if (answer.status !== "completed") throw new Error(JSON.stringify(answer));
  return answer.result as JsonObject;
}

const statusesOf = (result: JsonObject): JsonObject =>
  Object.fromEntries((result.steps as { id: string; status: string }[]).map(({ id, status }) => [id, status]));

test("steps run side by side as far as their order and the bound allow", async () => {
  const free: string[] = [];
  await run(free, { steps: [step("a"), step("b", [], slow), step("c", ["a", "b"])] });
  expect(free).toEqual(["a begun", "b begun", "a done", "b done", "c begun", "c done"]);
  const bound: string[] = [];
  await run(bound, { steps: [step("a"), step("b"), step("c")], concurrency: 1 });
  expect(bound).toEqual(["a begun", "a done", "b begun", "b done", "c begun", "c done"]);
});

test("a step that fails stops the plan: what runs is finished, nothing else is begun, and why is told", async () => {
  const calls: string[] = [];
  const result = await run(calls, {
    steps: [step("a", [], { args: { fails: true } }), step("b", [], slow), step("c", ["a"]), step("d", ["b"])],
  });
  expect(statusesOf(result)).toEqual({ a: "failed", b: "completed", c: "not_run", d: "not_run" });
  expect(result).toMatchObject({
    ok: false,
    completed: 1,
    failed: 1,
    notRun: 2,
    steps: [
      { error: { code: "work.failed", message: "a failed." }, durationMs: 1_000 },
      {},
      { reason: '"a" stopped the plan.' },
      { reason: '"a" stopped the plan.' },
    ],
  });
  expect(calls).not.toContain("d begun");
});

test("a step that may fail lets the others go on, but for those that take its answer", async () => {
  const calls: string[] = [];
  const result = await run(calls, {
    steps: [
      step("a", [], { args: { fails: true }, onFailure: "continue" }),
      step("b", ["a"]),
      step("c", [], { args: { with: { $from: "a", path: "label" } }, onFailure: "continue" }),
      step("d", ["c"]),
    ],
  });
  expect(statusesOf(result)).toEqual({ a: "failed", b: "completed", c: "not_run", d: "completed" });
  expect(result).toMatchObject({
    ok: false,
    steps: [{}, {}, { reason: 'Its arguments are not to be had: "a" has no answer.' }, {}],
  });
});

test("an answer that lacks what is taken, and a capability that nobody offers, are told and stop the plan", async () => {
  const lacking = await run([], {
    steps: [step("a"), step("b", [], { args: { with: { $from: "a", path: "label.length" } } }), step("c", ["b"])],
  });
  expect(lacking).toMatchObject({
    steps: [{}, { status: "not_run", reason: expect.stringContaining('the answer of "a" has no label.length') }, {}],
  });
  const unknown = await run([], { steps: [{ id: "a", capability: "nobody.knows" }, step("b", ["a"])] });
  expect(unknown).toMatchObject({
    steps: [{ status: "refused", error: { code: "intake.unknown_command" } }, { status: "not_run" }],
  });
});

test("two steps that ask the same are both done", async () => {
  const calls: string[] = [];
  const same = { capability: "work", args: { label: "same" } };
  const result = await run(calls, {
    steps: [
      { id: "a", ...same },
      { id: "b", ...same },
    ],
  });
  const [a, b] = result.steps as { executionId: string }[];
  expect(a?.executionId).not.toBe(b?.executionId);
  expect(calls.filter((call) => call === "same done")).toHaveLength(2);
});

const chain = { steps: [step("a"), step("b", [], { args: { with: { $from: "a" } } }), step("c", ["b"])] };

describe("after a crash nothing that was recorded is computed again", () => {
  test("when the worker dies in the second step", async () => {
    const calls: string[] = [];
    await using t = await startTestSystem(systemWith(calls));
    const client = await t.connect();
    const executionId = await client.begin("workflow_management", chain);
    await t.time.until(() => calls.includes("b begun"));
    for (const worker of ["worker-1", "worker-2", "worker-3", "worker-4", "worker-5"]) {
      t.system.swarms.get("execution")?.kill(worker, "a test");
    }
    expect(await client.outcome(executionId)).toMatchObject({ status: "completed", attempts: 2, result: { ok: true } });
    // Only the plan's own worker died: the step that ran went on, and was found again.
    expect(calls).toEqual(["a begun", "a done", "b begun", "b done", "c begun", "c done"]);
  });

  test("when the whole process dies in the second step, and another goes on from the same store", async () => {
    const calls: string[] = [];
    const store: Store = createMemoryStore();
    const before = await startTestSystem(systemWith(calls), { store });
    const client = await before.connect();
    const executionId = await client.begin("workflow_management", chain);
    await before.time.until(() => calls.includes("b begun"));
    // From here the first system's time stands still: for the store it is dead.
    await using after = await startTestSystem(systemWith(calls), { store, seed: 2 });
    const state = await after.settled(after.system.executions.whenSettled(after.ctx, executionId));
    expect(state).toMatchObject({
      status: "completed",
      result: { ok: true, steps: [{ id: "a", result: { label: "a" } }, { result: { given: { label: "a" } } }, {}] },
    });
    // The step that was under way is begun again; the one that was recorded is not.
    expect(calls).toEqual(["a begun", "a done", "b begun", "b begun", "b done", "c begun", "c done"]);
  });
});

test("progress names how many steps are done and which run", async () => {
  await using bench = await openBench();
  const steps = [
    { id: "a", capability: "add", args: { a: 1, b: 1 } },
    { id: "b", capability: "add", args: { a: 1, b: 1 }, after: ["a"] },
  ];
  await bench.run(planRunner, { steps }, { delegate: add });
  expect(bench.progress).toEqual([
    { percent: 0, message: "0 of 2 steps; running: a" },
    { percent: 49, message: "1 of 2 steps" },
    { percent: 49, message: "1 of 2 steps; running: b" },
    { percent: 99, message: "2 of 2 steps" },
  ]);
});

test("results that do not fit into one answer are left out, counted, and found under their execution", async () => {
  await using bench = await openBench();
  const delegate = async (): Promise<DelegateOutcome> => ({
    ok: true,
    executionId: "exe_9",
    result: "x".repeat(2_000_000),
  });
  const result = await bench.run(planRunner, { steps: [step("a"), step("b")] }, { delegate });
  expect(result).toMatchObject({ ok: true, truncated: { results: 1 }, steps: [{}, { executionId: "exe_9" }] });
  expect((result.steps as JsonObject[])[1]).not.toHaveProperty("result");
});

test("a large answer that is taken a thousand times is written out for nobody", async () => {
  await using bench = await openBench();
  const asked: string[] = [];
  const delegate = async (capability: string): Promise<DelegateOutcome> => {
    asked.push(capability);
    return { ok: true, executionId: "exe_1", result: "x".repeat(900_000) };
  };
  const taken = Array.from({ length: 1_000 }, () => ({ $from: "a" }));
  const steps = [
    { id: "a", capability: "large" },
    { id: "b", capability: "takes", args: { taken } },
    { id: "c", capability: "takes", args: { taken: taken.slice(0, 8) } },
  ].map((each) => ({ ...each, onFailure: "continue" }));
  const result = await bench.run(planRunner, { steps }, { delegate });
  expect(statusesOf(result)).toEqual({ a: "completed", b: "not_run", c: "completed" });
  expect(result).toMatchObject({
    steps: [{}, { reason: expect.stringContaining("more than 8000000 characters") }, {}],
  });
  expect(asked).toEqual(["large", "takes"]);
});

test("of many references that are not to be had some are told, each once", async () => {
  await using bench = await openBench();
  const delegate = async (): Promise<DelegateOutcome> => ({ ok: true, executionId: "exe_1", result: {} });
  const missing = Array.from({ length: 40 }, (_, index) => ({ $from: "a", path: `p${index % 20}` }));
  const steps = [step("a"), step("b", [], { args: { missing } })];
  expect(await bench.run(planRunner, { steps }, { delegate })).toMatchObject({
    steps: [
      {},
      {
        reason:
          'Its arguments are not to be had: the answer of "a" has no p0; the answer of "a" has no p1; the answer of "a" has no p2; and 17 more.',
      },
    ],
  });
});

test("at its deadline a plan has timed out, and no step that was under way is told as refused", async () => {
  const calls: string[] = [];
  await using t = await startTestSystem(systemWith(calls));
  const client = await t.connect();
  const long = { args: { ms: 600_000 } };
  const steps = [step("a", [], long), step("b", [], long), step("c", ["a"])];
  expect(await client.run("workflow_management", { steps }, { deadlineMs: 5_000 })).toMatchObject({
    status: "timed_out",
    error: { code: "execution.timed_out" },
  });
  expect(calls).toEqual(["a begun", "b begun"]);
});

test("a plan that is cancelled ends, and begins nothing more", async () => {
  await using bench = await openBench();
  const abort = new AbortController();
  const asked: string[] = [];
  const delegate = async (capability: string): Promise<DelegateOutcome> => {
    asked.push(capability);
    abort.abort(new Error("cancelled"));
    return { ok: true, executionId: "exe_1", result: 1 };
  };
  const options = { delegate, signal: abort.signal };
  await expect(bench.run(planRunner, { steps: [step("a"), step("b", ["a"])] }, options)).rejects.toThrow("cancelled");
  expect(asked).toEqual(["work"]);
});

describe("what is no plan is refused with its place before anything runs", () => {
  const refused = (steps: unknown) =>
    planRunner.input
      .safeParse({ steps })
      .error?.issues.map(({ path, message }) => `${path.slice(1).join(".")}: ${message}`);
  const at = (id: string, args: JsonObject = {}, after: string[] = []) => ({ id, capability: "work", args, after });

  test.for([
    [[at("a"), at("a")], ['1.id: "a" is there twice']],
    [[at("a", {}, ["b"])], ['0.after.0: there is no "b"']],
    [[at("a", {}, ["a"])], ['0.after: they wait for each other: "a" after "a"']],
    [
      [at("x"), at("a", {}, ["b"]), at("b", {}, ["c"]), at("c", {}, ["x", "a"])],
      ['1.after: they wait for each other: "a" after "b" after "c" after "a"'],
    ],
    [[at("a", { n: { $from: "b" } })], ['0.args.n.$from: there is no "b"']],
    [[at("a", { n: [1, { $from: 7 }] })], ["0.args.n.1.$from: must be the id of a step"]],
    [[at("a"), at("b", { n: { $from: "a", path: 1 } })], ["1.args.n.path: must be names joined by dots"]],
    [[at("a"), at("b", { n: { $from: "a", or: 1 } })], ["1.args.n.or: is not known beside $from and path"]],
    [
      [at("a", { n: { $from: "b" } }), at("b", {}, ["a"])],
      ['0.after: they wait for each other: "a" after "b" after "a"'],
    ],
  ] as const)("%j", ([steps, problems]) => {
    expect(refused(steps)).toEqual(problems);
  });

  test("none, too many, and names that are none", () => {
    expect(refused([])).toBeDefined();
    expect(refused(Array.from({ length: 201 }, (_, index) => at(`s${index}`)))).toBeDefined();
    expect(refused(Array.from({ length: 200 }, (_, index) => at(`s${index}`)))).toBeUndefined();
    const endless = at("b", { n: { $from: "a", path: "x".repeat(501) } });
    expect(refused([at("a"), endless])).toEqual(["1.args.n.path: is longer than 500 characters"]);
    expect(refused([at("a b")])).toEqual([expect.stringContaining("0.id: ")]);
    expect(refused([{ ...at("a"), onFailure: "retry" }])).toEqual([expect.stringContaining("0.onFailure: ")]);
  });
});
