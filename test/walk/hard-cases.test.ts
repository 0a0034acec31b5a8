/**
 * Cases at the edges of the walk, each of which once ended wrongly: the story is in the test's name.
 */

import type { ErrorOptionsWithNext, JsonObject, JsonValue } from "@viable/kernel";
import { maxJsonDepth, ViableError } from "@viable/kernel";
import type { CommitResult, Store } from "@viable/log";
import { createMemoryStore, storeNoSpace, storeUnavailable } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import type { TestSystem } from "@viable/testing";
import type { AgentContext } from "viable";
import { agent, defineSystem, service } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

const pause = (ctx: AgentContext, ms: number) =>
  new Promise<void>((resolve, reject) => {
    const timer = ctx.runtime.clock.setTimer(resolve, ms);
    ctx.signal.addEventListener("abort", () => {
      timer.cancel();
      reject(ctx.signal.reason);
    });
  });

function build(
  calls: string[],
  settings: { workers?: number; maxQueued?: number; maxAttempts?: number; drainMs?: number } = {},
) {
  const { maxAttempts = 3, drainMs = 20_000, ...rest } = settings;
  return defineSystem({
    name: "hard-cases",
    limits: { drainMs },
    services: [
      service({
        name: "work",
        description: "Works.",
        port: 0,
        ...rest,
        agents: [
          agent({
            name: "nap",
            capability: "nap",
            description: "Naps.",
            joinable: true,
            maxAttempts,
            timeoutMs: 3_600_000,
            input: z.strictObject({ ms: z.number(), label: z.string().default(""), chars: z.number().default(0) }),
            handle: async (ctx, { ms, label, chars }) => {
              calls.push(label);
              await pause(ctx, ms);
              return { label, text: "x".repeat(chars) };
            },
          }),
          agent({
            name: "asker",
            capability: "ask",
            description: "Has another nap.",
            maxAttempts,
            timeoutMs: 3_600_000,
            input: z.strictObject({ ms: z.number(), label: z.string() }),
            handle: async (ctx, args) => (await ctx.delegate("nap", args)) as never,
          }),
          agent({
            name: "chatty",
            capability: "gossip",
            description: "Reports all the time.",
            maxAttempts,
            timeoutMs: 24 * 3_600_000,
            input: z.strictObject({ reports: z.number() }),
            handle: async (ctx, { reports }) => {
              for (let report = 0; report < reports; report++) {
                ctx.progress(1, `report ${report}`);
                await pause(ctx, 200);
              }
              return "said";
            },
          }),
        ],
      }),
    ],
  });
}

/**
 * A store that can be away: whatever is asked of it then is refused, as a database that cannot be reached would; and that can be full:
 * then it refuses what would be written, as one without space on its disk would.
 */
function ailingStore(): { store: Store; away(is: boolean): void; full(is: boolean): void } {
  const inner = createMemoryStore();
  let isAway = false;
  let isFull = false;
  const guard =
    <A extends unknown[], R>(act: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (isAway) throw new ViableError(storeUnavailable, "The database is away.", { retryable: true });
      return await act(...args);
    };
  return {
    away(is) {
      isAway = is;
    },
    full(is) {
      isFull = is;
    },
    store: {
      ...inner,
      commit: guard<Parameters<Store["commit"]>, CommitResult>(async (batch, now) => {
        if (isFull) throw new ViableError(storeNoSpace, "The disk is full.");
        return await inner.commit(batch, now);
      }),
      readStream: guard(inner.readStream),
      readStreams: guard(inner.readStreams),
      readAll: guard(inner.readAll),
      getRecords: guard(inner.getRecords),
      listRecords: guard(inner.listRecords),
      head: guard(inner.head),
    },
  };
}

test("W5: a follower of equal work that joined after the checkpoint has one outcome after a restart", async () => {
  const calls: string[] = [];
  const store = createMemoryStore();
  const first = await startTestSystem(build(calls), { store });
  const client = await first.connect();
  const leader = await client.begin("nap", { ms: 60_000, label: "x" });
  await first.time.advance(8_000);
  const follower = await client.begin("nap", { ms: 60_000, label: "x" });
  await first.time.advance(100);
  await using next = await startTestSystem(build(calls), { store, seed: 2 });
  for (const id of [leader, follower]) await next.settled(next.system.executions.whenSettled(next.ctx, id));
  for (const id of [leader, follower]) {
    const types = (await store.readStream(`execution:${id}`, 1, 100, "forward")).events.map((event) => event.type);
    expect(
      types.filter((type) => type === "execution.completed"),
      id,
    ).toHaveLength(1);
  }
});

test("an execution of more events than a page goes on after a restart", { timeout: 60_000 }, async () => {
  const calls: string[] = [];
  const store = createMemoryStore();
  const first = await startTestSystem(build(calls), { store });
  const executionId = await (await first.connect()).begin("gossip", { reports: 2_500 });
  await first.time.advance(2_400 * 200);
  await using next = await startTestSystem(build(calls), { store, seed: 2 });
  const state = await next.settled(next.system.executions.whenSettled(next.ctx, executionId));
  expect(state).toMatchObject({ status: "completed", attempts: 2 });
});

test("a result too large to be shared in one append is shared with as many as fit, and the others do the work themselves", async () => {
  const calls: string[] = [];
  await using t = await startTestSystem(build(calls));
  const client = await t.connect();
  const ids = [];
  for (let index = 0; index < 6; index++)
    ids.push(await client.begin("nap", { ms: 1_000, label: "large", chars: 2_000_000 }));
  for (const id of ids) expect((await client.outcome(id)).status).toBe("completed");
  expect(calls.length).toBeGreaterThan(1);
  expect(calls.length).toBeLessThan(6);
});

test("a database that is away while a task delegates, and while it ends, costs time and nothing else", async () => {
  const calls: string[] = [];
  const { store, away } = ailingStore();
  await using t = await startTestSystem(build(calls, { maxAttempts: 1 }), { store });
  const client = await t.connect();
  const asked = await client.begin("ask", { ms: 60_000, label: "child" });
  const alone = await client.begin("nap", { ms: 20_000, label: "alone" });
  await t.time.advance(10_000);
  away(true);
  await t.time.advance(90_000);
  away(false);
  expect(await client.outcome(asked)).toMatchObject({ status: "completed", result: { ok: true } });
  expect(await client.outcome(alone)).toMatchObject({ status: "completed" });
  expect(calls.sort()).toEqual(["alone", "child"]);
});

test("a burst beyond workers and queue is refused, and no accepted task fails for it", async () => {
  const calls: string[] = [];
  await using t = await startTestSystem(build(calls, { workers: 1, maxQueued: 2, maxAttempts: 1 }));
  const client = await t.connect("api");
  const sent = await Promise.allSettled(
    Array.from({ length: 12 }, (_, index) => client.begin("nap", { ms: 100, label: String(index) })),
  );
  const accepted = sent.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  expect(accepted).toHaveLength(3);
  for (const id of accepted) expect(await client.outcome(id)).toMatchObject({ status: "completed", attempts: 1 });
});

test("a delegation that was recorded is answered although the queue is full now", async () => {
  const calls: string[] = [];
  await using t = await startTestSystem(build(calls, { workers: 2, maxQueued: 1 }));
  const client = await t.connect("api");
  const asked = await client.begin("ask", { ms: 10_000, label: "child" });
  await t.time.advance(100);
  for (const label of ["a", "b"]) await client.begin("nap", { ms: 20_000, label }).catch(() => undefined);
  for (const worker of ["worker-1", "worker-2"]) t.system.swarms.get("work")?.kill(worker, "a test");
  expect(await client.outcome(asked)).toMatchObject({ status: "completed", result: { ok: true } });
});

test("a feed whose client left while it was written leaves no subscription behind", async () => {
  await using t = await startTestSystem(build([]));
  const client = await t.connect();
  const executionId = await client.begin("nap", { ms: 60_000 });
  await t.time.settle();
  const before = t.time.pending;
  for (let index = 0; index < 20; index++) {
    const abort = new AbortController();
    const response = await t.system.fetch(
      new Request(`http://test.invalid/v1/executions/${executionId}/events`, {
        headers: { authorization: `Bearer ${t.system.ownerToken}`, accept: "text/event-stream" },
        signal: abort.signal,
      }),
    );
    abort.abort();
    await response.body?.cancel().catch(() => undefined);
  }
  await t.time.settle();
  expect(t.time.pending).toBe(before);
});

test("a task that was cancelled, or ran out of time, while it waited for a worker is never begun", async () => {
  const calls: string[] = [];
  await using t = await startTestSystem(build(calls, { workers: 1, maxQueued: 5 }));
  const client = await t.connect("api");
  const first = await client.begin("nap", { ms: 5_000, label: "first" });
  const cancelled = await client.begin("nap", { ms: 10, label: "cancelled" });
  const late = await client.begin("nap", { ms: 10, label: "late" }, { deadlineMs: 1_000 });
  const last = await client.begin("nap", { ms: 10, label: "last" });
  await t.settled(client.api.cancel(cancelled));
  for (const id of [first, cancelled, late, last]) await client.outcome(id);
  expect((await client.outcome(late)).status).toBe("timed_out");
  expect(calls).toEqual(["first", "last"]);
});

test("a swarm goes on after more cancelled and timed-out delegating tasks than it has workers", async () => {
  const calls: string[] = [];
  await using t = await startTestSystem(build(calls, { workers: 2, maxQueued: 5 }));
  const client = await t.connect("api");
  for (let index = 0; index < 3; index++) {
    const cancelled = await client.begin("ask", { ms: 60_000, label: `cancelled ${index}` });
    await t.time.advance(100);
    await t.settled(client.api.cancel(cancelled));
    const late = await client.begin("ask", { ms: 60_000, label: `late ${index}` }, { deadlineMs: 1_000 });
    expect((await client.outcome(late)).status).not.toBe("failed");
  }
  expect((await client.run("nap", { ms: 10, label: "last" }, { deadlineMs: 5_000 })).status).toBe("completed");
});

const restarts = (t: TestSystem) =>
  t.system.swarms
    .get("work")
    ?.status()
    .parts.map((part) => part.restarts);

test("an outcome that a full disk refuses is recorded when there is space: the agent has run once, and the swarm never fell", async () => {
  const calls: string[] = [];
  const { store, full } = ailingStore();
  await using t = await startTestSystem(build(calls, { maxAttempts: 1 }), { store });
  const client = await t.connect();
  const ids = [];
  for (const label of ["a", "b"]) ids.push(await client.begin("nap", { ms: 5_000, label }));
  await t.time.advance(1_000);
  full(true);
  await t.time.advance(60_000);
  full(false);
  for (const id of ids) expect(await client.outcome(id)).toMatchObject({ status: "completed", attempts: 1 });
  expect(calls).toEqual(["a", "b"]);
  expect(await client.run("nap", { ms: 10, label: "next" })).toMatchObject({ status: "completed" });
  expect(restarts(t)).toEqual([0, 0, 0, 0, 0]);
  // One word for the whole time, not one a second.
  expect(t.notices.filter((notice) => notice.message.includes("The disk is full."))).toHaveLength(1);
});

test("an outcome that is refused until its deadline is given up, and the agent is not begun again", async () => {
  const calls: string[] = [];
  const { store, full } = ailingStore();
  await using t = await startTestSystem(build(calls), { store });
  const client = await t.connect();
  const executionId = await client.begin("nap", { ms: 5_000, label: "late" }, { deadlineMs: 30_000 });
  await t.time.advance(1_000);
  full(true);
  await t.time.advance(60_000);
  full(false);
  expect(await client.outcome(executionId)).toMatchObject({ status: "timed_out", attempts: 1 });
  expect(calls).toEqual(["late"]);
  expect(t.notices.map((notice) => notice.message).join()).toContain(`The outcome of ${executionId} could not be`);
});

test("an execution that is due to end and never can be is told of once, and keeps no other from its end", async () => {
  const inner = createMemoryStore();
  let unending = "";
  const store: Store = {
    ...inner,
    async commit(batch, now) {
      const ends = batch.some(({ streams }) =>
        streams.some(
          ({ stream, events }) =>
            stream === `execution:${unending}` && events.some(({ type }) => type === "execution.timed_out"),
        ),
      );
      if (ends) throw new ViableError("test.never", "Not this one.");
      return await inner.commit(batch, now);
    },
  };
  await using t = await startTestSystem(build([]), { store });
  const client = await t.connect();
  unending = await client.begin("nap", { ms: 3_600_000, label: "a" }, { deadlineMs: 5_000 });
  const other = await client.begin("nap", { ms: 3_600_000, label: "b" }, { deadlineMs: 5_000 });
  await t.time.advance(60_000);
  expect(await client.outcome(other)).toMatchObject({ status: "timed_out" });
  const told = () => t.notices.filter(({ message }) => message.includes("due to end")).map(({ message }) => message);
  expect(told()).toEqual([expect.stringMatching(new RegExp(`^${unending} .*Not this one\\.`))]);
  unending = "";
  await t.time.advance(2_000);
  expect(t.system.executions.openCount()).toBe(0);
});

test("a database that is away when executions are due to end is not told of for each of them", async () => {
  const { store, full } = ailingStore();
  await using t = await startTestSystem(build([]), { store });
  const client = await t.connect();
  const executionId = await client.begin("nap", { ms: 3_600_000, label: "a" }, { deadlineMs: 5_000 });
  await t.time.advance(1_000);
  full(true);
  await t.time.advance(60_000);
  full(false);
  expect(await client.outcome(executionId)).toMatchObject({ status: "timed_out" });
  expect(t.notices.filter(({ message }) => message.includes("due to end"))).toEqual([]);
});

test("tasks of a killed worker that a full disk keeps from being claimed are claimed when there is space", async () => {
  const calls: string[] = [];
  const { store, full } = ailingStore();
  await using t = await startTestSystem(build(calls, { workers: 1 }), { store });
  const client = await t.connect();
  const executionId = await client.begin("nap", { ms: 5_000, label: "a" });
  await t.time.advance(1_000);
  full(true);
  t.system.swarms.get("work")?.kill("worker-1", "a test");
  await t.time.advance(60_000);
  full(false);
  expect(await client.outcome(executionId)).toMatchObject({ status: "completed", attempts: 2 });
  expect(calls).toEqual(["a", "a"]);
  expect(restarts(t)).toEqual([0, 0, 0, 0, 0]);
  expect(t.notices.filter((notice) => notice.message.includes("The disk is full."))).toHaveLength(1);
});

test("a drain gives all workers the time that is set, side by side", async () => {
  const calls: string[] = [];
  const store = createMemoryStore();
  const t = await startTestSystem(build(calls, { workers: 3, drainMs: 30_000 }), { store });
  const client = await t.connect();
  for (const label of ["a", "b", "c"]) await client.begin("nap", { ms: 25_000, label });
  await t.time.advance(100);
  const stoppedAt = t.time.now();
  await t.stop();
  expect(t.time.now() - stoppedAt).toBeLessThan(26_000);
  const types = (await everyEvent(store, { types: ["execution.*"] })).map((event) => event.type);
  expect(types.filter((type) => type === "execution.completed")).toHaveLength(3);
  expect(types).not.toContain("execution.released");
});

test("scaled down, a swarm answers at once, and the workers too many finish what they hold; scaled up meanwhile, it has new ones", async () => {
  const calls: string[] = [];
  await using t = await startTestSystem(build(calls, { workers: 3 }));
  const client = await t.connect();
  const ids = [];
  for (const label of ["a", "b", "c"]) ids.push(await client.begin("nap", { ms: 8_000, label }));
  await t.time.advance(100);
  const scale = (workers: number) => client.run("swarm.scale", { service: "work", workers });
  const askedAt = t.time.now();
  expect(await scale(1)).toMatchObject({ result: { swarms: [{ before: 3, workers: 1 }] } });
  expect(await scale(2)).toMatchObject({ result: { swarms: [{ before: 1, workers: 2 }] } });
  expect(t.time.now() - askedAt).toBeLessThan(1_000);
  // The new worker works while two old ones still leave.
  expect(await client.run("nap", { ms: 10, label: "new" })).toMatchObject({ status: "completed" });
  for (const id of ids) expect(await client.outcome(id)).toMatchObject({ status: "completed", attempts: 1 });
  expect(calls).toEqual(["a", "b", "c", "new"]);
  await t.time.advance(1_000);
  expect(
    t.system.swarms
      .get("work")
      ?.status()
      .workers.map((worker) => worker.state),
  ).toEqual(["running", "running"]);
});

test("a worker that is scaled away by the very command it carries out finishes that", async () => {
  const doze = agent({
    name: "doze",
    capability: "doze",
    description: "Takes a worker of the built-in swarm for a while.",
    input: z.strictObject({}),
    handle: async (ctx) => {
      await pause(ctx, 8_000);
      return "done";
    },
  });
  await using t = await startTestSystem(defineSystem({ name: "scaled", services: [], commands: [doze] }));
  const client = await t.connect();
  // Three of its four workers: the last carries out the command, and is the first that is too many.
  const ids = [await client.begin("doze"), await client.begin("doze"), await client.begin("doze")];
  await t.time.advance(100);
  expect(await client.run("swarm.scale", { service: "system", workers: 1 })).toMatchObject({
    status: "completed",
    result: { swarms: [{ before: 4, workers: 1 }] },
  });
  for (const id of ids) expect(await client.outcome(id)).toMatchObject({ status: "completed", attempts: 1 });
});

const nested = (levels: number): JsonValue => (levels === 0 ? 1 : [nested(levels - 1)]);
const thrown = (message: string, more: ErrorOptionsWithNext = {}): never => {
  throw new ViableError("test.thrown", message, more);
};

/** A system whose one command does this, and how often it has begun. */
function oddSystem(handle: (ctx: AgentContext) => Promise<JsonValue> | JsonValue, timeoutMs = 60_000) {
  const begun: number[] = [];
  const odd = agent({
    name: "odd",
    capability: "odd",
    description: "Ends as no agent should.",
    timeoutMs,
    input: z.strictObject({}),
    handle: (ctx) => {
      begun.push(ctx.attempt);
      return handle(ctx);
    },
  });
  return { begun, definition: defineSystem({ name: "odd", services: [], commands: [odd] }) };
}

test.each<[string, () => JsonValue, { [member: string]: unknown }]>([
  [
    "details that are no JSON",
    () => thrown("no", { details: { n: Number.NaN } }),
    { code: "test.thrown", message: "no" },
  ],
  [
    "details that hold undefined, at any depth",
    () =>
      thrown("no", {
        details: { port: 80, host: undefined, tries: [{ at: 1, why: undefined }] },
        next: "Wait.",
        retryable: true,
      }),
    { code: "test.thrown", next: "Wait.", retryable: true, details: { port: 80, tries: [{ at: 1 }] } },
  ],
  [
    "details as deep as a document may be",
    () => thrown("no", { details: { deep: nested(maxJsonDepth - 1) }, next: "Wait." }),
    { code: "test.thrown", next: "Wait.", details: { omitted: "nested deeper than 32 levels" } },
  ],
  ["a message of megabytes", () => thrown("x".repeat(9_000_000)), { code: "test.thrown" }],
  [
    "a cause that is no better",
    () => thrown("no", { cause: new ViableError("test.cause", "y".repeat(9_000_000), { details: { n: Number.NaN } }) }),
    { code: "test.thrown", cause: expect.objectContaining({ code: "test.cause" }) },
  ],
  [
    "an error that cannot be looked at",
    () => {
      throw Object.defineProperty(new Error(), "message", { get: () => thrown("not even this") });
    },
    { code: "internal" },
  ],
  ["a result as deep as a document may be", () => nested(maxJsonDepth), { code: "agent.invalid_result" }],
])("an agent that ends with %s has run once, and failed", async (_what, handle, error) => {
  const { definition, begun } = oddSystem(handle);
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const view = await client.outcome(await client.begin("odd"));
  expect(view).toMatchObject({ status: "failed", attempts: 1, error });
  expect(JSON.stringify(view.error).length).toBeLessThan(50_000);
  expect(begun).toEqual([1]);
});

test.each<[string, JsonObject, JsonObject]>([
  ["holds undefined", { file: "a.ts", of: undefined }, { file: "a.ts" }],
  ["is no JSON", { bytes: Number.NaN }, { omitted: "metadata.bytes: NaN is not a JSON number" }],
  ["is long", { text: "x".repeat(20_000) }, { omitted: "20011 characters of JSON; 16384 can be kept" }],
])("progress with metadata that %s is told without what cannot be kept", async (_what, metadata, kept) => {
  const { definition } = oddSystem((ctx) => {
    ctx.progress(50, "half way", metadata as { [key: string]: JsonValue });
    return pause(ctx, 1_000).then(() => null);
  });
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  expect(await client.run("odd")).toMatchObject({ status: "completed" });
  const [progressed] = await t.events("execution.progressed");
  expect(progressed?.data).toEqual({ percent: 50, message: "half way", metadata: kept });
});

test("a result one level below as deep as a document may be is kept", async () => {
  const { definition } = oddSystem(() => nested(maxJsonDepth - 1));
  await using t = await startTestSystem(definition);
  expect(await (await t.connect()).run("odd")).toMatchObject({ status: "completed" });
});

test("an outcome that the log will never take is replaced by a failure that says so", async () => {
  const { definition, begun } = oddSystem(() => "as it should be");
  const inner = createMemoryStore();
  const store: Store = {
    ...inner,
    async commit(batch, now) {
      const types = batch.flatMap((append) => append.streams.flatMap((write) => write.events.map(({ type }) => type)));
      if (types.includes("execution.completed")) throw new ViableError("test.never", "Not this one.");
      return await inner.commit(batch, now);
    },
  };
  await using t = await startTestSystem(definition, { store });
  const client = await t.connect();
  expect(await client.outcome(await client.begin("odd"))).toMatchObject({
    status: "failed",
    attempts: 1,
    error: { code: "agent.unrecordable_outcome", message: expect.stringContaining("Not this one.") },
  });
  expect(begun).toEqual([1]);
});

test("an agent that throws as its deadline passes has timed out, not failed", async () => {
  const { definition } = oddSystem(async (ctx) => {
    await new Promise((resolve) => ctx.runtime.clock.setTimer(() => resolve(undefined), 1_000));
    return thrown("too late");
  }, 1_000);
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  // Which of the two comes first at the deadline is drawn.
  for (let round = 0; round < 10; round++)
    expect((await client.outcome(await client.begin("odd"))).status).toBe("timed_out");
});

test("a queue full of tasks that have timed out or were cancelled takes new ones", async () => {
  const calls: string[] = [];
  await using t = await startTestSystem(build(calls, { workers: 1, maxQueued: 2 }));
  const client = await t.connect("api");
  const first = await client.begin("nap", { ms: 60_000, label: "first" });
  await client.begin("nap", { ms: 10, label: "late" }, { deadlineMs: 1_000 });
  const cancelled = await client.begin("nap", { ms: 10, label: "cancelled" });
  await expect(client.begin("nap", { ms: 10, label: "one more" })).rejects.toMatchObject({ code: "swarm.overloaded" });
  await t.time.advance(1_500);
  await t.settled(client.api.cancel(cancelled));
  const next = [await client.begin("nap", { ms: 10, label: "a" }), await client.begin("nap", { ms: 10, label: "b" })];
  for (const id of [first, ...next]) expect((await client.outcome(id)).status).toBe("completed");
  expect(calls).toEqual(["first", "a", "b"]);
});

test("an idempotency key is its session's own: another session's command under the same key is another command", async () => {
  const calls: string[] = [];
  await using t = await startTestSystem(build(calls));
  const [one, two] = [await t.connect(), await t.connect()];
  const run = (client: typeof one, label: string) =>
    client.run("nap", { ms: 10, label }, { idempotencyKey: "first", deadlineMs: 5_000 });
  const [first, second] = [await run(one, "a"), await run(two, "b")];
  expect(first).toMatchObject({ status: "completed", result: { label: "a" } });
  expect(second).toMatchObject({ status: "completed", result: { label: "b" } });
  // What each was told of, it may read; and a repeat in the same session finds the first.
  expect(await two.outcome(second.executionId)).toMatchObject({ sessionId: two.sessionId });
  expect(await run(one, "a")).toEqual(first);
  expect(calls).toEqual(["a", "b"]);
});

test("a lease that is lost and taken again while a task runs costs no attempt: the worker goes on under the new epoch", async () => {
  const calls: string[] = [];
  const { store, away } = ailingStore();
  // Only where others may write to the database is a lease lost that cannot be renewed.
  await using t = await startTestSystem(build(calls, { maxAttempts: 1 }), { store: { ...store, exclusive: false } });
  const client = await t.connect();
  const executionId = await client.begin("nap", { ms: 120_000, label: "a" });
  await t.time.advance(5_000);
  const before = t.system.membership.epoch;
  away(true);
  await t.time.advance(30_000);
  expect(t.system.membership.canClaim).toBe(false);
  away(false);
  expect(await client.outcome(executionId)).toMatchObject({ status: "completed", attempts: 1 });
  expect(calls).toEqual(["a"]);
  const epochs = (await t.events("execution.claimed")).map((event) => event.data.epoch);
  expect(epochs).toEqual([t.system.membership.epoch]);
  expect(t.system.membership.epoch).toBeGreaterThan(before);
});
