import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** Crockford's base 32: sorts like the number it writes, and has no letters that look like digits. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * What an id is of. The prefix is part of the id, so that a log line or a mistaken argument explains itself. `tsk`, `cap`, `sig` and
 * `apr` are the API's fixed prefixes of tasks, capabilities, signals and approvals: nothing else may take them.
 */
export type IdKind =
  | "evt"
  | "exe"
  | "ses"
  | "tsk"
  | "cap"
  | "sig"
  | "apr"
  | "prc"
  | "tok"
  | "trc"
  | "apd"
  | "run"
  | "exp"
  | "msg";

/** Makes ids. One maker per runtime; ids of one maker sort in the order they were made. */
export interface Ids {
  /** A new id such as `exe_01jd…`: the prefix and a UUIDv7 (RFC 9562) in 26 characters of base 32. */
  next(kind: IdKind): string;
}

/** Makes ids from a clock and a random source: 48 bits of milliseconds, 12 bits that count within one, 62 bits of chance. */
export function createIds(clock: Clock, random: Random): Ids {
  let lastMs = -1;
  let counter = 0;
  return {
    next(kind) {
      const now = Math.floor(clock.now());
      // A clock that stands still or jumps back must not break the order: count on within the latest millisecond seen.
      if (now > lastMs) {
        lastMs = now;
        counter = 0;
      } else if (++counter > 0xfff) {
        lastMs += 1;
        counter = 0;
      }
      return `${kind}_${encodeUuidV7(lastMs, counter, random.bytes(8))}`;
    },
  };
}

function encodeUuidV7(ms: number, counter: number, chance: Uint8Array): string {
  // 128 bits as 26 characters of 5 bits, the first holding only 3: laid out in four 32-bit words, then read off.
  const high = Math.floor(ms / 0x10000);
  const low = ((ms % 0x10000) * 0x10000 + 0x7000 + counter) >>> 0;
  const third =
    (0x80000000 |
      ((byte(chance, 0) & 0x3f) << 24) |
      (byte(chance, 1) << 16) |
      (byte(chance, 2) << 8) |
      byte(chance, 3)) >>>
    0;
  const fourth = ((byte(chance, 4) << 24) | (byte(chance, 5) << 16) | (byte(chance, 6) << 8) | byte(chance, 7)) >>> 0;
  return writeBase32([high, low, third, fourth]);
}

/**
 * The id that a digest stands for, of which the first 128 bits are taken: always the same, so that who does something again finds what is
 * there. Such ids are stored: what comes out never changes. It does not sort by when it was made. Throws where the digest is shorter. The
 * digest comes from the caller, since this room also runs in browsers, which make none at once.
 */
export function idFromDigest(kind: IdKind, digest: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = digest;
  const view = new DataView(buffer, byteOffset, byteLength);
  return `${kind}_${writeBase32([view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)])}`;
}

/** Every two letters, by the ten bits that they write. */
const pairs = Array.from({ length: 1_024 }, (_, bits) => `${alphabet[bits >> 5]}${alphabet[bits & 31]}`);

/** Writes 128 bits, given as four 32-bit words, in 26 characters. */
function writeBase32(words: readonly [number, number, number, number]): string {
  // Bits are numbered from the top; two zero bits are put in front to make 130 = 13 × 10.
  let text = pairs[words[0] >>> 24] as string;
  for (let first = 8; first < 128; first += 10) {
    const at = first & 31;
    const word = words[first >> 5] as number;
    const bits =
      at <= 22 ? word >>> (22 - at) : (word << (at - 22)) | ((words[(first >> 5) + 1] as number) >>> (54 - at));
    text += pairs[bits & 1_023];
  }
  return text;
}

const byte = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0;

const pattern = /^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** Whether the text is an id of that kind. Says nothing about whether such a thing exists. */
export function isId(kind: IdKind, text: string): boolean {
  return text.startsWith(`${kind}_`) && pattern.test(text);
}
