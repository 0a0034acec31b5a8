import type { JsonValue } from "@viable/kernel";
import type { FieldProblem } from "@viable/protocol";
import type { Grant } from "@viable/security";
import type { ExecutionState } from "./execution.ts";

/** A command as it comes to the door. */
export interface IntakeRequest {
  readonly grant: Grant;
  /** The capability it needs. */
  readonly command: string;
  readonly args: JsonValue;
  /** A repeat under the same key in the same session finds the first; another body under the same key is refused. */
  readonly idempotencyKey?: string | undefined;
  /** Wall time in milliseconds; the agent's own timeout where it says nothing, and never later than that allows the caller. */
  readonly deadline?: number | undefined;
  readonly parent?: ExecutionState | undefined;
  /** Over how many hops it came here, where no parent says so: a run's task is one further than the command that began the run. 0 otherwise. */
  readonly depth?: number | undefined;
  /** The one service that may do it. It is recorded with the route, and such a task never joins equal work, which another may do. */
  readonly service?: string | undefined;
  /** With `service`, the one process that may: for what concerns that process itself. */
  readonly process?: string | undefined;
  /** Where its outcome is sent to; whether that may be called was judged before. */
  readonly webhookUrl?: string | undefined;
}

/** Accepted (and durable, W1), or refused with the reasons and nothing recorded. */
export type IntakeOutcome =
  | {
      readonly ok: true;
      readonly executionId: string;
      readonly repeated: boolean;
      readonly quota: Quota | undefined;
      /** What a person has to decide before it is begun; absent where it waits for nobody. */
      readonly approvalId?: string | undefined;
    }
  | {
      readonly ok: false;
      readonly kind:
        | "unknown"
        | "invalid"
        | "denied"
        | "limited"
        | "overloaded"
        | "unavailable"
        | "mismatch"
        | "stopping";
      readonly code: string;
      readonly message: string;
      readonly reasons: readonly string[];
      readonly errors?: readonly FieldProblem[];
      readonly retryAfterMs?: number;
    };

/** What is left of the caller's commands an hour. */
export interface Quota {
  readonly limit: number;
  readonly remaining: number;
}

/** A refusal. */
export function refuse(
  kind: (IntakeOutcome & { ok: false })["kind"],
  code: string,
  message: string,
  more: { reasons?: readonly string[]; errors?: readonly FieldProblem[]; retryAfterMs?: number } = {},
): IntakeOutcome & { ok: false } {
  return {
    ok: false,
    kind,
    code,
    message,
    reasons: more.reasons ?? [],
    ...(more.errors && { errors: more.errors }),
    ...(more.retryAfterMs !== undefined && { retryAfterMs: more.retryAfterMs }),
  };
}
