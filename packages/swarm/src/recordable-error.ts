import type { ErrorOnTheWire, JsonObject } from "@viable/kernel";
import { findJsonProblem, toWire } from "@viable/kernel";

/** What people read of a message; what is longer is a document, and belongs into a file or a memory. In characters. */
const maxTextChars = 4_000;
/** Codes are names, and stand in tables and metrics. In characters. */
const maxCodeChars = 200;
/** An error's details, in characters of JSON: evidence, not a result. */
const maxDetailsChars = 16_384;

/** What an agent threw, as an event can keep it: plain JSON within bounds. What had to be left out is said in its place. */
export function toRecordableError(thrown: unknown): ErrorOnTheWire {
  try {
    return bound(toWire(thrown));
  } catch {
    // Even looking at it may throw: whose error it is decides what its members do.
    return { code: "internal", message: "What was thrown cannot be described.", retryable: false };
  }
}

// Types are the compiler's word; what agents throw may hold anything.
const bound = (error: ErrorOnTheWire): ErrorOnTheWire => ({
  code: shorten(error.code, maxCodeChars),
  message: shorten(error.message, maxTextChars),
  retryable: error.retryable === true,
  ...(error.next !== undefined && { next: shorten(error.next, maxTextChars) }),
  ...(error.details !== undefined && { details: boundDetails(error.details) }),
  ...(error.cause !== undefined && { cause: bound(error.cause) }),
});

function shorten(given: unknown, maxChars: number): string {
  const text = String(given);
  return text.length <= maxChars ? text : `${text.slice(0, maxChars)}… (${text.length} characters in all)`;
}

function boundDetails(details: JsonObject): JsonObject {
  const problem = findJsonProblem(details, "details");
  if (problem !== undefined) return { omitted: `${shorten(problem.path, maxTextChars)}: ${problem.reason}` };
  const chars = JSON.stringify(details).length;
  return chars <= maxDetailsChars
    ? details
    : { omitted: `${chars} characters of JSON; ${maxDetailsChars} can be kept` };
}
