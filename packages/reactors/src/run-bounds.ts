import type { Backoff } from "@viable/kernel";

/** The last time there is a date for, in milliseconds. */
export const maxTimeMs = 8.64e15;
/** What one result may take, and what a run begins with, in characters of JSON: larger ones belong into a file or a memory, and the result says where. */
export const maxResultChars = 4 * 1024 * 1024;
/** What a step may be called with that can be undone, in characters of JSON: it stands in one event, and in one append, with the result. */
export const maxUndoArgsChars = 3 * 1024 * 1024;
/** What waits for a run may hold as its key, in characters: it stands in a stream's name. */
export const maxKeyChars = 200;
/**
 * How often in a row a run is taken over without anything coming of it, at most: the last of them asks a person instead of beginning anything.
 * Ten tries, as by then chance does not explain it, and each may have cost a process with all that it did besides.
 */
export const maxTakeoversWithoutOutcome = 10;
/** How many of them follow at once: two deployments and a crash may come upon one step. */
export const takeoversAtOnce = 3;
/**
 * How long a run is left alone after each of the others, at most. Each draws its own time, so that runs which shared a process with the one that
 * took it down are taken while that one waits. It begins with a lease's length, since less is over by the time that a process is known to be
 * gone, and grows to what lets steps of some minutes end.
 */
export const crashLoopBackoff: Backoff = { baseMs: 10_000, maxMs: 300_000, maxAttempts: maxTakeoversWithoutOutcome };
