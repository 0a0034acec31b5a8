import type { Runtime } from "@viable/kernel";
import { createRuntime } from "@viable/kernel";
import { variable } from "../settings.ts";

/** Where text goes: the result's place, or the place for everything around it. */
export interface Screen {
  /** Whether a person looks at it: only then may lines be coloured or drawn anew. */
  readonly isTerminal: boolean;
  readonly colour: boolean;
  readonly columns: number;
  readonly rows: number;
  write(text: string): void;
}

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
  /**
   * From now on the first Ctrl-C or SIGTERM aborts this signal instead of ending the process at once; a second one ends it. Before
   * the first call any ends it.
   */
  catchInterrupt(): AbortSignal;
}

/** Two signals within this, in milliseconds, are one: a terminal sends Ctrl-C to everybody, and npm then hands it on once more. */
const sameSignalMs = 250;
/** What a screen of unknown size is taken to hold: a pipe, or a terminal that says 0. */
const plainColumns = 120;
const plainRows = 24;

/** The shell of this process. Takes over its signals. */
export function createShell(): Shell {
  const runtime = createRuntime();
  const interrupt = new AbortController();
  let caught = false;
  let firstMs: number | undefined;
  const onSignal = () => {
    const now = runtime.clock.monotonicMs();
    if (!caught || (firstMs !== undefined && now - firstMs > sameSignalMs)) process.exit(130);
    if (firstMs !== undefined) return;
    firstMs = now;
    interrupt.abort(new Error("interrupted"));
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  // Whoever started us with a line to it, and has let go of it, is gone.
  if (process.connected) process.on("disconnect", onSignal);
  return {
    runtime,
    environment: process.env,
    cwd: process.cwd(),
    out: createScreen(process.stdout, process.env),
    err: createScreen(process.stderr, process.env),
    exitStatus: 0,
    catchInterrupt() {
      caught = true;
      return interrupt.signal;
    },
  };
}

function createScreen(stream: NodeJS.WriteStream, environment: Shell["environment"]): Screen {
  const isTerminal = stream.isTTY === true;
  // Whoever reads us may have seen enough and left (`viable events | head`): that is no failure.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  return {
    isTerminal,
    colour: isTerminal && variable(environment, "NO_COLOR") === undefined && environment.TERM !== "dumb",
    get columns() {
      return stream.columns || plainColumns;
    },
    get rows() {
      return stream.rows || plainRows;
    },
    write: (text) => {
      stream.write(text);
    },
  };
}
