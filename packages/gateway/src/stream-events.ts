import type { Context } from "@viable/kernel";
import type { Log, LogPage, Position, StoredEvent } from "@viable/log";
import { comparePositions } from "@viable/log";

/** How many events are read at once where all are wanted; fewer where they are large. */
const pageEvents = 500;

/**
 * Events of a stream after a position, oldest first, and where to go on where there are more. At most `limit`, and no more than the log reads
 * at once: 8 MiB of data, and the event that goes beyond it.
 */
export async function readStreamEvents(
  ctx: Context,
  log: Log,
  stream: string,
  { after, limit }: { after: Position; limit: number },
): Promise<{ events: StoredEvent[]; next: Position | undefined }> {
  const fromVersion = await versionAfter(ctx, log, stream, after);
  // One more than are wanted tells whether there are more.
  const page = await readPage(ctx, log, stream, fromVersion, limit + 1);
  const events = page.events.slice(0, limit);
  return { events, next: page.isEnd ? undefined : events.at(-1)?.position };
}

async function readPage(ctx: Context, log: Log, stream: string, fromVersion: number, limit: number): Promise<LogPage> {
  const [page] = await log.readStreams(ctx, [{ stream, fromVersion }], { limit, decoding: "lenient" });
  return page ?? { events: [], isEnd: true };
}

/** What is stored of a stream after a position, as it is read, and whether an event that is read, or comes after them, is the last of all. */
export interface Followed {
  readonly events: AsyncIterable<StoredEvent>;
  readonly endsWith: (event: StoredEvent) => boolean;
}

/**
 * Follows a stream from a position on; undefined where its end stands there or before, so that nothing will ever come after it. What
 * `ends` says of an event holds only where nothing is stored after it: a run that had ended may have been opened once more.
 */
export async function followStored(
  ctx: Context,
  log: Log,
  stream: string,
  after: Position,
  ends: (event: StoredEvent) => boolean,
): Promise<Followed | undefined> {
  const last = await readLast(ctx, log, stream);
  if (last !== undefined && ends(last) && comparePositions(last.position, after) <= 0) return undefined;
  return {
    events: readFrom(ctx, log, stream, await versionAfter(ctx, log, stream, after)),
    endsWith: (event) => ends(event) && (last === undefined || event.version >= last.version),
  };
}

async function* readFrom(
  ctx: Context,
  log: Log,
  stream: string,
  fromVersion: number,
): AsyncGenerator<StoredEvent, void, void> {
  for (let from = fromVersion; ; ) {
    const { events, isEnd } = await readPage(ctx, log, stream, from, pageEvents);
    yield* events;
    if (isEnd) return;
    from += events.length;
  }
}

/**
 * The version that comes first after a position. Versions of a stream have no gaps and positions rise with them, so it is found by
 * halving: a few reads of one event each, however long the stream is.
 */
async function versionAfter(ctx: Context, log: Log, stream: string, after: Position): Promise<number> {
  const isAfter = (event: StoredEvent | undefined) =>
    event === undefined || comparePositions(event.position, after) > 0;
  const [first] = await log.readStream(ctx, stream, { limit: 1, decoding: "none" });
  if (isAfter(first)) return 1;
  let low = 2;
  let high = ((await readLast(ctx, log, stream))?.version ?? 1) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [event] = await log.readStream(ctx, stream, { fromVersion: middle, limit: 1, decoding: "none" });
    if (isAfter(event)) high = middle;
    else low = middle + 1;
  }
  return low;
}

async function readLast(ctx: Context, log: Log, stream: string): Promise<StoredEvent | undefined> {
  return (await log.readStream(ctx, stream, { direction: "backward", limit: 1, decoding: "none" }))[0];
}
