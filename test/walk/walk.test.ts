/**
 * The walk of a command from client to log and back, through all rooms, on a memory store in simulated time.
 * What is proved: W1 (durable before acknowledged), W4 (authority narrows), W5 (one outcome), idempotency, deadlines, cancellation,
 * equal work joined, refusals with reasons and nothing recorded.
 */
import type { Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import type { AgentContext } from "viable";
import { agent, defineSystem, service } from "viable";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

const forever = (ctx: AgentContext) =>
  new Promise<never>((_, reject) => {
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true });
  });

/** A service whose agents count what they do. */
function countingSystem() {
  const calls: string[] = [];
  const aborted: string[] = [];
  const definition = defineSystem({
    name: "walk",
    services: [
      service({
        name: "work",
        description: "Does what the tests ask.",
        port: 0,
        maxQueued: 2,
        agents: [
          agent({
            name: "double",
            capability: "double",
            description: "Doubles a number.",
            input: z.strictObject({ n: z.number() }),
            handle: (_ctx, { n }) => {
              calls.push(`double ${n}`);
              return n * 2;
            },
          }),
          agent({
            name: "wait",
            capability: "wait",
            description: "Waits, then says so. Equal ones are joined.",
            joinable: true,
            input: z.strictObject({ ms: z.number(), label: z.string().default("") }),
            handle: async (ctx, { ms, label }) => {
              calls.push(`wait ${label}`);
              await new Promise<void>((resolve, reject) => {
                const timer = ctx.runtime.clock.setTimer(resolve, ms);
                ctx.signal.addEventListener("abort", () => {
                  timer.cancel();
                  aborted.push(label);
                  reject(ctx.signal.reason);
                });
              });
              return `${label} done`;
            },
          }),
          agent({
            name: "fail",
            capability: "fail",
            description: "Fails.",
            input: z.strictObject({}),
            handle: () => {
              throw new Error("as asked");
            },
          }),
          agent({
            name: "stuck",
            capability: "stuck",
            description: "Never ends by itself.",
            timeoutMs: 5_000,
            input: z.strictObject({}),
            handle: forever,
          }),
          agent({
            name: "deaf",
            capability: "deaf",
            description: "Never ends and does not listen.",
            timeoutMs: 1_000,
            input: z.strictObject({}),
            handle: () => new Promise<never>(() => {}),
          }),
          agent({
            name: "parent",
            capability: "parent",
            description: "Delegates.",
            input: z.strictObject({ to: z.string(), args: z.json() }),
            handle: async (ctx, { to, args }) => (await ctx.delegate(to, args)) as never,
          }),
          agent({
            name: "loop",
            capability: "loop",
            description: "Delegates to itself for ever.",
            input: z.strictObject({ depth: z.number() }),
            handle: async (ctx, { depth }) => (await ctx.delegate("loop", { depth: depth + 1 })) as never,
          }),
          agent({
            name: "unkept",
            capability: "unkept",
            description: "Returns what cannot be kept.",
            input: z.strictObject({}),
            handle: () => ({ when: new Date(0) }) as never,
          }),
        ],
      }),
    ],
    clients: { web: { maxConcurrent: 2, commandsPerHour: 5 } },
  });
  return { definition, calls, aborted };
}

describe("a command", () => {
  test("goes from client to log and back, and costs two events", async () => {
    const { definition, calls } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    expect(await client.run("double", { n: 21 })).toMatchObject({ status: "completed", result: 42 });
    expect(calls).toEqual(["double 21"]);
    const events = await t.events("execution.*");
    expect(events.map((event) => event.type)).toEqual(["execution.accepted", "execution.completed"]);
    expect(events[0]?.data).toMatchObject({
      service: "work",
      agent: "double",
      route: { reason: "the only swarm that offers it", candidates: [{ service: "work" }] },
      claim: { attempt: 1 },
    });
  });

  test("W1: is durable before it is acknowledged", async () => {
    const { definition } = countingSystem();
    const { store, hold, release } = holdingStore();
    await using t = await startTestSystem(definition, { store });
    const client = await t.connect();
    hold();
    let answered = false;
    const sent = client.api
      .send(client.sessionId, { command: "double", args: { n: 1 }, mode: "async" })
      .then((answer) => {
        answered = true;
        return answer;
      });
    await t.time.advance(500);
    expect(answered).toBe(false);
    expect(await t.events("execution.accepted")).toHaveLength(0);
    release();
    const { executionId } = await t.settled(sent);
    expect((await t.events("execution.accepted")).map((event) => event.stream)).toEqual([`execution:${executionId}`]);
  });

  test("that fails says why, and has failed once (W5)", async () => {
    const { definition } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    expect(await client.run("fail")).toMatchObject({ status: "failed", error: { message: "as asked" } });
    expect((await t.events("execution.*")).map((event) => event.type)).toEqual([
      "execution.accepted",
      "execution.failed",
    ]);
  });

  test("whose result cannot be kept exactly fails, and says where", async () => {
    const { definition } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    expect(await client.run("unkept")).toMatchObject({
      status: "failed",
      error: { code: "agent.invalid_result", message: expect.stringContaining("result.when") },
    });
  });

  test("has its outcome at its deadline, whether its agent listens or not", async () => {
    const { definition } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const began = t.time.now();
    expect(await client.run("stuck")).toMatchObject({ status: "timed_out" });
    expect(t.time.now() - began).toBe(5_000);
    expect(await client.run("stuck", {}, { deadlineMs: 100 })).toMatchObject({ status: "timed_out" });
    expect(await client.run("deaf")).toMatchObject({ status: "timed_out", error: { code: "execution.timed_out" } });
    // The workers are free again: also the deaf agent's.
    expect(await client.run("double", { n: 2 })).toMatchObject({ status: "completed" });
  });

  test("is cancelled: its agent and what it delegated are aborted, and it has one outcome", async () => {
    const { definition, aborted } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const executionId = await client.begin("parent", { to: "wait", args: { ms: 60_000, label: "child" } });
    await t.time.advance(100);
    await t.settled(client.api.cancel(executionId));
    expect(await client.outcome(executionId)).toMatchObject({ status: "cancelled" });
    await t.time.advance(100);
    expect(aborted).toEqual(["child"]);
    const outcomes = (await t.events("execution.*"))
      .filter((event) => event.type !== "execution.accepted")
      .map((event) => event.type);
    expect(outcomes).toEqual(["execution.cancelled", "execution.cancelled"]);
  });

  test("under an idempotency key is recorded once; another body under the key is refused", async () => {
    const { definition, calls } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const first = await client.run("double", { n: 3 }, { idempotencyKey: "k" });
    const again = await client.run("double", { n: 3 }, { idempotencyKey: "k" });
    expect(again).toEqual(first);
    expect(calls).toEqual(["double 3"]);
    await expect(client.run("double", { n: 4 }, { idempotencyKey: "k" })).rejects.toMatchObject({
      code: "intake.idempotency_mismatch",
      problem: { status: 422 },
    });
    expect(calls).toEqual(["double 3"]);
  });

  test.each([
    ["dubble", {}, { code: "intake.unknown_command", problem: { status: 404, reasons: ["Did you mean double?"] } }],
    [
      "double",
      { n: "two" },
      {
        code: "intake.invalid_arguments",
        problem: { status: 422, errors: [{ path: "args.n", reason: "expected number, received string" }] },
      },
    ],
    ["double", { n: 1, m: 2 }, { code: "intake.invalid_arguments" }],
  ])("%s %o that does not fit is refused with the reason, and nothing is recorded", async (command, args, problem) => {
    const { definition, calls } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    await expect(client.run(command, args as never)).rejects.toMatchObject(problem);
    expect(calls).toEqual([]);
    expect(await t.events("execution.*")).toEqual([]);
  });

  test("delegated in a circle is refused after sixteen hops", async () => {
    const { definition } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const answer = await client.run("loop", { depth: 0 });
    expect(JSON.stringify(answer)).toContain("intake.too_deep");
    expect(await t.events("execution.accepted")).toHaveLength(17);
  });
});

describe("equal tasks in flight (S9)", () => {
  test("are executed once, and both callers are answered", async () => {
    const { definition, calls } = countingSystem();
    await using t = await startTestSystem(definition);
    const [one, two] = [await t.connect("cli"), await t.connect("api")];
    const first = await one.begin("wait", { ms: 1_000, label: "a" });
    const second = await two.begin("wait", { ms: 1_000, label: "a" });
    const other = await two.begin("wait", { ms: 1_000, label: "b" });
    expect(await two.outcome(second)).toMatchObject({ status: "completed", result: "a done", joinedTo: first });
    expect(await one.outcome(first)).toMatchObject({ status: "completed", result: "a done" });
    expect(await two.outcome(other)).toMatchObject({ result: "b done" });
    expect(calls).toEqual(["wait a", "wait b"]);
  });

  test("that come after it ended are executed anew", async () => {
    const { definition, calls } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    await client.run("wait", { ms: 10, label: "a" });
    await client.run("wait", { ms: 10, label: "a" });
    expect(calls).toEqual(["wait a", "wait a"]);
  });

  test("go on when the first is cancelled: the next does the work, the rest wait for that", async () => {
    const { definition, calls } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const [a, b, c] = [
      await client.begin("wait", { ms: 1_000, label: "x" }),
      await client.begin("wait", { ms: 1_000, label: "x" }),
      await client.begin("wait", { ms: 1_000, label: "x" }),
    ];
    await t.settled(client.api.cancel(a));
    expect(await client.outcome(a)).toMatchObject({ status: "cancelled" });
    expect(await client.outcome(b)).toMatchObject({ status: "completed", result: "x done" });
    expect(await client.outcome(c)).toMatchObject({ status: "completed", result: "x done" });
    expect(calls).toEqual(["wait x", "wait x"]);
  });

  test("accepted at the same moment meet all the same", async () => {
    const { definition, calls } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.run("wait", { ms: 50, label: "same" })));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set(["completed"]));
    expect(calls).toEqual(["wait same"]);
  });
});

describe("limits", () => {
  test("commands an hour and at once are held, and refused with when to come again", async () => {
    const { definition } = countingSystem();
    await using t = await startTestSystem(definition);
    const web = await t.connect("web");
    const running = [
      await web.begin("wait", { ms: 500, label: "1" }),
      await web.begin("wait", { ms: 500, label: "2" }),
    ];
    await expect(web.begin("double", { n: 1 })).rejects.toMatchObject({
      code: "intake.too_many_at_once",
      problem: { status: 429 },
    });
    for (const id of running) await web.outcome(id);
    for (let n = 0; n < 3; n++) await web.run("double", { n });
    await expect(web.begin("double", { n: 1 })).rejects.toMatchObject({
      code: "intake.rate_limited",
      problem: { status: 429 },
    });
    await t.time.advance(3_600_000 / 5);
    expect(await web.run("double", { n: 9 })).toMatchObject({ result: 18 });
  });

  test("a full queue is an answer, and nothing is recorded", async () => {
    const { definition } = countingSystem();
    await using t = await startTestSystem(definition);
    const client = await t.connect("api");
    // Three workers and two places in the queue.
    for (let n = 0; n < 5; n++) await client.begin("wait", { ms: 1_000, label: String(n) });
    await expect(client.begin("wait", { ms: 1_000, label: "one more" })).rejects.toMatchObject({
      code: "swarm.overloaded",
      problem: { status: 503, retryable: true },
    });
    expect(await t.events("execution.accepted")).toHaveLength(5);
  });
});

/** A memory store whose commits can be held back. */
function holdingStore(): { store: Store; hold(): void; release(): void } {
  const inner = createMemoryStore();
  let gate = Promise.resolve();
  let open = () => {};
  return {
    hold() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    release: () => open(),
    store: {
      ...inner,
      async commit(batch, now) {
        await gate;
        return await inner.commit(batch, now);
      },
    },
  };
}
