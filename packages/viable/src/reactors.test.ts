// Reactors of a whole system: begun, watched and steered by commands and views, with tasks done by its agents in the name and with the
// authority of whoever began the run, over crashes and stops.
import type { JsonObject, JsonValue } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import type { CommandAnswer, RunView } from "@viable/protocol";
import { approvalList, executionEventPage, projectionList, reactorList, runPage, runView } from "@viable/protocol";
import type { TestClient, TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, processManager, reactor, schedule, service } from "./index.ts";

const anything = z.looseObject({});

const double = reactor("double", { input: z.strictObject({ n: z.number() }), description: "Doubles." }, (steps) =>
  steps
    .step("double", { args: ({ input }) => ({ n: input.n }), run: (_ctx, { n }) => 2 * n })
    .returns(({ results }) => results.double),
);
const slow = reactor("slow", { input: anything }, (steps) =>
  steps.sleep("nap", { args: () => ({ forMs: 10_000 }) }).returns(() => "rested"),
);
const tasks = reactor("tasks", { input: z.strictObject({ ms: z.number().default(0) }) }, (steps) =>
  steps
    .task("work", {
      capability: "work",
      args: ({ input }) => ({ ms: input.ms }),
      result: z.strictObject({ done: z.number() }),
    })
    .returns(({ results }) => results.work),
);
const outer = reactor("outer", { input: anything }, (steps) =>
  steps.compose("inner", tasks, { args: () => ({ ms: 5 }) }).returns(({ results }) => results.inner),
);
const risky = reactor("risky", { input: anything }, (steps) =>
  steps
    .task("wipe", { capability: "wipe", args: () => ({}), retry: { maxAttempts: 2, baseMs: 10 } })
    .returns(() => "wiped"),
);
const asks = reactor("asks", { input: anything }, (steps) =>
  steps
    .approval("ask", { title: "May it?", args: () => ({ details: { amount: 3 }, timeoutMs: 3_600_000 }) })
    .returns(({ results }) => results.ask),
);
const books = reactor("books", { input: anything, reversible: true }, (steps) =>
  steps.step("book", { run: () => "booked", undo: () => undefined }).returns(({ results }) => results.book),
);
const unsure = reactor("unsure", { input: anything }, (steps) =>
  steps
    .step("wire", { idempotent: false, timeoutMs: 100, run: () => new Promise<string>(() => {}) })
    .returns(({ results }) => results.wire),
);
const listens = reactor("listens", { input: anything }, (steps) =>
  steps.waitFor("news", { event: "news", args: () => ({ key: "k" }) }).returns(({ results }) => results.news),
);
const waits = reactor("waits", { input: anything }, (steps) =>
  steps.waitFor("news", { event: "news", args: () => ({}) }).returns(({ results }) => results.news),
);
const pooled = reactor("pooled", { input: anything }, (steps) =>
  steps
    .step("call", {
      pool: "database",
      run: (ctx) => new Promise<number>((resolve) => ctx.runtime.clock.setTimer(() => resolve(1), 1_000)),
    })
    .returns(() => ({})),
);
const circle = reactor("circle", { input: anything }, (steps) =>
  steps
    .task("again", {
      capability: "ask.agent",
      args: () => ({ command: "reactor.start", args: { reactor: "circle" } }),
      result: z.json(),
    })
    .returns(() => null),
);

const large = reactor("large", { input: z.strictObject({ chars: z.number() }) }, (steps) =>
  steps
    .step("write", { args: ({ input }) => ({ chars: input.chars }), run: (_ctx, { chars }) => "x".repeat(chars) })
    .returns(({ results }) => results.write),
);

let ticks = 0;
const ticking = reactor("ticking", { input: anything }, (steps) =>
  steps
    .repeat(
      "again",
      { maxTurns: 1_000 },
      (turn) =>
        turn
          .step("tick", {
            run: (ctx) =>
              new Promise<null>((resolve) => {
                ticks += 1;
                ctx.runtime.clock.setTimer(() => resolve(null), 100);
              }),
          })
          .returns(() => null),
      () => false,
    )
    .returns(() => null),
);

const definition = defineSystem({
  name: "sagas",
  services: [
    service({
      name: "desk",
      description: "Works.",
      port: 0,
      agents: [
        agent({
          name: "worker",
          capability: "work",
          description: "Works for a time.",
          input: z.strictObject({ ms: z.number() }),
          handle: async (ctx, { ms }) => {
            await new Promise<void>((resolve) => ctx.runtime.clock.setTimer(resolve, ms));
            return { done: ms };
          },
        }),
        agent({
          name: "wiper",
          capability: "wipe",
          description: "Wipes.",
          input: anything,
          risk: "high",
          handle: () => null,
        }),
        agent({
          name: "asker",
          capability: "ask.agent",
          description: "Has a command done.",
          input: z.strictObject({ command: z.string(), args: z.record(z.string(), z.json()) }),
          handle: async (ctx, { command, args }) => (await ctx.delegate(command, args)) as unknown as JsonValue,
        }),
      ],
    }),
  ],
  reactors: [double, slow, tasks, outer, risky, asks, books, unsure, listens, waits, pooled, ticking, circle, large],
  pools: { database: 1 },
});

const resultOf = (answer: CommandAnswer): JsonObject => {
  if (answer.status !== "completed") throw new Error(JSON.stringify(answer));
  return answer.result as JsonObject;
};
const start = async (client: TestClient, name: string, args: JsonObject = {}): Promise<string> =>
  resultOf(await client.run("reactor.start", { reactor: name, ...args })).runId as string;

async function read(t: TestSystem, path: string, token = t.system.ownerToken) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await t.settled(Promise.resolve(t.system.fetch(new Request(`http://x/v1${path}`, { headers }))));
  return { status: response.status, body: (await response.json()) as JsonObject };
}
/** As the command line does it: with the owner's token, in a session of its own. */
const asOwner = async (t: TestSystem, command: string, args: JsonObject) => {
  const { sessionId } = await t.connect("cli");
  const request = new Request(`http://x/v1/sessions/${sessionId}/commands`, {
    method: "POST",
    headers: { authorization: `Bearer ${t.system.ownerToken}`, "content-type": "application/json" },
    body: JSON.stringify({ command, args, mode: "sync" }),
  });
  const response = await t.settled(Promise.resolve(t.system.fetch(request)));
  return (await response.json()) as CommandAnswer;
};
const show = async (t: TestSystem, id: string): Promise<RunView> =>
  runView.parse((await read(t, `/reactors/runs/${id}`)).body);
const whenEnded = (t: TestSystem, id: string) => t.settled(t.system.reactors.whenEnded(t.ctx, id));

describe("reactor.start", () => {
  test("begins a run that can be watched; the same command, and the same key, find it again", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const args = { reactor: "double", input: { n: 4 }, key: "order-7" };
    const { executionId, ...answer } = await client.run("reactor.start", args, { idempotencyKey: "c" });
    const first = resultOf({ executionId, ...answer } as CommandAnswer);
    expect(first).toEqual({ runId: expect.stringMatching(/^run_/), repeated: false });
    const id = first.runId as string;
    expect(await whenEnded(t, id)).toMatchObject({ type: "run.completed", data: { result: 8 } });
    expect(await client.run("reactor.start", args, { idempotencyKey: "c" })).toMatchObject({
      executionId,
      result: first,
    });
    expect(resultOf(await client.run("reactor.start", args))).toEqual({ runId: id, repeated: true });
    expect(await client.run("reactor.start", { ...args, input: { n: 5 } })).toMatchObject({
      status: "failed",
      error: { code: "reactor.mismatch" },
    });
    expect(await show(t, id)).toMatchObject({
      reactor: "double",
      status: "completed",
      principal: "owner",
      sessionId: client.sessionId,
      executionId,
      key: "order-7",
      input: { n: 4 },
      result: 8,
      steps: [{ step: "double", status: "succeeded", result: 8 }],
    });
  });

  test("says what is wrong with an unknown reactor and an input that does not fit, and begins nothing", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    expect(await client.run("reactor.start", { reactor: "duoble" })).toMatchObject({
      error: { code: "reactor.unknown", next: expect.stringContaining("double") },
    });
    expect(await client.run("reactor.start", { reactor: "double", input: { n: "4" } })).toMatchObject({
      error: { code: "reactor.invalid_input", message: expect.stringContaining("input.n") },
    });
    expect(await t.events("run.*")).toEqual([]);
  });

  test("waits for the outcome, and answers how the run stands when its time is up", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const wait = async (name: string, options = {}) =>
      resultOf(await client.run("reactor.start", { reactor: name, wait: true }, options));
    expect(await wait("slow")).toMatchObject({ status: "completed", result: "rested" });
    expect(await wait("asks", { deadlineMs: 2_000 })).toMatchObject({
      status: "waiting",
      counts: { waiting: 1 },
      waitsFor: [{ step: "ask", wait: { for: "approval", title: "May it?" } }],
    });
    expect(await wait("unsure", { deadlineMs: 2_000 })).toMatchObject({
      status: "needs_review",
      counts: { needs_review: 1 },
      review: { step: "wire", during: "run", reason: expect.any(String) },
    });
    expect(await wait("risky")).toMatchObject({ status: "completed" });
  });

  test("says that the run completed also where what it came to is too large for an answer", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect("cli");
    for (const [chars, answer] of [
      [4_193_000, { status: "completed", result: expect.any(String) }],
      [4_194_000, { status: "completed", omitted: ["result"] }],
    ] as const) {
      const { runId, repeated, ...said } = resultOf(
        await client.run("reactor.start", { reactor: "large", input: { chars }, wait: true }),
      );
      expect(said).toEqual(answer);
      expect({ repeated, result: (await show(t, runId as string)).result?.toString().length }).toEqual({
        repeated: false,
        result: chars,
      });
    }
  });

  test("begun anew after its worker died, the command finds the run that it had begun", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const id = await client.begin("reactor.start", { reactor: "slow", wait: true });
    await t.time.advance(500);
    for (const worker of ["worker-1", "worker-2", "worker-3", "worker-4"])
      t.system.swarms.get("system")?.kill(worker, "a test");
    const view = await client.outcome(id);
    expect(view).toMatchObject({ status: "completed", attempts: 2, result: { status: "completed", repeated: false } });
    expect(await t.events("run.started")).toHaveLength(1);
  });

  test("however many wait, those that help runs on find a worker", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const ids: string[] = [];
    for (let each = 0; each < 8; each++)
      ids.push(await client.begin("reactor.start", { reactor: "listens", wait: true }, { deadlineMs: 600_000 }));
    await t.time.advance(1_000);
    resultOf(await client.run("reactor.send", { event: "news", key: "k", payload: 1 }));
    const answers = await Promise.all(ids.map((id) => client.outcome(id)));
    // Two waited; the others said at once how it stands, and keep no worker.
    expect(answers.filter(({ result }) => (result as JsonObject).status === "completed")).toHaveLength(2);
    expect(answers.every(({ status }) => status === "completed")).toBe(true);
    expect(answers.filter(({ result }) => (result as JsonObject).waited === false)).toHaveLength(6);
  });
});

describe("tasks of a run", () => {
  test("are done by agents in the name of whoever began it, also where it is composed, and seen in its session", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect("web");
    const id = await start(client, "outer");
    expect(await whenEnded(t, id)).toMatchObject({ type: "run.completed", data: { result: { done: 5 } } });
    const [task] = (await t.events("execution.accepted")).filter(({ data }) => data.command === "work");
    expect(task).toMatchObject({
      metadata: { actor: "owner", session: client.sessionId },
      data: { authority: { principal: "owner", operations: ["read", "write"], clientType: "agent" } },
    });
  });

  test("may do no more than the command that began it (W4)", async () => {
    await using t = await startTestSystem(definition);
    const [cli, web] = [await t.connect("cli"), await t.connect("web")];
    const [may, mayNot] = [await start(cli, "risky"), await start(web, "risky")];
    expect(await whenEnded(t, may)).toMatchObject({ type: "run.completed" });
    expect(await whenEnded(t, mayNot)).toMatchObject({
      type: "run.failed",
      data: { error: { code: "security.denied" } },
    });
    expect((await t.events("execution.accepted")).filter(({ data }) => data.command === "wipe")).toHaveLength(1);
  });

  test("come to an end where they begin runs whose tasks begin runs", async () => {
    await using t = await startTestSystem(definition);
    await start(await t.connect("cli"), "circle");
    await t.time.advance(60_000);
    const [failed] = await t.events("run.failed");
    expect(failed?.data).toMatchObject({ error: { code: "intake.too_deep" } });
    // Each run is two hops further than the one before it: the 16th hop is the last.
    expect(await t.events("run.started")).toHaveLength(9);
  });

  test.each(["execution.completed", "run.completed"])(
    "come to an end where a process manager begins further runs by each %s",
    async (type) => {
      const follows = processManager({
        name: "follows",
        reactor: tasks,
        on: [{ type, key: ({ stream }) => stream, starts: () => ({ ms: 1 }) }],
      });
      await using t = await startTestSystem({ ...definition, projections: [follows] });
      await start(await t.connect("cli"), "tasks", { input: { ms: 1 } });
      await t.time.advance(60_000);
      const depths = (await t.events("execution.accepted")).flatMap(({ data }) =>
        data.command === "work" ? [data.depth as number] : [],
      );
      expect(Math.max(...depths)).toBe(16);
      for (const { data } of await t.events("run.failed"))
        expect(data).toMatchObject({ error: { code: "intake.too_deep" } });
      const { length } = await t.events("run.started");
      expect(length).toBeLessThan(40);
      await t.time.advance(60_000);
      expect(await t.events("run.started")).toHaveLength(length);
    },
  );

  test("are refused where nobody knows in whose name it runs", async () => {
    await using t = await startTestSystem(definition);
    const begun = await t.settled(t.system.reactors.begin(t.ctx, "tasks", {}));
    if (!begun.ok) throw new Error(begun.message);
    expect(await whenEnded(t, begun.runId)).toMatchObject({ data: { error: { code: "reactor.no_authority" } } });
  });

  test("end with the run that is cancelled", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const id = await start(client, "tasks", { input: { ms: 50_000 } });
    await t.time.advance(1_000);
    resultOf(await client.run("reactor.cancel", { runId: id, reason: "enough" }));
    expect(await whenEnded(t, id)).toMatchObject({ type: "run.cancelled" });
    await t.time.advance(1_000);
    const [cancelled] = await t.events("execution.cancelled");
    expect(cancelled?.data).toMatchObject({ by: "owner", reason: `the run ${id} goes no further with it` });
  });

  test("are not asked for twice: a run that another process takes over finds the task it had asked for", async () => {
    const store = createMemoryStore();
    const first = await startTestSystem(definition, { store });
    const client = await first.connect();
    const id = await start(client, "tasks", { input: { ms: 1_000 } });
    await first.time.advance(500);
    // The first process stands still from here on, as one that was killed does.
    await using second = await startTestSystem(definition, { store, seed: 2, time: simulateTime() });
    expect(await whenEnded(second, id)).toMatchObject({ type: "run.completed", data: { result: { done: 1_000 } } });
    const accepted = (await second.events("execution.accepted")).filter(({ data }) => data.command === "work");
    expect(accepted).toHaveLength(1);
    expect((await second.events("run.claimed")).map(({ data }) => data.attempt)).toEqual([2]);
  });

  test("that are under way at a stop in order have their outcome recorded, or the run goes on at the next start", async () => {
    const store = createMemoryStore();
    const time = simulateTime();
    const impatient = { ...definition, limits: { ...definition.limits, drainMs: 2_000 } };
    const first = await startTestSystem(impatient, { store, time });
    const client = await first.connect();
    const [short, long] = [
      await start(client, "tasks", { input: { ms: 1_000 } }),
      await start(client, "tasks", { input: { ms: 30_000 } }),
    ];
    await time.advance(100);
    await first.stop();
    const ended = (await first.events("run.completed")).map(({ stream }) => stream);
    expect(ended).toEqual([`run:${short}`]);
    expect(await first.events("step.failed", "run.failed")).toEqual([]);
    await using second = await startTestSystem(definition, { store, time, seed: 2 });
    expect(await whenEnded(second, long)).toMatchObject({ type: "run.completed", data: { result: { done: 30_000 } } });
  });
});

test("a run begins nothing more once the system stops, though its swarms drain yet", async () => {
  const t = await startTestSystem(definition);
  const client = await t.connect();
  await start(client, "ticking");
  await start(client, "tasks", { input: { ms: 5_000 } });
  await t.time.advance(1_000);
  const before = ticks;
  expect(before).toBeGreaterThan(5);
  await t.stop();
  expect((await t.events("run.completed")).length).toBe(1);
  expect(ticks - before).toBeLessThanOrEqual(1);
});

describe("orders to a run", () => {
  test("an approval is asked for, decided once by a person, and then is not there any more", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect("web");
    const id = await start(client, "asks");
    await t.time.advance(1_000);
    const { approvals } = approvalList.parse((await read(t, "/approvals")).body);
    expect(approvals).toMatchObject([
      { runId: id, reactor: "asks", step: "ask", title: "May it?", details: { amount: 3 }, untilAt: expect.anything() },
    ]);
    const approvalId = approvals[0]?.approvalId as string;
    const decide = { approvalId, decision: "approved" };
    const byAgent = await client.run("ask.agent", { command: "approval.decide", args: decide });
    expect(resultOf(byAgent)).toMatchObject({ ok: false, error: { code: "approval.not_a_person" } });
    expect(resultOf(await client.run("approval.decide", { ...decide, reason: "fine" }))).toEqual({
      approvalId,
      decision: "approved",
      runId: id,
      step: "ask",
    });
    expect(await whenEnded(t, id)).toMatchObject({
      data: { result: { decision: "approved", by: "owner", reason: "fine" } },
    });
    for (const gone of [approvalId, "apr_nothing"])
      expect(await client.run("approval.decide", { approvalId: gone, decision: "rejected" })).toMatchObject({
        error: { code: "approval.not_found" },
      });
    expect((await read(t, "/approvals")).body).toEqual({ approvals: [], more: 0 });
  });

  test("why a run does not take a decision is told as it is, and not as if nobody were asked", async () => {
    const store = createMemoryStore();
    const first = await startTestSystem(definition, { store });
    await start(await first.connect(), "asks");
    await first.time.advance(1_000);
    const [asked] = (await read(first, "/approvals")).body.approvals as JsonObject[];
    await first.stop();
    // The next release has left the reactor out while a run of it is open.
    const without = { ...definition, reactors: [] };
    await using t = await startTestSystem(without, { store, seed: 2, time: first.time });
    const client = await t.connect();
    const decide = { approvalId: asked?.approvalId ?? "", decision: "approved" };
    const byOwner = await asOwner(t, "approval.decide", decide);
    expect(byOwner).toMatchObject({
      error: {
        code: "reactor.order_refused",
        message: expect.stringContaining("definition it began with is not here"),
      },
    });
    expect(await client.run("approval.decide", decide)).toMatchObject({ error: { code: "approval.not_found" } });
  });

  test("an approval whose time is up is not asked for any more", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    await start(client, "asks");
    await t.time.advance(1_000);
    expect((await read(t, "/approvals")).body.approvals).toHaveLength(1);
    await t.time.advance(3_600_000);
    expect((await read(t, "/approvals")).body.approvals).toEqual([]);
  });

  test("a run that completed is undone; one that has not, or is not reversible, refuses and says why", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const [booked, doubled] = [await start(client, "books"), await start(client, "double", { input: { n: 1 } })];
    for (const id of [booked, doubled]) await whenEnded(t, id);
    expect(await client.run("reactor.undo", { runId: doubled, reason: "r" })).toMatchObject({
      error: { code: "reactor.order_refused", message: expect.stringContaining("not declared reversible") },
    });
    expect(resultOf(await client.run("reactor.undo", { runId: booked, reason: "r" }))).toEqual({ runId: booked });
    await t.time.advance(10_000);
    expect(await show(t, booked)).toMatchObject({
      status: "compensated",
      cause: { kind: "requested", by: "owner", reason: "r" },
      steps: [{ status: "undone" }],
    });
    expect(await client.run("reactor.cancel", { runId: booked, reason: "r" })).toMatchObject({
      error: { message: expect.stringContaining("It has ended") },
    });
    for (const command of ["reactor.cancel", "reactor.undo"])
      expect(await client.run(command, { runId: "run_nothing", reason: "r" })).toMatchObject({
        error: { code: "reactor.run_not_found" },
      });
  });

  test("a run that ended is repeated from a step on, with another input, and says of which it is the fork", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const original = await start(client, "double", { input: { n: 1 } });
    await whenEnded(t, original);
    const [step] = (await show(t, original)).steps;
    const args = { runId: original, from: step?.step ?? "", input: { n: 4 } };
    const { runId } = resultOf(await client.run("reactor.fork", args)) as { runId: string };
    expect(await whenEnded(t, runId)).toMatchObject({ type: "run.completed", data: { result: 8 } });
    expect(await show(t, runId)).toMatchObject({ input: { n: 4 }, forkedFrom: { runId: original, step: args.from } });
    expect(await client.run("reactor.fork", { ...args, from: "nothing" })).toMatchObject({
      error: { code: "reactor.not_forkable" },
    });
  });

  test("a run that needs a person goes on as the person says", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const id = await start(client, "unsure");
    expect(await client.run("reactor.resume", { runId: id, decision: "retry" })).toMatchObject({
      error: { code: "reactor.order_refused" },
    });
    await t.time.advance(1_000);
    expect(await show(t, id)).toMatchObject({ status: "needs_review", review: { step: "wire", during: "run" } });
    const said = { runId: id, decision: "done", result: "arrived", reason: "seen" };
    expect(resultOf(await client.run("ask.agent", { command: "reactor.resume", args: said }))).toMatchObject({
      ok: false,
      error: { code: "reactor.not_a_person", next: expect.stringContaining("viable reactors resume") },
    });
    const { version } = (await show(t, id)).review as { version: number };
    for (const other of [{ step: "book" }, { reviewVersion: version + 1 }])
      expect(await client.run("reactor.resume", { ...said, ...other })).toMatchObject({
        error: { code: "reactor.order_refused" },
      });
    expect(await t.events("run.reviewed")).toEqual([]);
    resultOf(await client.run("reactor.resume", { ...said, step: "wire", reviewVersion: version }));
    expect(await whenEnded(t, id)).toMatchObject({ type: "run.completed", data: { result: "arrived" } });
  });

  test("what is sent under an id is received once, and a run that waits for it later finds it", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const send = { event: "news", key: "k", payload: { it: "is" }, id: "n-1" };
    for (let each = 0; each < 2; each++) resultOf(await client.run("reactor.send", send));
    // The id that it always had: a repeat finds it in the log.
    expect((await t.events("event.received")).map(({ id }) => id)).toEqual(["evt_45m5d8p9x2mztw79xyywwc1jgj"]);
    const id = await start(client, "listens");
    expect(await whenEnded(t, id)).toMatchObject({ data: { result: { it: "is" } } });
  });

  test("what cannot be found out or taken back is not for those who may not do what has a high risk", async () => {
    await using t = await startTestSystem(definition);
    const web = await t.connect("web");
    for (const [command, args] of [
      ["reactor.undo", { runId: "run_x", reason: "r" }],
      ["reactor.resume", { runId: "run_x", decision: "done" }],
    ] as const)
      await expect(web.run(command, args)).rejects.toMatchObject({ code: "security.denied" });
  });
});

describe("a session's token", () => {
  const orders = (runId: string): [string, JsonObject][] => [
    ["reactor.cancel", { runId, reason: "r" }],
    ["reactor.undo", { runId, reason: "r" }],
    ["reactor.resume", { runId, decision: "done" }],
    ["reactor.fork", { runId, from: "book" }],
    ["reactor.send", { event: "news", key: runId, payload: "forged" }],
  ];

  test.each(["web", "cli", "api"] as const)("of a %s client orders nothing of another session's runs", async (type) => {
    await using t = await startTestSystem(definition);
    const [mine, other] = [await t.connect(type), await t.connect("api")];
    const [open, ended] = [await start(other, "asks"), await start(other, "books", { key: "order-7" })];
    await whenEnded(t, ended);
    await t.time.advance(100);
    const approvalId = (await t.settled(other.api.approvals())).approvals[0]?.approvalId as string;
    for (const runId of [open, ended])
      for (const [command, args] of orders(runId)) {
        if (type === "web" && (command === "reactor.undo" || command === "reactor.resume")) continue;
        expect(await mine.run(command, args)).toMatchObject({ error: { code: "reactor.run_not_found" } });
        const byAgent = resultOf(await mine.run("ask.agent", { command, args }));
        // Agents do not resume runs at all.
        if (command !== "reactor.resume")
          expect(byAgent).toMatchObject({ ok: false, error: { code: expect.stringMatching(/run_not_found|denied/) } });
      }
    expect(await mine.run("approval.decide", { approvalId, decision: "approved" })).toMatchObject({
      error: { code: "approval.not_found" },
    });
    for (const wait of [false, true])
      for (const input of [{}, { guessed: "wrong" }])
        expect(await mine.run("reactor.start", { reactor: "books", key: "order-7", wait, input })).toMatchObject({
          error: { code: "reactor.key_taken" },
        });
    expect(await t.events("event.received", "run.cancel_requested", "run.undo_requested", "approval.decided")).toEqual(
      [],
    );
    expect(await t.events("run.started")).toHaveLength(2);
  });

  test("orders nothing of them by a run whose task does it either", async () => {
    const meddles = reactor("meddles", { input: z.strictObject({ runId: z.string() }) }, (steps) =>
      steps
        .task("meddle", {
          capability: "reactor.cancel",
          args: ({ input }) => ({ runId: input.runId, reason: "r" }),
          result: z.json(),
        })
        .returns(() => null),
    );
    await using t = await startTestSystem(defineSystem({ name: "sagas", services: [], reactors: [asks, meddles] }));
    const [mine, other] = [await t.connect("web"), await t.connect("api")];
    const id = await start(mine, "meddles", { input: { runId: await start(other, "asks") } });
    expect(await whenEnded(t, id)).toMatchObject({ data: { error: { code: "reactor.run_not_found" } } });
  });

  test("orders what it likes of its own session's runs, also where they are composed; the owner's, of all", async () => {
    await using t = await startTestSystem(definition);
    const mine = await t.connect("api");
    const composed = await start(mine, "outer");
    await t.time.advance(1);
    const inner = (await t.events("run.started")).at(-1)?.stream.slice("run:".length) as string;
    expect(inner).not.toBe(composed);
    expect(resultOf(await mine.run("reactor.cancel", { runId: inner, reason: "r" }))).toEqual({ runId: inner });
    const booked = await start(mine, "books", { key: "order-7" });
    await whenEnded(t, booked);
    expect(resultOf(await mine.run("reactor.start", { reactor: "books", key: "order-7" }))).toMatchObject({
      runId: booked,
    });
    expect(resultOf(await mine.run("reactor.fork", { runId: booked, from: "book" }))).toMatchObject({});
    expect(resultOf(await asOwner(t, "reactor.start", { reactor: "books", key: "order-7" }))).toMatchObject({
      runId: booked,
    });
    expect(resultOf(await asOwner(t, "reactor.undo", { runId: booked, reason: "r" }))).toEqual({ runId: booked });
    const waiting = await start(mine, "waits");
    await t.time.advance(100);
    resultOf(await mine.run("reactor.send", { event: "news", key: waiting, payload: "own" }));
    expect(await whenEnded(t, waiting)).toMatchObject({ data: { result: "own" } });
  });
});

test("a key under which a schedule's or a process manager's runs are known is nobody else's", async () => {
  const runs = { name: "runs", reactor: double };
  const planned = schedule({ ...runs, name: "nightly", cron: "* * * * *", input: { n: 1 } });
  const follows = processManager({
    ...runs,
    on: [{ type: "session.created", key: ({ stream }) => stream, starts: () => ({ n: 2 }) }],
  });
  const settings = { name: "sagas", services: [], reactors: [double], schedules: [planned], projections: [follows] };
  await using t = await startTestSystem(defineSystem(settings));
  const client = await t.connect();
  await t.time.advance(120_000);
  const keys = (await t.events("run.started")).map(({ data }) => data.key as string);
  expect(new Set(keys.map((key) => key.split(":")[0]))).toEqual(new Set(["schedule", "process"]));
  const before = await t.events("run.started");
  for (const key of [
    ...keys,
    "schedule:nightly:2099-01-01T00:00:00.000Z",
    "process:runs:next",
    `task:exe_${"0".repeat(26)}:`,
  ])
    expect(await client.run("reactor.start", { reactor: "double", input: { n: 1 }, key })).toMatchObject({
      error: { code: "reactor.key_reserved", next: expect.stringContaining("another key") },
    });
  const users = (await t.events("run.started")).filter(({ metadata }) => metadata.actor === "owner");
  expect(before.length).toBeGreaterThan(1);
  expect(users).toEqual([]);
});

describe("views", () => {
  test("the reactors that are here, with their input and how many runs are open; drawn when asked for", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    await start(client, "slow");
    const { reactors } = reactorList.parse((await read(t, "/reactors")).body);
    expect(reactors.map(({ name }) => name)).toEqual(definition.reactors.map(({ name }) => name).sort());
    expect(reactors.find(({ name }) => name === "double")).toMatchObject({
      description: "Doubles.",
      version: 1,
      hash: double.hash,
      versions: [{ version: 1, hash: double.hash }],
      steps: 1,
      openRuns: 0,
      input: { required: ["n"] },
    });
    expect(reactors.find(({ name }) => name === "slow")?.openRuns).toBe(1);
    const drawn = reactorList.parse((await read(t, "/reactors?graph=mermaid")).body).reactors;
    expect(drawn.find(({ name }) => name === "double")?.graph).toContain("double");
    expect(await read(t, "/reactors?graph=dot")).toMatchObject({
      status: 422,
      body: { code: "reactor.invalid_graph" },
    });
  });

  test("runs by reactor and status, and their events in pages and in the log", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const done = await start(client, "double", { input: { n: 1 } });
    await whenEnded(t, done);
    const open = await start(client, "slow");
    await t.time.advance(100);
    const list = async (query: string) =>
      runPage.parse((await read(t, `/reactors/runs${query}`)).body).runs.map(({ runId }) => runId);
    expect(await list("")).toEqual([open, done]);
    expect(await list("?reactor=double")).toEqual([done]);
    expect(await list("?status=waiting")).toEqual([open]);
    expect(await list("?limit=1")).toEqual([open]);
    expect(await read(t, "/reactors/runs?status=odd")).toMatchObject({ status: 422 });
    expect(await read(t, "/reactors/runs?before=odd")).toMatchObject({ status: 422 });
    const page = executionEventPage.parse((await read(t, `/reactors/runs/${done}/events?limit=2`)).body);
    expect(page.events.map(({ type }) => type)).toEqual(["run.started", "step.succeeded"]);
    const log = (await read(t, "/events?type=run.*")).body as { events: JsonObject[] };
    expect(log.events.map(({ type }) => type)).toEqual(["run.started", "run.completed", "run.started"]);
    for (const path of ["/reactors/runs/run_nothing", "/reactors/runs/run_nothing/events"])
      expect((await read(t, path)).status).toBe(404);
  });

  test("a session's token sees the runs and approvals of its session, and no others", async () => {
    await using t = await startTestSystem(definition);
    const [mine, other] = [await t.connect("web"), await t.connect("api")];
    const [id, theirs] = [await start(mine, "asks"), await start(other, "asks")];
    await t.time.advance(100);
    const { api } = mine;
    expect((await t.settled(api.runs())).runs.map(({ runId }) => runId)).toEqual([id]);
    expect((await t.settled(api.run(id))).runId).toBe(id);
    expect((await t.settled(api.approvals())).approvals.map(({ runId }) => runId)).toEqual([id]);
    expect((await t.settled(api.runEvents(id))).events.length).toBeGreaterThan(1);
    expect((await t.settled(api.reactors())).reactors.length).toBe(definition.reactors.length);
    await expect(t.settled(api.run(theirs))).rejects.toMatchObject({ problem: { status: 404 } });
    await expect(t.settled(api.runEvents(theirs))).rejects.toMatchObject({ problem: { status: 404 } });
  });

  test("a run is watched as it goes, up to its end, and again after it was opened once more", async () => {
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const id = await start(client, "books");
    await whenEnded(t, id);
    resultOf(await client.run("reactor.undo", { runId: id, reason: "r" }));
    const seen: string[] = [];
    const watching = (async () => {
      for await (const event of client.api.watchRun(id)) seen.push(event.type);
    })();
    await t.settled(watching);
    expect(seen.at(-1)).toBe("run.compensated");
    expect(seen).toContain("run.completed");
    const after = (await t.settled(client.api.runEvents(id))).events.at(-1)?.position as string;
    const nothing = (async () => {
      for await (const event of client.api.watchRun(id, { after })) seen.push(event.type);
    })();
    const before = seen.length;
    await t.settled(nothing);
    expect(seen.length).toBe(before);
  });
});

test("health and metrics tell of runs and pools; a system without reactors tells nothing of them", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  for (let each = 0; each < 3; each++) await start(client, "pooled");
  await start(client, "slow");
  const check = (await t.settled(t.system.health())).checks.find(({ name }) => name === "reactors");
  expect(check).toMatchObject({ status: "ok", detail: expect.stringContaining("4 runs open") });
  expect(check?.detail).toContain("pool database: 1 of 1, 2 waiting");
  const response = t.system.fetch(
    new Request("http://x/metrics", { headers: { authorization: `Bearer ${t.system.ownerToken}` } }),
  );
  const text = await (await t.settled(Promise.resolve(response))).text();
  for (const line of [
    "viable_runs_open 4",
    'viable_reactor_pool_size{pool="database"} 1',
    'viable_reactor_pool_used{pool="database"} 1',
    'viable_reactor_pool_waiting{pool="database"} 2',
  ])
    expect(text).toContain(line);
  await using without = await startTestSystem(defineSystem({ name: "plain", services: [] }));
  const { checks, status } = await without.settled(without.system.health());
  expect(status).toBe("ok");
  expect(checks.some(({ name }) => name === "reactors")).toBe(false);
});

test("schedules are shown with their next and last time; one that cannot go on says why, and degrades the health", async () => {
  const memory = createMemoryStore();
  let isRefused = false;
  const store: Store = {
    ...memory,
    async commit(...batch) {
      if (isRefused && JSON.stringify(batch).includes("schedule/often"))
        throw new ViableError("test.refused", "Secret.");
      return await memory.commit(...batch);
    },
  };
  const planned = { reactor: double, cron: "* * * * *", input: { n: 1 } };
  const schedules = [
    schedule({ ...planned, name: "often" }),
    schedule({ ...planned, name: "theirs", tenant: "other", cron: "0 4 1 1 *" }),
  ];
  const settings = defineSystem({ name: "sagas", services: [], reactors: [double], schedules });
  await using t = await startTestSystem(settings, { store, time: simulateTime() });
  const shown = async () => reactorList.parse((await read(t, "/reactors")).body).schedules;
  const check = async () =>
    (await t.settled(t.system.health())).checks.find(({ name }) => name === "schedules") as { detail: string };
  const nextAt = (await shown())?.[0]?.nextAt as string;
  expect(nextAt).toMatch(/Z$/);
  expect(await shown()).toEqual([{ name: "often", reactor: "double", cron: "* * * * *", timeZone: "UTC", nextAt }]);
  const ofSession = await t.settled((await t.connect()).api.reactors());
  expect(ofSession).not.toHaveProperty("schedules");
  expect(await check()).toMatchObject({ status: "ok", detail: `2 kept, the next run is planned for ${nextAt}` });
  await t.time.advance(60_000);
  const runId = (await shown())?.[0]?.last?.runId as string;
  expect((await shown())?.[0]).toMatchObject({ last: { plannedAt: nextAt, runId } });
  expect((await show(t, runId)).status).toBe("completed");
  isRefused = true;
  await t.time.advance(60_000);
  expect((await shown())?.[0]).toMatchObject({ last: { plannedAt: nextAt }, failure: { code: "test.refused" } });
  // What it failed with may hold what is a tenant's, and health is told to everybody.
  expect(await check()).toEqual({ name: "schedules", status: "degraded", detail: "often: test.refused" });
  isRefused = false;
  await t.time.advance(10_000);
  expect((await shown())?.[0]).not.toHaveProperty("failure");
  expect(await check()).toMatchObject({ status: "ok" });
});

test("a run that this release cannot read hides no other, and keeps no other from being carried on", async () => {
  const store = { ...createMemoryStore(), exclusive: false };
  await using t = await startTestSystem(definition, { store });
  const client = await t.connect();
  const id = await start(client, "slow");
  const unreadable = `run_${"0".repeat(26)}`;
  const runtime = createRuntime({ clock: t.time, random: seededRandom(2) });
  // As a release writes it that has other shapes.
  const other = createLog(store, runtime);
  const ctx = rootContext(runtime);
  await other.start(ctx);
  const events = [{ type: "run.started", data: { saga: "slow" } }];
  await other.append(ctx, { streams: [{ stream: `run:${unreadable}`, expected: 0, events }] });
  await other.stop(ctx).catch(() => undefined);
  await t.time.advance(5_000);
  const page = runPage.parse((await read(t, "/reactors/runs")).body);
  expect(page.runs.map(({ runId }) => runId)).toEqual([id]);
  expect(page.undecodable).toMatchObject([{ runId: unreadable, undecodable: expect.stringContaining("run.started") }]);
  expect(await read(t, `/reactors/runs/${unreadable}`)).toMatchObject({
    status: 500,
    body: { code: "log.undecodable_event" },
  });
  expect((await read(t, `/reactors/runs/${unreadable}/events`)).body.events).toMatchObject([
    { type: "run.started", undecodable: expect.any(String) },
  ]);
  expect(t.notices).toContainEqual({ level: "warn", message: expect.stringContaining(`${unreadable}: It is left`) });
  const { checks } = await t.settled(t.system.health());
  expect(checks.find(({ name }) => name === "reactors")).toMatchObject({
    status: "degraded",
    detail: expect.stringMatching(/^2 runs open, .*, 1 that this release cannot read and leaves alone/),
  });
});

test("a process manager that begins runs in a circle stands still, which its view and the health tell", async () => {
  const again = processManager({
    name: "again",
    reactor: double,
    on: [{ type: "run.completed", key: ({ stream }) => stream, starts: () => ({ n: 1 }) }],
  });
  await using t = await startTestSystem({ ...definition, projections: [again] });
  await start(await t.connect("cli"), "double", { input: { n: 1 } });
  await t.time.advance(60_000);
  // The first comes over one hop, since a command began it.
  const started = await t.events("run.started");
  expect(started).toHaveLength(16);
  expect(reactorList.parse((await read(t, "/reactors")).body).reactors).toContainEqual(
    expect.objectContaining({ name: "double", openRuns: 0 }),
  );
  const { checks, status } = await t.settled(t.system.health());
  expect(status).toBe("degraded");
  expect(checks).toContainEqual(
    expect.objectContaining({ name: "projections", detail: expect.stringMatching(/again stands still .*too_deep/) }),
  );
  const [view] = projectionList.parse((await read(t, "/projections")).body).projections;
  expect(view?.parked).toMatchObject({ type: "run.completed", message: expect.stringMatching(/more than 16 hops/) });
});

test("that runs are not followed any more, as where the database has lost its last events, shows in the health", async () => {
  const store = { ...createMemoryStore(), exclusive: false };
  await using t = await startTestSystem(definition, { store });
  await start(await t.connect(), "slow");
  const lost = createMemoryStore();
  Object.assign(store, { head: lost.head, readAll: lost.readAll });
  await t.time.advance(60_000);
  const health = await t.settled(t.system.health());
  expect(health.status).toBe("down");
  expect(health.checks.find(({ name }) => name === "reactors")).toMatchObject({
    status: "down",
    detail: expect.stringContaining("runs are no longer followed"),
  });
});

test("reactors and pools that cannot be run together are refused with the config", () => {
  const define = (parts: Partial<Parameters<typeof defineSystem>[0]>) => () =>
    defineSystem({ name: "s", services: [], ...parts });
  const other = reactor("double", { input: anything }, (steps) => steps.step("a", { run: () => 1 }).returns(() => 1));
  expect(define({ reactors: [double, other] })).toThrow('reactors.double: two reactors "double" have version 1');
  expect(define({ reactors: [pooled] })).toThrow('the pool "database", which has no size');
  expect(define({ pools: { database: 0 } })).toThrow("pools.database: must be a whole number");
  expect(define({ reactors: [{} as never] })).toThrow("reactors.0: must be made by reactor(...)");
  const asks = reactor("asks", { input: anything }, (steps) =>
    steps.task("a", { capability: "nobody.has", args: () => ({}) }).returns(() => 1),
  );
  expect(define({ reactors: [asks] })).toThrow('the step "a" has a task for "nobody.has", which no agent');
  const sends = processManager({
    name: "sends",
    reactor: double,
    on: [{ type: "session.created", key: ({ stream }) => stream, sends: "order.payed" }],
  });
  expect(define({ reactors: [double], projections: [sends] })).toThrow('projections.sends: on.0 sends "order.payed"');
  const longName = "p".repeat(65);
  expect(define({ pools: { [longName]: 5 } })).toThrow(`pools.${longName}: its name must be 1 to 64 characters.`);
  const newer = reactor("double", { input: z.strictObject({ n: z.number() }), version: 2 }, (steps) =>
    steps.step("a", { run: () => 1 }).returns(() => 1),
  );
  const around = reactor("around", { input: anything }, (steps) =>
    steps.compose("inner", newer, { args: () => ({ n: 1 }) }).returns(() => 1),
  );
  const nightly = schedule({ name: "nightly", cron: "0 3 * * *", reactor: double, input: { n: 1 } });
  const follows = processManager({
    name: "follows",
    reactor: double,
    on: [{ type: "session.created", key: ({ stream }) => stream, starts: () => ({ n: 1 }) }],
  });
  for (const reactors of [
    [double, newer],
    [double, around],
  ]) {
    expect(define({ reactors, schedules: [nightly] })).toThrow('schedules.nightly: it names version 1 of "double"');
    expect(define({ reactors, projections: [follows] })).toThrow('projections.follows: it names version 1 of "double"');
  }
});
