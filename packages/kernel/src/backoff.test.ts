// Proves the bounds of a backoff: never longer than its ceiling, never more tries than it says, and spread over all of the time between.
import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs, defaultBackoff } from "./backoff.ts";
import { seededRandom } from "./random.ts";

test("no wait is negative or longer than the doubled base or the maximum, whatever the number of failures", () => {
  fc.assert(
    fc.property(
      fc.record({ baseMs: fc.integer({ min: 1, max: 10_000 }), maxMs: fc.integer({ min: 1, max: 100_000 }) }),
      fc.integer({ min: 1, max: 5_000 }),
      fc.nat(),
      ({ baseMs, maxMs }, failures, seed) => {
        const waitMs = backoffMs(
          { baseMs, maxMs, maxAttempts: Number.POSITIVE_INFINITY },
          failures,
          seededRandom(seed),
        );
        expect(waitMs).toBeGreaterThanOrEqual(0);
        expect(waitMs).toBeLessThanOrEqual(Math.min(maxMs, baseMs * 2 ** (failures - 1)));
      },
    ),
  );
});

test("there are as many tries as it says, the first included", () => {
  const random = seededRandom(1);
  for (const maxAttempts of [1, 2, 5]) {
    let tries = 1;
    while (backoffMs({ ...defaultBackoff, maxAttempts }, tries, random) !== undefined) tries += 1;
    expect(tries).toBe(maxAttempts);
  }
});

test("those that failed together do not come back together: waits spread over the whole of the time", () => {
  const random = seededRandom(1);
  const waits = Array.from(
    { length: 1_000 },
    () => backoffMs({ baseMs: 100, maxMs: 1_000, maxAttempts: 9 }, 4, random) ?? 0,
  );
  const quarters = [0, 200, 400, 600].map((from) => waits.filter((wait) => wait >= from && wait < from + 200).length);
  expect(quarters.every((count) => count > 150)).toBe(true);
});

test("by default a caller knows within about ten seconds", () => {
  const longest = { next: () => 1, bytes: () => new Uint8Array() };
  let sum = 0;
  for (let failures = 1; ; failures++) {
    const waitMs = backoffMs(defaultBackoff, failures, longest);
    if (waitMs === undefined) break;
    sum += waitMs;
  }
  expect(sum).toBeLessThan(10_000);
});
