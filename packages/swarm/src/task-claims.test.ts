// What a task claims is let go when it ends: also what it was not answered for, and where letting go is not taken at once.
import { joinCluster } from "@viable/cluster";
import { createRuntime, rootContext, seededRandom, simulateTime, withContext } from "@viable/kernel";
import type { Log, Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { createConflicts, registryEventTypes } from "@viable/registry";
import { expect, test } from "vitest";
import { TaskClaims } from "./task-claims.ts";

const lock = { policy: { kind: "lock" } } as const;

async function setup() {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time, random: seededRandom(1) });
  const memory = createMemoryStore();
  const slow = { ms: 0 };
  const store: Store = {
    ...memory,
    async commit(...batch) {
      const result = await memory.commit(...batch);
      // It has happened, and nobody knows for so long.
      if (slow.ms > 0) await new Promise<void>((resolve) => void time.setTimer(resolve, slow.ms));
      return result;
    },
  };
  const log = createLog(store, runtime, { types: registryEventTypes });
  const busy = { times: 0 };
  const busyLog: Log = {
    ...log,
    append: async (...request) => {
      if (busy.times === 0) return await log.append(...request);
      busy.times -= 1;
      return { ok: false, reason: "overloaded", waiting: 1, retryAfterMs: 50 };
    },
  };
  const membership = joinCluster({ log, runtime, hosts: [], exclusive: true });
  const conflicts = createConflicts({ log: busyLog, membership });
  const ctx = rootContext(runtime);
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    promise.then(over, over);
    await time.until(() => isOver);
    return await promise;
  };
  for (const part of [log, membership, conflicts]) await settled(part.start(ctx));
  const holder = async () => (await settled(conflicts.holder(ctx, "press")))?.by;
  return { time, conflicts, ctx, settled, slow, busy, holder };
}

test("one that is cancelled while its claim is on its way holds nothing once that has come through", async () => {
  const { time, conflicts, ctx, settled, slow, holder } = await setup();
  const life = new AbortController();
  const task = new TaskClaims(conflicts, withContext(ctx, { signal: life.signal }), "works/printer exe_1", 1);
  slow.ms = 50;
  const claiming = task.claim("press", lock);
  claiming.catch(() => undefined);
  await time.advance(10);
  life.abort(new Error("cancelled"));
  task.end();
  await expect(settled(claiming)).rejects.toMatchObject({ code: "context.cancelled" });
  slow.ms = 0;
  await time.advance(1_000);
  expect(await holder()).toBeUndefined();
  expect(await settled(new TaskClaims(conflicts, ctx, "works/printer exe_2", 1).claim("press", lock))).toMatchObject({
    ok: true,
    token: 2,
  });
});

test("where the log is overloaded as it ends it is let go a little later", async () => {
  const { time, conflicts, ctx, settled, busy, holder } = await setup();
  const task = new TaskClaims(conflicts, ctx, "works/printer exe_1", 1);
  expect(await settled(task.claim("press", lock))).toMatchObject({ ok: true });
  busy.times = 3;
  task.end();
  await time.advance(10);
  expect(await holder()).toBe("works/printer exe_1/1");
  await time.advance(1_000);
  expect(await holder()).toBeUndefined();
});

test("what a later attempt of the same task holds is not let go with an earlier one", async () => {
  const { time, conflicts, ctx, settled, holder } = await setup();
  const first = new TaskClaims(conflicts, ctx, "works/printer exe_1", 1);
  await settled(first.claim("press", lock));
  first.end();
  await time.advance(100);
  const second = new TaskClaims(conflicts, ctx, "works/printer exe_1", 2);
  expect(await settled(second.claim("press", lock))).toMatchObject({ ok: true });
  first.end();
  await time.advance(100);
  expect(await holder()).toBe("works/printer exe_1/2");
});

test("the next attempt waits for the one before to let go", async () => {
  const { time, conflicts, ctx, settled } = await setup();
  const first = new TaskClaims(conflicts, ctx, "works/printer exe_1", 1);
  await settled(first.claim("press", lock));
  const second = new TaskClaims(conflicts, ctx, "works/printer exe_1", 2);
  const claiming = second.claim("press", lock);
  await time.advance(500);
  first.end();
  expect(await settled(claiming)).toMatchObject({ ok: true, token: 2 });
});

test("it claims nothing after its end", async () => {
  const { conflicts, ctx } = await setup();
  const task = new TaskClaims(conflicts, ctx, "works/printer exe_1", 1);
  task.end();
  await expect(task.claim("press", lock)).rejects.toMatchObject({ code: "agent.ended" });
});
