import type { JsonObject, JsonValue } from "@viable/kernel";

/**
 * How many characters of JSON a value is, without writing it: never more than it has, and fewer by what is escaped in its texts and by the
 * digits of its numbers. Takes a step for each value in it, however long its texts are.
 */
export function countJsonChars(value: JsonValue): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 1;
  let chars = 1;
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) chars += countJsonChars(item) + 1;
    return chars;
  }
  const members = value as JsonObject;
  for (const key in members) chars += key.length + 4 + countJsonChars(members[key] as JsonValue);
  return chars;
}
