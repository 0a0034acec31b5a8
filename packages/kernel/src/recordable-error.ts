import type { ErrorOnTheWire } from "./errors.ts";
import { toWire } from "./errors.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { findJsonProblem, jsonDepth } from "./json.ts";

/** What people read of a message; what is longer is a document, and belongs into a file or a memory. In characters. */
const maxTextChars = 4_000;
/** Codes are names, and stand in tables and metrics. In characters. */
const maxCodeChars = 200;
/** Details, of an error or of progress, in characters of JSON: evidence, not a result. */
const maxDetailsChars = 16_384;
/** How deep they may be nested: as deep as a document may be, less the event and the causes around them, with room to spare. */
const maxDetailsLevels = 32;

/** What an agent or a step threw, as an event can keep it: plain JSON within bounds. What had to be left out is said in its place. */
export function toRecordableError(thrown: unknown): ErrorOnTheWire {
  try {
    return bound(toWire(thrown));
  } catch {
    // Even looking at it may throw: whose error it is decides what its members do.
    return { code: "internal", message: "What was thrown cannot be described.", retryable: false };
  }
}

// Types are the compiler's word; what is thrown may hold anything.
const bound = (error: ErrorOnTheWire): ErrorOnTheWire => ({
  code: shorten(error.code, maxCodeChars),
  message: shorten(error.message, maxTextChars),
  retryable: error.retryable === true,
  ...(error.next !== undefined && { next: shorten(error.next, maxTextChars) }),
  ...(error.details !== undefined && { details: toRecordableDetails(error.details, "details") }),
  ...(error.cause !== undefined && { cause: bound(error.cause) }),
});

function shorten(given: unknown, maxChars: number): string {
  const text = String(given);
  if (text.length <= maxChars) return text;
  const inAll = `… (${text.length} characters in all)`;
  // What says so is within the bound: an error out of a thread is bounded there and here.
  return text.slice(0, maxChars - inAll.length) + inAll;
}

/** What an agent tells in members of its own, as an event can keep it, or why it was left out. */
export function toRecordableDetails(details: JsonObject, path: string): { readonly [key: string]: JsonValue } {
  try {
    const problem = findJsonProblem(details, path);
    if (problem !== undefined) return { omitted: `${shorten(problem.path, maxTextChars)}: ${problem.reason}` };
    if (jsonDepth(details, maxDetailsLevels) > maxDetailsLevels)
      return { omitted: `nested deeper than ${maxDetailsLevels} levels` };
    const text = JSON.stringify(details);
    // Read back, since a member that is undefined is left out in writing, while the event's shape would refuse it.
    return text.length <= maxDetailsChars
      ? JSON.parse(text)
      : { omitted: `${text.length} characters of JSON; ${maxDetailsChars} can be kept` };
  } catch {
    return { omitted: `${path} cannot be looked at` };
  }
}
