// The subject `limit`: events as our runs write them, by the same group commit by hand, with the same waits. Nothing is checked,
// nobody is told, and no step is called.
import { performance } from "node:perf_hooks";
import { createRuntime } from "@viable/kernel";
import { bareSchema, createBareGroupCommit } from "../command/bare-group-commit.ts";
import type { Place } from "../harness/bare-database.ts";
import { openBare } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { RunSample } from "./bare-run.ts";
import { waitsAtOnce, waitsInTurn } from "./bare-run.ts";
import { createStepTimes } from "./long-run.ts";
import type { RunLoad } from "./run-load.ts";
import { driveRuns } from "./run-load.ts";

const runtime = createRuntime();
const execute = await openBare(readSettings<Place>(), bareSchema);
const append = createBareGroupCommit(execute, (kind) => runtime.ids.next(kind));

/** One run, wait by wait. What is appended together travels together. */
async function runBare(waits: readonly RunSample[], onWait: (wait: number) => void = () => {}): Promise<void> {
  const runId = runtime.ids.next("run");
  let version = 0;
  for (const [wait, events] of waits.entries()) {
    onWait(wait);
    await Promise.all(events.map((event) => append(event, runId, ++version)));
  }
}

const taken = new Map<number, readonly RunSample[]>();

answerParent({
  ready: () => true,
  take: ({ steps, sample }: { steps: number; sample: RunSample }) => {
    taken.set(steps, waitsInTurn(sample));
  },
  run: ({ load }: { load: RunLoad }) =>
    driveRuns(load, async (steps, n) => {
      await runBare(taken.get(steps) as readonly RunSample[]);
      return n + steps;
    }),
  longRun: async ({ steps, sample }: { steps: number; sample: RunSample }) => {
    const times = createStepTimes(steps);
    // The first wait is the run's beginning.
    await runBare(waitsInTurn(sample), (wait) => wait > 0 && times.begin());
    return times.average();
  },
  fanOut: async ({ sample }: { sample: RunSample }) => {
    const waits = waitsAtOnce(sample);
    const beganMs = performance.now();
    await runBare(waits);
    return performance.now() - beganMs;
  },
  ...watchProcess(),
});
