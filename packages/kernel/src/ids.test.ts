// Proves that ids of one maker sort in the order they were made, whatever the clock does, that no two are the same, and that they
// are UUIDs of version 7 written in 26 characters.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createIds, idFromDigest, isId } from "./ids.ts";
import { seededRandom, systemRandom } from "./random.ts";
import { simulateTime } from "./simulated-time.ts";

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const toNumber = (text: string): bigint =>
  [...text].reduce((sum, char) => sum * 32n + BigInt(alphabet.indexOf(char)), 0n);
const uuidOf = (id: string): bigint => toNumber(id.slice(4));

const clockOf = (moments: readonly number[]) => {
  let index = 0;
  return { ...simulateTime(), now: () => moments[Math.min(index++, moments.length - 1)] as number };
};

describe("createIds", () => {
  test("ids are the prefix and 26 characters, and say of what they are", () => {
    const ids = createIds(simulateTime(), seededRandom(1));
    const id = ids.next("exe");
    expect(id).toMatch(/^exe_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
    expect([isId("exe", id), isId("evt", id)]).toEqual([true, false]);
  });

  test("an id is a UUID of version 7: 48 bits of milliseconds, version, counter, variant", () => {
    const ms = Date.UTC(2026, 4, 17, 12, 34, 56, 789);
    const ids = createIds(clockOf([ms]), seededRandom(7));
    const [first, second] = [uuidOf(ids.next("evt")), uuidOf(ids.next("evt"))];
    expect(first >> 80n).toBe(BigInt(ms));
    expect((first >> 76n) & 0xfn).toBe(7n);
    expect([(first >> 64n) & 0xfffn, (second >> 64n) & 0xfffn]).toEqual([0n, 1n]);
    // The variant's two bits share a byte with chance, so one id alone would not show them kept apart.
    const variants = Array.from({ length: 100 }, () => (uuidOf(ids.next("evt")) >> 62n) & 0b11n);
    expect(new Set(variants)).toEqual(new Set([0b10n]));
  });

  test("ids sort in the order they were made, over milliseconds, within one, and when the clock goes back", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(
          fc.oneof(
            fc.integer({ min: 0, max: 5 }),
            fc.integer({ min: 0, max: 2 ** 47 }),
            fc.double({ min: 0, max: 1e6, noNaN: true }),
          ),
          {
            minLength: 2,
            maxLength: 50,
          },
        ),
        (seed, moments) => {
          const ids = createIds(clockOf(moments), seededRandom(seed));
          const made = moments.map(() => ids.next("evt"));
          expect([...made].sort()).toEqual(made);
          expect(new Set(made).size).toBe(made.length);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("more ids within a millisecond than the counter counts still sort", () => {
    const ids = createIds(clockOf([1_000]), seededRandom(1));
    const made = Array.from({ length: 10_000 }, () => ids.next("evt"));
    expect([...made].sort()).toEqual(made);
    // The counter's 4,096 are used up twice, so time runs ahead by two.
    expect(uuidOf(made.at(-1) as string) >> 80n).toBe(1_002n);
  });

  test("makers that share a moment make different ids", () => {
    const made = Array.from({ length: 2_000 }, () => createIds(clockOf([1_000]), systemRandom).next("evt"));
    expect(new Set(made).size).toBe(2_000);
  });

  test("the same seed and clock make the same ids", () => {
    const make = () => {
      const ids = createIds(simulateTime(), seededRandom(42));
      return Array.from({ length: 10 }, () => ids.next("tsk"));
    };
    expect(make()).toEqual(make());
  });
});

describe("an id from a digest", () => {
  test("writes its first 128 bits as the number they are, wherever it stands in memory", () => {
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 64 });
    fc.assert(
      fc.property(bytes, fc.nat({ max: 9 }), (digest, offset) => {
        const within = new Uint8Array(offset + digest.length);
        within.set(digest, offset);
        const id = idFromDigest("run", within.subarray(offset));
        expect(isId("run", id)).toBe(true);
        expect(toNumber(id.slice(4))).toBe(
          digest.subarray(0, 16).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
        );
      }),
    );
  });
  test("is none where the digest has fewer bits than an id", () => {
    expect(() => idFromDigest("run", new Uint8Array(15))).toThrow(RangeError);
  });
});

test.each([
  "",
  "exe_",
  "exe_8zzzzzzzzzzzzzzzzzzzzzzzzz",
  "exe_0123456789abcdefghjkmnpqi0",
  "exe-01jd",
  "EXE_00000000000000000000000000",
])("%j is not an id", (text) => {
  expect(isId("exe", text)).toBe(false);
});
