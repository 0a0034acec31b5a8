import { messages } from "@electric-sql/pglite";
import { messageOf } from "./message-of.ts";

/** An error as it crosses from the database's thread. */
export interface WorkerError {
  readonly message: string;
  /** Where it was the database that answered. */
  readonly sqlState: string | undefined;
  /** The rule that was broken, where it has a name. */
  readonly constraint?: string | undefined;
  /** Whether the database ended with it: it panicked, as for want of room for its write-ahead log, or is no database any more. */
  readonly fatal: boolean;
}

/** What PGlite threw. Only its own class of errors is the database's answer; all else means that there is no database any more. */
export function toWorkerError(thrown: unknown): WorkerError {
  if (thrown instanceof messages.DatabaseError) {
    const { message, code, constraint, severity } = thrown;
    return { message, sqlState: code, constraint, fatal: severity !== "ERROR" };
  }
  return { message: messageOf(thrown), sqlState: undefined, fatal: true };
}
