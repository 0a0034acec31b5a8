/**
 * Values that stand in textbooks of queueing theory, and laws that any plan keeps. The call centre of 100 calls in half an hour of
 * three minutes each, ten Erlangs, is the usual example of Erlang C: of 14 agents 17.4 % of callers wait, for 7.8 s on average.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { measureQueues, type QueueMeasures } from "../queue-measures.ts";
import { capacityPlanner } from "./capacity-planner.ts";

type Plan = { workers: number | null; options: QueueMeasures[]; reason?: string; origin: string };

const callCentre = { arrivalsPerSecond: 100 / 1_800, serviceMs: 180_000 };

async function plan(args: object): Promise<Plan> {
  await using bench = await openBench();
  return (await bench.run(capacityPlanner, args as never)) as unknown as Plan;
}

followsInput(capacityPlanner, "the call centre of the textbooks, in a hurry and not", async (bench) => {
  const quick = await bench.run(capacityPlanner, { ...callCentre, targetWaitMs: 10_000 });
  expect(quick).toMatchObject({ workers: 14, origin: "Erlang C" });
  expect(quick.offeredErlangs).toBeCloseTo(10, 10);
  const [thirteen, fourteen, fifteen] = quick.options as QueueMeasures[];
  expect([thirteen?.workers, fourteen?.workers, fifteen?.workers]).toEqual([13, 14, 15]);
  expect(fourteen?.chanceOfWaiting).toBeCloseTo(0.1741, 4);
  expect(fourteen?.meanWaitMs).toBeCloseTo(7_836, -1);
  expect(fourteen?.utilisation).toBeCloseTo(10 / 14, 10);
  expect(thirteen?.chanceOfWaiting).toBeCloseTo(0.2853, 3);

  const relaxed = await bench.run(capacityPlanner, { ...callCentre, targetUtilisation: 0.95 });
  expect(relaxed).toMatchObject({ workers: 11 });
  const [ten, eleven] = relaxed.options as QueueMeasures[];
  expect(ten).toMatchObject({ workers: 10, isStable: false, meanWaitMs: null, chanceOfWaiting: null });
  expect(eleven?.chanceOfWaiting).toBeCloseTo(0.682, 3);
  return [quick, relaxed];
});

describe("single queues whose measures are known in closed form", () => {
  test("one worker, half busy: who waits, half of all, waits two tasks' time; the mean wait is one task's", async () => {
    const { workers, options } = await plan({ arrivalsPerSecond: 5, serviceMs: 100, targetWaitMs: 100 });
    expect(workers).toBe(1);
    expect(options[0]).toMatchObject({
      workers: 1,
      utilisation: 0.5,
      chanceOfWaiting: 0.5,
      meanWaitMs: 100,
      meanWaiting: 0.5,
    });
    expect(options).toHaveLength(2);
  });

  test("two Erlangs and three workers: four in nine wait", async () => {
    const { options } = await plan({ arrivalsPerSecond: 20, serviceMs: 100, targetUtilisation: 0.7 });
    expect(options[1]?.workers).toBe(3);
    expect(options[1]?.chanceOfWaiting).toBeCloseTo(4 / 9, 12);
    expect(options[1]?.meanWaitMs).toBeCloseTo((4 / 9) * 100, 10);
  });

  test("tasks that all take the same wait half as long (Pollaczek and Khinchine), and it is called an approximation", async () => {
    const load = { arrivalsPerSecond: 8, serviceMs: 100, targetUtilisation: 0.8 };
    const chance = await plan(load);
    const same = await plan({ ...load, serviceVariation: 0 });
    expect(chance.options[0]?.meanWaitMs).toBeCloseTo(400, 8);
    expect(same.options[0]?.meanWaitMs).toBeCloseTo(200, 8);
    expect(same.origin).toContain("approximation");
  });
});

test("both targets are kept, and the one worker less keeps not both", async () => {
  const both = await plan({ ...callCentre, targetWaitMs: 10_000, targetUtilisation: 0.6 });
  expect(both.workers).toBe(17);
  expect(both.options[0]).toMatchObject({ workers: 16 });
});

test("more than a service may have is answered with the reason", async () => {
  expect(await plan({ arrivalsPerSecond: 100_000, serviceMs: 1_000, targetUtilisation: 0.9 })).toMatchObject({
    workers: null,
    reason: "1000 workers, the most that a service may have, are too few.",
    options: [{ workers: 1_000, isStable: false }],
  });
  expect(await plan({ arrivalsPerSecond: 1_000, serviceMs: 990, targetUtilisation: 0.99 })).toMatchObject({
    workers: 1_000,
  });
});

test("with more workers nobody waits longer", () => {
  const load = fc.record({
    arrivalsPerSecond: fc.double({ min: 0.1, max: 100, noNaN: true }),
    serviceMs: fc.double({ min: 1, max: 1_000, noNaN: true }),
    arrivalVariation: fc.double({ min: 0, max: 4, noNaN: true }),
    serviceVariation: fc.double({ min: 0, max: 4, noNaN: true }),
  });
  fc.assert(
    fc.property(load, (given) => {
      const stable = measureQueues(given, 120).filter(({ isStable }) => isStable);
      const waits = stable.map(({ meanWaitMs }) => meanWaitMs ?? Number.NaN);
      expect(waits).toEqual([...waits].sort((x, y) => y - x));
      expect(stable.every(({ chanceOfWaiting }) => (chanceOfWaiting ?? -1) >= 0 && (chanceOfWaiting ?? 2) <= 1)).toBe(
        true,
      );
    }),
  );
});

test.for([
  { arrivalsPerSecond: 1, serviceMs: 1 },
  { arrivalsPerSecond: 0, serviceMs: 1, targetWaitMs: 1 },
  { arrivalsPerSecond: 1, serviceMs: -1, targetWaitMs: 1 },
  { arrivalsPerSecond: 1, serviceMs: 1, targetUtilisation: 1 },
])("%j does not fit", (args) => {
  expect(capacityPlanner.input.safeParse(args).success).toBe(false);
});
