import type { DelegateOutcome } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { recordedPlan } from "../testing/recorded-plans.ts";
import { queryOptimizer } from "./query-optimizer.ts";

/** Answers as the database did when it was asked for real: `database.explain` on PostgreSQL. */
const database = async (capability: string, args: unknown): Promise<DelegateOutcome> => {
  expect(capability).toBe("database.explain");
  const { statement = "indexed" } = args as { statement?: string };
  const result = recordedPlan("postgresql", statement) as unknown as DelegateOutcome & { ok: true };
  return { ok: true, executionId: "exe_child", result: result as never };
};

followsInput(queryOptimizer, "an index for the reading that has none, nothing for the one that has", async (bench) => {
  const run = (args: object) => bench.run(queryOptimizer, args as never, { delegate: database });
  const slow = await run({ statement: "viable_read_all_forward_correlation" });
  expect(slow).toMatchObject({
    origin: "measured",
    query: expect.stringContaining("correlation = $3::text"),
    advice: [{ kind: "missing_index", table: "viable.events", columns: ["correlation", "position"] }],
    steps: [
      { depth: 0, step: "Limit", rows: 11 },
      { depth: 1, step: "Index Scan using events_pkey on viable.events", estimatedRows: 11, rows: 11, loops: 1 },
    ],
    truncated: {},
  });
  const well = await run({ sql: "SELECT * FROM orders WHERE customer = 42 AND created >= '2026-02-01'" });
  expect(well).toMatchObject({ origin: "estimated", advice: [] });
  return [slow, well];
});

test("without a plan there is no advice, and the reason is the database's own", async () => {
  await using bench = await openBench();
  const refuse = async (): Promise<DelegateOutcome> => ({
    ok: false,
    status: "failed",
    executionId: "exe_child",
    error: { code: "log.not_explained", message: "syntax error", next: "Hand in a single SELECT.", retryable: false },
  });
  await expect(bench.run(queryOptimizer, { sql: "DELETE" }, { delegate: refuse })).rejects.toMatchObject({
    code: "log.not_explained",
    message: "There is no plan to advise on: syntax error",
    next: "Hand in a single SELECT.",
  });
  await expect(bench.run(queryOptimizer, {})).rejects.toThrow("either a statement or sql");
});
