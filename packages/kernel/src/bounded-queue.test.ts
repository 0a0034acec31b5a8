// Proves that the queue does what a plain list with a bound does, over any sequence of operations, and that its memory stays bounded.
import fc from "fast-check";
import { expect, test } from "vitest";
import { BoundedQueue } from "./bounded-queue.ts";

type Step = { act: "offer" } | { act: "take" } | { act: "remove"; which: number } | { act: "fill" } | { act: "drain" };

test("agrees with a list that is cut off at its bound", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 120 }),
      fc.array(
        fc.oneof(
          { weight: 4, arbitrary: fc.constant<Step>({ act: "offer" }) },
          { weight: 3, arbitrary: fc.constant<Step>({ act: "take" }) },
          { weight: 2, arbitrary: fc.nat({ max: 150 }).map((which): Step => ({ act: "remove", which })) },
          { weight: 1, arbitrary: fc.constantFrom<Step>({ act: "fill" }, { act: "drain" }) },
        ),
        { maxLength: 150 },
      ),
      (maxItems, steps) => {
        const queue = new BoundedQueue<number>(maxItems);
        const model: number[] = [];
        let next = 0;
        const offer = () => {
          const fits = model.length < maxItems;
          expect(queue.offer(next)).toBe(fits);
          if (fits) model.push(next);
          next += 1;
          return fits;
        };
        const take = () => {
          const item = model.shift();
          expect(queue.take()).toBe(item);
          return item !== undefined;
        };
        for (const step of steps) {
          if (step.act === "offer") offer();
          else if (step.act === "take") take();
          else if (step.act === "fill") while (offer());
          else if (step.act === "drain") while (take());
          else {
            const wanted = model[step.which];
            const found = queue.remove((item) => item === wanted);
            expect(found).toBe(wanted);
            if (wanted !== undefined) model.splice(step.which, 1);
          }
          expect(queue.size).toBe(model.length);
          expect([...queue]).toEqual(model);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("what goes through a short queue costs the same at the end as at the beginning", () => {
  const queue = new BoundedQueue<number>(10);
  for (let item = 0; item < 2_000_000; item++) {
    queue.offer(item);
    if (item >= 5) queue.take();
  }
  expect([...queue]).toEqual([1_999_995, 1_999_996, 1_999_997, 1_999_998, 1_999_999]);
});
