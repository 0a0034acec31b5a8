import { ViableError } from "@viable/kernel";

/** `cluster.join_failed`: no lease could be written, though it was tried several times. Nothing is held. */
export const joinFailed = (cause: unknown): ViableError =>
  new ViableError("cluster.join_failed", "This process could not join: its lease could not be written.", {
    retryable: true,
    next: "Check that the log is started and its database can be reached, then make a new membership and start it.",
    cause,
  });

/** `cluster.end_not_recorded`: how a process ended is not known to others. They hold it for gone once its lease is over. */
export const endNotRecorded = (processId: string): ViableError =>
  new ViableError("cluster.end_not_recorded", `The log is overloaded: how ${processId} ended was not recorded.`, {
    retryable: true,
    next: "Nothing: its work is taken over once its lease is over.",
  });

/** `cluster.left`: a membership lives once. */
export const hasLeft = (): ViableError =>
  new ViableError("cluster.left", "This membership was stopped and cannot be started again.", {
    next: "Make a new one with joinCluster().",
  });

/** `cluster.not_running`: singletons and placements take offers between their start and their stop. */
export const notRunning = (what: string): ViableError =>
  new ViableError("cluster.not_running", `${what} cannot be used before its start or after its stop.`, {
    next: "Await start() first; after stop() make a new one.",
  });

/** `cluster.invalid_part`: a name of a singleton, a service or a part that cannot stand in a key. */
export const invalidPart = (name: string): ViableError =>
  new ViableError("cluster.invalid_part", `${JSON.stringify(name.slice(0, 200))} is no name for a part.`, {
    next: "Use 1 to 128 letters, digits, dots, colons, underscores and hyphens, beginning with a letter or a digit.",
  });

/** `cluster.invalid_placement`: what is to be placed, or by what weight, is not as it must be. */
export const invalidPlacement = (problem: string): ViableError =>
  new ViableError("cluster.invalid_placement", problem, {
    next: "Mend what createPlacement() or placeParts() is given.",
  });

/** `cluster.too_many_singletons`, `cluster.already_offered`: one process offers a singleton once, and not any number of them. */
export const alreadyOffered = (name: string): ViableError =>
  new ViableError("cluster.already_offered", `This process already offers the singleton ${name}.`, {
    next: "Stop the first offer, or give the second another name.",
  });
export const tooManySingletons = (max: number): ViableError =>
  new ViableError("cluster.too_many_singletons", `This process already offers ${max} singletons.`, {
    next: "Use createPlacement() for many parts of a kind.",
  });

/** `cluster.claim_failed`: a part could not be claimed or given back, since the log did not take it. It is tried again. */
export const claimFailed = (part: string, cause: unknown): ViableError =>
  new ViableError("cluster.claim_failed", `Who has ${part} could not be written.`, {
    retryable: true,
    next: "Nothing: it is tried again each second. Check that the database can be reached.",
    details: { part },
    cause,
  });

/** `cluster.part_ended`: what was started for a part returned or threw though nobody asked it to end. It is started again. */
export const partEnded = (part: string, cause: unknown): ViableError =>
  new ViableError("cluster.part_ended", `What runs ${part} ended by itself.`, {
    retryable: true,
    next: "Let it run until its context's signal aborts. It is started again, here after a pause, or at once by another process.",
    details: { part },
    cause,
  });

/** `cluster.part_still_runs`: what was started for a part did not end in time when it was told to; the part was given away all the same. */
export const partStillRuns = (part: string, giveBackMs: number): ViableError =>
  new ViableError("cluster.part_still_runs", `What runs ${part} did not end within ${giveBackMs} ms.`, {
    next: "Let it end when its context's signal aborts. Another may run now: only guarded writes are safe from it.",
    details: { part, giveBackMs },
  });
