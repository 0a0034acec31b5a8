import type { AgentDefinition } from "viable";
import { agent, ViableError } from "viable";
import { z } from "zod";
import { makeEffect } from "../ledger-client.ts";

/** What every service of the system under test is asked to do. */
export const workInput = z.strictObject({
  /** How long it waits, in milliseconds; those that compute do that instead. */
  sleepMs: z.number().int().min(0).default(0),
  /** Services that it asks to do the same, one after the other. */
  ask: z.array(z.string()).default([]),
  /** Ends it with an error of its own, before it does anything outside. */
  fails: z.boolean().default(false),
});

/** Longer than any fault lasts, in milliseconds: what times out did so because it was asked to. */
export const workTimeoutMs = 180_000;

/** What is recorded as its result: who did it, and which arrival at the ledger counts. */
export interface WorkResult {
  readonly pid: number;
  readonly attempt: number;
  readonly receipt: number;
  readonly asked: readonly { readonly executionId?: string; readonly status: string; readonly code?: string }[];
}

/** Waits, asks others, does one thing outside, and says who did it. */
export const sleeper = (service: string): AgentDefinition =>
  agent({
    name: "sleeper",
    capability: `${service}.work`,
    description: "Waits, asks others, and does one thing outside.",
    input: workInput,
    timeoutMs: workTimeoutMs,
    handle: async (ctx, { sleepMs, ask, fails }) => {
      await new Promise<void>((resolve, reject) => {
        const timer = ctx.runtime.clock.setTimer(resolve, sleepMs);
        ctx.signal.addEventListener("abort", () => {
          timer.cancel();
          reject(ctx.signal.reason);
        });
      });
      const asked: { executionId?: string; status: string; code?: string }[] = [];
      for (const [index, other] of ask.entries()) {
        const outcome = await ctx.delegate(`${other}.work`, {}, { key: String(index) });
        asked.push({
          ...(outcome.executionId !== undefined && { executionId: outcome.executionId }),
          ...(outcome.ok ? { status: "completed" } : { status: outcome.status, code: outcome.error.code }),
        });
      }
      if (fails) throw new ViableError("test.asked_to_fail", "It was asked to fail.");
      const { executionId, attempt } = ctx;
      const receipt = await makeEffect({
        key: executionId,
        execution: executionId,
        service,
        pid: process.pid,
        attempt,
      });
      return { pid: process.pid, attempt, receipt, asked };
    },
  });
