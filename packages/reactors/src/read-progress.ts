import type { Context } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import type { Definitions } from "./definitions.ts";
import { planOf } from "./plan.ts";
import { Progress } from "./progress.ts";
import { readRun, toRunEvent } from "./read-run.ts";

/** Where runs are read from: their events, and the definitions that these are understood by. */
export interface RunSource {
  readonly log: Log;
  readonly definitions: Definitions;
}

/**
 * How far a run has come; undefined where there is no such run, or its definition is not here. `before` is told of each event just before
 * it is taken into account.
 */
export async function readProgress(
  ctx: Context,
  { log, definitions }: RunSource,
  runId: string,
  before?: (progress: Progress, event: RunEvent) => void,
): Promise<Progress | undefined> {
  let progress: Progress | undefined;
  for await (const stored of readRun(ctx, log, runId)) {
    const event = toRunEvent(stored);
    if (event.type === "run.started") {
      const definition = definitions.byHash(event.data.reactor, event.data.hash);
      if (definition === undefined) return undefined;
      progress = new Progress(planOf(definition), runId);
    }
    if (progress === undefined) continue;
    before?.(progress, event);
    progress.apply(event, stored.version);
  }
  return progress;
}
