/**
 * Running one task in a whole system under simulated time: what may succeed later is tried again after growing waits, the rest is not; every
 * try is told; after a crash no recorded try is made again.
 */
import { ViableError } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { startTestSystem } from "@viable/testing";
import type { JsonObject, JsonValue } from "viable";
import { agent, defineSystem, service } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { execution } from "../index.ts";
import { taskRunner } from "./task-runner.ts";

followsInput(
  taskRunner,
  "a task is run by its capability with its arguments, and its answer is handed on",
  async (bench) => {
    const delegate = async (capability: string, args: JsonValue) => ({
      ok: true as const,
      executionId: "exe_1",
      result: { capability, args },
    });
    const one = await bench.run(taskRunner, { capability: "text.words", args: { text: "a b" } }, { delegate });
    expect(one).toEqual({
      capability: "text.words",
      ok: true,
      attempts: [{ attempt: 1, status: "completed", executionId: "exe_1", durationMs: expect.any(Number) }],
      result: { capability: "text.words", args: { text: "a b" } },
      truncated: {},
    });
    const other = await bench.run(taskRunner, { capability: "secret_scan" }, { delegate });
    expect(other).toMatchObject({ result: { capability: "secret_scan", args: {} } });
    return [one, other];
  },
);

/** A service whose agent fails as often as it is told, in its own way. */
function flakyService(calls: string[]) {
  const flaky = agent({
    name: "flaky",
    capability: "flaky",
    description: "Fails so often, then succeeds.",
    input: z.strictObject({
      failures: z.number(),
      retryable: z.boolean().default(true),
      hangs: z.boolean().default(false),
    }),
    handle: (ctx, { failures, retryable, hangs }) => {
      calls.push(`${ctx.runtime.clock.now()}`);
      if (calls.length > failures) return { calls: calls.length };
      if (hangs) return new Promise<JsonValue>(() => {});
      throw new ViableError("flaky.busy", "Not now.", { retryable });
    },
  });
  return service({ name: "flaky", description: "Fails.", port: 0, agents: [flaky] });
}

const systemWith = (calls: string[]) => defineSystem({ name: "test", services: [flakyService(calls), execution] });

async function run(calls: string[], args: JsonObject): Promise<JsonObject> {
  await using t = await startTestSystem(systemWith(calls));
  const client = await t.connect();
  const answer = await client.run("task_execution", args);
  if (answer.status !== "completed") throw new Error(JSON.stringify(answer));
  return answer.result as JsonObject;
}

test("a failure that may go away is repeated after waits that grow and vary, and every try is told", async () => {
  const calls: string[] = [];
  const args = { capability: "flaky", args: { failures: 4 }, attempts: 5, firstWaitMs: 1_000, maxWaitMs: 3_000 };
  const result = await run(calls, args);
  expect(result).toMatchObject({ ok: true, result: { calls: 5 } });
  const attempts = result.attempts as {
    status: string;
    executionId: string;
    thenWaitedMs?: number;
    error?: JsonObject;
  }[];
  expect(attempts.map((each) => each.status)).toEqual(["failed", "failed", "failed", "failed", "completed"]);
  expect(new Set(attempts.map((each) => each.executionId)).size).toBe(5);
  expect(attempts[0]?.error).toMatchObject({ code: "flaky.busy", retryable: true });
  const waits = attempts.slice(0, 4).map((each) => each.thenWaitedMs as number);
  for (const [index, ceiling] of [1_000, 2_000, 3_000, 3_000].entries()) {
    expect(waits[index]).toBeLessThanOrEqual(ceiling);
    expect(Number(calls[index + 1]) - Number(calls[index])).toBeGreaterThanOrEqual((waits[index] as number) - 1);
  }
  expect(new Set(waits).size).toBe(4);
});

test("attempts are bounded, and the answer tells of all of them", async () => {
  const calls: string[] = [];
  const result = await run(calls, { capability: "flaky", args: { failures: 99 }, attempts: 3 });
  expect(result).toMatchObject({ ok: false, ended: "no attempts are left", attempts: [{}, {}, { status: "failed" }] });
  expect(calls).toHaveLength(3);
});

test("what says that repeating does not help is not repeated, unless that is asked for", async () => {
  const once: string[] = [];
  expect(await run(once, { capability: "flaky", args: { failures: 1, retryable: false } })).toMatchObject({
    ok: false,
    ended: "it says of itself that repeating does not help",
    attempts: [{ error: { code: "flaky.busy" } }],
  });
  expect(once).toHaveLength(1);
  expect(
    await run([], { capability: "flaky", args: { failures: 1, retryable: false }, repeatAll: true }),
  ).toMatchObject({ ok: true, attempts: [{}, { status: "completed" }] });
  expect(await run([], { capability: "nobody.knows", args: {} })).toMatchObject({
    ok: false,
    attempts: [{ status: "refused", error: { code: "intake.unknown_command" } }],
  });
});

test("a try that takes too long is ended, and the next may succeed", async () => {
  const args = { capability: "flaky", args: { failures: 1, hangs: true }, timeoutMs: 5_000 };
  expect(await run([], args)).toMatchObject({
    ok: true,
    attempts: [{ status: "timed_out", durationMs: 5_000 }, { status: "completed" }],
  });
});

test("where no time is left for the next wait the answer comes in time", async () => {
  await using t = await startTestSystem(systemWith([]));
  const client = await t.connect();
  const args = { capability: "flaky", args: { failures: 99 }, attempts: 10, firstWaitMs: 300_000, maxWaitMs: 300_000 };
  const answer = await client.run("task_execution", args, { deadlineMs: 1_000 });
  expect(answer).toMatchObject({ status: "completed", result: { ok: false, ended: "no time is left" } });
});

test("after a crash the tries that are recorded are not made again", async () => {
  const calls: string[] = [];
  const store = createMemoryStore();
  const before = await startTestSystem(systemWith(calls), { store });
  const client = await before.connect();
  const args = { capability: "flaky", args: { failures: 2 }, attempts: 4, firstWaitMs: 300_000, maxWaitMs: 300_000 };
  const executionId = await client.begin("task_execution", args);
  await before.time.until(() => calls.length === 1);
  await before.time.advance(0);
  for (const worker of ["worker-1", "worker-2", "worker-3"])
    before.system.swarms.get("execution")?.kill(worker, "a test");
  const { result, attempts } = await client.outcome(executionId);
  expect(attempts).toBe(2);
  expect(result).toMatchObject({
    ok: true,
    attempts: [{ attempt: 1 }, { attempt: 2 }, { attempt: 3, status: "completed" }],
  });
  expect(calls).toHaveLength(3);
  await before.stop();
});

test("ten tries that each say very much fit into one answer, and leave room for the result", async () => {
  await using bench = await openBench();
  let tries = 0;
  const delegate = async () => {
    if (++tries === 10) return { ok: true as const, executionId: "exe_2", result: "x".repeat(2_900_000) };
    const error = { code: "work.busy", message: "Not now.", retryable: true, details: { d: "d".repeat(450_000) } };
    return { ok: false as const, status: "failed" as const, executionId: "exe_1", error };
  };
  const result = await bench.run(taskRunner, { capability: "x", attempts: 10, firstWaitMs: 0 }, { delegate });
  expect(result).toMatchObject({ ok: true, result: "x".repeat(2_900_000), truncated: { errors: 8 } });
  expect(JSON.stringify(result).length).toBeLessThan(4 * 1_024 * 1_024);
});

test("what no task is, is refused with its place", async () => {
  await using bench = await openBench();
  await expect(bench.run(taskRunner, {})).rejects.toThrow(/capability/);
  for (const bad of [
    { attempts: 0 },
    { attempts: 11 },
    { firstWaitMs: -1 },
    { timeoutMs: 0 },
    { args: [1] },
    { retries: 3 },
  ]) {
    expect(taskRunner.input.safeParse({ capability: "x", ...bad }).success, JSON.stringify(bad)).toBe(false);
  }
});
