import type { JsonObject } from "@viable/kernel";

/**
 * A place in the log, opaque to everyone but this room: order two with `comparePositions`, keep one to go on from it. Today
 * it is one number; partitioned, it will be several, so nobody else may compute with it.
 */
export type Position = string;

/** Before the first event. */
export const startPosition: Position = "0";

/** Negative where `a` comes before `b`. */
export function comparePositions(a: Position, b: Position): number {
  return toOrdinal(a) - toOrdinal(b);
}

/** Whether a text that came from outside is a position of this log's making. */
export function isPosition(text: string): boolean {
  return /^(0|[1-9][0-9]{0,15})$/.test(text) && Number.isSafeInteger(Number(text));
}

/** @internal The number behind a position: stores and the tail count with it, nobody else. */
export const toOrdinal = (position: Position): number => Number(position);
/** @internal */
export const toPosition = (ordinal: number): Position => String(ordinal);

/** What goes with an event and is not its content. */
export interface EventMetadata {
  readonly tenant: string;
  /** Who caused it: the principal of the context that appended it. */
  readonly actor: string;
  /** The session it belongs to, whose clients see it. */
  readonly session?: string;
  /** The execution at the root of it all. */
  readonly correlation?: string;
  /** The event or execution it directly follows from. */
  readonly causation?: string;
  readonly traceparent?: string;
  /** Version of the shape that `data` has here; 1 where absent. What is stored may be older (`EventType.upcasts`). */
  readonly schemaVersion?: number;
}

/** An event as it is handed in: id, time and metadata are added from the context. */
export interface NewEvent {
  readonly type: string;
  readonly data: JsonObject;
  /** Give one to make the append repeatable: a second append of the same first id answers as the first did. */
  readonly id?: string;
}

/** An event as it is read back. Never changes. */
export interface StoredEvent {
  readonly id: string;
  readonly stream: string;
  /** Its number in its stream, from 1, without gaps. */
  readonly version: number;
  readonly position: Position;
  readonly type: string;
  readonly data: JsonObject;
  readonly metadata: EventMetadata;
  /** When it was handed in, in milliseconds since 1970, by the clock of whoever did. Order is position, never this. */
  readonly time: number;
  /** Why `data` stands here as it is stored and not in the shape of today. Only where it was read leniently. */
  readonly undecodable?: string;
}

/** Events for one stream, all or none of them. */
export interface StreamAppend {
  readonly stream: string;
  /** The version the stream must have now (0: it must not exist yet), or `any`. */
  readonly expected: number | "any";
  readonly events: readonly NewEvent[];
  readonly session?: string | undefined;
  readonly correlation?: string | undefined;
  readonly causation?: string | undefined;
}

/** Which events to read. All that is given must match. */
export interface EventFilter {
  readonly tenant?: string;
  readonly streamPrefix?: string;
  /** Exact types, or globs with `*` for any run of characters: `execution.*`. */
  readonly types?: readonly string[];
  readonly session?: string;
  readonly correlation?: string;
}

/** Whether an event passes a filter: the meaning that every store's SQL must agree with. */
export const matchesFilter = ({ stream, type, metadata }: StoredEvent, filter: EventFilter): boolean =>
  passesFilter(stream, type, metadata, filter);

/** The same of an event that is not put together yet. */
export function passesFilter(
  stream: string,
  type: string,
  about: { readonly tenant: string; readonly session?: string | null; readonly correlation?: string | null },
  filter: EventFilter,
): boolean {
  return (
    (filter.tenant === undefined || about.tenant === filter.tenant) &&
    (filter.session === undefined || about.session === filter.session) &&
    (filter.correlation === undefined || about.correlation === filter.correlation) &&
    (filter.streamPrefix === undefined || stream.startsWith(filter.streamPrefix)) &&
    (filter.types === undefined || filter.types.some((glob) => matchesGlob(type, glob)))
  );
}

function matchesGlob(text: string, glob: string): boolean {
  const star = glob.indexOf("*");
  if (star < 0) return text === glob;
  // Nearly all are of this kind, and each event is held against each of them.
  if (star === glob.length - 1) return text.startsWith(glob.slice(0, star));
  const parts = glob.split("*");
  const first = parts[0] as string;
  const last = parts[parts.length - 1] as string;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > text.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}
