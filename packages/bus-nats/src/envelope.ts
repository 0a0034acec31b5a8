import { maxMessageChars } from "@viable/bus";
import type { Context, ErrorOnTheWire, JsonObject, JsonValue } from "@viable/kernel";
import { findJsonProblem, isTraceparent, toWire } from "@viable/kernel";

/** Of the envelope's form. Another is not read: who writes it is older or newer, and is counted as one who is not understood. */
const version = "1";
/** How long a tenant and a principal may be together, in characters: nobody's name is longer, and with the message it fits NATS's megabyte. */
const maxSenderChars = 2_000;
/** What may arrive, in bytes: a message of the greatest length at three bytes a character, and its sender at the six that JSON may need. */
const maxBytes = maxMessageChars * 3 + maxSenderChars * 6 + 200;

/** Malformed text is no message, and a mark of byte order is no part of one. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a message says of its sender. */
export interface Sender {
  readonly tenant: string;
  readonly principal: string;
  readonly traceparent: string | undefined;
  /** What is left until the deadline, in milliseconds. */
  readonly leftMs: number | undefined;
}

/**
 * Writes a message as it travels: `1["default","system",null,2500]`, a line's end, and the message. Undefined where tenant and principal
 * are longer than anybody reads.
 */
export function encodeEnvelope(sender: Context, text: string): string | undefined {
  const { tenant, principal, traceparent, deadline } = sender;
  if (tenant.length + principal.length > maxSenderChars) return undefined;
  const leftMs = deadline === undefined ? null : Math.max(0, Math.ceil(deadline - sender.runtime.clock.now()));
  const trace = traceparent !== undefined && isTraceparent(traceparent) ? traceparent : null;
  return `${version}${JSON.stringify([tenant, principal, trace, leftMs])}\n${text}`;
}

/** Whoever asks asks again: what was last said of a sender is often said of the next. */
let lastRead: { readonly line: string; readonly sender: Sender } | undefined;

/** Reads what arrived from anybody; undefined where it is not what `encodeEnvelope` writes. Never throws. */
export function decodeEnvelope(data: Uint8Array): { sender: Sender; message: JsonObject } | undefined {
  const text = decodeText(data);
  if (text === undefined) return undefined;
  const end = text.indexOf("\n");
  if (end < 0) return undefined;
  const line = text.slice(1, end);
  const sender = line === lastRead?.line ? lastRead.sender : readSender(parse(line));
  if (sender === undefined) return undefined;
  lastRead = { line, sender };
  const message = parse(text.slice(end + 1));
  return isJsonObject(message) ? { sender, message } : undefined;
}

function readSender(parts: unknown): Sender | undefined {
  if (!Array.isArray(parts) || parts.length !== 4) return undefined;
  const [tenant, principal, traceparent, leftMs] = parts as unknown[];
  if (typeof tenant !== "string" || typeof principal !== "string") return undefined;
  if (tenant.length + principal.length > maxSenderChars) return undefined;
  if (traceparent !== null && (typeof traceparent !== "string" || !isTraceparent(traceparent))) return undefined;
  // What is not a safe number of milliseconds is no time at all.
  if (leftMs !== null && (!Number.isSafeInteger(leftMs) || (leftMs as number) < 0)) return undefined;
  return { tenant, principal, traceparent: traceparent ?? undefined, leftMs: (leftMs as number | null) ?? undefined };
}

export type Answer =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly error: ErrorOnTheWire };

/** Writes an answer, already as JSON. */
export const encodeAnswer = (text: string): string => `${version}+${text}`;

/** Writes what a handler threw. Where it says more than fits, code and message are kept and the rest is not. */
export function encodeFailure(thrown: unknown): string {
  const error = toWire(thrown);
  const text = writeJson(error);
  if (text !== undefined && text.length <= maxMessageChars) return `${version}-${text}`;
  const { code, message, retryable } = error;
  return `${version}-${JSON.stringify({ code: code.slice(0, 200), message: message.slice(0, 2_000), retryable })}`;
}

/** Reads an answer that came from anybody; undefined where it is none of ours. Never throws. */
export function decodeAnswer(data: Uint8Array): Answer | undefined {
  const text = decodeText(data);
  const sign = text?.[1];
  if (text === undefined || (sign !== "+" && sign !== "-")) return undefined;
  const value = parse(text.slice(2));
  if (value === undefined) return undefined;
  if (sign === "+") return { ok: true, value };
  return isErrorOnTheWire(value, 0) ? { ok: false, error: value } : undefined;
}

/** More than `toWire` writes. */
const maxCauses = 8;

function isErrorOnTheWire(value: unknown, depth: number): value is ErrorOnTheWire {
  if (!isObject(value) || depth > maxCauses) return false;
  const { code, message, next, retryable, details, cause } = value;
  return (
    typeof code === "string" &&
    typeof message === "string" &&
    typeof retryable === "boolean" &&
    (next === undefined || typeof next === "string") &&
    (details === undefined || isObject(details)) &&
    (cause === undefined || isErrorOnTheWire(cause, depth + 1))
  );
}

/** Reads what presence is told by; undefined where it is no object of ours. Never throws. */
export function decodeWord(data: Uint8Array): JsonObject | undefined {
  const text = decodeText(data);
  if (text === undefined) return undefined;
  const word = parse(text.slice(1));
  return isJsonObject(word) ? word : undefined;
}

/** Writes what presence is told by. */
export const encodeWord = (word: JsonObject): string => `${version}${JSON.stringify(word)}`;

function decodeText(data: Uint8Array): string | undefined {
  if (data.length > maxBytes || data[0] !== version.charCodeAt(0)) return undefined;
  try {
    return decoder.decode(data);
  } catch {
    return undefined;
  }
}

/** Undefined where it is no JSON, or nested deeper than can be written again. */
function parse(text: string): JsonValue | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return findJsonProblem(value) === undefined ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Details that are no JSON cannot travel; that they were lost is better than that the answer is. */
function writeJson(error: ErrorOnTheWire): string | undefined {
  try {
    return JSON.stringify(error);
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isJsonObject = (value: JsonValue | undefined): value is JsonObject => isObject(value);
