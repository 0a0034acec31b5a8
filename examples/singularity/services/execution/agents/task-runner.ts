import { backoffMs, rootContext, sleep } from "@viable/kernel";
import type { AgentContext, JsonObject } from "viable";
import { agent } from "viable";
import { z } from "zod";
import { delegateOnce, type TaskOutcome } from "../delegate-once.ts";
import { createResultRoom } from "../result-room.ts";
import { argsInput, capabilityInput } from "../task-input.ts";

/** More tries hide that something is broken. */
const maxAttempts = 10;
/** The longest wait between two tries, in milliseconds: who waits longer had better be told. */
const maxWaitMs = 5 * 60_000;
/** Ten tries with their waits, in milliseconds. */
const timeoutMs = 2 * 3_600_000;

type Attempt = Omit<TaskOutcome, "result"> & { readonly attempt: number; readonly thenWaitedMs?: number };

const taskInput = z.strictObject({
  capability: capabilityInput,
  args: argsInput,
  attempts: z.number().int().min(1).max(maxAttempts).default(3).describe("Tries in all"),
  firstWaitMs: z
    .number()
    .int()
    .min(0)
    .max(maxWaitMs)
    .default(200)
    .describe("The longest wait after the first failure; it doubles with each"),
  maxWaitMs: z.number().int().min(0).max(maxWaitMs).default(10_000).describe("No wait is longer"),
  timeoutMs: z.number().int().min(1).max(timeoutMs).optional().describe("For each try; default the other agent's own"),
  repeatAll: z.boolean().default(false).describe("Repeat failures too that do not say that they may go away"),
});

/** Runs one task, again where that may help, and tells of every try. */
export const taskRunner = agent({
  name: "task-runner",
  capability: "task_execution",
  description: "Runs a task by its capability, repeats what may succeed later, and answers how every attempt ended",
  input: taskInput,
  timeoutMs,
  async handle(ctx, input) {
    const { capability, attempts } = input;
    const tried: Attempt[] = [];
    const { truncated, place } = createResultRoom();
    for (let attempt = 1; ; attempt++) {
      ctx.progress(Math.floor(((attempt - 1) / attempts) * 99), `Attempt ${attempt} of ${attempts}: ${capability}`);
      // Each try is a delegation of its own: after a crash those that are recorded are not made again.
      const whole = await delegateOnce(ctx, capability, input.args as JsonObject, {
        key: `attempt ${attempt}`,
        ...(input.timeoutMs !== undefined && { timeoutMs: input.timeoutMs }),
      });
      const { result, ...outcome } = place(whole);
      const answer = { capability, attempts: [...tried, { attempt, ...outcome }] };
      if (outcome.status === "completed")
        return { ok: true, ...answer, ...(result !== undefined && { result }), truncated };
      const next = decideNext(ctx, input, attempt, outcome);
      if ("ended" in next) return { ok: false, ...answer, ended: next.ended, truncated };
      tried.push({ attempt, ...outcome, thenWaitedMs: Math.round(next.waitMs) });
      await sleep(rootContext(ctx.runtime, { tenant: ctx.tenant, signal: ctx.signal }), next.waitMs);
    }
  },
});

/** How long to wait for the next try, or why there is none. */
function decideNext(
  ctx: AgentContext,
  { attempts, firstWaitMs, maxWaitMs: longest, repeatAll }: z.output<typeof taskInput>,
  failures: number,
  { status, error }: Pick<TaskOutcome, "status" | "error">,
): { readonly waitMs: number } | { readonly ended: string } {
  const waitMs = backoffMs(
    { baseMs: firstWaitMs, maxMs: longest, maxAttempts: attempts },
    failures,
    ctx.runtime.random,
  );
  if (waitMs === undefined) return { ended: "no attempts are left" };
  if (status === "cancelled") return { ended: "somebody cancelled it" };
  const mayHelp = repeatAll || status === "timed_out" || error?.retryable === true;
  if (!mayHelp) return { ended: "it says of itself that repeating does not help" };
  return ctx.runtime.clock.now() + waitMs < ctx.deadline ? { waitMs } : { ended: "no time is left" };
}
