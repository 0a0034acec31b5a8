/** Divisions that can be done by hand. What holds for all of them is proved beside the computation. */
import { describe, expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { resourceAllocator } from "./resource-allocator.ts";

followsInput(resourceAllocator, "who needs little gets it, and the rest is shared by weight", async (bench) => {
  const demands = [
    { name: "small", wanted: 2 },
    { name: "large", wanted: 20 },
    { name: "heavy", wanted: 20, weight: 2 },
  ];
  const scarce = await bench.run(resourceAllocator, { budget: 14, demands });
  expect(scarce).toMatchObject({
    isFeasible: true,
    allocated: 14,
    left: 0,
    shares: [
      { name: "small", amount: 2 },
      { name: "large", amount: 4 },
      { name: "heavy", amount: 8 },
    ],
    short: [
      { name: "large", reason: "The budget is short: its share by weight 1 is 4." },
      { name: "heavy", reason: "The budget is short: its share by weight 2 is 8." },
    ],
  });
  const plenty = await bench.run(resourceAllocator, { budget: 50, demands });
  expect(plenty).toMatchObject({
    allocated: 42,
    left: 8,
    shares: [{ amount: 2 }, { amount: 20 }, { amount: 20 }],
    short: [],
  });
  return [scarce, plenty];
});

describe("bounds", () => {
  test("a minimum comes before fairness, and a maximum is the reason for less than wanted", async () => {
    await using bench = await openBench();
    const demands = [
      { name: "reserved", min: 6, wanted: 6 },
      { name: "capped", max: 1, wanted: 9 },
      { name: "free", wanted: 9 },
    ];
    expect(await bench.run(resourceAllocator, { budget: 9, resource: "memory_mb", demands })).toMatchObject({
      shares: [{ amount: 6 }, { amount: 1 }, { amount: 2 }],
      short: [
        { name: "capped", reason: "It may have 1 MB of memory at most." },
        { name: "free", reason: "The budget is short: its share by weight 1 is 2." },
      ],
    });
  });

  test("units that do not divide go to the largest fractions, and the rounding is told", async () => {
    await using bench = await openBench();
    const demands = ["a", "b", "c"].map((name, index) => ({ name, wanted: 10, weight: index === 2 ? 1.2 : 1 }));
    expect(await bench.run(resourceAllocator, { budget: 10, demands })).toMatchObject({
      shares: [{ amount: 3 }, { amount: 3 }, { amount: 4 }],
      short: [
        { name: "a", reason: "The budget is short: its share by weight 1 is 3.13, in whole units 3." },
        { name: "b" },
        { name: "c", reason: "The budget is short: its share by weight 1.2 is 3.75, in whole units 4." },
      ],
    });
  });

  test("minima that do not fit are an answer with the reason, and nothing is divided", async () => {
    await using bench = await openBench();
    const demands = [
      { name: "a", min: 6, wanted: 6 },
      { name: "b", min: 5, wanted: 5 },
    ];
    expect(await bench.run(resourceAllocator, { budget: 10, demands })).toMatchObject({
      isFeasible: false,
      reason: "The minima need 11 workers, and there are 10.",
      shares: [],
      left: 10,
    });
    expect(await bench.run(resourceAllocator, { budget: 11, demands })).toMatchObject({ isFeasible: true, left: 0 });
  });
});

test("names that are given twice, and a minimum above the maximum, are errors", async () => {
  await using bench = await openBench();
  const divide = (demands: object[]) => expect(bench.run(resourceAllocator, { budget: 1, demands } as never)).rejects;
  await divide([
    { name: "a", wanted: 1 },
    { name: "a", wanted: 1 },
  ]).toMatchObject({ code: "allocation.same_name" });
  await divide([{ name: "a", wanted: 1, min: 2, max: 1 }]).toMatchObject({ code: "allocation.min_above_max" });
});

test.for([
  { budget: 1, demands: [] },
  { budget: -1, demands: [{ name: "a", wanted: 1 }] },
  { budget: 1.5, demands: [{ name: "a", wanted: 1 }] },
  { budget: 1, demands: [{ name: "a", wanted: 1, weight: 0 }] },
  { budget: 1, demands: [{ name: "a" }] },
  { budget: 1, resource: "money", demands: [{ name: "a", wanted: 1 }] },
])("%j does not fit", (args) => {
  expect(resourceAllocator.input.safeParse(args).success).toBe(false);
});
