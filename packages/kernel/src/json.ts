/** What may be written into the log or sent over a wire. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/** Why a value cannot be kept exactly as it is. */
export interface JsonProblem {
  /** Where, as `data.items[3].name`. */
  path: string;
  reason: string;
}

/**
 * How deep a document may be nested. `JSON.parse` accepts a million levels that `JSON.stringify` and `structuredClone`
 * then refuse, so a document must be bounded where it enters, not where it is written.
 */
export const maxJsonDepth = 64;

/**
 * Says whether a value survives being written as JSON and read back, exactly, but for -0, which comes back as 0. `undefined`
 * members are fine (they are left out, as everywhere in JSON); functions, symbols, big integers, NaN, infinities, class instances
 * and cycles are not.
 */
export function findJsonProblem(value: unknown, path = "value"): JsonProblem | undefined {
  // Nearly every value is fine, and is looked at on its way into the log: where the trouble lies is worked out only when there is some.
  return isPlainJson(value, 0) ? undefined : locateProblem(value, path, 0);
}

function isPlainJson(value: unknown, depth: number): boolean {
  if (depth > maxJsonDepth) return false;
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (!isPlainJson(value[index], depth + 1)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    if (member !== undefined && !isPlainJson(member, depth + 1)) return false;
  }
  return true;
}

function locateProblem(value: unknown, path: string, depth: number): JsonProblem | undefined {
  if (depth > maxJsonDepth) return { path, reason: `nested deeper than ${maxJsonDepth} levels` };
  if (value === null) return undefined;
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : { path, reason: `${value} is not a JSON number` };
    case "object":
      break;
    default:
      return { path, reason: `${value === undefined ? "undefined" : `a ${typeof value}`} cannot be written as JSON` };
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const problem =
        value[index] === undefined
          ? { path: `${path}[${index}]`, reason: "a list cannot hold undefined" }
          : locateProblem(value[index], `${path}[${index}]`, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    return {
      path,
      reason: `an instance of ${prototype.constructor?.name ?? "a class"} cannot be written as JSON and read back`,
    };
  }
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const problem = locateProblem(member, `${path}.${key}`, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** How deep an already parsed document is nested, counting no further than `limit + 1`. */
export function jsonDepth(value: unknown, limit: number = maxJsonDepth): number {
  if (typeof value !== "object" || value === null) return 0;
  if (limit < 0) return 1;
  let deepest = 0;
  for (const member of Array.isArray(value) ? value : Object.values(value)) {
    deepest = Math.max(deepest, jsonDepth(member, limit - 1));
    if (deepest > limit) break;
  }
  return deepest + 1;
}

/** Writes a value so that equal values give equal text: members in code-unit order, no white space (after RFC 8785). */
export function canonicalJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value as JsonObject)
      .filter((entry): entry is [string, JsonValue] => entry[1] !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}
