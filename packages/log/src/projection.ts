import type { Context } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { EventFilter, Position, StoredEvent } from "./events.ts";
import type { RecordWrite } from "./records.ts";
import type { RowWrite } from "./row-write.ts";

/**
 * Something that is kept up to date from events, such as a table to read from. What it keeps and how far it has come are written in one
 * flush, so each event counts exactly once, whatever crashes and however many processes have the projection.
 *
 * It lives in the log's own database: in records under `target.key(…)`, or in tables whose names begin with `target.table`.
 */
export interface Projection {
  /** Small letters, digits and `_`, at most 40: it stands in the names of tables. */
  readonly name: string;
  /**
   * Raise it when what is kept changes its meaning. The new version is then built beside the one that is there; processes of a release
   * that knows the old one go on keeping and reading that.
   */
  readonly version: number;
  readonly filter?: EventFilter;
  /**
   * `eventual`, which costs appenders nothing: a moment after the append. `immediate`: in the flush of the append itself, so that who
   * was answered reads what came of it. Every flush then takes some more round trips, and `project` must answer at once and without
   * reading. A flush does no more than 2,000 events and 8,388,608 characters of their data (and the page that goes beyond), which is what one
   * append may hold, and writes no more for them than that: 1,000 rows, and of records and text what an append may. The rest is done when it has
   * happened, at once, as is what cannot be done in it. Where a row is refused, with the next flush or within a second; within a second where
   * another process appends, which leaves it or has no such projection.
   * Default `eventual`.
   */
  readonly consistency?: "eventual" | "immediate";
  /** Before the first event of the log, or after the last one that there is when it is met first. Default `start`. */
  readonly begins?: "start" | "now";
  /** It does something that must not be done again: it is not built anew (`reaction`). */
  readonly isReaction?: boolean;
  /** What is there before the first event, such as tables. Done once for each generation, in one flush with its beginning. */
  readonly create?: (target: ProjectionTarget) => readonly RowWrite[];
  /**
   * What some events change, in their order, at most 500 of them. Asked again with fewer where it throws, to find out which event it
   * cannot do: so it only answers, and changes nothing itself. It may read what it has kept: nobody else writes it meanwhile, or what it
   * answers comes to nothing.
   */
  readonly project: (
    events: readonly StoredEvent[],
    target: ProjectionTarget,
    ctx: Context,
  ) => ProjectionWrites | Promise<ProjectionWrites>;
  /** Takes away what `create` has made, when another generation has taken its place. Records go by themselves. */
  readonly drop?: (target: ProjectionTarget) => readonly RowWrite[];
}

/** What some events change. */
export interface ProjectionWrites {
  readonly records?: readonly RecordWrite[];
  readonly with?: readonly RowWrite[];
  /** The last event that these are of, where it is not the last that was handed in: the rest is asked for again. */
  readonly upTo?: Position;
}

/** Where a generation of a projection keeps what it has. */
export interface ProjectionTarget {
  readonly name: string;
  readonly version: number;
  readonly generation: number;
  /** The beginning of names of tables, such as `totals_3`. */
  readonly table: string;
  /** Where all records of this generation are. */
  readonly prefix: string;
  /** The key of a record. Whose it is stands first, so that it cannot be found by another tenant's reader by mistake (W11). */
  key(tenant: string, rest: string): string;
}

export function projectionTarget(name: string, version: number, generation: number): ProjectionTarget {
  const prefix = `projected/${name}/${generation}/`;
  return {
    name,
    version,
    generation,
    table: `${name}_${generation}`,
    prefix,
    // A tenant's name may have the sign that separates it.
    key: (tenant, rest) => `${prefix}${encodeURIComponent(tenant)}/${rest}`,
  };
}

/** Why a generation stands still, before an event that it cannot do. */
export interface Parked {
  readonly position: string;
  readonly type: string;
  readonly code: string;
  readonly message: string;
  /** Wall time in milliseconds. */
  readonly since: number;
}

/** Not as a generation's tables are named, or one's would pass for another's. */
const namePattern = /^(?!.*_[0-9]+$)[a-z][a-z0-9_]{0,39}$/;

/** Refuses what could not be kept under its name, or would be kept under another's (`log.invalid_projection`). */
export function checkProjections(projections: readonly Projection[]): void {
  const names = new Set<string>();
  for (const { name, version } of projections) {
    if (!namePattern.test(name) || !Number.isSafeInteger(version) || version < 1) {
      throw new ViableError("log.invalid_projection", `There can be no projection "${name}" of version ${version}.`, {
        next: "Name it with 1 to 40 small letters, digits and _, beginning with a letter and not ending in _ and a number; versions are whole numbers from 1.",
      });
    }
    if (names.has(name)) throw new ViableError("log.invalid_projection", `There are two projections named ${name}.`);
    names.add(name);
  }
}
