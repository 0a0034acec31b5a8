import type { DelegateOutcome } from "viable";
import { agent } from "viable";
import { z } from "zod";
import { readSwarms, type SwarmState } from "../system-answers.ts";

/** No swarm is left with fewer: a burst must find somebody before the next division. */
const minWorkers = 3;
/** No swarm is given more at once: beyond this a queue of one process is not what holds it up. */
const maxWorkers = 64;
/** The heaviest that a share of a budget may be; tasks of a quarter of an hour are as heavy. */
const maxWeight = 1_000_000;

/** Divides the workers of all swarms by what is measured of them, over the whole and not swarm by swarm. */
export const optimizer = agent({
  name: "optimizer",
  capability: "resource_optimization",
  description: "Divides the workers of all swarms by their measured load; with apply it also sets them",
  input: z.strictObject({
    workers: z.coerce.number().int().min(1).max(10_000).optional().describe("How many in all; as many as there are"),
    apply: z.boolean().default(false).describe("Also sets the workers of each swarm; else only says how many"),
  }),
  risk: "medium",
  async handle(ctx, input) {
    const swarms = (await readSwarms(ctx)).filter(({ service }) => service !== "system");
    const now = swarms.reduce((sum, swarm) => sum + swarm.measurement.workers, 0);
    const budget = input.workers ?? now;
    const demands = swarms.map((swarm) => toDemand(swarm));
    const outcome = await ctx.delegate("resource_allocation", { budget, demands }, { key: ctx.executionId });
    if (!outcome.ok) {
      const missing = [{ capability: "resource_allocation", reason: outcome.error.message }];
      return { applied: false, workers: now, changes: [], refused: [], missing };
    }
    const { isFeasible, reason, shares } = answer.parse(outcome.result);
    if (!isFeasible) {
      return { applied: false, workers: now, changes: [], refused: [], missing: [], ...(reason && { reason }) };
    }
    const changes = shares.flatMap(({ name, amount }) => {
      const before = swarms.find(({ service }) => service === name)?.measurement.workers ?? 0;
      return before === amount ? [] : [{ service: name, before, workers: amount }];
    });
    const refused = input.apply ? await apply(changes, (args) => ctx.delegate("swarm.scale", args)) : [];
    return { applied: input.apply, workers: budget, changes, refused, missing: [] };
  },
});

const answer = z.object({
  isFeasible: z.boolean(),
  reason: z.string().optional(),
  shares: z.array(z.object({ name: z.string(), amount: z.number().int() })),
});

/** As many workers as have something to do or waiting, weighted by how long their tasks take. */
function toDemand({ service, measurement: { running, queued, latencyMs } }: SwarmState) {
  const wanted = Math.min(maxWorkers, Math.max(minWorkers, running + queued));
  const weight = Math.min(maxWeight, Math.max(1, Math.round(latencyMs)));
  return { name: service, weight, min: minWorkers, max: maxWorkers, wanted };
}

interface Change {
  readonly service: string;
  readonly before: number;
  readonly workers: number;
}

/** Sets what was decided, swarm by swarm, and says which could not be set. */
async function apply(
  changes: readonly Change[],
  scale: (args: { service: string; workers: number }) => Promise<DelegateOutcome>,
): Promise<{ service: string; reason: string }[]> {
  const refused: { service: string; reason: string }[] = [];
  for (const { service, workers } of changes) {
    const outcome = await scale({ service, workers });
    if (!outcome.ok) refused.push({ service, reason: outcome.error.message });
  }
  return refused;
}
