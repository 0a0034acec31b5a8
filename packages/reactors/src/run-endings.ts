import type { Context } from "@viable/kernel";
import { isId, TransientMap, untilSettled } from "@viable/kernel";
import type { Log } from "@viable/log";
import { mayPass } from "@viable/log";
import { runNotFound } from "./errors.ts";
import type { RunEnding } from "./read-run.ts";
import { isEnding, lastEvent, toRunEvent } from "./read-run.ts";

/** How often whoever waits for an end looks for itself, in milliseconds: of a run that is not known to be open, and of one that the log will tell of. */
const lookAgainMs = { unknown: 1_000, known: 10_000 };

/** What is known here of runs without an outcome. */
export interface KnownRuns {
  /** Whether a run of this context's tenant is carried on here: then it has not ended. */
  isCarried(ctx: Context, runId: string): boolean;
  /** Whether the log will tell of its end. */
  isOpen(runId: string): boolean;
}

/** How a run ended; undefined where it has not. Throws `reactor.run_not_found` where there is none of this tenant's (W11). */
export async function endingOf(ctx: Context, log: Log, runId: string): Promise<RunEnding | undefined> {
  const last = isId("run", runId) ? await lastEvent(ctx, log, runId) : undefined;
  if (last === undefined) throw runNotFound(runId);
  const event = toRunEvent(last);
  return isEnding(event) ? event : undefined;
}

/** Tells whoever waits for a run's end. */
export class RunEndings {
  readonly #log: Log;
  readonly #known: KnownRuns;
  readonly #listeners = new TransientMap<string, Set<(ending: RunEnding) => void>>();

  constructor(log: Log, known: KnownRuns) {
    this.#log = log;
    this.#known = known;
  }

  /** A run has ended. */
  tell(runId: string, ending: RunEnding): void {
    const listeners = this.#listeners.get(runId);
    this.#listeners.delete(runId);
    for (const listener of listeners ?? []) listener(ending);
  }

  /** Waits for a run's end, as long as the context lasts: until it is told of here, or found in the log. */
  async whenEnded(ctx: Context, runId: string): Promise<RunEnding> {
    for (let looks = 0; ; looks++) {
      let stop: () => void = () => {};
      // Before it is looked for: it may end meanwhile.
      const told = new Promise<RunEnding>((resolve) => {
        stop = this.#listen(runId, resolve);
      });
      try {
        const isKnownOpen = looks === 0 && this.#known.isCarried(ctx, runId);
        const found = isKnownOpen ? "open" : await this.#find(ctx, runId);
        if (typeof found === "object") return found;
        // What is told here is told of every tenant's runs: it counts where this is known to be one of this tenant's (W11).
        const heard = await this.#heardWithin(ctx, runId, found === "open" ? told : undefined);
        if (heard !== undefined) return heard;
      } finally {
        stop();
      }
    }
  }

  #heardWithin(ctx: Context, runId: string, told: Promise<RunEnding> | undefined): Promise<RunEnding | undefined> {
    return untilSettled<RunEnding | undefined>(ctx, (resolve, reject) => {
      const isTold = told !== undefined && this.#known.isOpen(runId);
      const ms = isTold ? lookAgainMs.known : lookAgainMs.unknown;
      const timer = ctx.runtime.clock.setTimer(() => resolve(undefined), ms);
      told?.then(resolve, reject);
      return () => timer.cancel();
    });
  }

  /** How it ended; `open` where it is this tenant's and has not, `unknown` while the database is away. */
  async #find(ctx: Context, runId: string): Promise<RunEnding | "open" | "unknown"> {
    try {
      return (await endingOf(ctx, this.#log, runId)) ?? "open";
    } catch (error) {
      if (mayPass(error) && !ctx.signal.aborted) return "unknown";
      throw error;
    }
  }

  #listen(runId: string, callback: (ending: RunEnding) => void): () => void {
    const listeners = this.#listeners.get(runId) ?? new Set();
    this.#listeners.set(runId, listeners.add(callback));
    return () => {
      listeners.delete(callback);
      if (listeners.size === 0 && this.#listeners.get(runId) === listeners) this.#listeners.delete(runId);
    };
  }
}
