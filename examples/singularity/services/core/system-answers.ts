import type { AgentContext, JsonValue } from "viable";
import { ViableError } from "viable";
import { z } from "zod";

/** What Core reads of the answers of the system's own commands. More may be in them. */
const health = z.object({
  status: z.string(),
  uptimeMs: z.number(),
  checks: z.array(z.object({ name: z.string(), status: z.string(), detail: z.string() })),
});

const swarm = z.object({
  service: z.string(),
  processId: z.string(),
  status: z.string(),
  reasons: z.array(z.string()),
  capabilities: z.array(z.string()),
  measurement: z.object({
    workers: z.number(),
    running: z.number(),
    queued: z.number(),
    completed: z.number(),
    failed: z.number(),
    latencyMs: z.number(),
  }),
});

export type SystemHealth = z.infer<typeof health>;
export type SwarmState = z.infer<typeof swarm>;

export const readSystemHealth = async (ctx: AgentContext): Promise<SystemHealth> =>
  health.parse(await ask(ctx, "system.health"));

export const readSwarms = async (ctx: AgentContext): Promise<readonly SwarmState[]> =>
  z.object({ swarms: z.array(swarm) }).parse(await ask(ctx, "system.swarms")).swarms;

/** Core is about the system it runs in: without the system's own commands it has nothing to say. */
async function ask(ctx: AgentContext, capability: string): Promise<JsonValue> {
  // Two looks at the system are two looks: without a key of its own the second would be answered with the first.
  const outcome = await ctx.delegate(capability, {}, { key: ctx.executionId });
  if (outcome.ok) return outcome.result;
  throw new ViableError("core.no_answer", `${capability} was not answered: ${outcome.error.message}`, {
    retryable: outcome.error.retryable,
    next: "Look at `viable health`.",
  });
}
