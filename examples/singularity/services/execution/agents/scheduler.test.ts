/**
 * Schedules that are known by hand, and over many drawn ones what every schedule must be: no worker does two things at once, nobody begins
 * before those they wait for, the makespan lies between the bounds, and the same tasks give the same schedule.
 */
import fc from "fast-check";
import type { JsonObject } from "viable";
import { describe, expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { scheduleTasks, type Task } from "../schedule-tasks.ts";
import { scheduler } from "./scheduler.ts";

const task = (id: string, duration: number, ...after: string[]) => ({ id, duration, after });

/** A house: the roof waits for the walls, the walls for the ground, the garden for nobody. */
const house = [
  task("garden", 4),
  task("ground", 3),
  task("walls", 5, "ground"),
  task("roof", 2, "walls"),
  task("paint", 1, "walls"),
];

followsInput(
  scheduler,
  "two workers build a house in the time of its longest way, one in the time of all",
  async (bench) => {
    const two = await bench.run(scheduler, { tasks: house, workers: 2 });
    expect(two).toEqual({
      makespan: 10,
      lowerBound: 10,
      isShortest: true,
      criticalPath: ["ground", "walls", "roof"],
      criticalPathLength: 10,
      totalWork: 15,
      workers: [
        {
          worker: 1,
          busy: 10,
          tasks: [
            { id: "ground", start: 0, end: 3 },
            { id: "walls", start: 3, end: 8 },
            { id: "roof", start: 8, end: 10 },
          ],
        },
        {
          worker: 2,
          busy: 5,
          tasks: [
            { id: "garden", start: 0, end: 4 },
            { id: "paint", start: 8, end: 9 },
          ],
        },
      ],
      idleWorkers: 0,
      origin: "critical-path list scheduling",
    });
    const one = await bench.run(scheduler, { tasks: house, workers: 1 });
    expect(one).toMatchObject({ makespan: 15, lowerBound: 15, isShortest: true, workers: [{ worker: 1, busy: 15 }] });
    return [two, one];
  },
);

test("where it does not know whether there is a shorter one it does not say so", async () => {
  await using bench = await openBench();
  // The best for two workers is 3+3 and 2+2+2; longest first gives 7.
  const tasks = [task("a", 3), task("b", 3), task("c", 2), task("d", 2), task("e", 2)];
  expect(await bench.run(scheduler, { tasks, workers: 2 })).toMatchObject({
    makespan: 7,
    lowerBound: 6,
    isShortest: false,
  });
});

test("it is not taken in by durations beside which the difference is small, and knows what whole ones can add up to", async () => {
  await using bench = await openBench();
  // As above, after two tasks that are a billion times as long.
  const [first, second] = [task("x", 1_000_000_000), task("y", 1_000_000_000)];
  const behind = [3, 3, 2, 2, 2].map((duration, index) => task(`t${index}`, duration, "x", "y"));
  expect(await bench.run(scheduler, { tasks: [first, second, ...behind], workers: 2 })).toMatchObject({
    makespan: 1_000_000_007,
    lowerBound: 1_000_000_006,
    isShortest: false,
  });
  const threes = [task("a", 1), task("b", 1), task("c", 1)];
  expect(await bench.run(scheduler, { tasks: threes, workers: 2 })).toMatchObject({
    makespan: 2,
    lowerBound: 1.5,
    isShortest: true,
  });
});

test("more workers than work, tasks that take no time, and fractions", async () => {
  await using bench = await openBench();
  expect(await bench.run(scheduler, { tasks: [task("a", 1), task("b", 0, "a")], workers: 9 })).toMatchObject({
    makespan: 1,
    idleWorkers: 8,
    workers: [{ worker: 1, tasks: [{ id: "a" }, { id: "b", start: 1, end: 1 }] }],
  });
  const tenths = Array.from({ length: 10 }, (_, index) => task(`t${index}`, 0.1));
  expect(await bench.run(scheduler, { tasks: tenths, workers: 1 })).toMatchObject({ isShortest: true });
});

const drawn = fc
  .array(fc.record({ duration: fc.nat(20), after: fc.array(fc.nat(30), { maxLength: 4 }) }), {
    minLength: 1,
    maxLength: 30,
  })
  // Each only after those before it, so that there is an order.
  .map((list) =>
    list.map(({ duration, after }, index): Task => {
      const before = new Set(after.filter((each) => each < index).map((each) => `t${each}`));
      return { id: `t${index}`, duration, after: [...before] };
    }),
  );

test("every schedule holds its order, and its makespan lies between the bounds", () => {
  fc.assert(
    fc.property(drawn, fc.integer({ min: 1, max: 6 }), (tasks, workers) => {
      const { timelines, makespan, lowerBound, criticalPathLength, criticalPath } = scheduleTasks(tasks, workers);
      const slots = new Map(timelines.flat().map((slot) => [slot.id, slot]));
      expect(slots.size).toBe(tasks.length);
      for (const { id, duration, after } of tasks) {
        const { start, end } = slots.get(id) as { start: number; end: number };
        expect(end - start).toBe(duration);
        for (const each of after) expect(slots.get(each)?.end).toBeLessThanOrEqual(start);
      }
      for (const timeline of timelines) {
        for (const [index, { start }] of timeline.entries()) {
          expect(start).toBeGreaterThanOrEqual(timeline[index - 1]?.end ?? 0);
        }
      }
      expect(makespan).toBe(Math.max(...[...slots.values()].map((slot) => slot.end)));
      expect(makespan).toBeGreaterThanOrEqual(lowerBound - 1e-9);
      expect(makespan).toBeLessThanOrEqual(lowerBound * (2 - 1 / workers) + 1e-9);
      const durations = new Map(tasks.map((each) => [each.id, each.duration]));
      expect(criticalPath.reduce((sum, id) => sum + (durations.get(id) ?? 0), 0)).toBe(criticalPathLength);
      expect(scheduleTasks(tasks, workers)).toEqual(scheduleTasks(tasks, workers));
    }),
    { numRuns: 300 },
  );
});

describe("what cannot be scheduled is refused with its place", () => {
  const refused = (args: JsonObject) =>
    scheduler.input.safeParse(args).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  test.for([
    [[task("a", 1), task("a", 2)], 'tasks.1.id: "a" is there twice'],
    [[task("a", 1, "b")], 'tasks.0.after.0: there is no "b"'],
    [[task("a", 1, "b"), task("b", 1, "a")], 'tasks.0.after: they wait for each other: "a" after "b" after "a"'],
    [[task("a", -1)], "tasks.0.duration: "],
    [[task("a", Number.POSITIVE_INFINITY)], "tasks.0.duration: "],
  ] as const)("%j", ([tasks, problem]) => {
    expect(refused({ tasks: tasks as never, workers: 1 })?.[0]).toContain(problem);
  });

  test("no tasks, no workers, too many", () => {
    expect(refused({ tasks: [], workers: 1 })?.[0]).toContain("tasks: ");
    expect(refused({ tasks: [task("a", 1)], workers: 0 })?.[0]).toContain("workers: ");
    const many = Array.from({ length: 1_001 }, (_, index) => task(`t${index}`, 1));
    expect(refused({ tasks: many, workers: 1 })?.[0]).toContain("tasks: ");
  });
});

test("a thousand tasks in a row, each after the one before", () => {
  const chain = Array.from({ length: 1_000 }, (_, index) =>
    task(`t${index}`, 1, ...(index === 0 ? [] : [`t${index - 1}`])),
  );
  expect(scheduler.input.safeParse({ tasks: chain, workers: 3 }).success).toBe(true);
  expect(scheduleTasks(chain, 3)).toMatchObject({ makespan: 1_000, criticalPathLength: 1_000 });
});
