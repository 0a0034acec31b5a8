/**
 * What could be better in how a database goes about a query, with the reasons in numbers of its own plan. Each rule needs evidence: a plan
 * that was only estimated says nothing about what was met, and a small table is well read from end to end. Where all is well there is
 * no advice.
 */
import type { Explanation, PlanNode, Relation } from "./plan-nodes.ts";
import { nodesOf, readPlan } from "./plan-nodes.ts";
import type { Condition, ConditionColumn } from "./read-conditions.ts";
import { readConditions } from "./read-conditions.ts";

export type Advice = {
  readonly kind:
    | "missing_index"
    | "unused_index"
    | "unindexable_condition"
    | "missing_statistics"
    | "wrong_estimate"
    | "sort_on_disk"
    | "hash_on_disk";
  /** The step of the plan that it is about: `Seq Scan on public.orders`. */
  readonly step: string;
  readonly table?: string;
  /** Of the index that is meant, in its order. */
  readonly columns?: readonly string[];
  readonly action: string;
  readonly reasons: readonly string[];
};

/** Below this many rows a table is read from end to end within a few milliseconds, and an index gains nothing that shows. */
const largeRows = 10_000;
/** The same of a table that nobody has counted: so many rows of a hundred bytes. */
const largeBytes = 1024 * 1024;
/** A condition that leaves more than this share is better met by reading everything: pages would be read anyway. */
const selectiveShare = 0.1;
/** Rows that were read along an index only to be thrown away, and how many times more than were kept, before it is worth another. */
const manyRemoved = 1_000;
const removedPerKept = 9;
/** How many times an estimate may be off before the planner is likely to choose by it what it would not otherwise. */
const wrongFactor = 10;
/** Both figures below this, and being off by any factor changes no plan. */
const countingRows = 100;

/** Advises on a plan as `database.explain` answers it. Throws `plan.unreadable`. */
export function adviseOnPlan({ origin, plan, relations }: Explanation): Advice[] {
  const root = readPlan(plan);
  const find = (node: PlanNode) => relations.find(({ schema, name }) => schema === node.schema && name === node.table);
  const advice: Advice[] = [];
  for (const { node } of nodesOf(root)) {
    const table = find(node);
    if (table !== undefined) advice.push(...adviseOnScan(node, table));
    advice.push(...adviseOnMemory(node));
  }
  if (origin === "measured") advice.push(...adviseOnEstimates(root, find));
  advice.push(...relations.filter((table) => isToBeCounted(table, root, relations)).map(adviseToCount));
  return withoutRepeats(advice);
}

const adviseOnScan = (node: PlanNode, table: Relation): Advice[] =>
  node.type.endsWith("Seq Scan") ? adviseOnSeqScan(node, table) : adviseOnIndexScan(node, table);

/** A large table that is read from end to end for a few of its rows. */
function adviseOnSeqScan(node: PlanNode, table: Relation): Advice[] {
  if (node.filter === undefined) return [];
  const kept = (node.met?.rows ?? node.estimatedRows) * node.shares;
  const total = node.met === undefined ? table.rows : (node.met.rows + node.met.removed) * node.shares;
  // Of a table that was never counted nothing is known but its size: it is to be counted first.
  if (total === null || total < largeRows || kept > total * selectiveShare) return [];
  const conditions = readConditions(node.filter, node.alias);
  const share = `${count(kept)} of ${count(total)} rows ${node.met === undefined ? "are expected to be" : "were"} kept`;
  const reasons = [
    `The whole table is read, and ${share} by ${node.filter}.`,
    ...(node.isDisabled ? ["Reading it so was to be avoided, and no index made anything else possible."] : []),
  ];
  return adviseIndexes(node, table, conditions, [], reasons);
}

/** An index that is read along only to throw most of it away. */
function adviseOnIndexScan(node: PlanNode, table: Relation): Advice[] {
  if (node.met === undefined || node.filter === undefined) return [];
  const [kept, removed] = [node.met.rows * node.met.loops, node.met.removed * node.met.loops];
  if (removed < manyRemoved || removed < kept * removedPerKept) return [];
  const conditions = readConditions(node.filter, node.alias);
  const known = readConditions(
    node.indexCondition ?? node.children.find((child) => child.indexCondition)?.indexCondition,
    node.alias,
  );
  const index = node.index ?? node.children.find((child) => child.index !== undefined)?.index;
  const reasons = [
    `${count(removed)} rows were read${index === undefined ? "" : ` along ${index}`} and thrown away by ${node.filter}; ${count(kept)} were kept.`,
  ];
  return adviseIndexes(node, table, conditions, known, reasons);
}

/** One index for conditions that must all hold; where only one of several must, one for each of these, since it takes all of them. */
function adviseIndexes(
  node: PlanNode,
  table: Relation,
  conditions: readonly Condition[],
  known: readonly Condition[],
  reasons: readonly string[],
): Advice[] {
  const wanted = indexFor(conditions, known);
  const alternatives = conditions.find((each) => each.alternatives)?.alternatives ?? [];
  const served = alternatives.map((each) => ({ each, wanted: indexFor(each, []) }));
  const isServed = served.length > 0 && served.every((one) => columnsOf(one.wanted).length > 0);
  if (columnsOf(wanted).length > 0 || !isServed) return [adviseIndex(node, table, wanted, conditions, reasons)];
  return served
    .filter((one) => findIndex(table, one.wanted) === undefined)
    .map(({ each, wanted: own }) =>
      adviseIndex(node, table, own, each, [
        ...reasons,
        `Any of ${served.length} conditions is enough: it takes an index for each of them.`,
      ]),
    );
}

/** The day, or the like, of a moment: what fell into one is a range of moments. */
const startOfTime = /^date_trunc\(|::date$/i;
/** What is made of a moment by a time zone, or a language; the database makes an index of it only where neither is one that may be set. */
const byClock = /^(?:date_trunc|date_part|extract|to_char|age)\(|::date$/i;

/** The order of characters, for indexes that serve the beginnings of texts. */
const patternOrder = "text_pattern_ops";

/** An index that would meet conditions: columns with a fixed value, in any order, and then one with a range. */
interface WantedIndex {
  readonly fixed: readonly ConditionColumn[];
  readonly ranged: readonly ConditionColumn[];
}

/** What would meet the conditions of a filter, beside those that an index meets already. Empty where none of the filter's would be met. */
function indexFor(conditions: readonly Condition[], known: readonly Condition[]): WantedIndex {
  const columnsWith = (test: Condition["test"], from: readonly Condition[]): readonly ConditionColumn[] =>
    from
      .filter((condition) => condition.subject.kind === "column" && condition.test === test)
      .flatMap(({ columns }) => columns);
  const served = (["equality", "range", "prefix"] as const).flatMap((test) => columnsWith(test, conditions));
  if (served.length === 0) return { fixed: [], ranged: [] };
  const all = [...conditions, ...known];
  const fixed = [...new Map(columnsWith("equality", all).map((column) => [column.name, column])).values()];
  // The beginning of a text is a range in the order of its characters, which is not that of a language.
  const prefixed = columnsWith("prefix", all).map(({ name, sql }) => ({ name, sql: `${sql} ${patternOrder}` }));
  const isOpen = ({ name }: ConditionColumn): boolean => !fixed.some((column) => column.name === name);
  // A row that is compared at once has its columns in one order; of single ones a second would be of no use.
  const row = all.find(
    ({ subject, test, columns }) => subject.kind === "column" && test === "range" && columns.length > 1,
  );
  const ranged = row?.columns ?? [...columnsWith("range", all), ...prefixed].filter(isOpen).slice(0, 1);
  return { fixed, ranged: ranged.filter(isOpen) };
}

const columnsOf = ({ fixed, ranged }: WantedIndex): ConditionColumn[] => [...fixed, ...ranged];

const findIndex = (table: Relation, wanted: WantedIndex): Relation["indexes"][number] | undefined =>
  table.indexes.find((index) => !index.isPartial && meets(index, wanted));

function adviseIndex(
  node: PlanNode,
  table: Relation,
  wanted: WantedIndex,
  conditions: readonly Condition[],
  reasons: readonly string[],
): Advice {
  const about = { step: stepOf(node), table: nameOf(table) };
  const columns = columnsOf(wanted);
  if (columns.length > 0) {
    const names = columns.map(({ name }) => name);
    const there = findIndex(table, wanted);
    if (there !== undefined) {
      return {
        ...about,
        kind: "unused_index",
        columns: names,
        action: `Look why ${there.name} is not used: ANALYZE ${nameOf(table)}, then ask again; compare the types of the column and of what it is compared with.`,
        reasons: [...reasons, `${there.name} begins with ${names.join(", ")} and is not used.`],
      };
    }
    // A plan does not tell a varchar, which is text already, from a number that was made one.
    const cast = conditions.find((each) => each.isCastToText && names.includes(each.columns[0]?.name ?? ""));
    const unless =
      cast === undefined ? "" : `, or, where ${cast.columns[0]?.sql} is no varchar, compare it as what it is`;
    return {
      ...about,
      kind: "missing_index",
      columns: names,
      action: `CREATE INDEX ON ${nameOf(table)} (${columns.map(({ sql }) => sql).join(", ")})${unless}`,
      reasons: [...reasons, `No index of the table begins with ${names.join(", ")}.`],
    };
  }
  const expression = conditions.find(
    ({ subject, test, columns }) => subject.kind === "expression" && test !== "other" && columns.length > 0,
  );
  if (expression?.subject.kind === "expression") {
    const { sql } = expression.subject;
    const names = expression.columns.map(({ name }) => name);
    const there = table.indexes.find(
      (index) => index.columns[0] !== undefined && names.includes(index.columns[0] ?? ""),
    );
    const onColumn = there === undefined ? `: CREATE INDEX ON ${nameOf(table)} (${expression.columns[0]?.sql})` : "";
    return {
      ...about,
      kind: there === undefined ? "missing_index" : "unused_index",
      columns: names,
      action: startOfTime.test(sql)
        ? `Compare ${names.join(", ")} itself, with a range from one moment to another${onColumn}`
        : `CREATE INDEX ON ${nameOf(table)} ((${sql})), or compare the column itself`,
      reasons: [
        ...reasons,
        there === undefined
          ? `${sql} is compared, and no index holds it.`
          : `${there.name} holds ${names.join(", ")}, but ${sql} is compared, and that it does not hold.`,
        ...(byClock.test(sql)
          ? [`What ${sql} is may depend on the time zone, and then no index can be made of it.`]
          : []),
      ],
    };
  }
  return {
    ...about,
    kind: "unindexable_condition",
    action: "Ask for something that an ordered index knows: a value, a range, or the beginning of a text.",
    reasons: [...reasons, "An ordered index serves none of these conditions."],
  };
}

/** Whether an index begins with the fixed columns, in whatever order, and goes on with the ranged one. */
function meets({ columns, definition }: Relation["indexes"][number], { fixed, ranged }: WantedIndex): boolean {
  const begins = columns.slice(0, fixed.length);
  return (
    fixed.every(({ name }) => begins.includes(name)) &&
    ranged.every(
      ({ name, sql }) =>
        columns[fixed.length] === name && (!sql.endsWith(patternOrder) || definition.includes(patternOrder)),
    )
  );
}

/** Sorts and hashes that did not fit into the memory they may use. */
function adviseOnMemory(node: PlanNode): Advice[] {
  const step = stepOf(node);
  if (node.sortOnDiskKb !== undefined) {
    return [
      {
        kind: "sort_on_disk",
        step,
        action: `Give this query more work_mem than ${node.sortOnDiskKb} kB (SET LOCAL work_mem), or have an index hand the rows over in order.`,
        reasons: [`The sort wrote ${count(node.sortOnDiskKb)} kB to disk; in memory it takes more than that.`],
      },
    ];
  }
  if (node.hashOnDiskKb !== undefined) {
    return [
      {
        kind: "hash_on_disk",
        step,
        action: `Give this query about ${node.hashOnDiskKb} kB for a hash (SET LOCAL work_mem; a hash may use hash_mem_multiplier times as much).`,
        reasons: [
          `The hash would have needed about ${count(node.hashOnDiskKb)} kB and was done in parts, by way of the disk.`,
        ],
      },
    ];
  }
  return [];
}

/** Steps whose rows were far more or fewer than expected, the lowest of each branch: those above them follow from it. */
function adviseOnEstimates(root: PlanNode, find: (node: PlanNode) => Relation | undefined): Advice[] {
  return wrongNodes(root, false).map((node) => {
    const table = find(node);
    const met = node.met?.rows ?? 0;
    const reasons = [`Expected rows: ${count(node.estimatedRows)}. Met: ${count(met)}.`];
    if (table === undefined) {
      return {
        kind: "wrong_estimate",
        step: stepOf(node),
        action:
          "ANALYZE the tables below it. If it goes on, what it joins or groups by belongs together in a way that statistics of single columns do not show: CREATE STATISTICS.",
        reasons,
      };
    }
    const conditions = [node.filter, node.indexCondition].flatMap((each) => readConditions(each, node.alias));
    const columns = new Map(conditions.flatMap((each) => each.columns).map((column) => [column.name, column]));
    const names = [...columns.keys()];
    const inSql = [...columns.values()].map(({ sql }) => sql).join(", ");
    const unknown = names.filter((name) => !table.columnsWithStatistics.includes(name));
    const isKnown = table.rows !== null && unknown.length === 0;
    return {
      kind: "wrong_estimate",
      step: stepOf(node),
      table: nameOf(table),
      columns: names,
      action:
        isKnown && names.length > 1
          ? `ANALYZE ${nameOf(table)}; if it goes on, CREATE STATISTICS (dependencies, mcv) ON ${inSql} FROM ${nameOf(table)}`
          : `ANALYZE ${nameOf(table)}`,
      reasons: [
        ...reasons,
        ...(table.rows === null ? ["The table was never counted."] : []),
        ...(table.rows !== null && unknown.length > 0 ? [`There are no statistics of ${unknown.join(", ")}.`] : []),
        ...(isKnown && names.length > 1 ? [`Conditions on ${names.join(" and ")} are taken to be independent.`] : []),
      ],
    };
  });
}

function wrongNodes(node: PlanNode, mayStopEarly: boolean): PlanNode[] {
  const below = node.children.flatMap((child) => wrongNodes(child, stopsEarly(node, child, mayStopEarly)));
  return below.length === 0 && isWrong(node, mayStopEarly) ? [node] : below;
}

function isWrong({ estimatedRows, met, type }: PlanNode, mayStopEarly: boolean): boolean {
  // Bitmaps put together are not counted in rows, and a node that was never reached has met nothing.
  if (met === undefined || type === "BitmapAnd" || type === "BitmapOr") return false;
  const [low, high] = [Math.min(estimatedRows, met.rows), Math.max(estimatedRows, met.rows)];
  // What was not asked for to its end has met fewer than there are.
  if (mayStopEarly && met.rows < estimatedRows) return false;
  return high >= countingRows && high >= Math.max(1, low) * wrongFactor;
}

/** Whether a node is asked for fewer rows than it has, by the one above it or by what that itself is asked for. */
function stopsEarly(parent: PlanNode, child: PlanNode, isParentCutShort: boolean): boolean {
  if (child.relationship === "SubPlan" || child.relationship === "InitPlan") return true;
  // These take all before they hand on one.
  if (["Sort", "Hash", "Aggregate", "WindowAgg"].includes(parent.type) && parent.strategy !== "Sorted") return false;
  if (parent.type === "Limit" || parent.type === "Merge Join") return true;
  const takesFirst = parent.type === "Nested Loop" && ["Semi", "Anti"].includes(parent.joinType ?? "");
  return isParentCutShort || (takesFirst && child.relationship === "Inner");
}

/** Whether a large table was never counted, and the plan was chosen by how much of it is expected: a join, or no index. */
const isToBeCounted = (table: Relation, root: PlanNode, all: readonly Relation[]): boolean =>
  table.rows === null &&
  table.bytes >= largeBytes &&
  (all.length > 1 ||
    [...nodesOf(root)].some(
      ({ node }) =>
        node.schema === table.schema &&
        node.table === table.name &&
        node.type.endsWith("Seq Scan") &&
        node.filter !== undefined,
    ));

const adviseToCount = (table: Relation): Advice => ({
  kind: "missing_statistics",
  step: `Scan of ${nameOf(table)}`,
  table: nameOf(table),
  action: `ANALYZE ${nameOf(table)}`,
  reasons: [`The table takes ${count(table.bytes)} bytes and was never counted: every estimate of it is a guess.`],
});

const nameOf = ({ schema, name }: Relation): string => `${quote(schema)}.${quote(name)}`;
const quote = (name: string): string => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

/** A step as people read it in a plan. */
export function stepOf({ type, schema, table, index }: PlanNode): string {
  const using = index === undefined ? "" : ` using ${index}`;
  const on = table === undefined ? "" : ` on ${schema === undefined ? "" : `${schema}.`}${table}`;
  return `${type}${using}${on}`;
}

const count = (value: number): string => Math.round(value).toLocaleString("en-US");

function withoutRepeats(advice: readonly Advice[]): Advice[] {
  const keyOf = ({ kind, step, table, columns }: Advice) =>
    JSON.stringify(
      kind === "missing_index" || kind === "unused_index" ? [kind, table, columns] : [kind, step, columns],
    );
  return [...new Map([...advice].reverse().map((each) => [keyOf(each), each])).values()].reverse();
}
