import type { DelegateOutcome, JsonValue } from "viable";
import { agent } from "viable";
import { z } from "zod";
import type { Truncated } from "../../../source/cut-list.ts";

/** Tasks in one list: each has its place in the result, and a longer list is several. */
const maxTasks = 100;
/** What is kept of all results together, in characters of JSON: well below what an event holds. Each is in its own execution too. */
const maxResultChars = 1024 * 1024;
/** As long as six of the longest tasks, which take ten minutes, in milliseconds: they are done one after another. */
const listTimeoutMs = 60 * 60_000;

const priorities = ["critical", "high", "medium", "low"] as const;

/** The coordinator as it was before each service had a swarm: one queue, by priority, one task at a time. */
export const coordinator = agent({
  name: "coordinator",
  capability: "swarm_coordination",
  description: "Has a list of tasks done one after another by priority, and tells how each ended",
  input: z.strictObject({
    tasks: z
      .array(
        z.strictObject({
          capability: z.string().min(1).max(200),
          args: z.record(z.string(), z.json()).default({}),
          priority: z.enum(priorities).default("medium"),
        }),
      )
      .min(1)
      .max(maxTasks)
      .describe('JSON: [{"capability": "secret_scan", "args": {"path": "."}, "priority": "high"}]'),
  }),
  risk: "medium",
  timeoutMs: listTimeoutMs,
  async handle(ctx, { tasks }) {
    const queue = tasks.map((task, place) => ({ ...task, place }));
    // The order given holds among equals: the sort is stable.
    queue.sort((a, b) => priorities.indexOf(a.priority) - priorities.indexOf(b.priority));
    const truncated: Truncated = {};
    const outcomes: JsonValue[] = [];
    let [completed, chars] = [0, 0];
    for (const [index, { capability, args, priority, place }] of queue.entries()) {
      ctx.signal.throwIfAborted();
      ctx.progress(Math.floor((index / queue.length) * 100), `${index + 1} of ${queue.length}: ${capability}`);
      // A task that stands in the list twice is done twice.
      const outcome = await ctx.delegate(capability, args, { key: String(place) });
      const size = outcome.ok ? JSON.stringify(outcome.result).length : 0;
      const fits = chars + size <= maxResultChars;
      if (outcome.ok) completed += 1;
      if (fits) chars += size;
      else truncated.results = (truncated.results ?? 0) + 1;
      outcomes.push({ place, capability, priority, ...tellOutcome(outcome, fits) });
    }
    return { tasks: tasks.length, completed, outcomes, truncated };
  },
});

/** How a task ended; without its result where that does not fit any more, which is then in its own execution. */
function tellOutcome(outcome: DelegateOutcome, fits: boolean) {
  const { executionId } = outcome;
  const of = executionId === undefined ? {} : { executionId };
  if (!outcome.ok) return { status: outcome.status, ...of, code: outcome.error.code, reason: outcome.error.message };
  return { status: "completed", ...of, ...(fits && { result: outcome.result }) };
}
