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
  admit(ctx: Context, request: IntakeRequest, executionId: string): Admitted;
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
  /** By the delegated execution: whoever asks for the same again, as after a crash, is in the place that it has. */
  const places = new Map<string, Place>();
  const sharePlace = (executionId: string, place: Place): Admitted => {
    place.sharers += 1;
    let inside = true;
    const leave = () => {
      if (!inside) return;
      inside = false;
      place.sharers -= 1;
      if (place.sharers > 0) return;
      places.delete(executionId);
      place.giveUp();
    };
    return { ok: true, leave, quota: undefined };
  };
  /** What a task delegates was paid for by the command at its root; how much at once is its swarm's bound, so that one cannot drown the others. */
  const admitDelegation = (service: string, executionId: string): Admitted => {
    const held = places.get(executionId);
    if (held !== undefined) return sharePlace(executionId, held);
    const entered = delegationsOf(service).tryEnter();
    if (entered.ok) {
      const place: Place = { sharers: 0, giveUp: entered.leave };
      places.set(executionId, place);
      return sharePlace(executionId, place);
    }
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
    admit(ctx, request, executionId) {
      if (executions.openCount() >= maxOpen) {
        return {
          ok: false,
          refusal: refuse("overloaded", "intake.overloaded", `${maxOpen} executions are under way.`, {
            retryAfterMs: 1_000,
          }),
        };
      }
      if (request.parent !== undefined) return admitDelegation(request.parent.accepted.service, executionId);
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

/** One of the places of a service's delegations. It is given up when all who share it have left. */
interface Place {
  sharers: number;
  giveUp(): void;
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
