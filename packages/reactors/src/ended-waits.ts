import type { Context } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { AwaitedRuns } from "./awaited-runs.ts";
import type { OpenRun } from "./open-run.ts";
import { asText } from "./open-run.ts";
import { readRun } from "./read-run.ts";

/** Up to how many waits of one run the log is not asked: most runs wait for less in all their life. */
const unaskedWaits = 16;

/**
 * Finds out which waits of runs are over. That a step succeeded is not heard of, since that would cost every process as much as all the steps
 * there are; so of a run that is known to wait for a lot, what it has written since it was last looked at is read. It is looked at again when
 * it waits for twice as much as was left: so each event of such a run is read once, and what is kept of it is no more than twice what it waits
 * for. A look that fails is made up for at the next wait. Of runs that are not open nothing is kept.
 */
export class EndedWaits {
  readonly #log: Log;
  readonly #awaited: AwaitedRuns;
  readonly #isOpen: (run: OpenRun) => boolean;
  /** Of runs that were looked at: up to which event, and how many waits make it worth another look. */
  readonly #looked = new Map<string, { readonly version: number; readonly nextAt: number }>();
  readonly #due = new Set<OpenRun>();
  #isLooking = false;
  /** Undefined while the log must not be asked. */
  #ctx: Context | undefined;

  constructor(log: Log, awaited: AwaitedRuns, isOpen: (run: OpenRun) => boolean) {
    this.#log = log;
    this.#awaited = awaited;
    this.#isOpen = isOpen;
  }

  start(ctx: Context): void {
    this.#ctx = ctx;
  }

  stop(): void {
    this.#ctx = undefined;
    this.#due.clear();
  }

  /** A run may wait for one thing more. */
  waits(run: OpenRun): void {
    if (this.#ctx === undefined || !this.#isWorthALook(run)) return;
    this.#due.add(run);
    if (!this.#isLooking) void this.#look(this.#ctx);
  }

  ended(run: OpenRun): void {
    this.#looked.delete(run.runId);
    this.#due.delete(run);
  }

  #isWorthALook({ runId, waits }: OpenRun): boolean {
    return (waits?.size ?? 0) > (this.#looked.get(runId)?.nextAt ?? unaskedWaits);
  }

  /** One run at a time. */
  async #look(ctx: Context): Promise<void> {
    this.#isLooking = true;
    for (const run of this.#due) {
      this.#due.delete(run);
      // What cannot be read now is looked at with the run's next wait; until then it is known to wait for more than it does.
      if (this.#isWorthALook(run)) await this.#lookAt(ctx, run).catch(() => undefined);
    }
    this.#isLooking = false;
  }

  async #lookAt(ctx: Context, run: OpenRun): Promise<void> {
    const { runId, version } = run;
    const fromVersion = (this.#looked.get(runId)?.version ?? 0) + 1;
    // No further than what is known of it goes: a wait that is heard of later would be over already, and never be looked at again.
    const events = readRun(ctx, this.#log, runId, { fromVersion, toVersion: version, decoding: "none" });
    for await (const { type, data } of events) {
      const step = asText(data.step);
      if (step !== undefined && (type === "step.succeeded" || type === "step.skipped")) this.#awaited.forget(run, step);
    }
    if (!this.#isOpen(run)) return;
    this.#looked.set(runId, { version, nextAt: Math.max(unaskedWaits, 2 * (run.waits?.size ?? 0)) });
  }
}
