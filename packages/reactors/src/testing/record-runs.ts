import type { EncodedAppend, Store } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import { isRunStream, runIdOf } from "../run-journal.ts";

/** An event of a run, as it is in the database. */
export interface Recorded {
  readonly event: RunEvent;
  readonly version: number;
  readonly atMs: number;
}

/** What became of appends, as far as it concerns runs: heard of as it becomes durable, without reading it. */
export class RunRecorder {
  readonly #now: () => number;
  readonly #histories = new Map<string, Recorded[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The events of a run that are durable now. */
  history(runId: string): readonly Recorded[] {
    return this.#histories.get(runId) ?? [];
  }

  /** Ids of all runs, in the order in which they began. */
  get runIds(): readonly string[] {
    return [...this.#histories.keys()];
  }

  /** Takes note of what a flush has written. */
  note(batch: readonly EncodedAppend[], result: Awaited<ReturnType<Store["commit"]>>): void {
    for (const [index, outcome] of result.outcomes.entries())
      if (outcome.kind === "appended" && !outcome.repeated)
        this.#noteAppend(batch[index] as EncodedAppend, outcome.firstVersions);
  }

  #noteAppend(append: EncodedAppend, firstVersions: readonly number[]): void {
    for (const [at, write] of append.streams.entries()) {
      if (!isRunStream(write.stream)) continue;
      const runId = runIdOf(write.stream);
      const history = this.#histories.get(runId) ?? [];
      this.#histories.set(runId, history);
      for (const [offset, { type, data }] of write.events.entries())
        history.push({
          event: { type, data: JSON.parse(data) } as RunEvent,
          version: (firstVersions[at] as number) + offset,
          atMs: this.#now(),
        });
    }
  }
}
