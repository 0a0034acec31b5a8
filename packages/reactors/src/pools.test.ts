// That no more are at work than a pool has places, that places go to who has waited longest, and that none is ever lost.
import { rootContext, sleep } from "@viable/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { Pools } from "./pools.ts";
import { reactor } from "./reactor.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const fails = (): number => {
  throw new Error("no");
};

test("a step that waits for its turn in a pool does not begin once the run fails", async () => {
  const definition = reactor("pooled", { input }, (steps) =>
    steps
      .step("long", { pool: "p", run: (ctx) => sleep(rootContext(ctx.runtime), 1_000) })
      .step("queued", { pool: "p", run: () => 1 })
      .step("bad", { run: fails })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1, pools: { p: 1 } });
  expect(run.callLines).toEqual(["run long", "run bad"]);
});

test("a process that loses a run while it records that a once-only step begins gives back the step's place in its pool", async () => {
  const definition = reactor("pooled", { input }, (steps) =>
    steps
      .step("charge", { pool: "narrow", idempotent: false, findOutcome: () => ({ result: 1 }), run: () => 1 })
      .returns(({ results }) => results.charge),
  );
  let isFirst = true;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    pools: { narrow: 1 },
    fate: ({ when, what }) => {
      if (!isFirst || when !== "before" || what !== "step.started") return "go";
      isFirst = false;
      return "pause";
    },
  });
  await world.finish(await world.begin("pooled", 1, "k"));
  expect(world.faults).toMatchObject([{ when: "before", what: "step.started" }]);
  expect(world.processes.map(({ state, reactors }) => [state, reactors.stats().pools.narrow?.used])).toEqual([
    ["running", 0],
    ["running", 0],
  ]);
});

test("whoever comes and goes, and whoever gives up, no more are at work than there are places, and none is lost", () => {
  const action = fc.oneof(
    fc.constant({ does: "enter" as const }),
    fc.record({ does: fc.constantFrom("leave" as const, "giveUp" as const), who: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(action, { maxLength: 100 }), (size, actions) => {
      const pools = new Pools({ narrow: size });
      const inside: number[] = [];
      const waiting: number[] = [];
      const givesUp = new Map<number, () => void>();
      let next = 0;
      for (const each of actions) {
        if (each.does === "enter") {
          const who = next++;
          const mustWait = inside.length === size;
          if (mustWait) waiting.push(who);
          let isIn = false;
          const giveUp = pools.enter("narrow", () => {
            isIn = true;
            // The longest wait is over first.
            if (mustWait) expect(waiting.shift()).toBe(who);
            inside.push(who);
          });
          expect(isIn).toBe(!mustWait);
          givesUp.set(who, giveUp);
        } else if (each.does === "leave" && inside.length > 0) {
          inside.splice(each.who % inside.length, 1);
          pools.leave("narrow");
        } else if (each.does === "giveUp" && waiting.length > 0) {
          const [who] = waiting.splice(each.who % waiting.length, 1) as [number];
          givesUp.get(who)?.();
        }
        expect(pools.stats()).toEqual({ narrow: { size, used: inside.length, waiting: waiting.length } });
      }
    }),
  );
});

test("one that throws as it comes in keeps nobody else out", () => {
  const pools = new Pools({ narrow: 1 });
  const entered: string[] = [];
  pools.enter("narrow", () => entered.push("first"));
  pools.enter("narrow", () => {
    throw new Error("no");
  });
  pools.enter("narrow", () => entered.push("last"));
  expect(() => pools.leave("narrow")).toThrow("no");
  pools.leave("narrow");
  expect(entered).toEqual(["first", "last"]);
});

test("who has come in has nothing to give up any more", () => {
  const pools = new Pools({ narrow: 1 });
  const giveUp = pools.enter("narrow", () => {});
  giveUp();
  expect(pools.stats().narrow).toEqual({ size: 1, used: 1, waiting: 0 });
});

test("pools do not know of each other, and none has a name that every object has", () => {
  const pools = new Pools({ one: 1, other: 1 });
  const entered: string[] = [];
  for (const pool of ["one", "other", "one"]) pools.enter(pool, () => entered.push(pool));
  expect(entered).toEqual(["one", "other"]);
  expect([pools.has("one"), pools.has("third"), pools.has("constructor")]).toEqual([true, false, false]);
});
