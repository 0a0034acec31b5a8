/**
 * Reactors run for others, in a whole system under simulated time: the result of the run or its error, what it waits for told on the way, an
 * answer in time where the run takes longer, reasons where it is refused; and over crashes one run.
 */
import { createRuntime, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import type { DelegateOutcome, JsonObject, JsonValue } from "viable";
import { agent, defineSystem, reactor, service, ViableError } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { execution } from "../index.ts";
import { reactorRunner } from "./reactor-runner.ts";

type StartArgs = { reactor: string; input: { n: number }; key: string; wait: boolean };

/** Doubles, as a system does that has such a reactor. */
async function startDouble(_capability: string, args: JsonValue): Promise<DelegateOutcome> {
  const { reactor: name, input, wait } = args as StartArgs;
  const ended = wait && { status: "completed", result: { name, doubled: 2 * input.n } };
  return { ok: true, executionId: "exe_1", result: { runId: `run_${input.n}`, repeated: wait, ...ended } };
}

followsInput(reactorRunner, "the result is the run's", async (bench) => {
  const run = (n: number) => bench.run(reactorRunner, { reactor: "double", input: { n } }, { delegate: startDouble });
  const one = await run(2);
  expect(one).toEqual({
    reactor: "double",
    ok: true,
    runId: "run_2",
    status: "completed",
    result: { name: "double", doubled: 4 },
    truncated: {},
  });
  const other = await run(7);
  expect(other).toMatchObject({ runId: "run_7", result: { doubled: 14 } });
  return [one, other];
});

/** A system whose reactors rest, ask, fail and call themselves; `booked` lies outside of it and outlives its workers. */
function systemWith(booked: string[] = []) {
  const book = agent({
    name: "book",
    capability: "book",
    description: "Books, or fails.",
    input: z.strictObject({ who: z.string() }),
    handle: (_ctx, { who }) => {
      if (who === "nobody") throw new ViableError("book.nobody", "Nobody books nothing.");
      booked.push(who);
      return { seat: booked.length };
    },
  });
  const trip = reactor(
    "trip",
    { input: z.strictObject({ who: z.string(), restMs: z.number().default(30_000) }) },
    (steps) =>
      steps
        .task("book", {
          capability: "book",
          args: ({ input }) => ({ who: input.who }),
          result: z.strictObject({ seat: z.number() }),
        })
        .sleep("rest", { after: ["book"], args: ({ input }) => ({ forMs: input.restMs }) })
        .approval("ask", { after: ["rest"], title: "May they go?", args: () => ({}) })
        .returns(({ results }) => ({ seat: results.book.seat, by: results.ask.by })),
  );
  const unsure = reactor("unsure", { input: z.strictObject({}) }, (steps) =>
    steps
      .step("wire", { idempotent: false, timeoutMs: 100, run: () => new Promise<string>(() => {}) })
      .returns(({ results }) => results.wire),
  );
  const circle = reactor("circle", { input: z.strictObject({}) }, (steps) =>
    steps
      .task("again", {
        capability: "reactor_execution",
        args: () => ({ reactor: "circle" }),
        result: z.json(),
        // Each looks again after a pause that grows, and only when the one within has been heard of.
        timeoutMs: 3_600_000,
      })
      .returns(({ results }) => results.again),
  );
  const large = reactor("large", { input: z.strictObject({ chars: z.number() }) }, (steps) =>
    steps
      .step("write", { args: ({ input }) => ({ chars: input.chars }), run: (_ctx, { chars }) => "x".repeat(chars) })
      .returns(({ results }) => results.write),
  );
  const books = service({ name: "books", description: "Books.", port: 0, agents: [book] });
  return defineSystem({
    name: "test",
    services: [books, execution],
    reactors: [trip, unsure, circle, large],
  });
}

async function run(t: TestSystem, args: JsonObject, options: { deadlineMs?: number } = {}): Promise<JsonObject> {
  const answer = await (await t.connect()).run("reactor_execution", args, options);
  if (answer.status !== "completed") throw new Error(JSON.stringify(answer));
  return answer.result as JsonObject;
}

/** What the runner told on the way. */
async function toldBy(t: TestSystem, executionId: string): Promise<{ percent: number; message: string }[]> {
  const progressed = await t.events("execution.progressed");
  return progressed
    .filter(({ stream }) => stream === `execution:${executionId}`)
    .map(({ data }) => data as { percent: number; message: string });
}

/** Moves time on until a person is asked, and answers. */
async function decide(t: TestSystem, decision: "approved" | "rejected"): Promise<void> {
  const findApprovalId = async (): Promise<JsonValue | undefined> => {
    const waits = (await t.events("step.waiting")).map(({ data }) => data.wait as JsonObject);
    return waits.find((wait) => wait.for === "approval")?.approvalId;
  };
  let approvalId = await findApprovalId();
  for (let seconds = 0; approvalId === undefined && seconds < 100; seconds++) {
    await t.time.advance(1_000);
    approvalId = await findApprovalId();
  }
  if (approvalId === undefined) throw new Error("Nobody is asked.");
  const owner = { ...t.ctx, principal: "owner" };
  expect(await t.settled(t.system.reactors.decide(owner, approvalId as string, { decision }))).toMatchObject({
    ok: true,
  });
}

test("a run that sleeps and asks is waited for, what it waits for is told, and its result is the answer", async () => {
  await using t = await startTestSystem(systemWith());
  const client = await t.connect();
  const id = await client.begin("reactor_execution", { reactor: "trip", input: { who: "ada" } });
  await t.time.advance(100_000);
  await decide(t, "approved");
  expect((await client.outcome(id)).result).toEqual({
    reactor: "trip",
    ok: true,
    runId: expect.stringMatching(/^run_/),
    status: "completed",
    result: { seat: 1, by: "owner" },
    truncated: {},
  });
  const told = await toldBy(t, id);
  const messages = told.map(({ message }) => message);
  expect(messages[0]).toMatch(/^run_\w+ has begun; steps done: 0$/);
  expect(messages).toContainEqual(expect.stringMatching(/^run_\w+ waiting; steps done: 1; rest sleeps until 2\d{3}-/));
  expect(messages).toContainEqual(
    expect.stringMatching(/^run_\w+ waiting; steps done: 2; ask asks for \w+: May they go\?$/),
  );
  const percents = told.map(({ percent }) => percent);
  expect(percents).toEqual([...percents].sort((a, b) => a - b));
  expect(percents.slice(0, 2)).toEqual([0, 49]);
  expect(percents.at(-1)).toBeLessThan(100);
});

test("a run that fails is an answer with its error", async () => {
  await using t = await startTestSystem(systemWith());
  expect(await run(t, { reactor: "trip", input: { who: "nobody" } })).toMatchObject({
    ok: false,
    runId: expect.stringMatching(/^run_/),
    status: "failed",
    error: { code: "book.nobody" },
  });
});

test("an unknown reactor and an input that does not fit are answers with reasons, and begin nothing", async () => {
  await using t = await startTestSystem(systemWith());
  expect(await run(t, { reactor: "tripp" })).toEqual({
    reactor: "tripp",
    ok: false,
    error: expect.objectContaining({ code: "reactor.unknown", next: expect.stringContaining("trip") }),
    truncated: {},
  });
  expect(await run(t, { reactor: "trip", input: { who: 7 } })).toMatchObject({
    ok: false,
    error: { code: "reactor.invalid_input", message: expect.stringContaining("input.who") },
  });
  expect(await t.events("run.started")).toEqual([]);
});

test("what is denied is an answer: a reactor that has itself run comes to an end", async () => {
  await using t = await startTestSystem(systemWith());
  const answer = await run(t, { reactor: "circle" });
  expect(answer).toMatchObject({ ok: true, status: "completed", result: { ok: true } });
  expect(JSON.stringify(answer)).toContain('"ok":false,"error":{"code":"intake.too_deep"');
});

test("where the time is up first the answer comes in time, and says how to follow the run, which goes on", async () => {
  await using t = await startTestSystem(systemWith());
  const begunAt = t.time.now();
  const answer = await run(t, { reactor: "trip", input: { who: "ada" } }, { deadlineMs: 60_000 });
  expect(t.time.now() - begunAt).toBeLessThan(60_000);
  const { runId } = answer;
  expect(answer).toEqual({
    reactor: "trip",
    ok: false,
    runId,
    status: "waiting",
    waitsFor: [{ step: "ask", wait: { for: "approval", approvalId: expect.any(String), title: "May they go?" } }],
    ended: "no time is left",
    next: `The run goes on. Follow it: viable reactors watch ${runId}`,
    truncated: {},
  });
  await decide(t, "approved");
  expect(await t.settled(t.system.reactors.whenEnded(t.ctx, runId as string))).toMatchObject({ type: "run.completed" });
});

test("cancelling the waiting does not end the run", async () => {
  await using t = await startTestSystem(systemWith());
  const client = await t.connect();
  const id = await client.begin("reactor_execution", { reactor: "trip", input: { who: "ada" } });
  await t.time.advance(5_000);
  await t.settled(client.api.cancel(id));
  expect(await client.outcome(id)).toMatchObject({ status: "cancelled" });
  const [started] = await t.events("run.started");
  const runId = started?.stream.slice("run:".length) as string;
  await decide(t, "approved");
  expect(await t.settled(t.system.reactors.whenEnded(t.ctx, runId))).toMatchObject({ type: "run.completed" });
});

test("a run that needs a person says so, where it stands", async () => {
  await using t = await startTestSystem(systemWith());
  const client = await t.connect();
  const id = await client.begin("reactor_execution", { reactor: "unsure" }, { deadlineMs: 20_000 });
  expect((await client.outcome(id)).result).toMatchObject({
    ok: false,
    status: "needs_review",
    review: { step: "wire", during: "run" },
  });
  const messages = (await toldBy(t, id)).map(({ message }) => message);
  expect(messages).toContainEqual(expect.stringMatching(/needs_review; steps done: 0; wire needs a person \(run\): /));
});

test("turns are few, however much time there is, and also where too many wait for runs", async () => {
  await using t = await startTestSystem(systemWith());
  const client = await t.connect();
  const day = 24 * 3_600_000;
  const args = { reactor: "trip", input: { who: "ada", restMs: 30 * day } };
  const begunAt = t.time.now();
  const ids: string[] = [];
  for (let each = 0; each < 3; each++) ids.push(await client.begin("reactor_execution", args, { deadlineMs: day }));
  // The last found others waiting already, and is not done sooner for it.
  for (const id of ids.reverse()) {
    const { result } = await client.outcome(id);
    expect(result).toMatchObject({ status: "waiting", ended: "it has looked 150 times" });
    expect(t.time.now() - begunAt).toBeGreaterThan(2 * 3_600_000);
  }
  const looks = (await t.events("execution.accepted")).filter(({ data }) => data.command === "reactor.start");
  expect(looks).toHaveLength(3 * 151);
});

test.each([
  ["while the first turn waits", 1_000],
  ["after several turns", 100_000],
])("a worker's death %s begins no second run, and the answer is the run's", async (_when, afterMs) => {
  const booked: string[] = [];
  await using t = await startTestSystem(systemWith(booked));
  const client = await t.connect();
  const id = await client.begin("reactor_execution", { reactor: "trip", input: { who: "ada" } });
  await t.time.advance(afterMs);
  for (const worker of ["worker-1", "worker-2", "worker-3", "worker-4", "worker-5"])
    t.system.swarms.get("execution")?.kill(worker, "a test");
  await decide(t, "approved");
  const decidedAt = t.time.now();
  expect(await client.outcome(id)).toMatchObject({ attempts: 2, result: { ok: true, result: { seat: 1 } } });
  expect(await t.events("run.started")).toHaveLength(1);
  expect(booked).toEqual(["ada"]);
  // It does not go once more through what it had heard before.
  expect(t.time.now() - decidedAt).toBeLessThan(5_000);
});

test("a process that dies in the middle leaves one run, which the next one waits for", async () => {
  const store = createMemoryStore();
  const booked: string[] = [];
  const before = await startTestSystem(systemWith(booked), { store });
  const id = await (await before.connect()).begin("reactor_execution", {
    reactor: "trip",
    input: { who: "ada" },
  });
  await before.time.advance(5_000);
  // It stands still from here on, as one that was killed does.
  await using t = await startTestSystem(systemWith(booked), { store, seed: 2 });
  await t.time.advance(100_000);
  await decide(t, "approved");
  expect(await t.settled(t.system.executions.whenSettled(t.ctx, id))).toMatchObject({
    status: "completed",
    result: { ok: true, result: { seat: 1 } },
  });
  expect(await t.events("run.started")).toHaveLength(1);
  expect(booked).toEqual(["ada"]);
});

// The second does not fit into the answer of `reactor.start` either.
test.for([3_500_000, 4 * 1_024 * 1_024 - 10])("a result of %i characters is left out and counted", async (chars) => {
  await using t = await startTestSystem(systemWith());
  const answer = await run(t, { reactor: "large", input: { chars } });
  expect(answer).toMatchObject({ ok: true, status: "completed", truncated: { results: 1 } });
  expect(answer).not.toHaveProperty("result");
});

test("a turn that is refused for now, or runs out of time, is made up for by the next", async () => {
  await using bench = await openBench();
  let turns = 0;
  const delegate = async (_capability: string, args: JsonValue): Promise<DelegateOutcome> => {
    turns += 1;
    const error = { code: "swarm.overloaded", message: "Full.", retryable: true };
    if (turns === 1) return { ok: false, status: "timed_out", executionId: "exe_1", error };
    if (turns === 2) return { ok: false, status: "refused", executionId: undefined, error };
    return await startDouble("reactor.start", args);
  };
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  let answer: JsonObject | undefined;
  const running = bench.run(reactorRunner, { reactor: "double", input: { n: 3 } }, { delegate, runtime });
  void running.then((result) => {
    answer = result;
  });
  await time.until(() => answer !== undefined);
  // The turn that was refused took its time all the same.
  expect(time.monotonicMs()).toBe(2_000);
  expect(answer).toMatchObject({ ok: true, result: { doubled: 6 } });
  expect(bench.progress[0]).toEqual({
    percent: 0,
    message: "Nothing is known of a run yet (not looked at now: Full.)",
  });
});

test("what is no order for a run is refused with its place", () => {
  for (const bad of [{}, { reactor: "" }, { reactor: "x", wait: true }, { reactor: "x", key: "k" }])
    expect(reactorRunner.input.safeParse(bad).success, JSON.stringify(bad)).toBe(false);
});
