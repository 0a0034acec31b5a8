import type { Clock } from "@viable/kernel";
import { invalidAmount, invalidSetting } from "./errors.ts";

/** How much may be taken at once, and how fast it comes back. */
export interface TokenBucketSettings {
  /** The most that a bucket holds: what may be taken in one burst after a rest. */
  readonly capacity: number;
  readonly refillPerSecond: number;
}

/**
 * All there is to remember of a bucket: the moment at which it will be full again if nothing more is taken. What it holds
 * follows from that, so nothing has to be counted up while nobody asks, and rounding does not add up over many small refills.
 */
export interface TokenBucketState {
  readonly fullAtMs: number;
}

/** What came of asking. A refusal is an answer with the moment to ask again, not an error. */
export type TakeDecision =
  | { readonly ok: true /** Whole tokens left after this. */; readonly remaining: number }
  | {
      readonly ok: false;
      /** The shortest whole number of milliseconds after which the same ask succeeds, if nobody else takes; infinite where it never will. */
      readonly retryAfterMs: number;
      /** The capacity: an ask for more than this never succeeds. */
      readonly limit: number;
      /** Whole tokens there are now. */
      readonly remaining: number;
    };

/**
 * How far a sum of doubles may be off, in milliseconds: a microsecond covers a clock that has run for a century. It is lent, not
 * given: what was taken is noted exactly, so it does not add up.
 */
const roundingMs = 0.001;

/** A bucket that is full now. */
export const fullBucket = (nowMs: number): TokenBucketState => ({ fullAtMs: nowMs });

/** Decides on taking `amount`. Pure: the same state, moment and amount give the same answer, and a refusal changes nothing. */
export function takeTokens(
  settings: TokenBucketSettings,
  state: TokenBucketState,
  nowMs: number,
  amount: number,
): { state: TokenBucketState; decision: TakeDecision } {
  const msPerToken = 1_000 / settings.refillPerSecond;
  const capacityMs = settings.capacity * msPerToken;
  // The virtual scheduling form of the token bucket (ITU-T I.371, annex A: GCRA), in milliseconds of refill instead of tokens.
  const owedMs = Math.max(0, state.fullAtMs - nowMs);
  const owedAfterMs = owedMs + amount * msPerToken;
  const neverFits = amount > settings.capacity;
  if (!neverFits && owedAfterMs <= capacityMs + roundingMs) {
    return {
      state: { fullAtMs: nowMs + owedAfterMs },
      decision: { ok: true, remaining: wholeTokens(capacityMs - owedAfterMs, msPerToken) },
    };
  }
  return {
    state,
    decision: {
      ok: false,
      retryAfterMs: neverFits
        ? Number.POSITIVE_INFINITY
        : Math.max(1, Math.ceil(owedAfterMs - capacityMs - roundingMs)),
      limit: settings.capacity,
      remaining: wholeTokens(capacityMs - owedMs, msPerToken),
    },
  };
}

const wholeTokens = (ms: number, msPerToken: number): number => Math.max(0, Math.floor((ms + roundingMs) / msPerToken));

/** A token bucket that lives in this process. */
export interface TokenBucket {
  /** Takes `amount` (1 unless told), or says when to ask again. Takes all of it or nothing. */
  tryTake(amount?: number): TakeDecision;
  /** Puts back what was taken and not used, `amount` (1 unless told); never more than it holds. */
  giveBack(amount?: number): void;
  readonly capacity: number;
  /** Whether it is full, so that forgetting it and making a new one is the same. */
  readonly idle: boolean;
}

/**
 * A token bucket. Promised: in any stretch of time, no more is granted than the capacity and what that time refills. Time is the
 * monotonic clock's, so a jump of the wall clock neither fills nor empties it. Not promised: fairness between those who ask.
 */
export function createTokenBucket(settings: TokenBucketSettings, clock: Clock): TokenBucket {
  checkTokenBucket(settings);
  let state = fullBucket(clock.monotonicMs());
  return {
    tryTake(amount = 1) {
      if (!(amount > 0 && amount < Number.POSITIVE_INFINITY)) throw invalidAmount(amount);
      const taken = takeTokens(settings, state, clock.monotonicMs(), amount);
      state = taken.state;
      return taken.decision;
    },
    giveBack(amount = 1) {
      if (!(amount > 0 && amount < Number.POSITIVE_INFINITY)) throw invalidAmount(amount);
      // A moment that is past stands for a full bucket, however far back it is.
      state = { fullAtMs: state.fullAtMs - amount * (1_000 / settings.refillPerSecond) };
    },
    capacity: settings.capacity,
    get idle() {
      return state.fullAtMs <= clock.monotonicMs();
    },
  };
}

function checkTokenBucket({ capacity, refillPerSecond }: TokenBucketSettings): void {
  if (!(capacity > 0 && Number.isFinite(capacity))) throw invalidSetting("capacity", capacity, "above 0 and finite");
  if (!(refillPerSecond > 0 && Number.isFinite(refillPerSecond))) {
    throw invalidSetting("refillPerSecond", refillPerSecond, "above 0 and finite");
  }
}
