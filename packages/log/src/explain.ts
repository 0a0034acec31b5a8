import type { JsonObject } from "@viable/kernel";

/** What is to be explained: one of the store's own statements by its name, or somebody's query. */
export type ExplainRequest = { readonly statement: string } | { readonly sql: string };

/** How a database goes about a query. */
export interface Explanation {
  /** `measured`: it was run, and the plan says what it met. `estimated`: it was planned only. */
  readonly origin: "measured" | "estimated";
  /** The query and what stood for its parameters: taken from the log where the statement is the store's own. */
  readonly query: string;
  readonly parameters: readonly string[];
  /** As PostgreSQL writes it, with `Plan` and, where it was run, times. */
  readonly plan: JsonObject;
  /** The tables that the plan touches. */
  readonly relations: readonly ExplainedRelation[];
}

/** What a database knows of a table. */
export interface ExplainedRelation {
  readonly schema: string;
  readonly name: string;
  /** As of the last statistics; null where there never were any. */
  readonly rows: number | null;
  readonly bytes: number;
  /** Columns of which there are statistics, by which the planner judges how much a condition leaves. */
  readonly columnsWithStatistics: readonly string[];
  readonly indexes: readonly ExplainedIndex[];
}

export interface ExplainedIndex {
  readonly name: string;
  /** In the order of the index; null stands for an expression. */
  readonly columns: readonly (string | null)[];
  /** It holds only the rows of its own condition. */
  readonly isPartial: boolean;
  readonly definition: string;
}
