// Proves which changes of a swarm's health become facts: looked at each second, decided without a clock or a log.
import type { SwarmHealth } from "@viable/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HealthChange, ToldHealth } from "./told-health.ts";
import { beginTold, decideTold, maxTold, tellReturn } from "./told-health.ts";

interface Told extends HealthChange {
  readonly atMs: number;
}

/** One swarm, looked at each second. */
function watch() {
  let state: ToldHealth = beginTold(0);
  let nowMs = 0;
  const told: Told[] = [];
  return {
    told,
    get state() {
      return state;
    },
    /** It is so for that many seconds. */
    is(status: SwarmHealth, seconds: number, waiting = () => 0) {
      for (let second = 0; second < seconds; second++) {
        const { next, change } = decideTold(state, status, nowMs, waiting());
        state = next;
        if (change !== undefined) told.push({ ...change, atMs: nowMs });
        nowMs += 1_000;
      }
      return this;
    },
    comesBack(waiting: number) {
      const { next, change } = tellReturn(state, nowMs, waiting);
      state = next;
      if (change !== undefined) told.push({ ...change, atMs: nowMs });
    },
  };
}
const steps = (told: readonly Told[]) => told.map(({ from, to }) => `${from} ${to}`);

describe("what is told of a swarm's health", () => {
  test("is nothing of a start that goes well, and of one that does not, what it came to", () => {
    expect(watch().is("starting", 60).is("degraded", 2).is("healthy", 60).told).toEqual([]);
    expect(steps(watch().is("starting", 1).is("degraded", 60).is("healthy", 60).told)).toEqual([
      "starting degraded",
      "degraded healthy",
    ]);
  });

  test("is a status that has held for five seconds, once, and none that has not", () => {
    const world = watch().is("healthy", 10).is("degraded", 5).is("healthy", 10);
    expect(world.told).toEqual([]);
    world.is("degraded", 60);
    expect(world.told).toEqual([{ from: "healthy", to: "degraded", unrecorded: 0, isFlapping: false, atMs: 30_000 }]);
  });

  test("ends with the sixth change in ten minutes, which says so, and goes on with how many were left out (W10)", () => {
    const world = watch().is("healthy", 10);
    for (let round = 0; round < 10; round++) world.is("degraded", 10).is("healthy", 10);
    expect(world.told).toHaveLength(maxTold);
    expect(world.told.map(({ isFlapping }) => isFlapping)).toEqual([false, false, false, false, false, true]);
    world.is("healthy", 300);
    expect(world.told.slice(maxTold)).toMatchObject([
      { from: "healthy", to: "healthy", unrecorded: 14, isFlapping: false },
    ]);
    expect(world.is("degraded", 10).told.at(-1)).toMatchObject({ to: "degraded", unrecorded: 0, isFlapping: true });
  });

  test("is bounded while nothing can be written, and none of it is forgotten", () => {
    const world = watch().is("healthy", 10);
    const waiting = () => world.told.length;
    for (let round = 0; round < 100; round++) world.is("degraded", 900, waiting).is("healthy", 900, waiting);
    expect(world.told).toHaveLength(maxTold);
    expect(world.told.at(-1)?.isFlapping).toBe(true);
    world.is("healthy", 1);
    expect(world.told.at(-1)).toMatchObject({ to: "healthy", unrecorded: 194 });
  });

  test("is a return, always, with what it has overtaken", () => {
    const world = watch().is("healthy", 10).is("degraded", 10);
    world.comesBack(1);
    expect(world.told.at(-1)).toMatchObject({ from: "lost", to: "degraded", unrecorded: 1 });
    expect(world.is("degraded", 100).told).toHaveLength(2);
  });

  test("follows from what was told before, leaves no change uncounted, and is never more than eight in ten minutes (W10)", () => {
    const status = fc.constantFrom<SwarmHealth>("healthy", "degraded", "stopped");
    const life = fc.array(fc.tuple(status, fc.integer({ min: 1, max: 400 })), { maxLength: 60 });
    fc.assert(
      fc.property(life, (phases) => {
        const world = watch().is("healthy", 10);
        let held = "healthy";
        let changes = 0;
        let last = { status: "healthy", seconds: 10 };
        for (const [each, seconds] of phases) {
          world.is(each, seconds);
          const before = last.status === each ? last.seconds : 0;
          last = { status: each, seconds: before + seconds };
          // Looked at in seconds 0 to n - 1: it has held once the look five seconds after its first has come.
          if (last.seconds > 5 && each !== held) {
            held = each;
            changes += 1;
          }
        }
        let from = "healthy";
        for (const change of world.told) {
          expect(change.from).toBe(from);
          from = change.to;
        }
        // The end of a flapping may be told where nothing has changed.
        const kept = world.told.filter((change) => change.from !== change.to).length;
        const counted = world.told.reduce((sum, change) => sum + change.unrecorded, 0) + world.state.unrecorded;
        expect(counted + kept).toBeGreaterThanOrEqual(changes);
        for (const { atMs } of world.told) {
          const within = world.told.filter((each) => each.atMs >= atMs && each.atMs < atMs + 600_000);
          expect(within.length).toBeLessThanOrEqual(8);
        }
        if (!world.state.isFlapping) expect(world.state.told).toBe(held);
      }),
      { numRuns: 300 },
    );
  });
});
