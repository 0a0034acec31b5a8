/** The only source of chance, so that a run can be repeated from a seed. */
export interface Random {
  /** A number in [0, 1). Not for secrets. */
  next(): number;
  /** `length` bytes. From the system's random source these are fit for secrets; from a seed they are not. */
  bytes(length: number): Uint8Array;
}

// Ids ask for ten bytes each, thousands of times a second: one call to the system fills a pool that serves hundreds.
const poolBytes = 4096;
let pool = new Uint8Array(0);
let used = 0;

/** The platform's cryptographic random source (Web Crypto, in Node and in browsers). */
export const systemRandom: Random = {
  next: () => Math.random(),
  bytes(length) {
    if (length > poolBytes / 4) return crypto.getRandomValues(new Uint8Array(length));
    if (used + length > pool.length) {
      pool = crypto.getRandomValues(new Uint8Array(poolBytes));
      used = 0;
    }
    used += length;
    return pool.slice(used - length, used);
  },
};

/** A repeatable source for tests and simulation (the SplitMix32 generator). Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next32 = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  return {
    next: () => next32() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => next32() & 0xff),
  };
}
