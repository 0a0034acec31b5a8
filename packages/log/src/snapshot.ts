import { snapshotDamaged } from "./errors.ts";
import type { EncodedEvent } from "./store.ts";

/** An event with its place, in the very texts it was handed in with. */
export interface PlacedEvent extends EncodedEvent {
  readonly stream: string;
  readonly version: number;
  readonly ordinal: number;
}

/** A record with all that a store keeps of it, also one that was deleted (`value` is null then) or has expired. */
export interface PlacedRecord {
  readonly key: string;
  /** JSON text, byte for byte. */
  readonly value: string | null;
  readonly version: number;
  readonly expiresAt: number | null;
  /** Number of the change that wrote it last. */
  readonly change: number;
  /** When that was, in milliseconds, by the clock of whoever wrote it. */
  readonly changedAt: number;
  /** Id of the append that wrote it last; null where that had none. */
  readonly writtenBy: string | null;
}

/** Where a log stood at the moment of a snapshot. */
export interface SnapshotHead {
  /** Of the last event: since ordinals have no gaps, also how many there are. */
  readonly ordinal: number;
  /** Of the last record change. */
  readonly change: number;
  /** How many records there are, those that were deleted and are still remembered included. */
  readonly records: number;
}

/**
 * A part of a snapshot. First come pages of records, then the head once, then pages of events in order. A key may come again:
 * what comes last is what it was at the moment of the head.
 */
export type SnapshotPage =
  | { readonly kind: "records"; readonly records: readonly PlacedRecord[] }
  | { readonly kind: "head"; readonly head: SnapshotHead }
  | { readonly kind: "events"; readonly events: readonly PlacedEvent[] };

/**
 * @internal Hands pages on as long as they are those of one whole snapshot. Throws `log.snapshot_damaged` where one is out of its
 * place, an event is missing, or the end comes too early. Whether the records are as many as the head says only a store can tell.
 */
export async function* checkSnapshot(pages: AsyncIterable<SnapshotPage>): AsyncGenerator<SnapshotPage> {
  let head: SnapshotHead | undefined;
  let ordinal = 0;
  for await (const page of pages) {
    if (page.kind === "head") {
      if (head !== undefined) throw snapshotDamaged("it says twice where the log stood");
      head = page.head;
    } else if (page.kind === "records") {
      if (head !== undefined) throw snapshotDamaged("records come after the place for them");
    } else {
      if (head === undefined) throw snapshotDamaged("events come before it says where the log stood");
      for (const event of page.events) {
        ordinal += 1;
        if (event.ordinal !== ordinal) throw snapshotDamaged(`event ${event.ordinal} stands where ${ordinal} should`);
      }
    }
    yield page;
  }
  if (head === undefined) throw snapshotDamaged("it does not say where the log stood");
  if (ordinal !== head.ordinal) throw snapshotDamaged(`it has ${ordinal} events of ${head.ordinal}`);
}
