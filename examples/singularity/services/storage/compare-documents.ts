import { canonicalJson } from "@viable/kernel";
import type { JsonObject, JsonValue } from "viable";

export type Difference = {
  /** Where, as `files[src/a.ts].lines`. */
  readonly at: string;
  readonly before?: JsonValue;
  readonly after?: JsonValue;
};

export interface Differences {
  readonly appeared: readonly Difference[];
  readonly went: readonly Difference[];
  readonly changed: readonly Difference[];
}

/** Members by which an entry of a list is known again when the rest of it has changed, in this order. */
const identities = ["path", "name", "id", "key"];

/**
 * What is in one document and not in the other. Lists are compared as sets: their entries are matched by what identifies
 * them (`path`, `name`, `id` or `key`, with `version` where there is one) or as a whole, so a moved entry is no difference.
 */
export function compareDocuments(before: JsonValue, after: JsonValue): Differences {
  const appeared: Difference[] = [];
  const went: Difference[] = [];
  const changed: Difference[] = [];
  compare("", before, after);
  return { appeared, went, changed };

  function compare(at: string, old: JsonValue | undefined, now: JsonValue | undefined): void {
    if (old === undefined && now === undefined) return;
    if (old === undefined) appeared.push({ at, after: now as JsonValue });
    else if (now === undefined) went.push({ at, before: old });
    else if (isList(old) && isList(now)) compareLists(at, old, now);
    else if (isMap(old) && isMap(now)) {
      for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
        compare(at === "" ? key : `${at}.${key}`, own(old, key), own(now, key));
      }
    } else if (canonicalJson(old) !== canonicalJson(now)) changed.push({ at, before: old, after: now });
  }

  function compareLists(at: string, old: readonly JsonValue[], now: readonly JsonValue[]): void {
    const oldById = groupById(old);
    const nowById = groupById(now);
    for (const id of new Set([...oldById.keys(), ...nowById.keys()])) {
      const were = oldById.get(id) ?? [];
      const are = nowById.get(id) ?? [];
      // Of several that look the same only their number can differ.
      for (let index = 0; index < Math.max(were.length, are.length); index++) {
        compare(`${at}[${id.slice(0, 200)}]`, were[index], are[index]);
      }
    }
  }
}

function groupById(list: readonly JsonValue[]): Map<string, JsonValue[]> {
  const groups = new Map<string, JsonValue[]>();
  for (const each of list) {
    const id = idOf(each);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [each]);
    else group.push(each);
  }
  return groups;
}

function idOf(value: JsonValue): string {
  if (!isMap(value)) return canonicalJson(value);
  for (const member of identities) {
    const id = own(value, member);
    if (typeof id !== "string" && typeof id !== "number") continue;
    const version = own(value, "version");
    return typeof version === "string" ? `${id}@${version}` : String(id);
  }
  return canonicalJson(value);
}

const own = (value: JsonObject, key: string): JsonValue | undefined =>
  Object.hasOwn(value, key) ? value[key] : undefined;
const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value);
const isMap = (value: JsonValue): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
