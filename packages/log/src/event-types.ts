import type { JsonObject } from "@viable/kernel";
import { invariant, nearestNames } from "@viable/kernel";
import { invalidEvent, undecodableEvent } from "./errors.ts";
import type { EventType } from "./event-type.ts";
import type { NewEvent, StoredEvent } from "./events.ts";

/**
 * What is done about the shape of an event's data when it is read. `strict`: brought to the shape of today, or refused with
 * `log.undecodable_event`. `lenient`, for showing: the same, but what cannot be brought there comes as it is stored, and says why.
 * `none`, for sealing and copying: as it is stored.
 */
export type Decoding = "strict" | "lenient" | "none";

/** The types of events that may be in a log, by name. */
export interface EventTypes {
  /**
   * The version an event to be written is of, whose data is stored as `text`. Throws `log.invalid_event` where its type is not known or
   * its data has another shape.
   */
  check(event: NewEvent, text: string): number;
  /** Whether an event that a process of this system has written is in the shape of today: who writes one has checked that it fits its version. */
  isCurrent(written: StoredEvent): boolean;
  /** The event as it is to be read. Throws `log.undecodable_event` where that is asked for. */
  decode(stored: StoredEvent, decoding: Decoding): StoredEvent;
}

/** Any type and any shape: a log that is told nothing of its types knows nothing of them. */
export const anyType: EventTypes = { check: () => 1, isCurrent: () => true, decode: (stored) => stored };

/** Every type has one definition; a second one of the same name is a defect of whoever put them together. */
export function createEventTypes(types: readonly EventType[]): EventTypes {
  const known = new Map<string, EventType>();
  for (const type of types) {
    invariant(!known.has(type.type), "W8", `the event type ${type.type} is defined twice`);
    known.set(type.type, type);
  }

  return {
    check({ type: name, data }, text) {
      const type = known.get(name);
      if (type === undefined) {
        const near = nearestNames(name, known.keys());
        const hint = near.length === 0 ? "" : `; near it are ${near.join(", ")}`;
        throw invalidEvent({ path: "type", reason: `"${name}" is no type of event here${hint}` });
      }
      if (findProblem(type, data) === undefined) return type.version;
      // What is stored decides: members that are undefined are left out of it.
      const problem = findProblem(type, JSON.parse(text));
      if (problem !== undefined) throw invalidEvent({ ...problem, path: `${name}.${problem.path}` });
      return type.version;
    },
    isCurrent: ({ type, metadata }) => known.get(type)?.version === (metadata.schemaVersion ?? 1),
    decode(stored, decoding) {
      if (decoding === "none") return stored;
      const decoded = toCurrent(known.get(stored.type), stored);
      if (typeof decoded !== "string") return decoded;
      if (decoding === "strict") throw undecodableEvent(stored, decoded);
      return { ...stored, undecodable: decoded };
    },
  };
}

/** The event in the shape of today, or why it cannot be. */
function toCurrent(type: EventType | undefined, stored: StoredEvent): StoredEvent | string {
  if (type === undefined) return "this release knows no such type of event";
  const written = stored.metadata.schemaVersion ?? 1;
  if (written > type.version)
    return `it is of version ${written}, and this release knows versions up to ${type.version}`;
  let { data } = stored;
  for (let version = written; version < type.version; version++) {
    try {
      data = (type.upcasts[version - 1] as (data: JsonObject) => JsonObject)(data);
    } catch (error) {
      return `its data could not be made version ${version + 1}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  const problem = findProblem(type, data);
  if (problem !== undefined) return `${problem.path}: ${problem.reason}`;
  return written === type.version
    ? stored
    : { ...stored, data, metadata: { ...stored.metadata, schemaVersion: type.version } };
}

function findProblem(type: EventType, data: JsonObject): { path: string; reason: string } | undefined {
  const judged = type.schema.safeParse(data);
  if (judged.success) return undefined;
  const [issue] = judged.error.issues;
  return {
    path: ["data", ...(issue?.path ?? [])].map(String).join("."),
    reason: issue?.message ?? "has another shape",
  };
}
