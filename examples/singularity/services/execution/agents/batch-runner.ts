import type { JsonObject } from "viable";
import { agent } from "viable";
import { z } from "zod";
import { delegateOnce, type TaskOutcome } from "../delegate-once.ts";
import { createResultRoom } from "../result-room.ts";
import { capabilityInput } from "../task-input.ts";

/** Each is an execution of its own in the log. */
const maxItems = 1_000;
/** Each of them waits in another swarm, which has few workers. */
const maxConcurrency = 16;
/** In milliseconds: a thousand items, sixteen at a time, a few minutes each. */
const timeoutMs = 12 * 3_600_000;

/** Runs one capability over a list of arguments. */
export const batchRunner = agent({
  name: "batch-runner",
  capability: "batch_execution",
  description: "Runs one capability over a list of arguments, some at a time; stops after so many failures",
  input: z.strictObject({
    capability: capabilityInput,
    list: z
      .array(z.record(z.string(), z.unknown()))
      .min(1)
      .max(maxItems)
      .describe("The arguments of each, as a JSON list of objects"),
    concurrency: z.number().int().min(1).max(maxConcurrency).default(4).describe("Items side by side"),
    maxFailures: z
      .number()
      .int()
      .min(1)
      .max(maxItems)
      .default(10)
      .describe("After so many failures nothing more is begun; what runs is finished"),
  }),
  timeoutMs,
  async handle(ctx, { capability, list, concurrency, maxFailures }) {
    const { truncated, place } = createResultRoom();
    const outcomes: TaskOutcome[] = [];
    let next = 0;
    let settled = 0;
    let failed = 0;
    /** Takes one item after the other until none is left or too many have failed. */
    const work = async (): Promise<void> => {
      while (next < list.length && failed < maxFailures) {
        const index = next++;
        // The key is the item's place: equal arguments are two items, and after a crash each finds its own outcome.
        const settings = { key: `item ${index}` };
        const outcome = await delegateOnce(ctx, capability, list[index] as JsonObject, settings);
        outcomes[index] = place(outcome);
        settled++;
        if (outcome.status !== "completed") failed++;
        ctx.progress(Math.floor((settled / list.length) * 99), `${settled} of ${list.length} done, ${failed} failed`);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    const notRun = list.length - settled;
    return {
      capability,
      ok: failed === 0 && notRun === 0,
      total: list.length,
      completed: settled - failed,
      failed,
      notRun,
      // Begun in order, so what was not begun is the end of the list.
      results: outcomes.map((outcome, index) => ({ index, ...outcome })),
      ...(notRun > 0 && {
        stopped: `${failed} failed, and ${maxFailures} are allowed: the last ${notRun} were not begun.`,
      }),
      truncated,
    };
  },
});
