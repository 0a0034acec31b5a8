import type { Context } from "@viable/kernel";
import type { ConcurrencyLimit, TokenBucket } from "@viable/limits";
import { createConcurrencyLimit, createKeyedLimits, createTokenBucket } from "@viable/limits";
import type { Grant } from "@viable/security";
import type { Executions } from "./executions.ts";
import type { IntakeOutcome, IntakeRequest, Quota } from "./intake-request.ts";
import { refuse } from "./intake-request.ts";

/** Grants whose limits are remembered; see `createKeyedLimits` for what happens beyond. */
const maxGrants = 10_000;

/** Let in, and, where it holds one of few places, to be told when it has ended; or refused. */
export type Admitted =
  | { readonly ok: true; readonly leave: (() => void) | undefined; readonly quota: Quota | undefined }
  | { readonly ok: false; readonly refusal: IntakeOutcome & { ok: false } };

/** Admits by numbers that are held in memory: the caller's rate and concurrency, and the process's own bound. */
export function createAdmission(
  executions: Executions,
  maxOpen: number,
): { admit(ctx: Context, request: IntakeRequest): Admitted } {
  const limits = createKeyedLimits({ maxKeys: maxGrants, make: createGrantLimits });
  const limitsOf = (ctx: Context, grant: Grant): GrantLimits => {
    const found = limits.get(grant.tokenId);
    found.bucket ??= createTokenBucket(
      { capacity: grant.commandsPerHour, refillPerSecond: grant.commandsPerHour / 3_600 },
      ctx.runtime.clock,
    );
    if (grant.maxConcurrent !== undefined) found.concurrency ??= createConcurrencyLimit({ max: grant.maxConcurrent });
    return found;
  };

  return {
    admit(ctx, request) {
      if (executions.openCount() >= maxOpen) {
        return {
          ok: false,
          refusal: refuse("overloaded", "intake.overloaded", `${maxOpen} executions are under way.`, {
            retryAfterMs: 1_000,
          }),
        };
      }
      // What a task delegates was paid for by the command at its root.
      if (request.parent !== undefined) return { ok: true, leave: undefined, quota: undefined };
      const { bucket, concurrency } = limitsOf(ctx, request.grant);
      const entered = concurrency?.tryEnter();
      if (entered?.ok === false) {
        return {
          ok: false,
          refusal: refuse(
            "limited",
            "intake.too_many_at_once",
            `${entered.max} commands of this token are under way.`,
            {
              retryAfterMs: 1_000,
            },
          ),
        };
      }
      const taken = bucket?.tryTake();
      if (taken?.ok === false) {
        entered?.leave();
        return {
          ok: false,
          refusal: refuse(
            "limited",
            "intake.rate_limited",
            `This token may send ${request.grant.commandsPerHour} commands an hour.`,
            {
              retryAfterMs: Math.ceil(taken.retryAfterMs),
            },
          ),
        };
      }
      return {
        ok: true,
        leave: entered && (() => entered.leave()),
        quota:
          taken === undefined
            ? undefined
            : { limit: request.grant.commandsPerHour, remaining: Math.floor(taken.remaining) },
      };
    },
  };
}

interface GrantLimits {
  readonly idle: boolean;
  bucket: TokenBucket | undefined;
  concurrency: ConcurrencyLimit | undefined;
}

/** A grant's numbers are known only with the grant: both limits are made when it is first used. */
function createGrantLimits(): GrantLimits {
  const limits: GrantLimits = {
    get idle() {
      return (limits.bucket?.idle ?? true) && (limits.concurrency?.idle ?? true);
    },
    bucket: undefined,
    concurrency: undefined,
  };
  return limits;
}
