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

export interface AdmissionSettings {
  readonly executions: Executions;
  /** Executions without an outcome that this process accepts more beside. */
  readonly maxOpen: number;
  /** Tasks that a service's agents may have delegated here and not got an outcome of. */
  maxDelegations(service: string): number;
}

/**
 * Admits by numbers that are held in memory: the caller's rate and concurrency, what a swarm may have delegated at once, and the process's own
 * bound.
 */
export function createAdmission({ executions, maxOpen, maxDelegations }: AdmissionSettings): {
  admit(ctx: Context, request: IntakeRequest): Admitted;
} {
  // One for each service of this process that delegates: as many as the config has.
  const delegations = new Map<string, ConcurrencyLimit>();
  const delegationsOf = (service: string): ConcurrencyLimit => {
    const known = delegations.get(service);
    if (known !== undefined) return known;
    const limit = createConcurrencyLimit({ max: maxDelegations(service) });
    delegations.set(service, limit);
    return limit;
  };
  /** What a task delegates was paid for by the command at its root; how much at once is its swarm's bound, so that one cannot drown the others. */
  const admitDelegation = (service: string): Admitted => {
    const entered = delegationsOf(service).tryEnter();
    if (entered.ok) return { ok: true, leave: () => entered.leave(), quota: undefined };
    return {
      ok: false,
      refusal: refuse(
        "overloaded",
        "swarm.too_many_delegations",
        `${entered.max} tasks that ${service} delegated are under way.`,
        { reasons: ["The service's maxConcurrentDelegations says how many may be."], retryAfterMs: 1_000 },
      ),
    };
  };
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
      if (request.parent !== undefined) return admitDelegation(request.parent.accepted.service);
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
