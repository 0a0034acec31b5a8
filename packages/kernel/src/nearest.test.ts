// Proves that "did you mean" finds what was meant, and keeps silent where nothing is near.
import fc from "fast-check";
import { expect, test } from "vitest";
import { nearestNames } from "./nearest.ts";

const known = ["create-order", "cancel-order", "list-orders", "refund", "ship"];

test.each([
  ["creat-order", ["create-order", "cancel-order", "list-orders"]],
  ["Refund", ["refund"]],
  ["shpi", ["ship"]],
  ["order", ["cancel-order", "create-order", "list-orders"]],
  ["refunds-of-last-year", ["refund"]],
  ["zzzzzzzzzzzz", []],
  ["", []],
])("%j: %j", (wanted, found) => {
  expect(nearestNames(wanted, known)).toEqual(found);
});

test("the nearest comes first, and a name that is known is its own nearest", () => {
  expect(nearestNames("list-order", ["list-borders", "list-orders"])[0]).toBe("list-orders");
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1 }), fc.nat(), (names, at) => {
      const wanted = names[at % names.length] as string;
      const found = nearestNames(wanted, new Set(names));
      expect(found[0]?.toLowerCase()).toBe(wanted.toLowerCase());
      expect(found.length).toBeLessThanOrEqual(3);
      expect(found.every((name) => names.includes(name))).toBe(true);
    }),
  );
});

test("the same name in other letters comes before longer ones that contain it", () => {
  expect(nearestNames("Refund", ["prerefund", "refund"])).toEqual(["refund", "prerefund"]);
});

test("a name of any length is answered quickly, among many", () => {
  const many = Array.from({ length: 3_000 }, (_, number) => `service-number-${number}`);
  expect(nearestNames("x".repeat(2_000_000), many)).toEqual([]);
});
