// Proves that limits by key stay within their memory, and forget what does not matter before what does.
import { simulateTime } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createConcurrencyLimit } from "./concurrency-limit.ts";
import { createKeyedLimits } from "./keyed-limits.ts";
import { createTokenBucket } from "./token-bucket.ts";

const buckets = (maxKeys: number) => {
  const time = simulateTime();
  return {
    time,
    limits: createKeyedLimits({ maxKeys, make: () => createTokenBucket({ capacity: 1, refillPerSecond: 1 }, time) }),
  };
};

describe("createKeyedLimits", () => {
  test("a key keeps its limit, and keys do not share one", () => {
    const { limits } = buckets(10);
    expect(limits.get("a").tryTake().ok).toBe(true);
    expect(limits.get("a").tryTake().ok).toBe(false);
    expect(limits.get("b").tryTake().ok).toBe(true);
  });

  test("of idle limits the one unused for longest makes room", () => {
    const made: string[] = [];
    const limits = createKeyedLimits({
      maxKeys: 2,
      make: (key) => {
        made.push(key);
        return createConcurrencyLimit({ max: 1 });
      },
    });
    for (const key of ["a", "b", "a", "c", "a", "b"]) limits.get(key);
    expect(made).toEqual(["a", "b", "c", "b"]);
    expect(limits.forgottenBusy).toBe(0);
  });

  test("a limit that matters outlives idle ones used later", () => {
    const { limits, time } = buckets(3);
    limits.get("throttled").tryTake();
    limits.get("idle-1");
    limits.get("idle-2");
    limits.get("new-1");
    limits.get("new-2");
    limits.get("new-3");
    expect(limits.get("throttled").tryTake().ok).toBe(false);
    expect(limits.forgottenBusy).toBe(0);
    expect(time.pending).toBe(0);
  });

  test("where all matter, the one unused for longest goes, and that is counted", () => {
    const { limits } = buckets(2);
    for (const key of ["a", "b", "c"]) limits.get(key).tryTake();
    expect(limits.forgottenBusy).toBe(1);
    expect(limits.get("b").tryTake().ok).toBe(false);
    expect(limits.get("c").tryTake().ok).toBe(false);
  });

  test("a flood of new keys forgets only idle ones as long as there are any, though each look is short", () => {
    const { limits } = buckets(200);
    for (let number = 0; number < 100; number++) limits.get(`busy-${number}`).tryTake();
    for (let number = 0; number < 10_000; number++) limits.get(`flood-${number}`);
    // The first looks, while the busy ones stood in front, may have cost a few: 100 busy, 16 looked at by each.
    expect(limits.forgottenBusy).toBeLessThanOrEqual(Math.ceil(100 / 16));
    expect(limits.size).toBe(200);
  });

  test("never remembers more than maxKeys, whatever is asked for", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.tuple(fc.nat({ max: 60 }), fc.boolean()), { maxLength: 200 }),
        (maxKeys, steps) => {
          const { limits } = buckets(maxKeys);
          for (const [key, take] of steps) {
            const limit = limits.get(String(key));
            if (take) limit.tryTake();
            expect(limits.get(String(key))).toBe(limit);
            expect(limits.size).toBeLessThanOrEqual(maxKeys);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("refuses to remember nothing", () => {
    expect(() => buckets(0)).toThrow(expect.objectContaining({ code: "limits.invalid_setting" }));
  });
});
