// Proves that a seed repeats, that numbers stay within [0, 1) and are spread over it, and that no byte of the pool is given twice.
import { expect, test } from "vitest";
import { seededRandom, systemRandom } from "./random.ts";

test("the same seed gives the same numbers and bytes, another seed others", () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return [random.next(), random.next(), ...random.bytes(8)];
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test.each([seededRandom(3), systemRandom])("numbers are in [0, 1) and spread over it", (random) => {
  const tenths = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 10_000; draw++) {
    const number = random.next();
    expect(number >= 0 && number < 1).toBe(true);
    tenths[Math.floor(number * 10)] = (tenths[Math.floor(number * 10)] as number) + 1;
  }
  expect(tenths.every((count) => count > 850 && count < 1_150)).toBe(true);
});

test("bytes of the system's source come once: not again from its pool, and not changed by who has them", () => {
  const seen = new Set<string>();
  for (let draw = 0; draw < 5_000; draw++) {
    const bytes = systemRandom.bytes(10);
    expect(bytes).toHaveLength(10);
    seen.add(Array.from(bytes).join(","));
    bytes.fill(0);
  }
  expect(seen.size).toBe(5_000);
  expect(systemRandom.bytes(5_000)).toHaveLength(5_000);
  expect(systemRandom.bytes(0)).toHaveLength(0);
});
