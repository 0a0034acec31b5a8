/** A plan as a database tells it (PostgreSQL's EXPLAIN (FORMAT JSON, VERBOSE)), read into what advice is given on. */
import type { JsonObject } from "viable";
import { ViableError } from "viable";
import { z } from "zod";

/** What `database.explain` knows of a table. */
const relation = z.object({
  schema: z.string(),
  name: z.string(),
  /** As of the last statistics; null where there never were any. */
  rows: z.number().nullable(),
  bytes: z.number(),
  columnsWithStatistics: z.array(z.string()),
  indexes: z.array(
    z.object({
      name: z.string(),
      /** Null stands for an expression. */
      columns: z.array(z.string().nullable()),
      isPartial: z.boolean(),
      definition: z.string(),
    }),
  ),
});

/** What `database.explain` answers. */
export const explanation = z.object({
  origin: z.enum(["measured", "estimated"]),
  query: z.string(),
  parameters: z.array(z.string()),
  plan: z.record(z.string(), z.json()),
  relations: z.array(relation),
});

export type Relation = z.infer<typeof relation>;
export type Explanation = z.infer<typeof explanation>;

const rawNode = z.object({
  "Node Type": z.string(),
  "Parallel Aware": z.boolean().optional(),
  "Workers Planned": z.number().optional(),
  "Parent Relationship": z.string().optional(),
  Strategy: z.string().optional(),
  "Join Type": z.string().optional(),
  Schema: z.string().optional(),
  "Relation Name": z.string().optional(),
  Alias: z.string().optional(),
  "Index Name": z.string().optional(),
  "Index Cond": z.string().optional(),
  Filter: z.string().optional(),
  "Plan Rows": z.number(),
  "Actual Rows": z.number().optional(),
  "Actual Loops": z.number().optional(),
  "Actual Total Time": z.number().optional(),
  "Rows Removed by Filter": z.number().optional(),
  "Sort Method": z.string().optional(),
  "Sort Space Used": z.number().optional(),
  "Sort Space Type": z.string().optional(),
  "Hash Batches": z.number().optional(),
  "HashAgg Batches": z.number().optional(),
  "Peak Memory Usage": z.number().optional(),
  "Disk Usage": z.number().optional(),
  Disabled: z.boolean().optional(),
  Plans: z.array(z.json()).optional(),
});

/** One step of a plan. Rows and times are those of one loop, as the database tells them. */
export interface PlanNode {
  readonly type: string;
  /** How it serves the node above it: `Outer`, `Inner`, `SubPlan` … */
  readonly relationship: string | undefined;
  readonly strategy: string | undefined;
  readonly joinType: string | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  /** What the table goes by in its conditions. */
  readonly alias: string | undefined;
  readonly index: string | undefined;
  readonly indexCondition: string | undefined;
  readonly filter: string | undefined;
  readonly estimatedRows: number;
  /** How many processes share its rows: each has its part of them. Planned, and where it was run those that took part. */
  readonly shares: number;
  /** What it met; undefined where the query was not run, or the node was never reached. */
  readonly met:
    | { readonly rows: number; readonly loops: number; readonly removed: number; readonly ms: number }
    | undefined;
  /** Kilobytes that a sort needed, where it was done on disk. */
  readonly sortOnDiskKb: number | undefined;
  /** Kilobytes that a hash would have needed to be done in memory, where it was not. */
  readonly hashOnDiskKb: number | undefined;
  /** Only taken because nothing else was possible. */
  readonly isDisabled: boolean;
  readonly children: readonly PlanNode[];
}

/** Deeper than any plan of a query that a person wrote. */
const maxDepth = 100;

/** Reads a plan. Throws `plan.unreadable` where it is none. */
export function readPlan(plan: JsonObject): PlanNode {
  return readNode(plan.Plan, { depth: 0, processes: 1 });
}

interface Above {
  readonly depth: number;
  /** That work below the node which gathers what they find. */
  readonly processes: number;
  /** Of the scan that a bitmap is made for. */
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly alias?: string | undefined;
}

function readNode(value: unknown, above: Above): PlanNode {
  const found = rawNode.safeParse(value);
  if (!found.success || above.depth > maxDepth) {
    throw new ViableError("plan.unreadable", "This is no plan as EXPLAIN (FORMAT JSON) writes them.", {
      next: "Take it from database.explain.",
    });
  }
  const raw = found.data;
  const met = readMet(raw);
  const { Schema: schema = above.schema, "Relation Name": table = above.table, Alias: alias = above.alias } = raw;
  const isBitmap = raw["Node Type"].startsWith("Bitmap");
  const below: Above = {
    depth: above.depth + 1,
    processes: raw["Workers Planned"] === undefined ? above.processes : raw["Workers Planned"] + 1,
    ...(isBitmap && { schema, table, alias }),
  };
  return {
    type: raw["Node Type"],
    relationship: raw["Parent Relationship"],
    strategy: raw.Strategy,
    joinType: raw["Join Type"],
    schema,
    table,
    alias,
    index: raw["Index Name"],
    indexCondition: raw["Index Cond"],
    filter: raw.Filter,
    estimatedRows: raw["Plan Rows"],
    shares: raw["Parallel Aware"] === true ? (met?.loops ?? above.processes) : 1,
    met,
    sortOnDiskKb: raw["Sort Space Type"] === "Disk" ? raw["Sort Space Used"] : undefined,
    hashOnDiskKb: readHashOnDisk(raw),
    isDisabled: raw.Disabled ?? false,
    children: (raw.Plans ?? []).map((each) => readNode(each, below)),
  };
}

function readMet(raw: z.infer<typeof rawNode>): PlanNode["met"] {
  const { "Actual Rows": rows, "Actual Loops": loops } = raw;
  if (rows === undefined || loops === undefined || loops === 0) return undefined;
  return { rows, loops, removed: raw["Rows Removed by Filter"] ?? 0, ms: (raw["Actual Total Time"] ?? 0) * loops };
}

/** A hash join tells its batches, each as large as its peak; a hash aggregate its peak and what it wrote beside. */
function readHashOnDisk(raw: z.infer<typeof rawNode>): number | undefined {
  const peakKb = raw["Peak Memory Usage"] ?? 0;
  if ((raw["Hash Batches"] ?? 1) > 1) return peakKb * (raw["Hash Batches"] ?? 1);
  if ((raw["Disk Usage"] ?? 0) > 0) return peakKb + (raw["Disk Usage"] ?? 0);
  return undefined;
}

/** A node and all below it, each with how deep it lies. */
export function* nodesOf(node: PlanNode, depth = 0): Generator<{ readonly node: PlanNode; readonly depth: number }> {
  yield { node, depth };
  for (const child of node.children) yield* nodesOf(child, depth + 1);
}
