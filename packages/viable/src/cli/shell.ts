import type { Runtime } from "@viable/kernel";
import { createRuntime } from "@viable/kernel";
import { exitStatus } from "./exit-status.ts";
import type { Screen } from "./process-screen.ts";
import { createScreen } from "./process-screen.ts";

export type { Screen } from "./process-screen.ts";

/**
 * What becomes of a command when whoever read what it writes has left (`viable events | head`). `end`: at once with 0, since it only
 * prints; so it is unless the command says otherwise. `interrupt`: as by Ctrl-C, since something is under way for whom nobody waits
 * any more. `go on`: it writes nothing more, since its work is not what it writes.
 */
export type WhenUnread = "end" | "interrupt" | "go on";

/** All that the command line may know of the process it runs in. */
export interface Shell {
  readonly runtime: Runtime;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The result, and nothing else. */
  readonly out: Screen;
  /** Progress, notices and errors. */
  readonly err: Screen;
  /** What the command ends with, unless it throws. 0 until somebody says otherwise. */
  exitStatus: number;
  whenUnread: WhenUnread;
  /**
   * From now on the first Ctrl-C or SIGTERM aborts this signal instead of ending the process at once; a second one ends it. Before
   * the first call any ends it.
   */
  catchInterrupt(): AbortSignal;
}

/** Two signals within this, in milliseconds, are one: a terminal sends Ctrl-C to everybody, and npm then hands it on once more. */
const sameSignalMs = 250;

/** The shell of this process. Takes over its signals. */
export function createShell(): Shell {
  const runtime = createRuntime();
  const interrupt = new AbortController();
  let caught = false;
  let firstMs: number | undefined;
  const onFirst = () => {
    if (!caught) process.exit(exitStatus.interrupted);
    if (firstMs !== undefined) return;
    firstMs = runtime.clock.monotonicMs();
    interrupt.abort(new Error("interrupted"));
  };
  const onSignal = () => {
    if (firstMs !== undefined && runtime.clock.monotonicMs() - firstMs > sameSignalMs)
      process.exit(exitStatus.interrupted);
    onFirst();
  };
  const onUnread = () => {
    if (shell.whenUnread === "end") process.exit(exitStatus.done);
    // However often it shows, nobody has asked for a second time.
    if (shell.whenUnread === "interrupt") onFirst();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  // Whoever started us with a line to it, and has let go of it, is gone.
  if (process.connected) process.on("disconnect", onSignal);
  const shell: Shell = {
    runtime,
    environment: process.env,
    cwd: process.cwd(),
    out: createScreen(process.stdout, { environment: process.env, onUnread }),
    err: createScreen(process.stderr, { environment: process.env, onUnread }),
    exitStatus: exitStatus.done,
    whenUnread: "end",
    catchInterrupt() {
      caught = true;
      return interrupt.signal;
    },
  };
  return shell;
}
