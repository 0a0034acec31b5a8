import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createSessions, readDelivery } from "@viable/gateway";
import type { Context, JsonObject, JsonValue } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import type { EventType, Log, PlacedEvent, SnapshotPage, StoredEvent } from "@viable/log";
import { createLog, createMemoryStore, toOrdinal } from "@viable/log";
import { readRunView } from "@viable/reactors";
import { baseClientLimits } from "@viable/security";
import { createExecutions } from "@viable/swarm";
import { eventTypes } from "viable/run";

/** A history is read at once: as many events as a log gives. Whatever is worth keeping shows in fewer. */
export const maxHistoryEvents = 10_000;

const folder = join(import.meta.dirname, "fixtures");
export const historyFile = (name: string): string => join(folder, `${name}.jsonl`);
export const foldFile = (name: string): string => join(folder, `${name}.fold.json`);

/** A log as it was once written, from its first event to its last. */
export interface History {
  readonly name: string;
  /** As they are stored: data and schema version of their day. */
  readonly events: readonly StoredEvent[];
  /** What its streams are expected to fold to, by their names; undefined where nobody has said. */
  readonly expected: JsonObject | undefined;
}

export function readHistories(): History[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".jsonl"))
    .map((file) => {
      const name = file.slice(0, -".jsonl".length);
      const lines = readFileSync(historyFile(name), "utf8").trimEnd().split("\n");
      const fold = foldFile(name);
      return {
        name,
        events: lines.map((line) => JSON.parse(line) as StoredEvent),
        expected: existsSync(fold) ? (JSON.parse(readFileSync(fold, "utf8")) as JsonObject) : undefined,
      };
    });
}

/** `order.paid 2`: a type, and the version of the shape that an event was written in. */
export const shapeOf = ({ type, metadata }: StoredEvent): string => `${type} ${metadata.schemaVersion ?? 1}`;

/** Every shape that was ever written: of each type, each version up to the one of today. */
export const writtenShapes = (types: readonly EventType[]): string[] =>
  types.flatMap(({ type, version }) => Array.from({ length: version }, (_, index) => `${type} ${index + 1}`));

/**
 * What the streams of a history fold to, read by the rooms that fold them, from a log that takes nothing but the types of today. Of a
 * stream that nobody folds, its events as they are read.
 */
export async function foldHistory(events: readonly StoredEvent[], types = eventTypes): Promise<JsonObject> {
  const store = createMemoryStore();
  await store.restore(toPages(events));
  const runtime = createRuntime({ clock: simulateTime() });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime, { types });
  await log.start(ctx);
  try {
    // Strictly: one that cannot be brought to the shape of today is refused here.
    await log.readAll(ctx, { limit: maxHistoryEvents });
    const folds: Record<string, JsonValue> = {};
    for (const { stream, tenant } of streamsOf(events)) {
      const fold = await foldStreamOf(rootContext(runtime, { tenant }), log, stream);
      if (fold === undefined) throw new Error(`${stream} has events and folds to nothing.`);
      folds[stream] = toJson(fold);
    }
    return folds;
  } finally {
    await log.stop(ctx);
  }
}

function streamsOf(events: readonly StoredEvent[]): { stream: string; tenant: string }[] {
  const tenants = new Map(events.map(({ stream, metadata }) => [stream, metadata.tenant]));
  return [...tenants].map(([stream, tenant]) => ({ stream, tenant }));
}

/** Sessions are only read here. */
const opensNone = {
  attenuate(): never {
    throw new Error("No session is opened here.");
  },
};

async function foldStreamOf(ctx: Context, log: Log, stream: string): Promise<unknown> {
  const [kind = "", id = ""] = stream.split(":");
  switch (kind) {
    case "execution":
      return await createExecutions(log).get(ctx, id);
    case "work":
      return await createExecutions(log).equalWork(ctx, stream, true);
    case "session": {
      const sessions = createSessions({ log, capabilities: opensNone, clientLimits: baseClientLimits });
      return (await sessions.list(ctx, 1_000)).find(({ sessionId }) => sessionId === id);
    }
    case "webhook":
      return await readDelivery(ctx, log, id);
    case "run":
      return await readRunView(ctx, log, id);
    default:
      return (await log.readStream(ctx, stream)).map(({ type, data }) => ({ type, data }));
  }
}

/** As a file has it: without members that are undefined. */
const toJson = (value: unknown): JsonValue => JSON.parse(JSON.stringify(value));

async function* toPages(events: readonly StoredEvent[]): AsyncGenerator<SnapshotPage> {
  yield { kind: "head", head: { ordinal: events.length, change: 0, records: 0 } };
  yield { kind: "events", events: events.map(toPlaced) };
}

function toPlaced({ data, metadata, position, ...event }: StoredEvent): PlacedEvent {
  const { tenant, session = null, correlation = null, ...rest } = metadata;
  return {
    ...event,
    ordinal: toOrdinal(position),
    data: JSON.stringify(data),
    tenant,
    session,
    correlation,
    metadata: JSON.stringify(rest),
  };
}
