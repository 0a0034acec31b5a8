import type { Context, ErrorOnTheWire } from "@viable/kernel";
import { canonicalJson } from "@viable/kernel";
import type { Log, StoredEvent } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import { runStream } from "./run-journal.ts";

/** How many events of a run are read at once. */
const pageEvents = 1_000;

/** A run's events in their order, page by page. */
export async function* readRun(ctx: Context, log: Log, runId: string): AsyncGenerator<StoredEvent> {
  for (let fromVersion = 1; ; ) {
    const page = await log.readStream(ctx, runStream(runId), { fromVersion, limit: pageEvents });
    yield* page;
    if (page.length < pageEvents) return;
    fromVersion = (page.at(-1) as StoredEvent).version + 1;
  }
}

/** The last event of a run of this tenant's; undefined where there is none (W11). */
export async function lastEvent(ctx: Context, log: Log, runId: string): Promise<StoredEvent | undefined> {
  const [last] = await log.readStream(ctx, runStream(runId), { direction: "backward", limit: 1 });
  return last?.metadata.tenant === ctx.tenant ? last : undefined;
}

/** The first event of a run of this tenant's. */
export async function firstEvent(ctx: Context, log: Log, runId: string): Promise<StoredEvent | undefined> {
  const [first] = await log.readStream(ctx, runStream(runId), { limit: 1 });
  return first?.metadata.tenant === ctx.tenant ? first : undefined;
}

/** A stored event of a run, typed: the log has judged its shape. */
export const toRunEvent = (stored: StoredEvent): RunEvent =>
  ({ type: stored.type, data: stored.data }) as unknown as RunEvent;

/** How a run has ended. */
export type RunEnding = RunEvent & { type: "run.completed" | "run.failed" | "run.compensated" | "run.cancelled" };

const endings = { "run.completed": true, "run.failed": true, "run.compensated": true, "run.cancelled": true };

/** Whether a run whose last event this is has ended. */
export const isEnding = (event: RunEvent): event is RunEnding => event.type in endings;

/** What a run that has ended without a result failed with. */
export function errorOf(ended: RunEvent): ErrorOnTheWire {
  switch (ended.type) {
    case "run.failed":
      return ended.data.error;
    case "run.compensated":
      return (
        ended.data.cause.error ?? {
          code: "reactor.run_compensated",
          message: `The run was undone: ${ended.data.cause.reason ?? ended.data.cause.kind}.`,
          retryable: false,
        }
      );
    case "run.cancelled":
      return {
        code: "reactor.run_cancelled",
        message: `Cancelled by ${ended.data.by}: ${ended.data.reason}.`,
        retryable: false,
      };
    default:
      return { code: "internal", message: canonicalJson(ended as never), retryable: false };
  }
}
