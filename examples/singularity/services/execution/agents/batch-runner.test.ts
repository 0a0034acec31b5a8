/**
 * One capability over a list: results by index whatever order they come in, so many side by side and no more, an end after so many failures, and
 * after a crash no recorded item done again.
 */
import { startTestSystem } from "@viable/testing";
import type { AgentContext, DelegateOutcome, JsonObject, JsonValue } from "viable";
import { agent, defineSystem, service, ViableError } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { execution } from "../index.ts";
import { batchRunner } from "./batch-runner.ts";

const square = async (_capability: string, args: JsonValue): Promise<DelegateOutcome> => {
  const { n } = args as { n: number };
  return { ok: true, executionId: `exe_${n}`, result: n * n };
};

followsInput(batchRunner, "each item's answer at its index", async (bench) => {
  const one = await bench.run(batchRunner, { capability: "square", list: [{ n: 2 }, { n: 3 }] }, { delegate: square });
  const done = { status: "completed", durationMs: expect.any(Number) };
  expect(one).toEqual({
    capability: "square",
    ok: true,
    total: 2,
    completed: 2,
    failed: 0,
    notRun: 0,
    results: [
      { index: 0, ...done, executionId: "exe_2", result: 4 },
      { index: 1, ...done, executionId: "exe_3", result: 9 },
    ],
    truncated: {},
  });
  const other = await bench.run(batchRunner, { capability: "square", list: [{ n: 7 }] }, { delegate: square });
  expect(other).toMatchObject({ results: [{ index: 0, result: 49 }] });
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

/** A system whose agent takes its time; `calls` and `atOnce` lie outside it and outlive its workers. */
function systemWith(calls: number[], atOnce: { now: number; most: number } = { now: 0, most: 0 }) {
  const work = agent({
    name: "work",
    capability: "work",
    description: "Takes its time, or fails.",
    input: z.strictObject({ n: z.number(), ms: z.number().default(1_000), fails: z.boolean().default(false) }),
    handle: async (ctx, { n, ms, fails }) => {
      calls.push(n);
      atOnce.most = Math.max(atOnce.most, ++atOnce.now);
      try {
        await pause(ctx, ms);
      } finally {
        atOnce.now--;
      }
      if (fails) throw new ViableError("work.failed", `${n} failed.`);
      return n;
    },
  });
  const works = service({ name: "works", description: "Works.", port: 0, agents: [work], workers: 20 });
  return defineSystem({ name: "test", services: [works, execution] });
}

async function run(args: JsonObject, ...system: Parameters<typeof systemWith>): Promise<JsonObject> {
  await using t = await startTestSystem(systemWith(...system));
  const client = await t.connect();
  const answer = await client.run("batch_execution", { capability: "work", ...args });
  if (answer.status !== "completed") throw new Error(JSON.stringify(answer));
  return answer.result as JsonObject;
}

test("results stand at their index whatever order they come in, and equal arguments are done each", async () => {
  const calls: number[] = [];
  const list = [
    { n: 1, ms: 3_000 },
    { n: 2, ms: 10 },
    { n: 3, ms: 2_000 },
    { n: 2, ms: 10 },
  ];
  const result = await run({ list }, calls);
  expect((result.results as { result: number }[]).map((each) => each.result)).toEqual([1, 2, 3, 2]);
  expect(calls.filter((n) => n === 2)).toHaveLength(2);
});

test.for([1, 5, 16])("at most %i are under way at once", async (concurrency) => {
  const atOnce = { now: 0, most: 0 };
  const list = Array.from({ length: 40 }, (_, n) => ({ n, ms: 100 + ((n * 37) % 200) }));
  expect(await run({ list, concurrency }, [], atOnce)).toMatchObject({ ok: true, completed: 40 });
  expect(atOnce.most).toBe(concurrency);
});

test("after so many failures nothing more is begun, what runs is finished, and the rest is told", async () => {
  const calls: number[] = [];
  const list = Array.from({ length: 10 }, (_, n) => ({ n, fails: n === 1 || n === 3 }));
  const result = await run({ list, concurrency: 2, maxFailures: 2 }, calls);
  expect(result).toMatchObject({
    ok: false,
    total: 10,
    failed: 2,
    stopped: expect.stringContaining("2 failed, and 2"),
  });
  expect((result.completed as number) + (result.notRun as number)).toBe(8);
  const results = result.results as { index: number; status: string; error?: JsonObject }[];
  expect(results[1]).toMatchObject({
    index: 1,
    status: "failed",
    error: { code: "work.failed", message: "1 failed." },
  });
  expect(calls).toHaveLength(results.length);
  expect(Math.max(...calls)).toBeLessThan(6);
});

test("failures within what is allowed stop nothing; refusals are failures", async () => {
  const list = [{ n: 1 }, { n: 2, fails: true }, { wrong: true }, { n: 4 }];
  expect(await run({ list }, [])).toMatchObject({
    ok: false,
    completed: 2,
    failed: 2,
    notRun: 0,
    results: [
      {},
      { status: "failed" },
      { status: "refused", error: { code: "intake.invalid_arguments" } },
      { result: 4 },
    ],
  });
});

test("after its worker's death no recorded item is done again", async () => {
  const calls: number[] = [];
  await using t = await startTestSystem(systemWith(calls));
  const client = await t.connect();
  const list = Array.from({ length: 6 }, (_, n) => ({ n }));
  const executionId = await client.begin("batch_execution", { capability: "work", list, concurrency: 2 });
  await t.time.until(() => calls.length === 4);
  for (const worker of ["worker-1", "worker-2", "worker-3", "worker-4", "worker-5"]) {
    t.system.swarms.get("execution")?.kill(worker, "a test");
  }
  expect(await client.outcome(executionId)).toMatchObject({ attempts: 2, result: { ok: true, completed: 6 } });
  expect([...calls].sort()).toEqual([0, 1, 2, 3, 4, 5]);
});

test("results that do not fit are left out and counted; progress counts what is done", async () => {
  await using bench = await openBench();
  const delegate = async (): Promise<DelegateOutcome> => ({
    ok: true,
    executionId: "exe_9",
    result: "x".repeat(1_400_000),
  });
  const result = await bench.run(batchRunner, { capability: "x", list: [{}, {}, {}], concurrency: 1 }, { delegate });
  expect(result).toMatchObject({ ok: true, truncated: { results: 1 } });
  expect((result.results as JsonObject[])[2]).toEqual(
    expect.objectContaining({ index: 2, status: "completed", executionId: "exe_9" }),
  );
  expect(bench.progress.map((each) => each.message)).toEqual([
    "1 of 3 done, 0 failed",
    "2 of 3 done, 0 failed",
    "3 of 3 done, 0 failed",
  ]);
});

test("errors that say very much do not make the answer too large: their codes and first words are told, and how many were cut", async () => {
  await using bench = await openBench();
  const said = { message: "m".repeat(5_000), next: "n".repeat(5_000), details: { d: "d".repeat(5_000) } };
  const delegate = async (): Promise<DelegateOutcome> => ({
    ok: false,
    status: "failed",
    executionId: "exe_9",
    error: { code: "work.failed", retryable: false, ...said },
  });
  const list = Array.from({ length: 1_000 }, () => ({}));
  const result = await bench.run(batchRunner, { capability: "x", list, maxFailures: 1_000 }, { delegate });
  expect(result).toMatchObject({ failed: 1_000, notRun: 0, truncated: { errors: 967 } });
  expect(JSON.stringify(result).length).toBeLessThan(1_000_000);
  const results = result.results as JsonObject[];
  expect(results[0]).toMatchObject({ error: said });
  expect(results[999]).toEqual({
    index: 999,
    status: "failed",
    executionId: "exe_9",
    durationMs: expect.any(Number),
    error: { code: "work.failed", message: `${"m".repeat(100)}…`, retryable: false },
  });
});

test("what is no list of arguments is refused", () => {
  const accepts = (args: JsonObject) => batchRunner.input.safeParse({ capability: "x", ...args }).success;
  expect(accepts({ list: [{}] })).toBe(true);
  expect(accepts({ list: Array.from({ length: 1_000 }, () => ({})) })).toBe(true);
  expect(accepts({ list: Array.from({ length: 1_001 }, () => ({})) })).toBe(false);
  for (const list of [[], ["a"], [[1]], [null], {}, "x"]) expect(accepts({ list })).toBe(false);
  expect(accepts({ list: [{}], concurrency: 17 })).toBe(false);
  expect(accepts({ list: [{}], maxFailures: 0 })).toBe(false);
});
