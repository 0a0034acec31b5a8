import type { Clock } from "@viable/kernel";

/** Guesses that cost no wait: people mistype. */
const freeGuesses = 5;
/** The wait after one more, in milliseconds; it doubles with each further one up to the longest. */
const firstMs = 1_000;
const longestMs = 60_000;
/** Without a guess for so long all is forgotten, in milliseconds. */
const forgottenMs = 15 * 60_000;

/** An attempt that may be made. It counts as a wrong guess until something else is said. */
export interface Attempt {
  readonly ok: true;
  /** It was no guess. */
  succeeded(): void;
  /** It came to no answer, so it counts for nothing. */
  withdraw(): void;
}

/** How fast one thing may be guessed, whoever guesses. */
export interface GuessDelay {
  begin(): Attempt | { readonly ok: false; readonly retryAfterMs: number };
  readonly idle: boolean;
}

/**
 * Promised: five wrong guesses, and then one after a wait that grows from a second to a minute, however many are tried at once: an attempt counts from its beginning on. A refused
 * attempt makes nothing longer, so nobody is locked out for longer than a minute at a time.
 */
export function createGuessDelay(clock: Clock): GuessDelay {
  let guesses = 0;
  let nextAtMs = 0;
  let lastAtMs = 0;
  const isForgotten = () => clock.monotonicMs() - lastAtMs >= forgottenMs;
  return {
    begin() {
      const nowMs = clock.monotonicMs();
      if (isForgotten()) guesses = 0;
      if (guesses >= freeGuesses && nowMs < nextAtMs) return { ok: false, retryAfterMs: nextAtMs - nowMs };
      const before = { guesses, nextAtMs };
      guesses += 1;
      lastAtMs = nowMs;
      if (guesses >= freeGuesses)
        nextAtMs = nowMs + Math.min(longestMs, firstMs * 2 ** Math.min(16, guesses - freeGuesses));
      const count = guesses;
      return {
        ok: true,
        succeeded() {
          guesses = 0;
          nextAtMs = 0;
        },
        withdraw() {
          // Others may have begun since; then what they came to stands.
          if (guesses === count) ({ guesses, nextAtMs } = before);
        },
      };
    },
    get idle() {
      return guesses === 0 || isForgotten();
    },
  };
}
