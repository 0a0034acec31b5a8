import type { JsonObject } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import { storeNoSpace, storeRefused, storeUnavailable } from "@viable/log";
import { saysNoSpace } from "./is-disk-full.ts";

/** `log.store_unavailable`: nothing is known to be wrong with what was asked; whether it happened is not known either. */
export const unavailable = (message: string, cause?: unknown, details?: JsonObject): ViableError =>
  new ViableError(storeUnavailable, message, {
    retryable: true,
    next: "Ask again; if it goes on, look whether the database runs and can be reached.",
    cause,
    details,
  });

/** `log.store_refused`: the database answered, and a retry would be answered alike. */
export const refused = (message: string, next: string, cause?: unknown, details?: JsonObject): ViableError =>
  new ViableError(storeRefused, message, { next, cause, details });

/** `log.no_space`: nothing was written, and the same may be taken once there is room. */
export const diskFull = (cause: unknown): ViableError =>
  new ViableError(storeNoSpace, "The database's disk is full.", {
    next: "Make room on the disk that holds the database.",
    cause,
  });

/**
 * `log.store_unavailable`: a directory does not hold the database any more that was open in it, with all that was answered. Retryable, since a
 * volume may come back, and in the meantime whoever appended does not know what became of it.
 */
export const databaseGone = (dataDir: string, found: string, cause?: unknown): ViableError =>
  new ViableError(storeUnavailable, `The database that was open in ${dataDir} is gone: ${found}.`, {
    retryable: true,
    next: "Bring back what was there (a volume that is not mounted?), and the next request goes on. To go on without it, start the process anew.",
    cause,
    details: { dataDir },
  });

/** `log.database_in_use`: another process, or another store of this one, has the directory open. */
export const databaseInUse = (dataDir: string, pid: number): ViableError =>
  new ViableError("log.database_in_use", `The database in ${dataDir} is in use by process ${pid}.`, {
    next: `Stop process ${pid}, or give this one a directory of its own. Several processes need a PostgreSQL server.`,
    details: { dataDir, pid },
  });

/** `log.database_too_new`: a later release has migrated this database. */
export const databaseTooNew = (found: number, known: number): ViableError =>
  new ViableError(
    "log.database_too_new",
    `The database is at schema version ${found}; this release knows versions up to ${known}.`,
    { next: "Run the release that migrated it, or a later one.", details: { found, known } },
  );

/** What the system does where a directory is not ours to use, and would do again. */
const notOurs = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST"];

/** Turns what the system threw at whoever wanted to use a database's directory into what a store throws. */
export function fromDirectory(thrown: unknown, dataDir: string): ViableError {
  if (!(thrown instanceof Error) || !notOurs.includes((thrown as NodeJS.ErrnoException).code ?? "")) {
    return fromDriver(thrown, undefined);
  }
  return refused(
    `${dataDir} cannot be the database's directory: ${thrown.message}`,
    "Give a directory that this process may read and write; its lock stands beside it, in the folder that it is in.",
    thrown,
  );
}

/** `log.restore_unfinished`: a restore was cut short here, so this is nobody's database yet. */
export const restoreUnfinished = (where: string): ViableError =>
  new ViableError("log.restore_unfinished", `${where} was being restored, and that did not come to its end.`, {
    next: "Restore it again: `viable restore FILE`.",
  });

/** `log.not_explained`: the database does not plan what was handed in. Nothing was run. */
export const notExplained = (cause: Error): ViableError =>
  new ViableError("log.not_explained", `The database does not explain this: ${cause.message}`, {
    next: "Hand in a single SELECT, without parameters, over tables that are there.",
    cause,
  });

/** `log.unknown_statement`: the store has no statement of that name. */
export const unknownStatement = (name: string, known: readonly string[]): ViableError =>
  new ViableError("log.unknown_statement", `The store has no statement "${name}".`, {
    next: `There are ${known.join(", ")}.`,
  });

/** Whether it was the way to the database that failed, rather than the database that answered. */
export const isLost = (error: unknown): boolean =>
  error instanceof ViableError && error.code === storeUnavailable && error.details?.sqlState === undefined;

/** Whether the database refused since a constraint would have been broken. */
export const isConstraint = (error: unknown): boolean =>
  error instanceof ViableError && String(error.details?.sqlState).startsWith("23");

/** SQLSTATEs, whole or by class, after which the same statement may succeed. */
const passing = [
  "08", // connection exceptions
  "40", // rolled back: serialization failure, deadlock
  "53200", // out of memory
  "53300", // too many connections
  "55P03", // a lock was not to be had in time
  "57", // cancelled by a timeout, shutting down, starting up
  "25006", // read only: a standby, until it is promoted
  "25P03", // ended, since we said nothing in the middle of a transaction for too long
];

/**
 * Turns what a driver threw into what a store throws. `sqlState` is given where it was the database that answered: only the driver
 * can tell, since Node's own codes (EPIPE, EPERM) look like SQLSTATEs. Without one it was the way to the database that failed.
 */
export function fromDriver(thrown: unknown, sqlState: string | undefined, constraint?: string): ViableError {
  if (thrown instanceof ViableError) return thrown;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (sqlState === "53100" || saysNoSpace(error.message)) return diskFull(error);
  if (sqlState === undefined || passing.some((start) => sqlState.startsWith(start))) {
    const details = sqlState === undefined ? undefined : { sqlState };
    return unavailable(`The database cannot be reached at present: ${error.message}`, error, details);
  }
  return refused(
    `The database refused: ${error.message} (SQLSTATE ${sqlState}).`,
    "Look up the SQLSTATE; what was handed in, or the database's settings, must change before another try.",
    error,
    { sqlState, ...(constraint !== undefined && { constraint }) },
  );
}
