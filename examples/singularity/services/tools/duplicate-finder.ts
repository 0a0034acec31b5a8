import type { Tokens } from "./read-tokens.ts";

export type Place = { readonly file: string; readonly from: number; readonly to: number };

export type Duplicate = {
  readonly lines: number;
  readonly tokens: number;
  /** Where it stood first, in the order of the files. */
  readonly first: Place;
  readonly second: Place;
};

export interface DuplicateFinder {
  /** Compares a file with itself and all before it, and remembers it. False when it did not fit and was not compared. */
  add(file: string, tokens: Tokens): boolean;
  readonly found: readonly Duplicate[];
}

/** All tokens of one run: some 30 megabytes of source, for which the tables below take 100 megabytes. */
const maxTokens = 6_000_000;
const tableBits = 22;
/** Earlier places compared with one window. A window that stands in more places than this is boilerplate, and the nearest will do. */
const maxCandidates = 24;

/**
 * Finds runs of equal tokens. Every window of `minTokens` tokens is hashed by a rolling hash and looked up among all earlier
 * windows; a hit is compared token by token and extended as far as it goes. So every duplicate is real, and the longest one
 * that begins at a place is taken.
 */
export function createDuplicateFinder(minTokens: number, minLines: number): DuplicateFinder {
  const all = { ids: new Int32Array(1 << 16), lines: new Int32Array(1 << 16), count: 0 };
  const files: { name: string; start: number }[] = [];
  // Of all windows with one hash the latest place, and from each place the one before it.
  const latest = new Int32Array(1 << tableBits).fill(-1);
  let before = new Int32Array(1 << 16);
  const found: Duplicate[] = [];
  const leading = power(base, minTokens - 1);

  function add(file: string, tokens: Tokens): boolean {
    const start = all.count;
    if (start + tokens.ids.length > maxTokens) return false;
    grow(start + tokens.ids.length);
    all.ids.set(tokens.ids, start);
    all.lines.set(tokens.lines, start);
    all.count += tokens.ids.length;
    files.push({ name: file, start });
    compare(start, all.count);
    return true;
  }

  function grow(count: number): void {
    if (count <= all.ids.length) return;
    const length = Math.min(maxTokens, Math.max(count, all.ids.length * 2));
    all.ids = copyInto(length, all.ids);
    all.lines = copyInto(length, all.lines);
    before = copyInto(length, before);
  }

  function compare(start: number, end: number): void {
    const { ids, lines } = all;
    let hash = 0;
    for (let at = start; at < Math.min(start + minTokens, end); at++) hash = (Math.imul(hash, base) + at0(ids, at)) | 0;
    let free = start;
    for (let at = start; at + minTokens <= end; at++) {
      if (at > start) {
        const without = (hash - Math.imul(at0(ids, at - 1), leading)) | 0;
        hash = (Math.imul(without, base) + at0(ids, at + minTokens - 1)) | 0;
      }
      const slot = Math.imul(hash, 0x9e3779b1) >>> (32 - tableBits);
      if (at >= free) {
        const match = longestMatch(at, end, latest[slot] as number);
        if (match !== undefined) {
          const last = at + match.length - 1;
          if (at0(lines, last) - at0(lines, at) + 1 >= minLines) {
            found.push({
              lines: at0(lines, last) - at0(lines, at) + 1,
              tokens: match.length,
              first: toPlace(match.at, match.length),
              second: toPlace(at, match.length),
            });
            free = at + match.length;
          }
        }
      }
      before[at] = latest[slot] as number;
      latest[slot] = at;
    }
  }

  function longestMatch(at: number, end: number, newest: number): { at: number; length: number } | undefined {
    const { ids } = all;
    let best: { at: number; length: number } | undefined;
    let candidate = newest;
    for (let tried = 0; candidate !== -1 && tried < maxCandidates; tried++) {
      // It ends where its own file ends, and where the second place begins: a piece is no duplicate of itself.
      const limit = Math.min(endOfFile(candidate), at);
      let length = 0;
      while (at + length < end && candidate + length < limit && ids[at + length] === ids[candidate + length]) length++;
      if (length >= minTokens && length > (best?.length ?? 0)) best = { at: candidate, length };
      candidate = before[candidate] as number;
    }
    return best;
  }

  /** Index of the file that holds a token. */
  function fileAt(at: number): number {
    let low = 0;
    let high = files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((files[middle] as { start: number }).start <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  const endOfFile = (at: number): number => files[fileAt(at) + 1]?.start ?? all.count;

  const toPlace = (at: number, length: number): Place => ({
    file: (files[fileAt(at)] as { name: string }).name,
    from: at0(all.lines, at),
    to: at0(all.lines, at + length - 1),
  });

  return { add, found };
}

/** Odd, so that no token's bits are shifted out of the hash. */
const base = 0x01000193;

function power(factor: number, exponent: number): number {
  let result = 1;
  for (let count = 0; count < exponent; count++) result = Math.imul(result, factor);
  return result;
}

function copyInto(length: number, from: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length);
  copy.set(from);
  return copy;
}

const at0 = (list: Int32Array, at: number): number => list[at] ?? 0;
