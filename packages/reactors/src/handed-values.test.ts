// That what functions are handed of a run's state is frozen, whether the process that calls them has loaded the run or not: what one of them
// changed would be seen by those after it, and stand in no event (W8).
import { ViableError } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.object({ list: z.array(z.number()) });
const isFrozen = (value: unknown): boolean =>
  typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));

const cases = [
  ["which began it", false],
  ["which took it over", true],
] as const;

test.for(cases)("a step cannot change the input and the results it is handed by a process %s", async ([, kill]) => {
  const definition = reactor("sorts", { input }, (steps) =>
    steps
      .step("a", { run: () => ({ list: [3, 1, 2] }) })
      .sleep("z", { after: ["a"], args: () => ({ forMs: 30_000 }) })
      .step("b", {
        after: ["z"],
        args: ({ input: from, results }) => ({ input: from.list, result: results.a.list }),
        run: (_ctx, given) => {
          const said: string[] = [];
          for (const change of [() => given.input.push(99), () => given.result.sort()]) {
            try {
              change();
              said.push("changed");
            } catch {
              said.push("refused");
            }
          }
          return said;
        },
      })
      .step("c", {
        after: ["b"],
        args: ({ input: from, results }) => ({ all: [from.list, results.a.list, results.b] }),
        run: (_ctx, { all }) => all,
      })
      .returns(({ results }) => results.c),
  );
  const world = await simulateProcesses({ seed: 1, definitions: [definition] });
  const runId = await world.begin("sorts", { list: [7] }, "k");
  await world.time.advance(5_000);
  if (kill) (world.processes[0] as SimulatedProcess).kill();
  expect(await world.finish(runId)).toMatchObject({
    data: { result: [[7], [3, 1, 2], ["refused", "refused"]] },
  });
  expect(world.history(runId).some(({ event }) => event.type === "run.claimed")).toBe(kill);
});

test.for(cases)("nor what maps, groups and repeats come to, by a process %s", async ([, kill]) => {
  const seen: Record<string, boolean> = {};
  const definition = reactor("gathers", { input }, (steps) =>
    steps
      .map("m", { over: ({ input: from }) => from.list }, (each) =>
        each
          .step("x", { args: ({ element }) => ({ element }), run: (_ctx, { element }) => [element] })
          .returns(({ results }) => results.x),
      )
      .group("g", {}, (inner) => inner.step("y", { run: () => [1] }).returns(({ results }) => ({ y: results.y })))
      .sleep("z", { after: ["m", "g"], args: () => ({ forMs: 30_000 }) })
      .step("b", {
        after: ["z"],
        args: ({ results }) => ({ map: results.m, group: results.g }),
        run: (_ctx, { map, group }) => {
          seen.map = isFrozen(map);
          seen.group = isFrozen(group);
          return 1;
        },
      })
      .returns(({ results }) => results.b),
  );
  const world = await simulateProcesses({ seed: 1, definitions: [definition] });
  const runId = await world.begin("gathers", { list: [7, 8] }, "k");
  await world.time.advance(5_000);
  if (kill) (world.processes[0] as SimulatedProcess).kill();
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect(seen).toEqual({ map: true, group: true });
});

test.for(cases)(
  "nor a compensation why it is called, nor an undo what it takes back, by a process %s",
  async ([, kill]) => {
    const seen: Record<string, boolean> = {};
    const definition = reactor("fails", { input }, (steps) =>
      steps
        .step("a", {
          args: ({ input: from }) => ({ list: from.list }),
          run: () => ({ list: [1] }),
          undo: (_ctx, said) => {
            seen.undone = isFrozen(said.args) && isFrozen(said.result);
          },
        })
        .step("b", {
          after: ["a"],
          retry: { maxAttempts: 1 },
          run: (): number => {
            throw new ViableError("b.failed", "No.", { details: { list: [1] } });
          },
          compensate: (_ctx, { error }) => {
            seen.failed = isFrozen((error as ViableError).details);
          },
        })
        .returns(() => 1),
    );
    let isKilled = !kill;
    const world = await simulateProcesses({
      seed: 1,
      definitions: [definition],
      fate: ({ kind, when }) => {
        const failed = world.runIds.some((id) => world.history(id).at(-1)?.event.type === "step.failed");
        if (isKilled || !failed || kind !== "append" || when !== "before") return "go";
        isKilled = true;
        return "kill";
      },
    });
    const runId = await world.begin("fails", { list: [7] }, "k");
    expect(await world.finish(runId)).toMatchObject({ type: "run.compensated" });
    expect(seen).toEqual({ failed: true, undone: true });
    expect(world.history(runId).some(({ event }) => event.type === "run.claimed")).toBe(kill);
  },
);
