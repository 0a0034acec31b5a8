import type { JsonObject, JsonValue } from "@viable/kernel";
import { findJsonProblem } from "@viable/kernel";
import { maxMessageChars } from "./bus.ts";
import { invalidMessage } from "./errors.ts";

/** Writes a message as it travels. Throws `bus.invalid_message`. */
export function encodeMessage(message: JsonValue, path = "message"): string {
  const problem = findJsonProblem(message, path);
  if (problem !== undefined) throw invalidMessage(problem);
  const text = JSON.stringify(message);
  if (text.length > maxMessageChars) {
    throw invalidMessage({ path, reason: `${text.length} characters, more than ${maxMessageChars}` });
  }
  return text;
}

/** Reads a message that was written by `encodeMessage`: a copy of its own for every receiver. */
export const decodeMessage = (text: string): JsonObject => JSON.parse(text);
