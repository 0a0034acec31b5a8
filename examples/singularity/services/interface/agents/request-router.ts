import type { AgentContext, JsonObject, JsonValue } from "viable";
import { agent } from "viable";
import { z } from "zod";

/** Requests of one batch: each may hold a worker for minutes. */
const maxRequests = 50;
/** Requests under way at once unless told, and at most: others want workers too. */
const usualConcurrency = 4;
const maxConcurrency = 10;
/** Characters of all results together, as JSON: the answer is one event of four mebibytes, with room for what is around them. */
const maxResultChars = 3 * 1024 * 1024;

const own = "request_routing";

/** What became of one request. */
type Outcome = {
  readonly id: string;
  readonly capability: string;
  readonly status: "completed" | "refused" | "failed" | "cancelled" | "timed_out";
  readonly executionId?: string;
  readonly result?: JsonValue;
  /** The result was too large for this answer; it stands with the execution. */
  readonly omittedChars?: number;
  readonly error?: JsonObject;
};

/** Hands requests on to whoever can do them. */
export const requestRouter = agent({
  name: "request-router",
  capability: own,
  description: "Has a batch of requests done, each by whoever offers its capability, and answers what came of each",
  input: z.strictObject({
    requests: z
      .array(
        z.strictObject({
          id: z.string().min(1).max(100),
          capability: z.string().min(1).max(200),
          args: z.record(z.string(), z.unknown()).default({}),
        }),
      )
      .min(1)
      .max(maxRequests)
      .refine((requests) => new Set(requests.map(({ id }) => id)).size === requests.length, "two requests have one id")
      .describe("What is to be done: an id of your own, the capability, its arguments"),
    concurrency: z.coerce
      .number()
      .int()
      .min(1)
      .max(maxConcurrency)
      .default(usualConcurrency)
      .describe("How many at once"),
  }),
  timeoutMs: 30 * 60_000,
  async handle(ctx, { requests, concurrency }) {
    const outcomes: Outcome[] = [];
    let begun = 0;
    let done = 0;
    const work = async (): Promise<void> => {
      for (let index = begun++; index < requests.length; index = begun++) {
        ctx.signal.throwIfAborted();
        const request = requests[index] as (typeof requests)[number];
        const outcome = await route(ctx, { ...request, args: request.args as JsonObject });
        outcomes[index] = outcome;
        done++;
        // The last hundredth is the answer itself.
        const percent = Math.min(99, Math.floor((done / requests.length) * 100));
        ctx.progress(percent, `${request.id} ${outcome.status.replace("_", " ")} (${done} of ${requests.length})`);
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, requests.length) }, work));
    ctx.signal.throwIfAborted();
    const completed = outcomes.filter(({ status }) => status === "completed").length;
    return { count: requests.length, completed, outcomes: fitTogether(outcomes) };
  },
});

async function route(
  ctx: AgentContext,
  { id, capability, args }: { readonly id: string; readonly capability: string; readonly args: JsonObject },
): Promise<Outcome> {
  if (capability === own) {
    const error = {
      code: "routing.nested",
      message: "A batch holds no other batch.",
      next: "Put its requests into this one.",
      retryable: false,
    };
    return { id, capability, status: "refused", error };
  }
  // The id tells equal requests apart: who asks twice wants it done twice.
  const outcome = await ctx.delegate(capability, args, { key: id });
  if (outcome.ok) {
    return { id, capability, status: "completed", executionId: outcome.executionId, result: outcome.result };
  }
  const { status, executionId } = outcome;
  // An error on the wire is plain JSON; its type only does not say so.
  const error = outcome.error as unknown as JsonObject;
  return { id, capability, status, ...(executionId !== undefined && { executionId }), error };
}

/** Leaves out the largest results until the others fit: most batches are small answers and one that is not. */
function fitTogether(outcomes: readonly Outcome[]): Outcome[] {
  const sizes = outcomes.map(({ result }) => (result === undefined ? 0 : JSON.stringify(result).length));
  let sum = sizes.reduce((total, size) => total + size, 0);
  const fitting = [...outcomes];
  while (sum > maxResultChars) {
    const largest = sizes.indexOf(Math.max(...sizes));
    const chars = sizes[largest] as number;
    const { result: _, ...rest } = fitting[largest] as Outcome;
    fitting[largest] = { ...rest, omittedChars: chars };
    sum -= chars;
    sizes[largest] = 0;
  }
  return fitting;
}
