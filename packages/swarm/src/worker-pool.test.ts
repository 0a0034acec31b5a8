/** The pool under its supervisor in simulated time: who takes what, and what a drain leaves and gives back. */
import { createRuntime, rootContext, simulateTime, sleep, withContext } from "@viable/kernel";
import { supervise } from "@viable/supervisor";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent } from "./agent.ts";
import type { Task } from "./task.ts";
import { executionState } from "./testing/execution-state.ts";
import { WorkerPool } from "./worker-pool.ts";

const worked = agent({ name: "a", capability: "work", description: "Works.", input: z.object({}), handle: () => null });

interface Work {
  readonly ms: number;
  /** Offered to the pool half way; it waits for that to end. */
  readonly delegates?: Task;
}

const taskOf = (executionId: string, parentId?: string): Task => ({
  state: executionState({ executionId, ...(parentId !== undefined && { parentId }) }),
  claim: { processId: "here", epoch: 1, attempt: 1 },
  agent: worked,
});

async function setup(options: { workers: number; drainMs: number; work?: Record<string, Work> }) {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time }));
  const startedAt = time.now();
  /** What happened, when, in milliseconds from the start. */
  const story: string[] = [];
  const tell = (what: string) => story.push(`${time.now() - startedAt}: ${what}`);
  const ends = new Map<string, () => void>();
  const pool = new WorkerPool({
    maxQueued: 10,
    drainMs: options.drainMs,
    onOver: () => () => {},
    async carryOut(task, { signal, onWait }) {
      const { executionId } = task.state;
      const { ms, delegates } = options.work?.[executionId] ?? { ms: 1_000 };
      tell(`${executionId} begun`);
      const taskCtx = withContext(ctx, { signal });
      await sleep(taskCtx, ms / 2);
      if (delegates !== undefined) {
        const ended = new Promise<void>((resolve) => ends.set(delegates.state.executionId, resolve));
        const resume = onWait();
        pool.offer(delegates);
        await ended;
        resume();
      }
      await sleep(taskCtx, ms / 2);
      tell(`${executionId} done`);
      ends.get(executionId)?.();
    },
    onFailed: () => {},
    onUnfinished: (task) => tell(`${task.state.executionId} unfinished`),
    onLost: (task) => tell(`${task.state.executionId} lost`),
  });
  const workers = supervise({
    name: "workers",
    strategy: "one-for-one",
    children: Array.from({ length: options.workers }, (_, index) => pool.workerSpec(`worker-${index + 1}`)),
  });
  await workers.start(ctx);
  /** Moves time on until it has stopped, in the order in which a swarm stops. */
  const stop = async (within: number | undefined = undefined) => {
    const stopCtx = within === undefined ? ctx : withContext(ctx, { deadline: time.now() + within });
    let stopped = false;
    const stopping = pool.drain(stopCtx).then(() => workers.stop(stopCtx));
    void stopping.then(() => {
      stopped = true;
    });
    await time.until(() => stopped, 3_600_000);
    tell("stopped");
  };
  return { time, ctx, pool, workers, story, stop };
}

test("a place is kept for a task by its name: it counts as held, and takes room, until it is given back", async () => {
  const { pool } = await setup({ workers: 0, drainMs: 0 });
  const places = Array.from({ length: 10 }, (_, nr) => pool.reserve(`exe_${nr}`));
  expect(pool.holds("exe_9")).toBe(true);
  expect([pool.hasRoom, pool.reserve("exe_10")]).toEqual([false, undefined]);
  places[9]?.();
  // A command that is repeated under its key is on its way twice.
  const again = pool.reserve("exe_8");
  places[8]?.();
  places[8]?.();
  expect([pool.holds("exe_8"), pool.hasRoom]).toEqual([true, true]);
  again?.();
  places[8] = pool.reserve("exe_8");
  expect([pool.holds("exe_9"), pool.holds("exe_8"), pool.hasRoom]).toEqual([false, true, true]);
});

test("a claim under the next lease is that of the worker that goes on; one of another attempt is not", async () => {
  const { pool } = await setup({ workers: 1, drainMs: 0 });
  const [held, queued] = [taskOf("exe_1"), taskOf("exe_2")];
  for (const task of [held, queued]) expect(pool.offer(task)).toBe(true);
  for (const { state } of [held, queued]) {
    expect(pool.reclaim(state.executionId, { processId: "here", epoch: 2, attempt: 1 })).toBe(true);
    expect(pool.reclaim(state.executionId, { processId: "here", epoch: 3, attempt: 2 })).toBe(false);
  }
  pool.reserve("exe_3");
  expect(pool.reclaim("exe_3", { processId: "here", epoch: 2, attempt: 1 })).toBe(false);
  expect([held.claim, queued.claim]).toEqual([1, 2].map(() => ({ processId: "here", epoch: 2, attempt: 1 })));
});

describe("a drain", () => {
  test("gives a task the time that is set, and ends when the last is done", async () => {
    const { pool, story, stop } = await setup({ workers: 1, drainMs: 30_000, work: { one: { ms: 25_000 } } });
    pool.offer(taskOf("one"));
    pool.offer(taskOf("queued"));
    await stop();
    expect(story).toEqual(["0: one begun", "0: queued unfinished", "25000: one done", "25000: stopped"]);
  });

  test.each([
    ["the time that is set", undefined, 5_000],
    ["the context, and a second is left to give it back", 4_000, 3_000],
    ["a short context, and half of it is left to give it back", 200, 100],
  ])("gives back what does not end within %s, of all workers at once", async (_what, withinMs, endedAt) => {
    const work = { one: { ms: 60_000 }, two: { ms: 60_000 } };
    const { pool, story, stop } = await setup({ workers: 2, drainMs: 5_000, work });
    pool.offer(taskOf("one"));
    pool.offer(taskOf("two"));
    await stop(withinMs);
    expect(story).toEqual([
      "0: one begun",
      "0: two begun",
      `${endedAt}: one unfinished`,
      `${endedAt}: two unfinished`,
      `${endedAt}: stopped`,
    ]);
  });

  test("begins what a task that is held delegates here, and nothing else", async () => {
    const work = { parent: { ms: 2_000, delegates: taskOf("child", "parent") } };
    const { time, pool, story, stop } = await setup({ workers: 2, drainMs: 5_000, work });
    pool.offer(taskOf("parent"));
    const stopping = stop();
    pool.offer(taskOf("stranger"));
    await stopping;
    expect(story).toEqual([
      "0: parent begun",
      "1000: child begun",
      "2000: child done",
      "3000: parent done",
      "3000: stranger unfinished",
      "3000: stopped",
    ]);
    expect(time.pending).toBe(0);
  });

  test("that is over leaves nothing in its queue, where no worker may ever come for it", async () => {
    const { pool, workers, ctx, story, stop } = await setup({ workers: 1, drainMs: 5_000 });
    await stop();
    expect(pool.offer(taskOf("late"))).toBe(true);
    pool.close();
    expect(pool.offer(taskOf("later"))).toBe(false);
    expect(story).toEqual(["0: stopped", "0: late unfinished"]);
    pool.open();
    expect(pool.offer(taskOf("again"))).toBe(true);
    await workers.stop(ctx);
  });

  test("of one worker leaves its tasks to it and new ones to the others", async () => {
    const { time, ctx, pool, workers, story } = await setup({
      workers: 2,
      drainMs: 5_000,
      work: { two: { ms: 4_000 } },
    });
    pool.offer(taskOf("one"));
    pool.offer(taskOf("two"));
    const removed = workers.remove(ctx, "worker-2");
    expect(pool.workers).toBe(1);
    pool.offer(taskOf("three"));
    pool.offer(taskOf("four"));
    await time.advance(10_000);
    expect(await removed).toBe(true);
    expect(story).toEqual([
      "0: one begun",
      "0: two begun",
      "1000: one done",
      "1000: three begun",
      "2000: three done",
      "2000: four begun",
      "3000: four done",
      "4000: two done",
    ]);
  });
});
