import type { JsonProblem } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Position, StoredEvent } from "./events.ts";

/** `log.invalid_event`: what was handed in cannot be kept exactly. Nothing was written. */
export const invalidEvent = (problem: JsonProblem): ViableError =>
  new ViableError("log.invalid_event", `${problem.path}: ${problem.reason}.`, {
    next: "Hand in plain JSON data within the published limits.",
    details: { path: problem.path, reason: problem.reason },
  });

/** `log.undecodable_event`: an event cannot be brought to the shape of today. It is still there, as it was written. */
export const undecodableEvent = (event: StoredEvent, reason: string): ViableError =>
  new ViableError(
    "log.undecodable_event",
    `Event ${event.position} (${event.type}, version ${event.version} of ${event.stream}) cannot be read: ${reason}.`,
    {
      next: "Run the release that wrote it, or add the upcast it needs; `viable events` shows it as it is stored.",
      details: { position: event.position, stream: event.stream, version: event.version, type: event.type, reason },
    },
  );

/**
 * `log.went_back`: events that were handed out are not in the log any more, because a database without them has taken the place of the
 * one that had them. What was made of them cannot be told from what was made of others, so whoever was handed some begins again.
 */
export const logWentBack = (seen: Position): ViableError =>
  new ViableError(
    "log.went_back",
    `The log does not hold what it held up to position ${seen}: its last events are lost.`,
    {
      next: "Begin again from a checkpoint that is stored in the log; a failover has most likely lost what was not replicated yet.",
      details: { seen },
    },
  );

/** `log.closed`: the log was stopped while, or before, this was asked. */
export const logClosed = (): ViableError =>
  new ViableError("log.closed", "The log is closed.", {
    retryable: true,
    next: "Ask a process that is not shutting down.",
  });

/** `log.unavailable`: the database did not answer within the time allowed; whether an append happened is not known. */
export const logUnavailable = (cause: unknown): ViableError =>
  new ViableError("log.unavailable", "The database did not take the append in time; it may or may not have happened.", {
    retryable: true,
    next: "Append again with the same ids: a repeat is recognised.",
    cause,
  });

/** `log.not_empty`: a snapshot is restored into an empty database only. Nothing was touched. */
export const notEmpty = (where: string): ViableError =>
  new ViableError("log.not_empty", `${where} holds something already: nothing was restored.`, {
    next: "Name an empty one. What a database holds is never overwritten by a restore.",
  });

/** `log.snapshot_damaged`: what was to be restored is no whole snapshot. Nothing of it was kept. */
export const snapshotDamaged = (reason: string): ViableError =>
  new ViableError("log.snapshot_damaged", `This is no whole snapshot of a log: ${reason}. Nothing was restored.`, {
    next: "Take another backup.",
    details: { reason },
  });

/** `log.not_closed`: the log has stopped, but its database did not close in time or not cleanly. What was answered is kept. */
export const logNotClosed = (cause: unknown): ViableError =>
  new ViableError("log.not_closed", "The database was not closed cleanly.", {
    next: "End the process; what was answered is kept, and the next start puts the rest right.",
    cause,
  });
