import type { JsonObject } from "./json.ts";

/** An error as it travels: everything a reader on another machine needs, and no stack. No interface, so that the compiler knows it for JSON. */
export type ErrorOnTheWire = {
  code: string;
  message: string;
  /** What to do about it, in a sentence. */
  next?: string;
  /** Whether the same request may succeed later, unchanged. */
  retryable: boolean;
  details?: JsonObject;
  cause?: ErrorOnTheWire;
};

export interface ErrorOptionsWithNext {
  next?: string | undefined;
  retryable?: boolean | undefined;
  details?: JsonObject | undefined;
  cause?: unknown;
}

/**
 * The base of every error we throw. `code` is stable and belongs to the room that defines it (`log.overloaded`); the
 * message says what failed and with what; `next` says what to do. Expected outcomes (denied, conflict, overloaded) are
 * values, not errors; an error means that a caller erred, something outside failed, or an invariant broke.
 */
export class ViableError extends Error {
  readonly code: string;
  readonly next: string | undefined;
  readonly retryable: boolean;
  readonly details: JsonObject | undefined;

  constructor(code: string, message: string, options: ErrorOptionsWithNext = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ViableError";
    this.code = code;
    this.next = options.next;
    this.retryable = options.retryable ?? false;
    this.details = options.details;
  }
}

/** How deep a chain of causes is carried; beyond it, the chain is more noise than help. */
const maxCauses = 4;
/** How many of several errors in one are told: those of one request to several addresses, and the first of a long list. */
const maxErrors = 4;

/** Turns anything that was thrown into what may be shown to another process. Stacks stay at home. */
export function toWire(thrown: unknown, depth = 0): ErrorOnTheWire {
  if (thrown instanceof ViableError) {
    return {
      code: thrown.code,
      message: thrown.message,
      retryable: thrown.retryable,
      ...(thrown.next !== undefined && { next: thrown.next }),
      ...(thrown.details !== undefined && { details: thrown.details }),
      ...(thrown.cause !== undefined && depth < maxCauses && { cause: toWire(thrown.cause, depth + 1) }),
    };
  }
  if (isError(thrown)) {
    const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : "internal";
    return {
      code,
      message: messageOf(thrown),
      retryable: false,
      ...(thrown.cause !== undefined && depth < maxCauses && { cause: toWire(thrown.cause, depth + 1) }),
    };
  }
  return {
    code: "internal",
    message: `Something that is not an error was thrown: ${describe(thrown)}`,
    retryable: false,
  };
}

/** Rebuilds an error that came over the wire; code, advice and causes are kept. */
export function fromWire(wire: ErrorOnTheWire): ViableError {
  return new ViableError(wire.code, wire.message, {
    next: wire.next,
    retryable: wire.retryable,
    details: wire.details,
    cause: wire.cause === undefined ? undefined : fromWire(wire.cause),
  });
}

/** The code of anything thrown, `internal` where it has none. */
export function codeOf(thrown: unknown): string {
  return toWire(thrown, maxCauses).code;
}

/** Crashes on a broken invariant. The name is the invariant's, so that the message leads to the page that explains it. */
export function invariant(holds: unknown, name: string, message: string): asserts holds {
  if (!holds) {
    throw new ViableError("invariant.broken", `${name}: ${message}`, {
      next: "This is a defect in Viable. Please report it with the log around this line.",
    });
  }
}

/** Also one of another realm, such as a test's sandbox, whose `Error` is not ours. */
const isError = (thrown: unknown): thrown is Error =>
  thrown instanceof Error || Object.prototype.toString.call(thrown) === "[object Error]";

/** What an error says; of several in one, such as Node's when no address of a host answers, what these say. */
function messageOf(error: Error, depth = 0): string {
  const { message, name } = error;
  const errors = name === "AggregateError" && "errors" in error && depth < maxCauses ? error.errors : undefined;
  if (!Array.isArray(errors) || errors.length === 0) return message === "" ? name : message;
  const told = errors.slice(0, maxErrors).map((each) => (isError(each) ? messageOf(each, depth + 1) : describe(each)));
  const more = errors.length > maxErrors ? [`and ${errors.length - maxErrors} more`] : [];
  return `${message === "" ? "" : `${message}: `}${[...told, ...more].join("; ")}`;
}

function describe(value: unknown): string {
  try {
    const text = String(value);
    // An object without words of its own: its members say more.
    return (text === "[object Object]" ? JSON.stringify(value) : text).slice(0, 200);
  } catch {
    return typeof value;
  }
}
