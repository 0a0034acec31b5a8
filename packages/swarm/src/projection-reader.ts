import type { Context, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log, Projections, ProjectionTarget, Row } from "@viable/log";

/** What an agent may read of a projection: what it keeps for the tenant that the task is of (W11). */
export interface ProjectionReader {
  /** The beginning of the names of its tables. */
  readonly table: string;
  /** A record of it, by the key that it was given after the tenant. */
  get(key: string): Promise<JsonValue | undefined>;
  /**
   * Rows of its tables. `$1` is the tenant, and must stand in the query; parameters given here are `$2` and so on. They travel as text,
   * so cast them.
   */
  query(sql: string, params?: readonly (string | null)[]): Promise<readonly Row[]>;
}

/** Reads a projection for the tenant of a context. Throws `projection.building` where it has not caught up for the first time. */
export function readProjection(ctx: Context, log: Log, projections: Projections, name: string): ProjectionReader {
  const target = projections.target(name);
  if (target === undefined) {
    throw new ViableError("projection.building", `Projection ${name} is built for the first time.`, {
      retryable: true,
      next: "Ask again when it has caught up: `viable projections list` says how far it is.",
    });
  }
  return readerOf(ctx, log, target);
}

const readerOf = (ctx: Context, log: Log, target: ProjectionTarget): ProjectionReader => ({
  table: target.table,
  get: async (key) => (await log.getRecord(ctx, target.key(ctx.tenant, key)))?.value,
  async query(sql, params = []) {
    if (!/\$1(?![0-9])/.test(sql)) {
      throw new ViableError("projection.no_tenant", "The query does not say whose rows it asks for.", {
        next: "Have it compare a column with $1, the tenant; parameters of your own begin with $2.",
      });
    }
    return await log.query(ctx, { sql, params: [ctx.tenant, ...params] });
  },
});
