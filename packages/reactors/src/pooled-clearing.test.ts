// That what bears only so many at a time bears no more of them when things are put right or found out, and that whoever waits for that holds up nobody.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { StepContext } from "./step-context.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const pools = { bank: 1 };
const rest = ({ runtime }: StepContext, ms: number) => sleep(rootContext(runtime), ms);
const fails = (): number => {
  throw new Error("no");
};
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;
const beginAll = async (world: ProcessWorld, name: string, count: number) => {
  const runIds: string[] = [];
  for (let at = 0; at < count; at++) runIds.push(await world.begin(name, at, `${at}`));
  return runIds;
};
const last = (world: ProcessWorld, runId: string) => world.history(runId).at(-1)?.event.type;

/** Counts who is at the bank, and how many there were at most. */
class Bank {
  readonly calls: string[] = [];
  most = 0;
  #inside = 0;

  async visit<T>(ctx: StepContext, role: string, result: T): Promise<T> {
    this.calls.push(role);
    this.#inside += 1;
    this.most = Math.max(this.most, this.#inside);
    await rest(ctx, 100);
    this.#inside -= 1;
    return result;
  }
}

test("compensations, undos and questions after an outcome take their turns in the step's pool like its runs", async () => {
  const bank = new Bank();
  const isOdd = (args: unknown) => (args as { n: number }).n % 2 === 1;
  const definition = reactor("pays", { input: z.number() }, (steps) =>
    steps
      .step("book", {
        pool: "bank",
        run: (ctx) => bank.visit(ctx, "run", 1),
        undo: (ctx) => bank.visit(ctx, "undo", undefined),
      })
      .step("charge", {
        args: ({ input }) => ({ n: input }),
        after: ["book"],
        pool: "bank",
        idempotent: false,
        timeoutMs: 1_000,
        run: (_ctx, args) => (isOdd(args) ? fails() : new Promise<number>(() => {})),
        findOutcome: (ctx) => bank.visit(ctx, "findOutcome", { result: 1 }),
        compensate: (ctx) => bank.visit(ctx, "compensate", undefined),
      })
      .step("bad", { after: ["charge"], run: fails })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition], pools });
  const runIds = await beginAll(world, "pays", 10);
  await world.time.advance(120_000);
  expect(runIds.map((runId) => last(world, runId))).toEqual(runIds.map(() => "run.compensated"));
  const count = (role: string) => bank.calls.filter((each) => each === role).length;
  expect(["run", "undo", "findOutcome", "compensate"].map(count)).toEqual([10, 10, 5, 5]);
  expect(bank.most).toBe(1);
  expect(first(world).reactors.stats().pools).toEqual({ bank: { size: 1, used: 0, waiting: 0 } });
});

test("a compensation leaves its place between two tries, and whatever comes of them", async () => {
  const calls: string[] = [];
  const definition = reactor("pays", { input: z.number() }, (steps) =>
    steps
      .step("charge", {
        args: ({ input }) => ({ n: input }),
        pool: "bank",
        timeoutMs: 1_000,
        run: fails,
        compensate: ({ attempt }, { args }) => {
          const { n } = args as { n: number };
          calls.push(`${n} ${attempt}`);
          if (n === 0 && attempt === 1) fails();
          return n === 0 ? undefined : new Promise<undefined>(() => {});
        },
      })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition], pools });
  const runIds = await beginAll(world, "pays", 2);
  await world.time.advance(60_000);
  expect(runIds.map((runId) => last(world, runId))).toEqual(["run.failed", "run.needs_review"]);
  expect(calls.slice(0, 3)).toEqual(["0 1", "1 1", "0 2"]);
  expect(first(world).reactors.stats().pools).toEqual({ bank: { size: 1, used: 0, waiting: 0 } });
});

test("a process that stops begins none of those that wait, and no person is asked about what had not begun", async () => {
  const cleared: string[] = [];
  const clear = (role: string) => async (ctx: StepContext) => {
    await rest(ctx, 2_000);
    cleared.push(`${role} ${ctx.runId}`);
  };
  const definition = reactor("pays", { input }, (steps) =>
    steps
      .step("book", { idempotent: false, pool: "bank", run: () => 1, undo: clear("undo") })
      .step("charge", { after: ["book"], idempotent: false, pool: "bank", run: fails, compensate: clear("compensate") })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition], pools });
  const runIds = await beginAll(world, "pays", 4);
  await world.time.advance(5_000);
  await world.start();
  const { reactors, membership, ctx } = first(world);
  expect(reactors.stats().pools.bank).toMatchObject({ used: 1, waiting: 2 });
  const begun = cleared.length;
  await world.settled(reactors.stop(ctx));
  expect([cleared.length, reactors.stats().pools.bank]).toEqual([begun + 1, { size: 1, used: 0, waiting: 0 }]);
  await world.settled(membership.stop(ctx));
  await world.time.advance(120_000);
  expect(runIds.map((runId) => last(world, runId))).toEqual(runIds.map(() => "run.compensated"));
  expect(cleared.length).toBe(8);
  expect(new Set(cleared).size).toBe(8);
});

test("but what waits for its next try is let to it, since the log says that it began", async () => {
  const definition = reactor("pays", { input: z.number() }, (steps) =>
    steps
      .step("charge", {
        args: ({ input }) => ({ n: input }),
        idempotent: false,
        pool: "bank",
        run: fails,
        compensate: async (ctx, { args }) => {
          if ((args as { n: number }).n === 0 && ctx.attempt === 1) fails();
          await rest(ctx, 2_000);
        },
      })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition], pools });
  const runIds = await beginAll(world, "pays", 2);
  await world.time.advance(500);
  const { reactors, ctx } = first(world);
  expect(reactors.stats().pools.bank).toEqual({ size: 1, used: 1, waiting: 1 });
  await world.settled(reactors.stop(ctx));
  expect(runIds.map((runId) => last(world, runId))).toEqual(runIds.map(() => "step.compensated"));
});

test.for(["compensate", "undo"] as const)(
  "a process that loses its runs gives back the place of their %s, and waits for no other",
  async (role) => {
    const clearing = { [role]: (ctx: StepContext) => rest(ctx, 5_000) };
    const definition = reactor("pays", { input }, (steps) =>
      steps
        .step("charge", { pool: "bank", run: role === "undo" ? () => 1 : fails, ...clearing })
        .step("bad", { after: ["charge"], run: fails })
        .returns(() => 1),
    );
    const world = await simulateProcesses({ seed: 1, definitions: [definition], pools });
    const runIds = await beginAll(world, "pays", 3);
    await world.time.advance(1_000);
    const holder = first(world);
    expect(holder.reactors.stats().pools.bank).toEqual({ size: 1, used: 1, waiting: 2 });
    holder.pause();
    await world.time.advance(60_000);
    await holder.resume();
    await world.time.advance(60_000);
    const end = role === "undo" ? "run.compensated" : "run.failed";
    expect(runIds.map((runId) => last(world, runId))).toEqual(runIds.map(() => end));
    for (const { reactors } of world.processes)
      expect(reactors.stats().pools.bank).toEqual({ size: 1, used: 0, waiting: 0 });
  },
);
