// That runs are told of when it is their time, and that nothing is kept of those that have ended.
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, seededRandom, simulateTime } from "@viable/kernel";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { DueTimes } from "./due-times.ts";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";
import { WakeUps } from "./wake-ups.ts";

const dayMs = 24 * 3_600_000;

function wakeUpsIn(time: SimulatedTime) {
  const startMs = time.now();
  const woken: string[] = [];
  const runtime = createRuntime({ clock: time, random: seededRandom(1) });
  const wakeUps = new WakeUps(runtime, (runId) => woken.push(`${runId} at ${time.now() - startMs}`));
  return { woken, wakeUps, add: (runId: string, inMs: number) => wakeUps.add(runId, startMs + inMs) - startMs };
}

describe("a run", () => {
  test("is told of at the earliest of its times, and at another only where that is asked for then", async () => {
    const time = simulateTime();
    const { woken, add } = wakeUpsIn(time);
    expect([add("a", 300), add("a", 100), add("a", 200), add("b", 250)]).toEqual([300, 100, 100, 250]);
    await time.advance(1_000);
    expect(woken).toEqual(["a at 100", "b at 250"]);
    add("a", 1_500);
    await time.advance(1_000);
    expect(woken).toEqual(["a at 100", "b at 250", "a at 1500"]);
  });

  test("is not told of once it is over, and nothing is kept of it for long", async () => {
    const time = simulateTime();
    const { woken, wakeUps, add } = wakeUpsIn(time);
    for (let nr = 0; nr < 100_000; nr++) {
      add(`run ${nr}`, dayMs + nr);
      if (nr >= 10) wakeUps.remove(`run ${nr - 10}`);
    }
    expect(wakeUps.size).toBeLessThan(1_100);
    await time.advance(2 * dayMs);
    expect(woken).toHaveLength(10);
  });

  test("is told of within a minute where wall time jumps past its time, as over a machine's sleep", async () => {
    const time = simulateTime();
    let jumpMs = 0;
    const { woken, add } = wakeUpsIn({ ...time, now: () => time.now() + jumpMs });
    add("a", dayMs);
    await time.advance(10_000);
    jumpMs = 2 * dayMs;
    add("b", jumpMs + 70_000);
    await time.advance(60_000);
    expect(woken).toEqual([expect.stringMatching(/^a /), expect.stringMatching(/^b /)]);
  });

  test("that asks again and again is kept once", () => {
    const { wakeUps, add } = wakeUpsIn(simulateTime());
    for (let nr = 0; nr < 100_000; nr++) add("a", dayMs - nr);
    expect(wakeUps.size).toBeLessThan(1_100);
  });
});

describe("runs with a deadline that is a day away", () => {
  test("leave nothing behind as they complete", async () => {
    const added = vi.spyOn(DueTimes.prototype, "add");
    const definition = reactor("quick", { input: z.unknown(), timeoutMs: dayMs }, (steps) =>
      steps.step("a", { run: () => 1 }).returns(() => 1),
    );
    const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
    for (let count = 0; count < 3_000; count++) await world.begin("quick", 1, `${count}`);
    await world.time.advance(10_000);
    expect(world.processes[0]?.reactors.stats()).toMatchObject({ open: 0 });
    const kept = new Set(added.mock.contexts as DueTimes<string>[]);
    expect(Math.max(...[...kept].map(({ size }) => size))).toBeLessThan(1_100);
  });
});

const input = z.unknown();
test.for([
  [
    "a sleep",
    reactor("sleeps", { input }, (steps) => steps.sleep("s", { args: () => ({ forMs: dayMs }) }).returns(() => 1)),
    "run.completed",
  ],
  [
    "a wait's time",
    reactor("waits", { input }, (steps) =>
      steps.waitFor("w", { event: "e", args: () => ({ timeoutMs: dayMs }) }).returns(() => 1),
    ),
    "run.failed",
  ],
  [
    "a wait between tries",
    reactor("tries", { input }, (steps) =>
      steps
        .step("t", {
          retry: { maxAttempts: 2, baseMs: dayMs, maxMs: dayMs },
          run: ({ attempt }) => {
            if (attempt === 1) throw new Error("no");
          },
        })
        .returns(() => 1),
    ),
    "run.completed",
  ],
  [
    "a deadline",
    reactor("late", { input, timeoutMs: dayMs }, (steps) => steps.approval("a", { title: "Well?" }).returns(() => 1)),
    "run.failed",
  ],
] as const)(
  "%s of a run that rests is over within a minute of wall time having jumped past it",
  async ([, definition, ends]) => {
    const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
    const runId = await world.begin(definition.name, 1, "k");
    await world.time.advance(10_000);
    expect(world.processes[0]?.reactors.stats()).toMatchObject({ resting: 1 });
    (world.processes[0] as SimulatedProcess).clock.wallOffsetMs = 2 * dayMs;
    await world.time.advance(60_000);
    expect(world.history(runId).at(-1)?.event.type).toBe(ends);
  },
);

test("a run that waits for several times, and has a deadline, goes on at each of them", async () => {
  const definition = reactor("naps", { input: z.unknown(), timeoutMs: 60_000 }, (steps) =>
    steps
      .sleep("long", { args: () => ({ forMs: 40_000 }) })
      .sleep("short", { args: () => ({ forMs: 10_000 }) })
      .sleep("middle", { args: () => ({ forMs: 20_000 }) })
      .approval("ask", { title: "May we?", after: ["short"] })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const startMs = world.time.now();
  const runId = await world.begin("naps", 1, "k");
  await world.finish(runId);
  const told = world.history(runId).map(({ event, atMs }) => `${event.type} ${Math.round((atMs - startMs) / 1_000)}`);
  expect(told.filter((each) => !each.startsWith("step.waiting"))).toEqual([
    "run.started 0",
    "step.succeeded 10",
    "step.succeeded 20",
    "step.succeeded 40",
    "run.gave_up 60",
    "run.failed 60",
  ]);
});

test("a short wait that is asked for after wall time has jumped is not kept until a timer of before", async () => {
  const time = simulateTime();
  let jumpMs = 0;
  const clock = { ...time, now: () => time.now() + jumpMs };
  const woken: string[] = [];
  const wakeUps = new WakeUps(createRuntime({ clock, random: seededRandom(1) }), (runId) => woken.push(runId));
  wakeUps.add("far", time.now() + 48 * 3_600_000);
  await time.advance(1_000);
  jumpMs = 3_600_000;
  wakeUps.add("soon", clock.now() + 100);
  await time.advance(99);
  expect(woken).toEqual([]);
  await time.advance(1);
  expect(woken).toEqual(["soon"]);
});
