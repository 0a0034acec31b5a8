// Proves what the watch counts and asks for, event by event: a log in memory, and a system around it that answers as it is told.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import type { RouteDecision } from "@viable/protocol";
import type { Migration } from "@viable/registry";
import type { IntakeOutcome } from "@viable/swarm";
import { createCatalogue } from "@viable/swarm";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, service } from "./index.ts";
import { createMigrationWatch } from "./migration-watch.ts";

const worker = agent({
  name: "worker",
  capability: "work",
  description: "Works.",
  risk: "low",
  input: z.strictObject({}),
  handle: () => null,
});
const here = "prc_here";
const movedRoute = (percent: number): Partial<RouteDecision> => ({
  migration: { service: "tools", percent, side: "service" },
});

async function startWatch(answer: IntakeOutcome | Error) {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const log = createLog(createMemoryStore(), runtime);
  const ctx = rootContext(runtime);
  await log.start(ctx);
  const rule: Migration = { service: "tools", percent: 50, compare: true, version: 1 };
  const asked: string[] = [];
  const watch = createMigrationWatch({
    runtime,
    log,
    registry: { migrations: () => [rule] },
    membership: { processId: here },
    executions: { whenSettled: () => new Promise<never>(() => {}) },
    intake: {
      submit: async (_ctx, { args }) => {
        asked.push((args as { executionId: string }).executionId);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    catalogue: createCatalogue([service({ name: "tools", description: "Works.", port: 0, agents: [worker] })]),
    onProblem: (message) => expect.unreachable(message),
  });
  await watch.start(ctx);
  let executions = 0;
  const append = async (streams: { stream: string; events: { type: string; data: object }[] }[]) => {
    const outcome = await log.append(ctx, { streams: streams.map((each) => ({ expected: "any", ...each })) as never });
    expect(outcome.ok).toBe(true);
    await time.settle();
  };
  return {
    watch,
    rule,
    asked,
    accept: async (route: Partial<RouteDecision>, times = 1) => {
      const chosen = { service: "tools", processId: here, epoch: 1 };
      const data = { command: "work", route: { chosen, candidates: [], ...route } };
      const streams = Array.from({ length: times }, () => `execution:exe_${++executions}`);
      await append(streams.map((stream) => ({ stream, events: [{ type: "execution.accepted", data }] })));
      return streams;
    },
    end: (stream: string, type: string) => append([{ stream, events: [{ type, data: {} }] }]),
    [Symbol.asyncDispose]: async () => {
      await watch.stop(ctx);
      await log.stop(ctx);
    },
  };
}
const refused: IntakeOutcome = { ok: false, kind: "overloaded", code: "x", message: "x", reasons: [] };
const letIn: IntakeOutcome = { ok: true, executionId: "exe_comparing", repeated: false, quota: undefined };

test.each([
  ["is refused", refused],
  ["fails on the way", new Error("The database is away.")],
])("a comparison that %s is counted, and the next is tried", async (_how, answer) => {
  await using watched = await startWatch(answer);
  for (const stream of await watched.accept(movedRoute(50), 2)) await watched.end(stream, "execution.completed");
  expect(watched.asked).toEqual(["exe_1", "exe_2"]);
  expect(watched.watch.of(watched.rule).skipped).toEqual({ busy: 0, risk: 0, refused: 2 });
});

test("only answers are compared: what was cancelled or ran out of time is let go of", async () => {
  await using watched = await startWatch(letIn);
  const [one = "", two = "", three = ""] = await watched.accept(movedRoute(50), 3);
  await watched.end(one, "execution.cancelled");
  await watched.end(two, "execution.timed_out");
  expect(watched.asked).toEqual([]);
  await watched.end(three, "execution.failed");
  expect(watched.asked).toEqual(["exe_3"]);
  expect(watched.watch.of(watched.rule).skipped).toEqual({ busy: 0, risk: 0, refused: 0 });
});

test("a task decided by the rule as it was before is not counted among those of the rule as it is", async () => {
  await using watched = await startWatch(letIn);
  await watched.accept(movedRoute(25));
  await watched.accept(movedRoute(50));
  expect(watched.watch.of(watched.rule).routed).toEqual({ service: 1, legacy: 0 });
});

test("a task that is asked of a legacy service by name is no fallback", async () => {
  await using watched = await startWatch(letIn);
  const candidates = [{ service: "swarm", legacy: true }] as RouteDecision["candidates"][number][];
  const chosen = { service: "swarm", processId: here, epoch: 1 };
  await watched.accept({ chosen, candidates, pinned: "swarm" });
  expect(watched.watch.fallbacks("swarm")).toBe(0);
  await watched.accept({ chosen, candidates });
  expect(watched.watch.fallbacks("swarm")).toBe(1);
});

test("a thousand tasks under way are followed, and one more is skipped (W10)", async () => {
  await using watched = await startWatch(letIn);
  await watched.accept(movedRoute(50), 1_000);
  const skipped = () => watched.watch.of(watched.rule).skipped.busy;
  expect(skipped()).toBe(0);
  const [beyond = ""] = await watched.accept(movedRoute(50));
  expect(skipped()).toBe(1);
  await watched.end(beyond, "execution.completed");
  expect(watched.asked).toEqual([]);
  await watched.end("execution:exe_1", "execution.completed");
  await watched.accept(movedRoute(50));
  expect([watched.asked, skipped()]).toEqual([["exe_1"], 1]);
});
