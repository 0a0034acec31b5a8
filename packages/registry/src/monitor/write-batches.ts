import type { JsonObject } from "@viable/kernel";
import type { AppendRequest, NewEvent } from "@viable/log";

/** What is to be written of one swarm: its record, and what the log is to be told. */
export interface HealthWrite {
  readonly key: string;
  readonly value: JsonObject;
  readonly expected: number;
  readonly stream: string;
  readonly events: readonly NewEvent[];
}

/** Writes that go together, with what they came from. */
export interface WriteBatch<T> {
  readonly items: readonly T[];
  readonly request: AppendRequest;
}

/** Half of what an append may touch. */
const maxBatchItems = 1_000;
/** An eighth of what an append may hold, in characters: what others append need not wait for more. */
const maxBatchChars = 1024 * 1024;

/**
 * Puts writes into as few appends as hold them: the swarms of a process in one, up to about 250 of them. `idOf` names each append, so that it
 * is known when it is sent again.
 */
export function toBatches<T extends { readonly write: HealthWrite }>(
  all: readonly T[],
  expiresAt: number,
  idOf: () => string,
): WriteBatch<T>[] {
  const batches: T[][] = [];
  let items = 0;
  let chars = 0;
  for (const each of all) {
    const { value, events } = each.write;
    const eachItems = 1 + (events.length > 0 ? 1 + events.length : 0);
    const eachChars = JSON.stringify(value).length + (events.length > 0 ? JSON.stringify(events).length : 0);
    const last = batches.at(-1);
    if (last === undefined || items + eachItems > maxBatchItems || chars + eachChars > maxBatchChars) {
      batches.push([each]);
      items = eachItems;
      chars = eachChars;
    } else {
      last.push(each);
      items += eachItems;
      chars += eachChars;
    }
  }
  return batches.map((items) => ({ items, request: toRequest(items, expiresAt, idOf()) }));
}

function toRequest(items: readonly { readonly write: HealthWrite }[], expiresAt: number, id: string): AppendRequest {
  const streams = new Map<string, NewEvent[]>();
  for (const { write } of items) {
    if (write.events.length === 0) continue;
    streams.set(write.stream, [...(streams.get(write.stream) ?? []), ...write.events]);
  }
  return {
    id,
    streams: [...streams].map(([stream, events]) => ({ stream, expected: "any", events })),
    records: items.map(({ write: { key, value, expected } }) => ({ key, value, expected, expiresAt })),
  };
}
