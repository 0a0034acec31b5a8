import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, test } from "vitest";
import { TransientMap } from "./transient-map.ts";

const key = fc.integer({ min: 0, max: 5 });
const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant("set" as const), key }),
    fc.record({ what: fc.constantFrom("delete" as const, "get" as const, "has" as const), key }),
    fc.record({ what: fc.constant("clear" as const), key }),
  ),
);

test("it does what a Map does", () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const map = new Map<number, object>();
      const transient = new TransientMap<number, object>();
      taken.forEach((step, nr) => {
        if (step.what === "set") {
          map.set(step.key, { nr });
          transient.set(step.key, { nr });
        } else if (step.what === "clear") {
          map.clear();
          transient.clear();
        } else expect(transient[step.what](step.key)).toEqual(map[step.what](step.key));
        expect(transient.size).toBe(map.size);
        expect([...transient.values()]).toEqual([...map.values()]);
      });
    }),
  );
});

test("what comes and goes while it is gone through is seen as in a Map", () => {
  const seen = (map: Map<number, { nr: number }> | TransientMap<number, { nr: number }>) => {
    for (const nr of [1, 2, 3]) map.set(nr, { nr });
    const found: number[] = [];
    for (const { nr } of map.values()) {
      found.push(nr);
      if (nr === 1) map.delete(2);
      if (nr < 6) map.set(nr + 3, { nr: nr + 3 });
    }
    return found;
  };
  expect(seen(new TransientMap())).toEqual(seen(new Map()));
});

test("what was taken out does not grow old, as it does in a Map", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options?: { type: "minor" }) => void;
  /** How many bytes are kept after so many values of 8 kB have come and gone, 50 of which were there at a time. */
  const bytesKept = (map: Map<number, number[]> | TransientMap<number, number[]>) => {
    for (let nr = 0; nr < 50; nr++) map.set(nr, []);
    collect();
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let nr = 50; nr < 2_050; nr++) {
      map.set(nr, new Array<number>(1_000).fill(nr));
      map.delete(nr - 50);
      if (nr % 100 === 0) collect({ type: "minor" });
    }
    collect({ type: "minor" });
    return process.memoryUsage().heapUsed - before;
  };
  const [inMap, inTransientMap] = [bytesKept(new Map()), bytesKept(new TransientMap())];
  expect(inMap).toBeGreaterThan(3_000_000);
  expect(inTransientMap).toBeLessThan(1_500_000);
});
