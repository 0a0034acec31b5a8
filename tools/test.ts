// npm test [-- ARGS]: the unit and the embedded tests; with --project faults, those that break things. `--full` runs the long form of
// what has one. Other arguments go on to Vitest: a part of a file's name, -t NAME, --project unit.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";

/**
 * What ends a run that hangs. Some twenty minutes are usual on two cores, and each test has a limit of its own; but a shared machine may give
 * half of its speed for an hour, and a run that is only slow must not fail. The long forms may take hours.
 */
const maxMinutes = process.argv.includes("--full") ? 180 : 40;
/** How long Vitest may take to stop its workers before they are killed with it. */
const graceMs = 5_000;

const root = join(import.meta.dirname, "..");
const full = process.argv.includes("--full");
const args = process.argv.slice(2).filter((arg) => arg !== "--full");
const projects = args.some((arg) => arg.startsWith("--project")) ? [] : ["--project", "unit", "--project", "int"];
// A group of its own, so that a run that hangs is ended whole, workers and the servers they started included.
const vitest = spawn(
  process.execPath,
  ["--conditions=viable-source", join("node_modules", "vitest", "vitest.mjs"), "run", ...projects, ...args],
  {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    detached: process.platform !== "win32",
    env: { ...process.env, ...(full && { VIABLE_TEST_FULL: "1" }) },
  },
);

const stop = (signal: NodeJS.Signals): void => {
  if (vitest.pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? vitest.pid : -vitest.pid, signal);
  } catch {
    // The group has ended by itself in the meantime.
  }
};
const stopWhole = (signal: NodeJS.Signals): void => {
  stop(signal);
  setTimeout(() => stop("SIGKILL"), graceMs).unref();
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stopWhole);

let overdue = false;
const limit = setTimeout(() => {
  overdue = true;
  console.error(
    `The tests took more than ${maxMinutes} minutes and were stopped: find the slowest above, or one that hangs.`,
  );
  stopWhole("SIGTERM");
}, maxMinutes * 60_000);

vitest.on("error", (error) => {
  console.error(`Vitest could not be started: ${error.message}`);
  process.exit(1);
});
vitest.on("exit", (code, signal) => {
  clearTimeout(limit);
  // Nothing a test started may outlive the run.
  stop("SIGKILL");
  process.exitCode = overdue ? 1 : (code ?? 128 + constants.signals[signal as NodeJS.Signals]);
});
