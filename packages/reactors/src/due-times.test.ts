// That what is due comes out by its time, whatever order it went in.
import fc from "fast-check";
import { expect, test } from "vitest";
import { DueTimes } from "./due-times.ts";

test("whatever is put in and taken out in between, it is the earliest that is due, and nothing that is not", () => {
  const action = fc.oneof(
    fc.record({ add: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ until: fc.integer({ min: 0, max: 60 }), max: fc.integer({ min: 0, max: 5 }) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const due = new DueTimes<number>();
      let model: number[] = [];
      for (const each of actions) {
        if ("add" in each) {
          due.add(each.add, each.add);
          model.push(each.add);
        } else {
          model.sort((one, other) => one - other);
          const taken = model.filter((atMs) => atMs <= each.until).slice(0, each.max);
          expect(due.takeDue(each.until, each.max)).toEqual(taken);
          model = model.slice(taken.length);
        }
        expect(due.size).toBe(model.length);
        expect(due.firstMs).toBe(model.length === 0 ? undefined : Math.min(...model));
      }
    }),
  );
});

test("one thing may be due at several times, and comes as often", () => {
  const due = new DueTimes<string>();
  for (const atMs of [30, 10, 20]) due.add(atMs, "run");
  expect(due.takeDue(25, 10)).toEqual(["run", "run"]);
  expect([due.size, due.firstMs]).toEqual([1, 30]);
});

test("a hundred thousand are taken in their order, some at a time", () => {
  const due = new DueTimes<number>();
  // Each number once, all over the place.
  for (let index = 0; index < 100_000; index++) due.add((index * 7_919) % 100_000, (index * 7_919) % 100_000);
  const taken: number[] = [];
  while (due.size > 0) taken.push(...due.takeDue(Number.POSITIVE_INFINITY, 1_000));
  expect(taken).toEqual(Array.from({ length: 100_000 }, (_, index) => index));
});
