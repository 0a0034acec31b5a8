// The end of a process's picture of executions, over a log in memory and in simulated time.
import { createRuntime, rootContext, simulateTime, withContext } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { expect, test } from "vitest";
import { createExecutions } from "./executions.ts";

test("W10: a stop does not wait longer than it is given, though the database does not answer", async () => {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time }));
  const inner = createMemoryStore();
  let hangs = false;
  const store: Store = {
    ...inner,
    getRecords: (keys, now) => (hangs ? new Promise(() => {}) : inner.getRecords(keys, now)),
  };
  const log = createLog(store, ctx.runtime);
  await log.start(ctx);
  const executions = createExecutions(log);
  await executions.start(ctx);
  await log.append(ctx, { streams: [{ stream: "work:x", expected: 0, events: [{ type: "work.started", data: {} }] }] });
  await time.settle();
  hangs = true;
  let stopped = false;
  void executions.stop(withContext(ctx, { deadline: time.now() + 5_000 })).then(() => {
    stopped = true;
  });
  await time.advance(5_000);
  expect(stopped).toBe(true);
});
