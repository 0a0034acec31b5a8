export { runToExit } from "./run-to-exit.ts";
export type { Shell } from "./shell.ts";
export type { StartAndRunOptions } from "./start-and-run.ts";
export { startAndRun } from "./start-and-run.ts";
