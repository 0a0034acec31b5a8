// What becomes of a run's task that is refused, ended or not wanted any more, where the whole system would seldom show it: the door and the
// executions are stood in for.
import type { Context, ErrorOnTheWire } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime, ViableError, withContext } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { reactorEventTypes } from "@viable/reactors";
import type { Executions, Intake, IntakeOutcome } from "@viable/swarm";
import { expect, test } from "vitest";
import { createRunTasks } from "./run-tasks.ts";

const refuse = (kind: (IntakeOutcome & { ok: false })["kind"], retryAfterMs?: number): IntakeOutcome => ({
  ok: false,
  kind,
  code: `intake.${kind}`,
  message: "No.",
  reasons: ["So."],
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});
const runId = `run_${"0".repeat(26)}`;
const executionId = `exe_${"0".repeat(26)}`;

async function world({
  outcome,
  error,
  ready = Promise.resolve(),
}: {
  outcome?: IntakeOutcome;
  error?: ErrorOnTheWire & { status: string };
  ready?: Promise<void>;
}) {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const log = createLog(createMemoryStore(), runtime, { types: reactorEventTypes });
  const ctx = rootContext(runtime);
  await log.start(ctx);
  const data = { reactor: "r", version: 1, hash: "h", input: {} };
  await log.append(ctx, {
    streams: [{ stream: `run:${runId}`, expected: 0, events: [{ type: "run.started", data }], causation: executionId }],
  });
  const submitted: Parameters<Intake["submit"]>[1][] = [];
  const cancelled: string[] = [];
  const authority = { principal: "owner", operations: ["write"], clientType: "cli" };
  const executions = {
    get: async () => ({ tenant: "default", session: "ses_1", accepted: { authority, depth: 0 } }),
    whenSettled: (waitCtx: Context) =>
      error === undefined
        ? new Promise((_, reject) => waitCtx.signal.addEventListener("abort", () => reject(waitCtx.signal.reason)))
        : Promise.resolve({ status: error.status, error }),
  } as unknown as Executions;
  const intake = {
    submit: async (_ctx: Context, request: (typeof submitted)[number]) => {
      submitted.push(request);
      return outcome ?? { ok: true, executionId: "exe_task", repeated: false, quota: undefined };
    },
    cancel: async (_ctx: Context, id: string) => void cancelled.push(id),
  } as unknown as Intake;
  const end = new AbortController();
  const asked = createRunTasks({ log, executions, intake, ready })(withContext(ctx, { signal: end.signal }), {
    runId,
    step: "work",
    attempt: 1,
    capability: "work",
    args: {},
    timeoutMs: 1_000,
    key: `${runId}/work/1`,
  });
  asked.catch(() => undefined);
  return { time, asked, submitted, cancelled, end: (code: string) => end.abort(new ViableError(code, "Ended.")) };
}

test("while the process stops it is neither done nor failed: it goes on elsewhere", async () => {
  const outcome = refuse("stopping", 1_000);
  const { time, asked, end } = await world({ outcome });
  let settled = false;
  asked.then(
    () => (settled = true),
    () => (settled = true),
  );
  await time.advance(60_000);
  expect(settled).toBe(false);
  end("reactor.halted");
  await expect(asked).rejects.toThrow();
});

test("it is asked for when every swarm of the process is there, and not before", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { time, submitted } = await world({ ready: promise });
  await time.advance(1_000);
  expect(submitted).toEqual([]);
  resolve();
  await time.advance(1);
  expect(submitted).toMatchObject([
    { command: "work", idempotencyKey: `${runId}/work/1`, grant: { principal: "owner", operations: ["write"] } },
  ]);
});

test.each([
  ["overloaded", true, 1_000],
  ["denied", false, undefined],
] as const)("whether another try is worth it: refused as %s, %s", async (kind, retryable, retryAfterMs) => {
  const outcome = refuse(kind, retryAfterMs);
  await expect((await world({ outcome })).asked).rejects.toMatchObject({
    code: `intake.${kind}`,
    message: "No. So.",
    retryable,
  });
});

test.each([
  ["failed", true],
  ["timed_out", true],
  ["cancelled", false],
] as const)(
  "one that has %s is tried again where that may help, and not where a person ended it",
  async (status, retryable) => {
    const error = { status, code: "x", message: "m", retryable: true };
    await expect((await world({ error })).asked).rejects.toMatchObject({ code: "x", retryable });
  },
);

test.each([
  ["reactor.run_cancelled", ["exe_task"]],
  ["reactor.step_timed_out", ["exe_task"]],
  ["reactor.halted", []],
  ["reactor.lost", []],
])("ended by %s, it is told to end where nobody wants it any more", async (code, told) => {
  const { time, asked, cancelled, end } = await world({});
  await time.advance(10);
  end(code);
  await expect(asked).rejects.toThrow();
  expect(cancelled).toEqual(told);
});
