import { z } from "zod";

/** What reading a tree needs of an agent's context. */
export interface Task {
  readonly signal: AbortSignal;
  progress(percent: number, message: string): void;
}

/** The argument every agent takes that reads a tree. */
export const pathInput = z.strictObject({
  path: z.string().min(1).max(4_096).describe("The folder to read; a relative one counts from where the system runs"),
});

/** How long reading the largest tree may take, in milliseconds: minutes on a slow disk with two cores, and then some. */
export const treeTimeoutMs = 10 * 60_000;

/** The heap of a thread that reads trees, in MiB. One number for all, so that a thread that has loaded its libraries serves the next task too. */
export const treeMemoryMb = 1_024;
