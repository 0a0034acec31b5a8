import { agent, ViableError } from "viable";
import { z } from "zod";
import { ceilingOf, type Demand, divideBudget } from "../divide-budget.ts";

/** More parties are not served from one budget. */
const maxDemands = 500;
/** A petabyte in megabytes: sums of so many are still exact. */
const maxUnits = 1_000_000_000;

const units = z.number().int().min(0).max(maxUnits);
const resources = { workers: "workers", memory_mb: "MB of memory", cpu_shares: "CPU shares" } as const;

/** Divides a budget over those who want a part of it, and says who gets less than wanted and why. */
export const resourceAllocator = agent({
  name: "resource-allocator",
  capability: "resource_allocation",
  description: "Divides a budget over demands by weighted max-min fairness, with minima and maxima, in whole units",
  input: z.strictObject({
    budget: units.describe("How many whole units there are"),
    resource: z.enum(["workers", "memory_mb", "cpu_shares"]).default("workers").describe("What the units are"),
    demands: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(100),
          weight: z.number().min(0.001).max(1_000_000).default(1),
          min: units.default(0),
          max: units.default(maxUnits),
          wanted: units,
        }),
      )
      .min(1)
      .max(maxDemands)
      .describe('Who wants how much: [{"name":"a","wanted":5,"min":1,"max":8,"weight":2}]'),
  }),
  risk: "low",
  joinable: true,
  handle(_ctx, { budget, resource, demands }) {
    checkDemands(demands);
    const unit = resources[resource];
    const about = { resource, budget, origin: "weighted max-min fairness, whole units by the largest fraction" };
    const needed = demands.reduce((sum, { min }) => sum + min, 0);
    if (needed > budget) {
      const reason = `The minima need ${needed} ${unit}, and there are ${budget}.`;
      return { ...about, isFeasible: false, reason, allocated: 0, left: budget, shares: [], short: [] };
    }
    const shares = divideBudget(budget, demands);
    const allocated = shares.reduce((sum, { amount }) => sum + amount, 0);
    const paired = demands.map((demand, index) => ({ demand, share: shares[index] ?? { amount: 0, exact: 0 } }));
    return {
      ...about,
      isFeasible: true,
      allocated,
      left: budget - allocated,
      shares: paired.map(({ demand, share }) => ({ name: demand.name, amount: share.amount, wanted: demand.wanted })),
      short: paired
        .filter(({ demand, share }) => share.amount < demand.wanted)
        .map(({ demand, share }) => ({
          name: demand.name,
          amount: share.amount,
          wanted: demand.wanted,
          reason: explainShort(demand, share, unit),
        })),
    };
  },
});

function checkDemands(demands: readonly Demand[]): void {
  const names = new Set<string>();
  for (const { name, min, max } of demands) {
    if (names.has(name)) {
      throw new ViableError("allocation.same_name", `Two demands are called "${name}".`, {
        next: "Give each a name of its own.",
      });
    }
    names.add(name);
    if (min > max) {
      throw new ViableError("allocation.min_above_max", `"${name}" must have ${min} and may have ${max} at most.`, {
        next: "Lower its min or raise its max.",
      });
    }
  }
}

function explainShort(demand: Demand, share: { amount: number; exact: number }, unit: string): string {
  if (share.amount === ceilingOf(demand)) return `It may have ${demand.max} ${unit} at most.`;
  const exact = Math.round(share.exact * 100) / 100;
  const whole = exact === share.amount ? "" : `, in whole units ${share.amount}`;
  return `The budget is short: its share by weight ${demand.weight} is ${exact}${whole}.`;
}
