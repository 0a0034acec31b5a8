// The end of a process's picture of executions, over a log in memory and in simulated time.
import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime, withContext } from "@viable/kernel";
import type { Position, Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { shortPages } from "@viable/log/testing";
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

/** Executions over a log whose pages end after two events, of what another process writes to the same database. */
async function setupShortPages() {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time }));
  const memory = createMemoryStore();
  const short = shortPages(memory, 2);
  let hears = true;
  const store: Store = {
    ...memory,
    ...short,
    exclusive: false,
    readAll: (...query) => (hears ? short.readAll(...query) : new Promise(() => {})),
  };
  const [log, others] = [createLog(store, ctx.runtime), createLog(memory, ctx.runtime)];
  for (const each of [log, others]) await each.start(ctx);
  const write = async (
    executionId: string,
    expected: number,
    ...types: (string | { type: string; data: JsonObject })[]
  ) => {
    const events = types.map((each) => (typeof each === "string" ? { type: each, data: {} } : each));
    await others.append(ctx, { streams: [{ stream: `execution:${executionId}`, expected, events }] });
  };
  const executions = createExecutions(log);
  return {
    ctx,
    executions,
    write,
    hear: async () => {
      log.wake();
      await time.settle();
    },
    stopHearing: () => {
      hears = false;
    },
  };
}

test("who listens for claims hears of one that a decision has read ahead of the tail, and once", async () => {
  const { ctx, executions, write, hear, stopHearing } = await setupShortPages();
  const executionId = ctx.runtime.ids.next("exe");
  const claimed = (processId: string, attempt: number) => ({
    type: "execution.claimed",
    data: { processId, epoch: 1, attempt, reason: "gone" },
  });
  await executions.start(ctx);
  await write(executionId, 0, "execution.accepted", claimed("here", 1));
  await hear();
  const heard: unknown[] = [];
  executions.onClaimed(executionId, ({ claim }) => heard.push(claim?.processId));
  stopHearing();
  await write(executionId, 2, claimed("there", 2));
  await executions.decide(ctx, executionId, ({ claim }) =>
    claim?.processId === "here" ? { type: "execution.progressed", data: { percent: 1, message: "On." } } : undefined,
  );
  expect(heard).toEqual(["there"]);
});

test("what others wrote of an execution is read to its end, though pages end early: a decision is overtaken once", async () => {
  const { ctx, executions, write, hear, stopHearing } = await setupShortPages();
  const executionId = ctx.runtime.ids.next("exe");
  await write(executionId, 0, "execution.accepted");
  await executions.start(ctx);
  await hear();
  expect(executions.openCount()).toBe(1);
  stopHearing();
  await write(executionId, 1, ...Array<string>(9).fill("execution.progressed"));
  const decidedOn: number[] = [];
  const state = await executions.decide(ctx, executionId, ({ version }) => {
    decidedOn.push(version);
    return { type: "execution.progressed", data: { percent: 50, message: "half" } };
  });
  expect(decidedOn).toEqual([1, 10]);
  expect(state.version).toBe(11);
});

test("a page of the list that ends early says where to go on", async () => {
  const { ctx, executions, write } = await setupShortPages();
  const ids = Array.from({ length: 5 }, () => ctx.runtime.ids.next("exe"));
  for (const id of ids) await write(id, 0, "execution.accepted");
  await executions.start(ctx);
  const listed: string[] = [];
  let pages = 0;
  let before: Position | undefined;
  do {
    const page = await executions.list(ctx, { limit: 100, ...(before !== undefined && { before }) });
    listed.push(...page.executions.map(({ executionId }) => executionId));
    before = page.next;
    pages += 1;
  } while (before !== undefined);
  expect(listed).toEqual(ids.toReversed());
  expect(pages).toBe(3);
});
