// Proves that a concurrency limit never lets more in than it says, whatever enters and leaves, and however often.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createConcurrencyLimit } from "./concurrency-limit.ts";

test("agrees with a model that holds a set of those inside, also when somebody leaves twice", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.oneof(fc.constant("enter" as const), fc.nat({ max: 30 })), { maxLength: 80 }),
      (max, steps) => {
        const limit = createConcurrencyLimit({ max });
        const leaves: (() => void)[] = [];
        const inside = new Set<() => void>();
        for (const step of steps) {
          if (step === "enter") {
            const decision = limit.tryEnter();
            expect(decision.ok).toBe(inside.size < max);
            if (!decision.ok) {
              expect(decision.max).toBe(max);
              continue;
            }
            leaves.push(decision.leave);
            inside.add(decision.leave);
          } else {
            const leave = leaves[step % Math.max(1, leaves.length)];
            leave?.();
            if (leave !== undefined) inside.delete(leave);
          }
          expect(limit.inUse).toBe(inside.size);
          expect(limit.idle).toBe(inside.size === 0);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test.each([0, -1, 1.5, Number.NaN])("refuses a limit of %s", (max) => {
  expect(() => createConcurrencyLimit({ max })).toThrow(expect.objectContaining({ code: "limits.invalid_setting" }));
});
