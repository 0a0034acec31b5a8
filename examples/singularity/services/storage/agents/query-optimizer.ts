import { agent, ViableError } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { adviseOnPlan, stepOf } from "../advise-on-plan.ts";
import { explanation, nodesOf, readPlan } from "../plan-nodes.ts";

const maxSteps = 500;
const maxAdvice = 100;

/** Reads how the database goes about a query, and says what would make it better. */
export const queryOptimizer = agent({
  name: "query-optimizer",
  capability: "query_optimization",
  description: "Asks the database for the plan of a query and advises on indexes, statistics and memory, with reasons",
  input: z
    .strictObject({
      statement: z
        .string()
        .min(1)
        .max(100)
        .optional()
        .describe("A statement of the log's own, such as viable_read_all_forward; it is run"),
      sql: z.string().min(1).max(10_000).optional().describe("A single SELECT; it is planned and not run"),
    })
    .refine(
      ({ statement, sql }) => (statement === undefined) !== (sql === undefined),
      "needs either a statement or sql",
    ),
  risk: "high",
  async handle(ctx, { statement, sql }) {
    const asked = sql === undefined ? { statement: statement ?? "" } : { sql };
    const outcome = await ctx.delegate("database.explain", asked);
    if (!outcome.ok) {
      const { code, message, next, retryable } = outcome.error;
      throw new ViableError(code, `There is no plan to advise on: ${message}`, { next, retryable });
    }
    const explained = explanation.parse(outcome.result);
    const steps = [...nodesOf(readPlan(explained.plan))].map(({ node, depth }) => ({
      depth,
      step: stepOf(node),
      estimatedRows: node.estimatedRows,
      ...(node.met !== undefined && { rows: node.met.rows, loops: node.met.loops, ms: node.met.ms }),
    }));
    const truncated: Truncated = {};
    const { origin, query, parameters } = explained;
    return {
      origin,
      query,
      parameters,
      advice: cutList("advice", adviseOnPlan(explained), maxAdvice, truncated),
      steps: cutList("steps", steps, maxSteps, truncated),
      truncated,
    };
  },
});
