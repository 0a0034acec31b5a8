// Proves what a token bucket grants, against a model that knows nothing of how it is built: over any stretch of time, never more than
// capacity and refill; and that the moment it names for asking again is exact.
import { simulateTime } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTokenBucket, fullBucket, takeTokens } from "./token-bucket.ts";

/** Small and slow enough that most runs meet refusals, with large and fast ones among them. */
const settings = fc.record({
  capacity: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.double({ min: 0.5, max: 1_000, noNaN: true })),
  refillPerSecond: fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.double({ min: 0.01, max: 10, noNaN: true }),
    fc.integer({ min: 1, max: 10_000 }),
  ),
});
/** Fractions too, as `performance.now()` has, and uptimes of years. */
const startMs = fc.double({ min: 0, max: 1e11, noNaN: true });
const asks = fc.array(
  fc.record({
    afterMs: fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.double({ min: 0, max: 5_000, noNaN: true }),
    ),
    amount: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 50 })),
  }),
  { minLength: 20, maxLength: 60 },
);

describe("takeTokens", () => {
  test("over any stretch of time grants no more than capacity + refill × time", () => {
    fc.assert(
      fc.property(settings, startMs, asks, (bucket, start, steps) => {
        let now = start;
        let state = fullBucket(now);
        const grants: { at: number; amount: number }[] = [];
        for (const { afterMs, amount } of steps) {
          now += afterMs;
          const taken = takeTokens(bucket, state, now, amount);
          if (taken.decision.ok) grants.push({ at: now, amount });
          else expect(taken.state).toBe(state);
          state = taken.state;
        }
        for (let first = 0; first < grants.length; first++) {
          let sum = 0;
          for (const { at, amount } of grants.slice(first)) {
            sum += amount;
            const allowed =
              bucket.capacity + (bucket.refillPerSecond * (at - (grants[first] as { at: number }).at)) / 1_000;
            // A microsecond of refill is lent for rounding, and doubles of this size are off by a few units more.
            expect(sum).toBeLessThanOrEqual(allowed + bucket.refillPerSecond * 2e-6 + 1e-6);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("grants all that has been refilled: what a model that counts tokens has, the bucket has", () => {
    fc.assert(
      fc.property(settings, asks, (bucket, steps) => {
        let now = 0;
        let state = fullBucket(now);
        let tokens = bucket.capacity;
        for (const { afterMs, amount } of steps) {
          now += afterMs;
          tokens = Math.min(bucket.capacity, tokens + (afterMs * bucket.refillPerSecond) / 1_000);
          const { decision, state: next } = takeTokens(bucket, state, now, amount);
          // Where the model is within rounding of either answer, either is right.
          if (Math.abs(tokens - amount) > bucket.refillPerSecond * 2e-6 + 1e-6)
            expect(decision.ok).toBe(tokens >= amount);
          if (decision.ok) tokens -= amount;
          state = next;
        }
      }),
      { numRuns: 500 },
    );
  });

  test("retryAfterMs is exact: after it the same ask succeeds, a millisecond earlier it does not", () => {
    let refusals = 0;
    fc.assert(
      fc.property(settings, startMs, asks, (bucket, start, steps) => {
        let now = start;
        let state = fullBucket(now);
        for (const { afterMs, amount } of steps) {
          now += afterMs;
          const { decision, state: next } = takeTokens(bucket, state, now, amount);
          state = next;
          if (decision.ok || amount > bucket.capacity) continue;
          refusals += 1;
          expect(Number.isInteger(decision.retryAfterMs)).toBe(true);
          expect(decision.retryAfterMs).toBeGreaterThan(0);
          expect(takeTokens(bucket, state, now + decision.retryAfterMs, amount).decision.ok).toBe(true);
          // A further microsecond, since sums of doubles this large may be off by less than that.
          const justBefore = takeTokens(bucket, state, now + decision.retryAfterMs - 1.001, amount).decision;
          expect(justBefore.ok).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
    expect(refusals).toBeGreaterThan(1_000);
  });

  test("an ask for more than the capacity never succeeds, and says so", () => {
    const { decision } = takeTokens({ capacity: 10, refillPerSecond: 1 }, fullBucket(0), 1e9, 11);
    expect(decision).toEqual({ ok: false, retryAfterMs: Number.POSITIVE_INFINITY, limit: 10, remaining: 10 });
  });

  test("a refusal says what there is, in whole tokens", () => {
    const bucket = { capacity: 10, refillPerSecond: 2 };
    const { state, decision } = takeTokens(bucket, fullBucket(0), 0, 8);
    expect(decision).toEqual({ ok: true, remaining: 2 });
    expect(takeTokens(bucket, state, 400, 5).decision).toEqual({
      ok: false,
      retryAfterMs: 1_100,
      limit: 10,
      remaining: 2,
    });
    expect(takeTokens(bucket, state, 500, 5).decision).toMatchObject({ remaining: 3 });
  });
});

describe("createTokenBucket", () => {
  test("follows its clock", async () => {
    const time = simulateTime();
    const bucket = createTokenBucket({ capacity: 2, refillPerSecond: 1 }, time);
    expect(bucket.idle).toBe(true);
    expect([bucket.tryTake(), bucket.tryTake(), bucket.tryTake()]).toEqual([
      { ok: true, remaining: 1 },
      { ok: true, remaining: 0 },
      { ok: false, retryAfterMs: 1_000, limit: 2, remaining: 0 },
    ]);
    await time.advance(1_000);
    expect(bucket.tryTake().ok).toBe(true);
    expect(bucket.idle).toBe(false);
    await time.advance(2_000);
    expect(bucket.idle).toBe(true);
  });

  test("a wall clock that jumps changes nothing", () => {
    let wall = 0;
    const time = simulateTime();
    const bucket = createTokenBucket(
      { capacity: 1, refillPerSecond: 1 },
      { now: () => wall, monotonicMs: () => time.monotonicMs(), nextTurn: time.nextTurn, setTimer: time.setTimer },
    );
    bucket.tryTake();
    wall = 1e12;
    expect(bucket.tryTake()).toMatchObject({ ok: false, retryAfterMs: 1_000 });
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses to take %s: it would fill the bucket up",
    (amount) => {
      const bucket = createTokenBucket({ capacity: 1, refillPerSecond: 1 }, simulateTime());
      expect(() => bucket.tryTake(amount)).toThrow(expect.objectContaining({ code: "limits.invalid_amount" }));
    },
  );

  test.each([
    { capacity: 0, refillPerSecond: 1 },
    { capacity: Number.NaN, refillPerSecond: 1 },
    { capacity: 1, refillPerSecond: 0 },
    { capacity: 1, refillPerSecond: Number.POSITIVE_INFINITY },
  ])("refuses the settings %o", (bucket) => {
    expect(() => createTokenBucket(bucket, simulateTime())).toThrow(
      expect.objectContaining({ code: "limits.invalid_setting" }),
    );
  });
});
