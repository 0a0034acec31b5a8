import { exitStatus, exitStatusOf } from "./exit-status.ts";
import { printError } from "./print-error.ts";
import type { Shell } from "./shell.ts";
import { createShell } from "./shell.ts";

/** Runs one command line in this process and ends it with the exit status that comes of it: returned, or of what was thrown. */
export async function runToExit(work: (shell: Shell) => Promise<number>): Promise<never> {
  const shell = createShell();
  const status = await work(shell).catch((error: unknown) => reportFailure(shell, error));
  // The work is done: that nobody reads what came of it does not change what it was.
  shell.whenUnread = "go on";
  // What has been written must have left: a pipe may hold it back. Whatever still runs then ends here.
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))),
  );
  process.exit(status);
}

/** Says what went wrong and answers its exit status. */
export function reportFailure(shell: Shell, error: unknown): number {
  const status = exitStatusOf(error);
  // Whoever interrupts knows that; what came of it is a notice, not an error.
  if (status === exitStatus.interrupted && error instanceof Error) shell.err.write(`${error.message}\n`);
  else printError(shell.err, error);
  return status;
}
