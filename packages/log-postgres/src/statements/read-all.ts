import type { EventFilter } from "@viable/log";
import { textArray } from "../array-literal.ts";
import type { Param, Statement } from "../session.ts";
import { canBeStored } from "../text.ts";
import { pageColumns } from "./events.ts";

/**
 * Events in position order that pass a filter, as `matchesFilter` means it; undefined where none can. Each combination of
 * conditions is a statement of its own, so that each is planned for what it asks.
 */
export function readAll(
  from: number,
  limit: number,
  direction: "forward" | "backward",
  filter: EventFilter,
): { statement: Statement; params: Param[] } | undefined {
  const params: Param[] = [String(from), String(limit)];
  const conditions: string[] = [];
  const names: string[] = [];
  const { columns, suffix } = pageColumns(limit);
  const add = (what: string, condition: (param: string) => string, value: string) => {
    params.push(value);
    conditions.push(` AND ${condition(`$${params.length}::text`)}`);
    names.push(what);
  };
  for (const column of ["tenant", "session", "correlation"] as const) {
    const value = filter[column];
    if (value === undefined) continue;
    if (!canBeStored(value)) return undefined;
    add(column, (param) => `${column} = ${param}`, value);
  }
  if (filter.streamPrefix !== undefined && filter.streamPrefix !== "") {
    if (!canBeStored(filter.streamPrefix)) return undefined;
    add("prefix", (param) => `starts_with(stream, ${param})`, filter.streamPrefix);
  }
  if (filter.types !== undefined) {
    const patterns = filter.types.filter(canBeStored).map(toLikePattern);
    if (patterns.length === 0) return undefined;
    add("types", (param) => `type LIKE ANY (${param}::text[])`, textArray(patterns));
  }
  const [comparison, order] = direction === "forward" ? [">", "ASC"] : ["<", "DESC"];
  const text = `SELECT ${columns} FROM viable.events
    WHERE partition = 1 AND position ${comparison} $1::bigint${conditions.join("")} ORDER BY position ${order} LIMIT $2::bigint`;
  return { statement: { name: `viable_read_all_${direction}${suffix}${nameOf(names)}`, text }, params };
}

/** One condition stands whole in the name, which is what people ask for (`explain`); of several the beginnings, or PostgreSQL would cut it off. */
const nameOf = (conditions: readonly string[]): string =>
  conditions.map((condition) => `_${conditions.length > 1 ? condition.slice(0, 3) : condition}`).join("");

/** A glob as LIKE means it: `*` becomes `%`, and what LIKE would take for a sign of its own is escaped. */
function toLikePattern(glob: string): string {
  return glob.replace(/[%_\\]/g, "\\$&").replaceAll("*", "%");
}
