import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";

/** Whether this is the long form (`npm run test:faults -- --full`). */
export const isFull = process.env.VIABLE_TEST_FULL === "1";

/** The seed of this run: given, or drawn anew. What it decides is the same again; what the machine decides is not. */
export const seed = Number(process.env.VIABLE_TEST_SEED || Date.now() % 1_000_000_000);

/** Prints how to run this again. Said before anything happens, so that it is there whatever happens. */
export function sayReplay(name: string): void {
  console.log(`REPLAY: VIABLE_TEST_SEED=${seed} npm run test:faults -- ${name}${isFull ? " --full" : ""}`);
}

/**
 * Prints what a run has found. The long form also keeps it, in `test/faults/results/`, beside the tests that made it: the
 * numbers in `docs/explanation/durability.md` are these, and a run that finds others shows as a change.
 */
export function keepResult(name: string, result: Record<string, unknown>): void {
  console.log(`RESULT ${name}: ${JSON.stringify(result)}`);
  if (!isFull) return;
  const folder = join(import.meta.dirname, "..", "results");
  mkdirSync(folder, { recursive: true });
  const git = (...args: string[]) => execFileSync("git", args, { cwd: folder, encoding: "utf8" }).trim();
  // A result is of a commit, or it says that it is not.
  const isDirty = git("status", "--porcelain", "--", ":(top)", `:(exclude,top)test/faults/results`) !== "";
  const commit = `${git("rev-parse", "--short", "HEAD")}${isDirty ? " and changes" : ""}`;
  const machine = { cores: cpus().length, kernel: release(), node: process.versions.node };
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(
    join(folder, `${name}.json`),
    `${JSON.stringify({ date, commit, machine, seed, ...result }, null, 2)}\n`,
  );
}
