import { expect, test } from "vitest";
import { createNoteLimit } from "./note-limit.ts";

test("the first of a kind is noted, those that follow are counted, and the next says how many they were", () => {
  const limit = createNoteLimit({ maxPerMinute: 10, maxKinds: 10 });
  expect(limit.take("a", 1_000, 0)).toBe(0);
  expect(limit.take("a", 1_000, 500)).toBeUndefined();
  expect(limit.take("a", 1_000, 999)).toBeUndefined();
  expect(limit.take("b", 1_000, 999)).toBe(0);
  expect(limit.take("a", 1_000, 1_000)).toBe(2);
  expect(limit.take("a", 1_000, 2_000)).toBe(0);
});

test("in a minute no more are noted than may be, of all kinds together; what is known goes on being counted", () => {
  const limit = createNoteLimit({ maxPerMinute: 2, maxKinds: 10 });
  expect([limit.take("a", 1, 0), limit.take("b", 1, 0), limit.take("c", 1, 0)]).toEqual([0, 0, undefined]);
  expect(limit.take("a", 1, 59_999)).toBeUndefined();
  expect([limit.take("a", 1, 60_000), limit.take("c", 1, 60_000), limit.take("b", 1, 60_000)]).toEqual([
    1,
    0,
    undefined,
  ]);
});

test("of more kinds than are told apart the one that was noted longest ago is forgotten", () => {
  const limit = createNoteLimit({ maxPerMinute: 100, maxKinds: 2 });
  for (const [kind, nowMs] of [
    ["a", 0],
    ["b", 1],
    ["a", 1_000],
    ["c", 1_001],
  ] as const)
    expect(limit.take(kind, 1_000, nowMs)).toBe(0);
  expect(limit.take("a", 1_000, 1_500)).toBeUndefined();
  // It was noted half a second ago, and nobody knows.
  expect(limit.take("b", 10_000, 1_501)).toBe(0);
});
