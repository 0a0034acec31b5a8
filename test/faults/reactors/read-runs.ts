import { createRuntime, rootContext } from "@viable/kernel";
import { toOrdinal, toPosition } from "@viable/log";
import { withLog } from "../log/judge-database.ts";
import type { Target } from "../log/open-target.ts";
import type { RunStep } from "./check-runs.ts";

/** As many events as one read answers at most. */
const pageEvents = 10_000;

/** What has been read of a log so far. */
export class RunReader {
  readonly runs = new Map<string, RunStep[]>();
  /** What was sent to runs that wait, by its stream: how often. */
  readonly sent = new Map<string, number>();
  #position = 0;
  events = 0;

  /** Reads what is new, as any process that opens the log would. */
  async read(target: Target): Promise<void> {
    const ctx = rootContext(createRuntime());
    await withLog(target, async (log) => {
      for (;;) {
        const page = await log.readAll(ctx, { from: toPosition(this.#position), limit: pageEvents });
        for (const { stream, version, position, type, data, time } of page) {
          this.#position = toOrdinal(position);
          if (stream.startsWith("run:")) this.#take(stream.slice("run:".length), version, { type, timeMs: time, data });
          else if (stream.startsWith("awaited:")) this.sent.set(stream, (this.sent.get(stream) ?? 0) + 1);
        }
        this.events += page.length;
        if (page.length < pageEvents) return;
      }
    });
  }

  #take(runId: string, version: number, step: RunStep): void {
    const run = this.runs.get(runId) ?? [];
    this.runs.set(runId, run);
    if (version !== run.length + 1) throw new Error(`${runId} has version ${version} after ${run.length}.`);
    run.push(step);
  }
}
