import { readFileSync } from "node:fs";
import { type Explanation, explanation } from "../plan-nodes.ts";

/**
 * A plan as a real database has given it, recorded with what `database.explain` answers beside it. The log's own statements were run over
 * 30,001 events; `orders` has 200,000 rows, `uncounted` the same and no statistics, `stale` has grown ninetyfold since it was counted.
 */
export function recordedPlan(database: "postgresql" | "pglite", name: string): Explanation {
  const file = new URL(`../fixtures/plans-${database}.json`, import.meta.url);
  const { plans } = JSON.parse(readFileSync(file, "utf8")) as { plans: { [name: string]: unknown } };
  return explanation.parse(plans[name]);
}
