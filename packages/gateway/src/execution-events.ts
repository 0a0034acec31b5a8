import type { Context } from "@viable/kernel";
import type { Log, Position, StoredEvent } from "@viable/log";
import { comparePositions } from "@viable/log";
import { outcomeStatuses } from "@viable/protocol";
import { executionStream } from "@viable/swarm";

/** How many events are read at once where all are wanted: a page that fits memory. */
const pageEvents = 500;

const outcomeTypes: ReadonlySet<string> = new Set(outcomeStatuses.map((status) => `execution.${status}`));

/** Whether an event of an execution is its last (W5). */
export const endsExecution = (event: StoredEvent): boolean => outcomeTypes.has(event.type);

/** Events of an execution after a position, oldest first, and where to go on where there are more than `limit`. */
export async function readExecutionEvents(
  ctx: Context,
  log: Log,
  executionId: string,
  { after, limit }: { after: Position; limit: number },
): Promise<{ events: StoredEvent[]; next: Position | undefined }> {
  const fromVersion = await versionAfter(ctx, log, executionId, after);
  const found = await log.readStream(ctx, executionStream(executionId), {
    fromVersion,
    limit: limit + 1,
    decoding: "lenient",
  });
  const events = found.slice(0, limit);
  return { events, next: found.length > limit ? events.at(-1)?.position : undefined };
}

/**
 * What is stored of an execution after a position, as it is read; undefined where its outcome stands there or before, so that
 * nothing will ever come after it.
 */
export async function followStored(
  ctx: Context,
  log: Log,
  executionId: string,
  after: Position,
): Promise<AsyncIterable<StoredEvent> | undefined> {
  const last = await readLast(ctx, log, executionId);
  if (last !== undefined && endsExecution(last) && comparePositions(last.position, after) <= 0) return undefined;
  return readFrom(ctx, log, executionId, await versionAfter(ctx, log, executionId, after));
}

async function* readFrom(
  ctx: Context,
  log: Log,
  executionId: string,
  fromVersion: number,
): AsyncGenerator<StoredEvent, void, void> {
  for (let version = fromVersion; ; version += pageEvents) {
    const page = await log.readStream(ctx, executionStream(executionId), {
      fromVersion: version,
      limit: pageEvents,
      decoding: "lenient",
    });
    yield* page;
    if (page.length < pageEvents) return;
  }
}

/**
 * The version that comes first after a position. Versions of a stream have no gaps and positions rise with them, so it is found by
 * halving: a few reads of one event each, however long the execution was.
 */
async function versionAfter(ctx: Context, log: Log, executionId: string, after: Position): Promise<number> {
  const isAfter = (event: StoredEvent | undefined) =>
    event === undefined || comparePositions(event.position, after) > 0;
  const [first] = await log.readStream(ctx, executionStream(executionId), { limit: 1, decoding: "none" });
  if (isAfter(first)) return 1;
  let low = 2;
  let high = ((await readLast(ctx, log, executionId))?.version ?? 1) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [event] = await log.readStream(ctx, executionStream(executionId), {
      fromVersion: middle,
      limit: 1,
      decoding: "none",
    });
    if (isAfter(event)) high = middle;
    else low = middle + 1;
  }
  return low;
}

async function readLast(ctx: Context, log: Log, executionId: string): Promise<StoredEvent | undefined> {
  return (
    await log.readStream(ctx, executionStream(executionId), { direction: "backward", limit: 1, decoding: "none" })
  )[0];
}
