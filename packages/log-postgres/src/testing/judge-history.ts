import type { StoredEvent } from "@viable/log";
import { toOrdinal } from "@viable/log";
import type { AppendNote } from "./append-process.ts";

/** What is in the database when everybody has ended. */
export interface Ending {
  readonly events: readonly StoredEvent[];
  /** Value and version by key. */
  readonly records: ReadonlyMap<string, { readonly value: string; readonly version: number }>;
}

/**
 * Holds what processes were answered against what is there in the end. Answers everything that cannot be, so that a rule that is broken
 * in the database shows by its name.
 */
export function judgeHistory(notes: readonly AppendNote[], { events, records }: Ending): string[] {
  const wrong: string[] = [];
  const byId = new Map(events.map((event) => [event.id, event]));
  const streams = Map.groupBy(events, ({ stream }) => stream);

  events.forEach((event, index) => {
    if (toOrdinal(event.position) !== index + 1) wrong.push(`order: position ${event.position} stands at ${index + 1}`);
  });
  if (byId.size !== events.length) wrong.push(`ids: ${events.length - byId.size} events have the id of another`);
  for (const [stream, own] of streams) {
    own.forEach((event, index) => {
      if (event.version !== index + 1) wrong.push(`versions: ${stream} has ${event.version} at ${index + 1}`);
    });
  }

  const written = notes.filter(({ outcome }) => outcome.ok && !outcome.repeated);
  const accounted = new Set<string>();
  for (const { id, streams: writes, outcome } of notes) {
    if (!outcome.ok) continue;
    writes.forEach(({ stream, expected, ids }, at) => {
      const last = outcome.versions[at] ?? 0;
      ids.forEach((eventId, nr) => {
        const event = byId.get(eventId);
        const version = last - ids.length + 1 + nr;
        if (event === undefined) wrong.push(`lost: ${eventId} was acknowledged and is not there`);
        else if (event.stream !== stream || event.version !== version)
          wrong.push(`moved: ${eventId} was answered as ${stream} ${version} and is ${event.stream} ${event.version}`);
        if (!outcome.repeated) accounted.add(eventId);
      });
      if (!outcome.repeated && expected !== "any" && last - ids.length !== expected)
        wrong.push(`expected: ${id} expected ${expected} of ${stream} and wrote after ${last - ids.length}`);
    });
  }
  for (const { id } of events) if (!accounted.has(id)) wrong.push(`unheard: nobody was told of ${id}`);
  for (const { id, outcome } of notes) {
    if (outcome.ok || outcome.reason !== "conflict") continue;
    const { stream, expected, actual } = outcome;
    if (expected === actual) wrong.push(`conflict: ${id} was refused ${stream} at the version that it expected`);
    if (actual > (streams.get(stream)?.length ?? 0)) wrong.push(`conflict: ${stream} never had version ${actual}`);
  }
  // One of records alone is known only for as long as nobody else has written them (`AppendRequest.id`).
  const withEvents = notes.filter((note) => note.streams.length > 0);
  for (const [id, answers] of Map.groupBy(withEvents, (note) => note.id)) {
    const times = answers.filter(({ outcome }) => outcome.ok && !outcome.repeated).length;
    if (times > 1) wrong.push(`repeat: ${id} was written ${times} times`);
  }
  return [...wrong, ...judgeRecords(written, records)];
}

/** The writes of a key follow one another: each version once, and each expected version is the one before. */
function judgeRecords(written: readonly AppendNote[], records: Ending["records"]): string[] {
  const wrong: string[] = [];
  const writes = written.flatMap(({ id, records: puts, outcome }) =>
    puts.map(({ key, expected }, at) => ({
      id,
      key,
      expected,
      version: outcome.ok ? (outcome.recordVersions[at] ?? 0) : 0,
    })),
  );
  for (const [key, own] of Map.groupBy(writes, (write) => write.key)) {
    const versions = own.map(({ version }) => version).sort((a, b) => a - b);
    if (versions.some((version, index) => version !== index + 1))
      wrong.push(`records: ${key} was written as versions ${versions.join(", ")}`);
    for (const { id, expected, version } of own) {
      if (expected !== "any" && version !== expected + 1)
        wrong.push(`records: ${id} expected ${expected} of ${key} and wrote ${version}`);
    }
    const last = own.find(({ version }) => version === versions.at(-1));
    const now = records.get(key);
    if (now?.value !== last?.id || now?.version !== last?.version)
      wrong.push(
        `records: ${key} is ${now?.value} ${now?.version} and was last written by ${last?.id} ${last?.version}`,
      );
  }
  return wrong;
}
