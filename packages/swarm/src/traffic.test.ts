// Traffic between swarms: every delegation that ended is counted once, under who asked and who did it.
import { expect, test } from "vitest";
import { createTraffic } from "./traffic.ts";

test("delegations are counted by pair and outcome, the busiest pair first; what was refused nobody took", () => {
  const traffic = createTraffic();
  traffic.count({ from: "ai", to: "storage", status: "completed", waitedMs: 10 });
  traffic.count({ from: "ai", to: "storage", status: "timed_out", waitedMs: 30 });
  traffic.count({ from: "ai", to: undefined, status: "refused", waitedMs: 1 });
  expect(traffic.pairs()).toEqual([
    { from: "ai", to: "storage", completed: 1, failed: 1, refused: 0, meanWaitMs: 20 },
    { from: "ai", to: "nobody", completed: 0, failed: 0, refused: 1, meanWaitMs: 1 },
  ]);
});

test("W10: pairs are bounded, and none is lost beyond", () => {
  const traffic = createTraffic();
  for (let nr = 0; nr < 1_500; nr++) traffic.count({ from: `s${nr}`, to: "t", status: "completed", waitedMs: 0 });
  const pairs = traffic.pairs();
  expect(pairs).toHaveLength(1_001);
  expect(pairs[0]).toMatchObject({ from: "*", to: "*", completed: 500 });
});
