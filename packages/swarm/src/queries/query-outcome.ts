import type { ErrorOnTheWire, JsonValue } from "@viable/kernel";
import type { FieldProblem } from "@viable/protocol";

/** Why a query has no answer. */
export type QueryRefusal =
  /** Nobody defines it. */
  | "unknown"
  | "invalid"
  | "denied"
  /** As many are answered there as may be: ask again after `retryAfterMs`. */
  | "overloaded"
  /** It is defined, and nobody runs it, or nobody who does could be reached. */
  | "unavailable"
  /** It was asked, and threw, or answered what is no answer. */
  | "failed"
  | "timed_out"
  /** The caller has gone away. */
  | "cancelled";

/** What a query came to. Nothing of it is recorded. */
export type QueryOutcome =
  | {
      readonly ok: true;
      /** A copy of what was answered, which nobody can change. */
      readonly result: JsonValue;
      readonly answeredBy: { readonly service: string; readonly processId: string };
    }
  | {
      readonly ok: false;
      readonly kind: QueryRefusal;
      readonly error: ErrorOnTheWire;
      readonly reasons: readonly string[];
      readonly errors?: readonly FieldProblem[];
      readonly retryAfterMs?: number;
    };

/** A query without an answer. */
export function refuseQuery(
  kind: QueryRefusal,
  code: string,
  message: string,
  more: { reasons?: readonly string[]; errors?: readonly FieldProblem[]; retryAfterMs?: number } = {},
): QueryOutcome & { ok: false } {
  const retryable = more.retryAfterMs !== undefined;
  return {
    ok: false,
    kind,
    error: { code, message, retryable },
    reasons: more.reasons ?? [],
    ...(more.errors !== undefined && { errors: more.errors }),
    ...(more.retryAfterMs !== undefined && { retryAfterMs: more.retryAfterMs }),
  };
}
