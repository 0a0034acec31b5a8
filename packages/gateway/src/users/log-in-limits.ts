import type { Clock } from "@viable/kernel";
import { createKeyedLimits, createTokenBucket } from "@viable/limits";
import { networkOf } from "../client-address.ts";
import type { Attempt } from "./guess-delay.ts";
import { createGuessDelay } from "./guess-delay.ts";

/** Log-ins from one address: ten at once, and ten a minute. */
const perAddress = { capacity: 10, refillPerSecond: 10 / 60 };
/** Renewals of one token: twice for an answer that was lost, and some more. */
const perToken = { capacity: 5, refillPerSecond: 1 / 60 };
/** Addresses, names and tokens that are remembered, each: 300 bytes, so 3 MB. */
const maxKeys = 10_000;

type Refused = { readonly ok: false; readonly retryAfterMs: number };

/**
 * What is asked before a password is looked at. By address, so that nobody tries many names; and by name, so that many addresses do not guess one.
 *
 * Promised: whatever others try at a name, an address that the user came in from before has guesses of its own. Not promised: that they hold over processes (each
 * counts its own), or, where more than 10,000 addresses come at once, by address.
 */
export interface LogInLimits {
  admit(address: string): { readonly ok: true } | Refused;
  admitRenewal(tokenId: string): { readonly ok: true } | Refused;
  /** `isKnown` is asked only where the name's guesses are used up. */
  begin(name: string, address: string, isKnown: () => Promise<boolean>): Promise<Attempt | Refused>;
}

export function createLogInLimits(clock: Clock): LogInLimits {
  const addresses = createKeyedLimits({ maxKeys, make: () => createTokenBucket(perAddress, clock) });
  const tokens = createKeyedLimits({ maxKeys, make: () => createTokenBucket(perToken, clock) });
  const names = createKeyedLimits({ maxKeys, make: () => createGuessDelay(clock) });
  const familiar = createKeyedLimits({ maxKeys, make: () => createGuessDelay(clock) });
  return {
    admit: (address) => addresses.get(networkOf(address)).tryTake(),
    admitRenewal: (tokenId) => tokens.get(tokenId).tryTake(),
    async begin(name, address, isKnown) {
      const attempt = names.get(name).begin();
      if (attempt.ok || !(await isKnown())) return attempt;
      return familiar.get(`${name} ${networkOf(address)}`).begin();
    },
  };
}
