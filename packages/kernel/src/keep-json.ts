import type { JsonValue } from "./json.ts";
import { findJsonProblem, maxJsonDepth } from "./json.ts";

/** A value as it is kept: nobody can change it any more, and it is what will be read back. */
export interface Kept {
  readonly value: JsonValue;
  /** How many characters of JSON it takes, at most. */
  readonly chars: number;
}

/** Levels that are left for what is put around it, as by an event. */
const levelsAround = 4;

/**
 * A frozen copy of a value, as JSON will give it back: members that are undefined are left out. A text says why there can be none, and
 * where, from what the value is called (`root`). The copy keeps what is handed on apart from what whoever returned it goes on changing.
 */
export function keepJson(value: unknown, maxChars: number, root = "result"): Kept | string {
  const count = { chars: 0, max: maxChars };
  try {
    const copy = copyOf(value ?? null, 0, count);
    return { value: copy, chars: count.chars };
  } catch (error) {
    if (error === tooLarge) return `more than ${maxChars} characters of JSON`;
    if (error !== notJson) return "it cannot be looked at";
    const problem = findJsonProblem(value, root);
    return problem === undefined
      ? `nested deeper than ${maxJsonDepth - levelsAround} levels`
      : `${problem.path}: ${problem.reason}`;
  }
}

/**
 * Freezes what JSON gave back, through and through, and answers it: nobody can change what was read from the log any more than what was kept.
 * What is frozen was so with all that is in it, and is not looked through again. For what is no deeper than an event is.
 */
export function freezeJson<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Array.isArray(value) ? value : Object.values(value)) freezeJson(member);
  return Object.freeze(value);
}

const tooLarge = Symbol("too large");
const notJson = Symbol("not JSON");

function copyOf(value: unknown, depth: number, count: { chars: number; readonly max: number }): JsonValue {
  if (depth > maxJsonDepth - levelsAround) throw notJson;
  switch (typeof value) {
    case "string":
      take(charsOf(value), count);
      return value;
    case "boolean":
      take(5, count);
      return value;
    case "number":
      if (!Number.isFinite(value)) throw notJson;
      take(String(value).length, count);
      return value === 0 ? 0 : value;
    case "object":
      break;
    default:
      throw notJson;
  }
  if (value === null) {
    take(4, count);
    return null;
  }
  take(2, count);
  if (Array.isArray(value)) {
    const copy = new Array<JsonValue>(value.length);
    for (let index = 0; index < value.length; index++) {
      if (value[index] === undefined) throw notJson;
      take(1, count);
      copy[index] = copyOf(value[index], depth + 1, count);
    }
    return Object.freeze(copy);
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw notJson;
  const copy: Record<string, JsonValue> = {};
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    if (member === undefined) continue;
    take(charsOf(key) + 2, count);
    const kept = copyOf(member, depth + 1, count);
    if (key === "__proto__") Object.defineProperty(copy, key, { value: kept, enumerable: true });
    else copy[key] = kept;
  }
  return Object.freeze(copy);
}

/** What JSON escapes: quotes, backslashes, control characters, and halves of a pair. */
const escaped = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;
/** How many characters JSON takes for a text. To look for what it escapes takes a fraction of escaping it, and most texts have none. */
const charsOf = (text: string): number => (escaped.test(text) ? JSON.stringify(text).length : text.length + 2);

function take(chars: number, count: { chars: number; readonly max: number }): void {
  count.chars += chars;
  if (count.chars > count.max) throw tooLarge;
}
