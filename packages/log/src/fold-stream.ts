import type { Context, JsonValue } from "@viable/kernel";
import { maxNameChars } from "./encode.ts";
import type { StoredEvent } from "./events.ts";
import type { Log } from "./log.ts";

/** How many events are read at once, and more than how many since the last snapshot are worth another. */
const pageEvents = 1_000;
/** What a snapshot may hold, in characters of JSON: reading a larger one would not be shorter than reading events. */
const maxSnapshotChars = 1024 * 1024;
/** How long a snapshot is kept, in milliseconds: a week. A stream that is still read then gets another. */
const keptMs = 7 * 24 * 3_600_000;

/** How the events of a stream become a state. */
export interface StreamFold<State> {
  /** Names the snapshots. */
  readonly name: string;
  /** Raise it when the same events give another state, or a state of another shape: snapshots of before are then left aside. */
  readonly version: number;
  /** Pure, and of plain JSON but for members that are undefined, which a snapshot leaves out. */
  readonly fold: (state: State | undefined, event: StoredEvent) => State | undefined;
}

/** The state after a stream's last event, and that event's version; 0 where there is none. */
export interface Folded<State> {
  readonly state: State | undefined;
  readonly version: number;
}

interface Snapshot {
  readonly fold: number;
  readonly version: number;
  readonly state: JsonValue;
}

/**
 * Folds a stream; one of more than a page of events from its latest snapshot on. Of one of which more than that had to be read beyond the
 * first page a snapshot is kept; where it cannot be written nothing is lost but time.
 */
export async function foldStream<State>(
  ctx: Context,
  log: Log,
  stream: string,
  how: StreamFold<State>,
): Promise<Folded<State>> {
  const first = await readOn(ctx, log, stream, how, { state: undefined, version: 0 });
  if (first.isEnd) return first.folded;
  // Only now: most streams are short, and a look for a snapshot is a question more.
  const key = `snapshots/${how.name}/${stream}`;
  const record = key.length <= maxNameChars ? await log.getRecord(ctx, key) : undefined;
  const kept = record?.value as unknown as Snapshot | undefined;
  let { folded } = first;
  if (kept?.fold === how.version && kept.version > folded.version)
    folded = { state: kept.state as unknown as State, version: kept.version };
  const from = folded.version;
  for (let isEnd = false; !isEnd; ) ({ folded, isEnd } = await readOn(ctx, log, stream, how, folded));
  if (folded.version - from > pageEvents && key.length <= maxNameChars) {
    const state = folded.state as JsonValue;
    await keep(ctx, log, key, record?.version ?? 0, { fold: how.version, version: folded.version, state });
  }
  return folded;
}

/** Folds one more page. */
async function readOn<State>(
  ctx: Context,
  log: Log,
  stream: string,
  { fold }: StreamFold<State>,
  before: Folded<State>,
): Promise<{ folded: Folded<State>; isEnd: boolean }> {
  const { events, isEnd } = await log.readStreamPage(ctx, stream, {
    fromVersion: before.version + 1,
    limit: pageEvents,
  });
  const folded = events.reduce<Folded<State>>(
    ({ state }, event) => ({ state: fold(state, event), version: event.version }),
    before,
  );
  return { folded, isEnd };
}

async function keep(ctx: Context, log: Log, key: string, expected: number, snapshot: Snapshot): Promise<void> {
  const value = JSON.stringify(snapshot);
  if (snapshot.state === undefined || value.length > maxSnapshotChars) return;
  const expiresAt = ctx.runtime.clock.now() + keptMs;
  // Somebody else's may be there by now, and the log may be busy: then there is none, or another.
  await log.append(ctx, { records: [{ key, value: JSON.parse(value), expected, expiresAt }] }).catch(() => undefined);
}
