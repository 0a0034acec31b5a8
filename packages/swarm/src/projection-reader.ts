import type { Context, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log, Projections, ProjectionTarget, Row } from "@viable/log";

/**
 * What an agent reads of a projection. Each read is of the generation that is to be read at its moment, so a reader may be kept for as
 * long as the agent works. Throws `projection.building` where there is none.
 */
export interface ProjectionReader {
  /**
   * The beginning of the names of its tables. Write it into each query anew: when another generation takes the place, the tables of this
   * one are soon gone.
   */
  readonly table: string;
  /** A record of it, by the key that it was given after the tenant: of the task's tenant alone (W11). */
  get(key: string): Promise<JsonValue | undefined>;
  /**
   * Rows of its tables. `$1` is the tenant, and must stand in the query; parameters given here are `$2` and so on. They travel as text,
   * so cast them.
   *
   * That `$1` must be there is a reminder, no boundary: a query that does not compare a column with it reads what is kept for every
   * tenant. Agents are the system's own code, and whoever writes one keeps tenants apart in its queries.
   */
  query(sql: string, params?: readonly (string | null)[]): Promise<readonly Row[]>;
}

/** Reads a projection for the tenant of a context. Throws `projection.building` where it has not caught up for the first time. */
export function readProjection(ctx: Context, log: Log, projections: Projections, name: string): ProjectionReader {
  // What a retired generation has kept is taken away while the agent goes on.
  const target = (): ProjectionTarget => {
    const live = projections.target(name);
    if (live !== undefined) return live;
    throw new ViableError("projection.building", `Projection ${name} is built for the first time.`, {
      retryable: true,
      next: "Ask again when it has caught up: `viable projections list` says how far it is.",
    });
  };
  // Who asks for what cannot be read yet, or is not there at all, is told so at once.
  target();
  return {
    get table() {
      return target().table;
    },
    get: async (key) => (await log.getRecord(ctx, target().key(ctx.tenant, key)))?.value,
    async query(sql, params = []) {
      if (!/\$1(?![0-9])/.test(sql)) {
        throw new ViableError("projection.no_tenant", "The query does not say whose rows it asks for.", {
          next: "Have it compare a column with $1, the tenant; parameters of your own begin with $2.",
        });
      }
      return await log.query(ctx, { sql, params: [ctx.tenant, ...params] });
    },
  };
}
