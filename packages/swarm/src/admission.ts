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
  /** `limits`: how many commands of these patterns the principal may send an hour. */
  admit(ctx: Context, request: IntakeRequest, executionId: string, limits: readonly PolicyLimit[]): Admitted;
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
  const limits = createKeyedLimits({ maxKeys: maxGrants, make: createMeterLimits });
  const limitsOf = (ctx: Context, { id, commandsPerHour, maxConcurrent }: Meter): MeterLimits => {
    const found = limits.get(id);
    if (commandsPerHour !== undefined)
      found.bucket ??= createTokenBucket(
        { capacity: commandsPerHour, refillPerSecond: commandsPerHour / 3_600 },
        ctx.runtime.clock,
      );
    if (maxConcurrent !== undefined) found.concurrency ??= createConcurrencyLimit({ max: maxConcurrent });
    return found;
  };
  /** Takes a place and a command of each link that has a number of them, or nothing of any. */
  const admitByMeters = (ctx: Context, { grant }: IntakeRequest, policies: readonly PolicyLimit[]): Admitted => {
    const byPolicy = policies.map(({ pattern, commandsPerHour }): Meter => {
      return { id: `${pattern} ${grant.tenant} ${grant.principal}`, commandsPerHour, maxConcurrent: undefined };
    });
    const metered = [...metersOf(grant), ...byPolicy].map((meter) => limitsOf(ctx, meter));
    const places: (() => void)[] = [];
    const leave = () => {
      for (const each of places) each();
    };
    for (const { concurrency } of metered) {
      const entered = concurrency?.tryEnter();
      if (entered?.ok === true) places.push(() => entered.leave());
      if (entered?.ok !== false) continue;
      leave();
      const message = `${entered.max} commands of this token are under way.`;
      return { ok: false, refusal: refuse("limited", "intake.too_many_at_once", message, { retryAfterMs: 1_000 }) };
    }
    let quota: Quota | undefined;
    const taken: TokenBucket[] = [];
    for (const { bucket } of metered) {
      if (bucket === undefined) continue;
      const decision = bucket.tryTake();
      if (!decision.ok) {
        for (const each of taken) each.giveBack();
        leave();
        const message = `${decision.limit} of these commands may be sent an hour.`;
        const retryAfterMs = Math.ceil(decision.retryAfterMs);
        return { ok: false, refusal: refuse("limited", "intake.rate_limited", message, { retryAfterMs }) };
      }
      taken.push(bucket);
      const remaining = Math.floor(decision.remaining);
      if (quota === undefined || remaining < quota.remaining) quota = { limit: bucket.capacity, remaining };
    }
    return { ok: true, leave: places.length === 0 ? undefined : leave, quota };
  };

  return {
    admit(ctx, request, executionId, policies) {
      if (executions.openCount() >= maxOpen) {
        return {
          ok: false,
          refusal: refuse("overloaded", "intake.overloaded", `${maxOpen} executions are under way.`, {
            retryAfterMs: 1_000,
          }),
        };
      }
      if (request.parent !== undefined) return admitDelegation(request.parent.accepted.service, executionId);
      return admitByMeters(ctx, request, policies);
    },
  };
}

/** One of the places of a service's delegations. It is given up when all who share it have left. */
interface Place {
  sharers: number;
  giveUp(): void;
}

/** How many commands that a pattern means a principal may send an hour. */
interface PolicyLimit {
  readonly pattern: string;
  readonly commandsPerHour: number;
}

/** What is counted of one link of a capability. Whoever narrows it further counts there, too. */
interface Meter {
  readonly id: string;
  readonly commandsPerHour: number | undefined;
  readonly maxConcurrent: number | undefined;
}

function metersOf({ links, tokenId, commandsPerHour, maxConcurrent }: Grant): readonly Meter[] {
  if (links === undefined) return [{ id: tokenId, commandsPerHour, maxConcurrent }];
  return links.flatMap(({ capabilityId, restrictions }) => {
    const { commandsPerHour, maxConcurrent } = restrictions;
    const isMetered = commandsPerHour !== undefined || maxConcurrent !== undefined;
    return isMetered ? [{ id: capabilityId, commandsPerHour, maxConcurrent }] : [];
  });
}

interface MeterLimits {
  readonly idle: boolean;
  bucket: TokenBucket | undefined;
  concurrency: ConcurrencyLimit | undefined;
}

/** A link's numbers are known only with the link: both limits are made when it is first used. */
function createMeterLimits(): MeterLimits {
  const limits: MeterLimits = {
    get idle() {
      return (limits.bucket?.idle ?? true) && (limits.concurrency?.idle ?? true);
    },
    bucket: undefined,
    concurrency: undefined,
  };
  return limits;
}
