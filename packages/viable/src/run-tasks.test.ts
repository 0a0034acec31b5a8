// What becomes of a run's task that is refused, ended or not wanted any more, where the whole system would seldom show it: the door and the
// executions are stood in for.
import type { Context, ErrorOnTheWire } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime, ViableError, withContext } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { reactorEventTypes, taskGivenBack } from "@viable/reactors";
import type { Executions, Intake, IntakeOutcome } from "@viable/swarm";
import { expect, test } from "vitest";
import { createRunTasks } from "./run-tasks.ts";

const refuse = (
  kind: (IntakeOutcome & { ok: false })["kind"],
  retryAfterMs?: number,
  reasons: readonly string[] = ["So."],
): IntakeOutcome => ({
  ok: false,
  kind,
  code: `intake.${kind}`,
  message: "No.",
  reasons,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});
const runId = `run_${"0".repeat(26)}`;
const executionId = `exe_${"0".repeat(26)}`;

const accepted: IntakeOutcome = { ok: true, executionId: "exe_task", repeated: false, quota: undefined };

async function world({
  outcomes = [accepted],
  error,
  ready = Promise.resolve(),
  cancel = async () => ({ status: "cancelled" }),
}: {
  /** What the door answers, in turn; the last of them for ever. */
  outcomes?: readonly IntakeOutcome[];
  error?: ErrorOnTheWire & { status: string };
  ready?: Promise<void>;
  cancel?: () => Promise<object>;
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
      return outcomes[Math.min(submitted.length, outcomes.length) - 1];
    },
    cancel: async (_ctx: Context, id: string) => {
      cancelled.push(id);
      return await cancel();
    },
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

const noStart = Promise.reject(new Error("No start."));
noStart.catch(() => undefined);
test.each([
  ["stops", { outcomes: [refuse("stopping", 1_000)] }],
  ["stops while the door is asked again", { outcomes: [refuse("overloaded", 100), refuse("stopping", 1_000)] }],
  ["does not come to its start", { ready: noStart }],
])("where the process %s it is given back at once, neither done nor failed", async (_what, parts) => {
  const { time, asked } = await world(parts);
  await time.advance(100);
  expect(await asked).toBe(taskGivenBack);
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

test("refused for now, it is asked for again when that may help, under the same key, and that is no try of the step", async () => {
  const { time, asked, submitted, end } = await world({
    outcomes: [refuse("overloaded", 200), refuse("unavailable", 300), accepted],
  });
  const beganAt = time.now();
  await time.advance(499);
  expect(submitted).toHaveLength(2);
  await time.advance(1);
  expect(submitted.map(({ idempotencyKey }) => idempotencyKey)).toEqual(Array(3).fill(`${runId}/work/1`));
  expect(submitted.map(({ deadline }) => deadline)).toEqual(Array(3).fill(beganAt + 1_000));
  end("reactor.lost");
  await expect(asked).rejects.toMatchObject({ code: "reactor.lost" });
});

test("refused for now up to the end of its time, it has failed with that, and another try is worth it", async () => {
  const { time, asked, submitted } = await world({ outcomes: [refuse("overloaded", 300)] });
  await time.advance(900);
  expect(submitted).toHaveLength(4);
  await expect(asked).rejects.toMatchObject({ code: "intake.overloaded", message: "No. So.", retryable: true });
});

test("refused for good, it has failed", async () => {
  const { asked, submitted } = await world({ outcomes: [refuse("denied")] });
  await expect(asked).rejects.toMatchObject({ code: "intake.denied", message: "No. So.", retryable: false });
  expect(submitted).toHaveLength(1);
});

test.each([
  [[], "No."],
  [["args.a is missing", "args.b is no number"], "No. args.a is missing; args.b is no number"],
])("its error tells the reasons %j apart", async (reasons, message) => {
  const { asked } = await world({ outcomes: [refuse("invalid", undefined, reasons)] });
  await expect(asked).rejects.toMatchObject({ message });
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

test("one that had just completed when it was not wanted any more has its result count", async () => {
  const { time, asked, end } = await world({ cancel: async () => ({ status: "completed", result: { booked: 1 } }) });
  await time.advance(10);
  end("reactor.run_cancelled");
  expect(await asked).toEqual({ booked: 1 });
});

test("one that cannot be told to end fails with why it was to end", async () => {
  const { time, asked, end } = await world({ cancel: () => Promise.reject(new Error("Away.")) });
  await time.advance(10);
  end("reactor.run_cancelled");
  await expect(asked).rejects.toMatchObject({ code: "reactor.run_cancelled" });
});
