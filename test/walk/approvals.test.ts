/**
 * A command that a policy asks a person for, through the gateway of a whole system: it waits durably and nothing of it is begun; another person decides,
 * once; what is approved is done once, whichever processes die in between; what is rejected, out of time or cancelled never is.
 */
import { createMemoryHub } from "@viable/bus";
import { GatewayProblem } from "@viable/client";
import { seededRandom, simulateTime } from "@viable/kernel";
import type { CommitResult, Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import type { CommandAnswer } from "@viable/protocol";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { agent, defineSystem, reactor, service } from "viable";
import type { Role } from "viable/run";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const hourMs = 3_600_000;

/** `done` is the ledger of effects: it lies outside the system. */
function settings(done: string[], policy: object = {}) {
  const drop = agent({
    name: "drop",
    capability: "store.drop",
    description: "Drops a table.",
    risk: "high",
    joinable: true,
    maxAttempts: 1,
    input: z.strictObject({ table: z.string(), text: z.string().default("") }),
    handle: (ctx, { table }) => {
      done.push(`${table} by ${ctx.principal}`);
      return { dropped: table };
    },
  });
  const chief = agent({
    name: "chief",
    capability: "tidy",
    description: "Has a table dropped.",
    timeoutMs: 2 * hourMs,
    input: z.strictObject({ table: z.string() }),
    handle: async (ctx, args) => {
      const outcome = await ctx.delegate("store.drop", args);
      return outcome.ok ? outcome.result : outcome.error.code;
    },
  });
  const echo = agent({
    name: "echo",
    capability: "echo",
    description: "Echoes.",
    input: z.strictObject({}),
    handle: () => "echo",
  });
  const tidying = reactor("tidying", { input: z.strictObject({ table: z.string() }) }, (steps) =>
    steps
      .task("drop", {
        capability: "store.drop",
        args: ({ input }) => ({ table: input.table }),
        timeoutMs: 2 * hourMs,
        result: z.strictObject({ dropped: z.string() }),
      })
      .returns(({ results }) => results.drop),
  );
  return {
    name: "approvals",
    services: [service({ name: "work", description: "Works.", port: 0, workers: 1, agents: [drop, chief, echo] })],
    reactors: [tidying],
    policies: { "command/store.*": { mode: "ask", ...policy }, "command/swarm.scale": { mode: "ask" } },
  } as const;
}
const build = (done: string[], policy: object = {}) => defineSystem(settings(done, policy));

/** Somebody decides, in a session of their own. The owner unless a token is given. */
async function decide(t: TestSystem, approvalId: string, decision: string, token?: string, reason?: string) {
  const api = t.client(token);
  const { sessionId } = await t.settled(api.openSession({ clientType: "cli" }));
  const args = { approvalId, decision, ...(reason !== undefined && { reason }) };
  return await t.settled(api.send(sessionId, { command: "approval.decide", args, mode: "sync" }));
}

const approvalOf = (answer: CommandAnswer): string => {
  if (!("approvalId" in answer) || answer.approvalId === undefined) throw new Error(JSON.stringify(answer));
  return answer.approvalId;
};
const list = (t: TestSystem, token?: string) => t.settled(t.client(token).approvals());

describe("a command that a policy asks a person for", () => {
  test("waits, seen by who may decide as it will be done; approved by another it is done, and everybody of its session sees all of it", async () => {
    const done: string[] = [];
    await using t = await startTestSystem(build(done));
    const client = await t.connect();
    const answer = await client.run("store.drop", { table: "a" }, { mode: "auto" });
    expect(answer).toMatchObject({
      status: "waiting",
      approvalId: expect.stringMatching(/^apr_/),
      pollUrl: `/v1/executions/${answer.executionId}`,
    });
    const approvalId = approvalOf(answer);
    const asked = await t.settled(client.api.execution(answer.executionId));
    expect(asked).toMatchObject({ status: "waiting", attempts: 0, waitingFor: { for: "approval", approvalId } });
    const shown = {
      approvalId,
      details: { command: "store.drop", args: { table: "a" } },
      executionId: answer.executionId,
      risk: "high",
      principal: "owner",
      sessionId: client.sessionId,
      policies: ["command/store.*"],
    };
    expect(await list(t)).toMatchObject({ approvals: [shown], more: 0 });
    await t.time.advance(10 * 60_000);
    expect(done).toEqual([]);

    const decided = await decide(t, approvalId, "approved", undefined, "looked at it");
    expect(decided).toMatchObject({ status: "completed", result: { approvalId, decision: "approved", by: "owner" } });
    expect(await client.outcome(answer.executionId)).toMatchObject({
      status: "completed",
      result: { dropped: "a" },
      approval: { decision: "approved", by: "owner", reason: "looked at it" },
    });
    expect(done).toEqual(["a by owner"]);
    expect(await list(t)).toMatchObject({ approvals: [] });
    const types = (await t.events()).filter(({ stream }) => stream === `execution:${answer.executionId}`);
    expect(types.map(({ type, metadata }) => [type, metadata.session])).toEqual(
      [
        "execution.accepted",
        "approval.requested",
        "execution.approved",
        "execution.claimed",
        "execution.completed",
      ].map((type) => [type, client.sessionId]),
    );
    // It had its own time from the approval on.
    const { acceptedAt, deadlineAt } = await t.settled(client.api.execution(answer.executionId));
    expect(Date.parse(deadlineAt) - Date.parse(acceptedAt)).toBeGreaterThan(10 * 60_000);
    expect(Date.parse(deadlineAt) - Date.parse(acceptedAt)).toBeLessThan(13 * 60_000);
  });

  test("is answered as waiting in every mode, also while somebody waits for its outcome, and under the same key", async () => {
    await using t = await startTestSystem(build([]));
    const client = await t.connect();
    const options = { idempotencyKey: "once" };
    const first = await client.run("store.drop", { table: "a" }, { mode: "async", ...options });
    const waiting = { status: "waiting", executionId: first.executionId, approvalId: approvalOf(first) };
    expect(await client.run("store.drop", { table: "a" }, { mode: "auto", ...options })).toMatchObject(waiting);
    expect(await client.run("store.drop", { table: "a" }, { mode: "sync", ...options })).toMatchObject(waiting);
    await expect(client.run("store.drop", { table: "b" }, options)).rejects.toMatchObject({
      code: "intake.idempotency_mismatch",
    });
    expect((await list(t)).approvals).toHaveLength(1);
    const told = client.run("store.drop", { table: "a" }, { mode: "sync", ...options });
    await decide(t, approvalOf(first), "approved");
    expect(await told).toMatchObject({ status: "completed", result: { dropped: "a" } });
  });

  test("that is rejected was never begun, and says by whom and why", async () => {
    const done: string[] = [];
    await using t = await startTestSystem(build(done));
    const client = await t.connect();
    const answer = await client.run("store.drop", { table: "a" }, { mode: "async" });
    await decide(t, approvalOf(answer), "rejected", undefined, "still needed");
    const error = { code: "approval.rejected", message: expect.stringContaining("still needed"), retryable: false };
    expect(await client.outcome(answer.executionId)).toMatchObject({
      status: "failed",
      error,
      attempts: 0,
      approval: { decision: "rejected", by: "owner" },
    });
    expect(done).toEqual([]);
  });

  test("that nobody decides on in time has timed out, is listed no more, and is a dead letter that says so", async () => {
    const done: string[] = [];
    await using t = await startTestSystem(build(done, { approvalTimeoutMs: 60_000 }));
    const client = await t.connect();
    const answer = await client.run("store.drop", { table: "a" }, { mode: "async" });
    await t.time.advance(59_000);
    expect((await list(t)).approvals).toHaveLength(1);
    await t.time.advance(2_000);
    expect(await client.outcome(answer.executionId)).toMatchObject({
      status: "timed_out",
      error: { code: "approval.timed_out" },
    });
    expect((await list(t)).approvals).toEqual([]);
    expect(await decide(t, approvalOf(answer), "approved")).toMatchObject({ error: { code: "approval.over" } });
    const { deadLetters } = await t.settled(t.client().deadLetters());
    expect(deadLetters).toMatchObject([{ code: "approval.timed_out", command: "store.drop" }]);
    expect(done).toEqual([]);
  });

  test("has no more time than its caller has given it, waiting and working together", async () => {
    await using t = await startTestSystem(build([]));
    const client = await t.connect();
    const answer = await client.run("store.drop", { table: "a" }, { mode: "async", deadlineMs: 60_000 });
    await t.time.advance(62_000);
    expect(await client.outcome(answer.executionId)).toMatchObject({ error: { code: "approval.timed_out" } });
  });

  test("can be cancelled while it waits, and is decided on no more then", async () => {
    await using t = await startTestSystem(build([]));
    const client = await t.connect();
    const answer = await client.run("store.drop", { table: "a" }, { mode: "async" });
    expect(await t.settled(client.api.cancel(answer.executionId))).toMatchObject({ status: "cancelled" });
    expect((await list(t)).approvals).toEqual([]);
    expect(await decide(t, approvalOf(answer), "approved")).toMatchObject({ error: { code: "approval.over" } });
  });

  test("is decided once: said again the same is answered, and something else told that it is too late", async () => {
    await using t = await startTestSystem(build([]));
    const client = await t.connect();
    const answer = await client.run("store.drop", { table: "a" }, { mode: "async" });
    const approvalId = approvalOf(answer);
    const first = await decide(t, approvalId, "approved");
    expect(await decide(t, approvalId, "approved")).toMatchObject({ result: { by: "owner", decision: "approved" } });
    expect(await decide(t, approvalId, "rejected")).toMatchObject({
      error: { code: "approval.decided", details: { decision: "approved", by: "owner" } },
    });
    expect(first).toMatchObject({ status: "completed" });
    await client.outcome(answer.executionId);
    expect(await decide(t, approvalId, "approved")).toMatchObject({ result: { decision: "approved" } });
    expect(await t.events("execution.approved")).toHaveLength(1);
    expect(await decide(t, "apr_0ytbx5sd3kze9dc1msp4ktxzv3", "approved")).toMatchObject({
      error: { code: "approval.not_found" },
    });
  });

  test("takes no place of those that its token may have under way, nor any worker; equal ones are asked for each", async () => {
    const done: string[] = [];
    await using t = await startTestSystem(build(done));
    const { token } = await t.settled(t.client().mintCapability({ expiresInMs: 24 * hourMs, maxConcurrent: 1 }));
    const api = t.client(token);
    const { sessionId } = await t.settled(api.openSession({ clientType: "api" }));
    const send = (command: string, args = {}) => t.settled(api.send(sessionId, { command, args, mode: "auto" }));
    const one = await send("store.drop", { table: "a" });
    const two = await send("store.drop", { table: "a" });
    expect([one.status, two.status]).toEqual(["waiting", "waiting"]);
    expect(await send("echo")).toMatchObject({ result: "echo" });
    await decide(t, approvalOf(two), "approved");
    await t.settled(t.system.executions.whenSettled(t.ctx, two.executionId));
    expect(done).toHaveLength(1);
    expect((await list(t)).approvals.map(({ approvalId }) => approvalId)).toEqual([approvalOf(one)]);
  });

  test("stands in pages with others, the longest asked first", async () => {
    await using t = await startTestSystem(build([]));
    const client = await t.connect();
    const asked: string[] = [];
    for (let nr = 0; nr < 5; nr++)
      asked.push(approvalOf(await client.run("store.drop", { table: `${nr}` }, { mode: "async" })));
    const page = await t.settled(t.client().approvals({ limit: 2 }));
    expect(page).toMatchObject({ more: 3, next: expect.anything() });
    const rest = await t.settled(t.client().approvals({ limit: 500, after: page.next as string }));
    expect(rest).toMatchObject({ more: 0 });
    expect([...page.approvals, ...rest.approvals].map(({ approvalId }) => approvalId)).toEqual(asked);
  });

  test("with arguments that are too large for a list is read where it stands whole", async () => {
    await using t = await startTestSystem(build([]));
    const client = await t.connect();
    const args = { table: "a", text: "x".repeat(100_000) };
    const { executionId } = await client.run("store.drop", args, { mode: "async" });
    const [asked] = (await list(t)).approvals;
    expect(asked).toMatchObject({ areDetailsOmitted: true, executionId });
    expect(asked?.details).toBeUndefined();
    expect(await t.settled(t.client().execution(executionId))).toMatchObject({ args });
  });
});

describe("four eyes", () => {
  test("neither the token that asked nor one made of it decides, in whichever session; nor a session on what it asks for itself", async () => {
    await using t = await startTestSystem(build([]));
    const program = await t.settled(t.client().mintCapability({ expiresInMs: 24 * hourMs, label: "program" }));
    const api = t.client(program.token);
    const { sessionId, token } = await t.settled(api.openSession({ clientType: "api" }));
    const asked = await t.settled(api.send(sessionId, { command: "store.drop", args: { table: "a" }, mode: "async" }));
    const approvalId = approvalOf(asked);
    const refused = { status: "failed", error: { code: "approval.four_eyes" } };
    expect(await decide(t, approvalId, "approved", program.token)).toMatchObject(refused);
    const narrowed = await t.settled(api.mintCapability({ expiresInMs: 24 * hourMs, label: "narrower" }));
    expect(await decide(t, approvalId, "approved", narrowed.token)).toMatchObject(refused);
    const own = { command: "approval.decide", args: { approvalId, decision: "approved" }, mode: "sync" } as const;
    expect(await t.settled(t.client(token).send(sessionId, own))).toMatchObject(refused);
    // Another session's token is not even told that there is something to decide.
    const other = await t.connect();
    expect(await other.run("approval.decide", own.args)).toMatchObject({ error: { code: "approval.not_found" } });
    expect((await t.settled(other.api.approvals())).approvals).toEqual([]);
    expect(await t.events("execution.approved")).toEqual([]);
    expect(await decide(t, approvalId, "approved")).toMatchObject({ status: "completed" });
  });

  test("no agent decides, in whosever name it acts", async () => {
    const yes = agent({
      name: "yes",
      capability: "say_yes",
      description: "Approves.",
      input: z.strictObject({ approvalId: z.string() }),
      handle: async (ctx, { approvalId }) => {
        const outcome = await ctx.delegate("approval.decide", { approvalId, decision: "approved" });
        return outcome.ok ? "approved" : outcome.error.code;
      },
    });
    await using t = await startTestSystem(defineSystem({ ...settings([]), commands: [yes] }));
    const client = await t.connect();
    const approvalId = approvalOf(await client.run("store.drop", { table: "a" }, { mode: "async" }));
    const owner = t.client();
    const { sessionId } = await t.settled(owner.openSession({ clientType: "cli" }));
    const answer = await t.settled(owner.send(sessionId, { command: "say_yes", args: { approvalId }, mode: "sync" }));
    expect(answer).toMatchObject({ result: "approval.not_a_person" });
  });

  test("only who is named decides, where the policy names somebody", async () => {
    await using t = await startTestSystem(build([], { approvers: ["user:ada"] }));
    const client = await t.connect();
    const approvalId = approvalOf(await client.run("store.drop", { table: "a" }, { mode: "async" }));
    expect(await decide(t, approvalId, "approved")).toMatchObject({ error: { code: "approval.not_an_approver" } });
    expect((await list(t)).approvals).toMatchObject([{ approvers: ["user:ada"] }]);
  });

  test("of two people, who asks does not decide, by none of their log-ins; who only looks does not; the other does", async () => {
    const done: string[] = [];
    await using t = await startTestSystem(build(done, { approvers: ["user:ada", "user:ben", "user:vera"] }));
    const owner = await t.connect();
    const ask = async <T>(path: string, body: object, token?: string): Promise<T> => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const init = { method: "POST", headers, body: JSON.stringify(body) };
      return (await (await t.system.fetch(new Request(`http://test.invalid/v1${path}`, init))).json()) as T;
    };
    const password = "a password of 24 letters";
    const join = async (user: string, role: string) => {
      await owner.run("user.create", { user, roles: [role] });
      const { token } = await ask<{ token: string }>(`/users/${user}/invitations`, {}, t.system.ownerToken);
      await ask(`/users/${user}/password`, { password }, token);
      return async () => (await ask<{ token: string }>("/login", { user, password })).token;
    };
    const [ada, ben, vera] = [
      await join("ada", "operator"),
      await join("ben", "operator"),
      await join("vera", "viewer"),
    ];

    const api = t.client(await ada());
    const { sessionId } = await t.settled(api.openSession({ clientType: "cli" }));
    const drop = { command: "store.drop", args: { table: "a" }, mode: "async" } as const;
    const asked = await t.settled(api.send(sessionId, drop));
    const [approvalId, { executionId }] = [approvalOf(asked), asked];
    expect((await list(t, await ben())).approvals).toMatchObject([{ approvalId, principal: "user:ada" }]);
    expect(await decide(t, approvalId, "approved", await ada())).toMatchObject({
      error: { code: "approval.four_eyes" },
    });
    await expect(decide(t, approvalId, "approved", await vera())).rejects.toMatchObject({ problem: { status: 403 } });
    expect(done).toEqual([]);

    const approved = await decide(t, approvalId, "approved", await ben(), "seen");
    expect(approved).toMatchObject({ status: "completed", result: { by: "user:ben" } });
    await t.time.advance(1_000);
    expect(await t.settled(api.execution(executionId))).toMatchObject({ status: "completed" });
    expect(done).toEqual(["a by user:ada"]);
  });

  test("what a token asked for that was revoked meanwhile is not approved any more, and can be rejected", async () => {
    await using t = await startTestSystem(build([]));
    const program = await t.settled(t.client().mintCapability({ expiresInMs: 24 * hourMs, label: "program" }));
    const api = t.client(program.token);
    const { sessionId } = await t.settled(api.openSession({ clientType: "api" }));
    const asked = await t.settled(api.send(sessionId, { command: "store.drop", args: { table: "a" }, mode: "async" }));
    const owner = await t.settled(t.client().openSession({ clientType: "cli" }));
    const revoke = {
      command: "capability.revoke",
      args: { capabilityId: program.capabilityId },
      mode: "sync",
    } as const;
    await t.settled(t.client().send(owner.sessionId, revoke));
    expect(await decide(t, approvalOf(asked), "approved")).toMatchObject({ error: { code: "approval.unauthorized" } });
    expect(await decide(t, approvalOf(asked), "rejected")).toMatchObject({ status: "completed" });
  });
});

describe("what is done for another", () => {
  test("waits as well: the one that has delegated it gives its worker to others, and goes on when it is decided", async () => {
    const done: string[] = [];
    await using t = await startTestSystem(build(done));
    const client = await t.connect();
    const parent = await client.begin("tidy", { table: "a" });
    await t.time.advance(1_000);
    const [asked] = (await list(t)).approvals;
    expect(asked).toMatchObject({ command: "store.drop", sessionId: client.sessionId, principal: "agent:work/chief" });
    // Its only worker is free.
    expect(await client.run("echo")).toMatchObject({ result: "echo" });
    await decide(t, asked?.approvalId ?? "", "approved");
    expect(await client.outcome(parent)).toMatchObject({ result: { dropped: "a" } });
    expect(done).toEqual(["a by agent:work/chief"]);
  });

  test("waits no longer than its parent has time, and ends with it", async () => {
    await using t = await startTestSystem(build([]));
    const client = await t.connect();
    const parent = await client.begin("tidy", { table: "a" }, { deadlineMs: 60_000 });
    await t.time.advance(63_000);
    const { status, result } = await client.outcome(parent);
    // Both end at the same time: the parent may just have been told.
    expect(["timed_out", "approval.timed_out"]).toContain(status === "completed" ? result : status);
    expect((await list(t)).approvals).toEqual([]);
    const [child] = (await t.settled(t.client().executions())).executions.filter(
      (each) => each.command === "store.drop",
    );
    expect(child).toMatchObject({ attempts: 0, status: expect.stringMatching(/timed_out|cancelled/) });
  });

  test("a run's task waits, too, and what the run was begun by does not decide on it", async () => {
    const done: string[] = [];
    await using t = await startTestSystem(build(done));
    const program = await t.settled(t.client().mintCapability({ expiresInMs: 24 * hourMs, label: "program" }));
    const api = t.client(program.token);
    const { sessionId } = await t.settled(api.openSession({ clientType: "api" }));
    const start = {
      command: "reactor.start",
      args: { reactor: "tidying", input: { table: "a" } },
      mode: "sync",
    } as const;
    const started = await t.settled(api.send(sessionId, start));
    await t.time.advance(2_000);
    const [asked] = (await list(t)).approvals;
    const approvalId = asked?.approvalId ?? "";
    expect(await decide(t, approvalId, "approved", program.token)).toMatchObject({
      error: { code: "approval.four_eyes" },
    });
    await decide(t, approvalId, "approved");
    await t.time.advance(5_000);
    const { runId } = (started as unknown as { result: { runId: string } }).result;
    expect(await t.settled(t.client().run(runId))).toMatchObject({ status: "completed", result: { dropped: "a" } });
    expect(done).toHaveLength(1);
  });
});

describe("a process that dies", () => {
  test("while a command waits, and again between its approval and its beginning, costs nothing of it: 20 seeds", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const done: string[] = [];
      const random = seededRandom(seed);
      const store = createMemoryStore();
      const [one, two] = [mortal(store), mortal(store)];
      const first = await startTestSystem(build(done), { store: one.store, seed });
      const client = await first.connect();
      const { executionId, ...answer } = await client.run("store.drop", { table: "a" }, { mode: "async" });
      const approvalId = approvalOf({ executionId, ...answer } as CommandAnswer);
      await first.time.advance(random.next() * 10_000);
      one.kill();
      const second = await startTestSystem(build(done), { store: two.store, seed: seed * 100 });
      expect((await list(second)).approvals).toMatchObject([{ approvalId, details: { args: { table: "a" } } }]);
      expect(await second.settled(second.client().execution(executionId))).toMatchObject({ status: "waiting" });
      await second.time.advance(random.next() * 10_000);
      const isApproved = two.killOnceWritten("execution.approved");
      const { sessionId } = await second.settled(second.client().openSession({ clientType: "cli" }));
      void second.client().send(sessionId, { command: "approval.decide", args: { approvalId, decision: "approved" } });
      await second.settled(isApproved);
      expect(done, `seed ${seed}`).toEqual([]);
      await using third = await startTestSystem(build(done), { store, seed: seed * 1_000 });
      const state = await third.settled(third.system.executions.whenSettled(third.ctx, executionId));
      expect(state).toMatchObject({ status: "completed", approval: { decision: "approved", by: "owner" } });
      expect(done, `seed ${seed}`).toEqual(["a by owner"]);
    }
  }, 60_000);

  /** The store as one process has it: once that is killed, nothing it asks for is ever done or answered. */
  function mortal(inner: Store) {
    let isDead = false;
    let awaited: { readonly type: string; resolve(): void } | undefined;
    const never = new Promise<never>(() => {});
    const guard =
      <A extends unknown[], R>(act: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> =>
        isDead ? await never : await act(...args);
    return {
      kill() {
        isDead = true;
      },
      killOnceWritten(type: string): Promise<void> {
        return new Promise((resolve) => {
          awaited = { type, resolve };
        });
      },
      store: {
        ...inner,
        commit: guard<Parameters<Store["commit"]>, CommitResult>(async (batch, now, follow) => {
          const types = batch.flatMap(({ streams }) => streams.flatMap(({ events }) => events.map(({ type }) => type)));
          const isLast = awaited !== undefined && types.includes(awaited.type);
          isDead ||= isLast;
          const result = await inner.commit(batch, now, follow);
          if (!isLast) return result;
          awaited?.resolve();
          return await never;
        }),
        readStream: guard(inner.readStream),
        readStreams: guard(inner.readStreams),
        readAll: guard(inner.readAll),
        getRecords: guard(inner.getRecords),
        listRecords: guard(inner.listRecords),
        readChanges: guard(inner.readChanges),
        head: guard(inner.head),
      } satisfies Store,
    };
  }
});

describe("of several processes", () => {
  async function start(done: string[], roles: readonly (readonly Role[])[]) {
    const time = simulateTime({ random: seededRandom(9) });
    const store: Store = { ...createMemoryStore(), exclusive: false };
    const hub = createMemoryHub();
    const all: TestSystem[] = [];
    for (const [nr, each] of roles.entries())
      all.push(
        await startTestSystem(build(done), {
          time,
          store,
          hub,
          seed: nr + 1,
          hosting: { roles: each, services: each.includes("swarm") ? ["work"] : [], apart: [] },
        }),
      );
    await time.advance(2_000);
    return { time, all };
  }

  test("any decides what another has accepted, and the one that runs the service does it, once", async () => {
    const done: string[] = [];
    const { time, all } = await start(done, [["gateway"], ["gateway", "swarm"], ["gateway", "swarm"]]);
    const [asking, deciding, other] = all as [TestSystem, TestSystem, TestSystem];
    const client = await asking.connect();
    const answer = await client.run("store.drop", { table: "a" }, { mode: "async" });
    await time.advance(2_000);
    for (const each of all) expect((await list(each)).approvals).toHaveLength(1);
    expect(done).toEqual([]);
    // Whoever it was routed to leaves while it waits.
    await deciding.stop();
    await time.advance(2_000);
    await decide(other, approvalOf(answer), "approved");
    expect(await client.outcome(answer.executionId)).toMatchObject({ status: "completed", attempts: 1 });
    expect(done).toEqual(["a by owner"]);
    await other.stop();
    await asking.stop();
  });

  test("what is approved for all of them is asked for once, and handed to each", async () => {
    const { time, all } = await start(
      [],
      [
        ["gateway", "swarm"],
        ["gateway", "swarm"],
      ],
    );
    const [one, two] = all as [TestSystem, TestSystem];
    const client = await one.connect();
    const answer = await client.run("swarm.scale", { service: "work", workers: 3 }, { mode: "async" });
    await time.advance(2_000);
    await decide(one, approvalOf(answer), "approved");
    expect(await client.outcome(answer.executionId)).toMatchObject({ status: "completed" });
    for (const each of all) expect(each.system.swarms.get("work")?.status().workers).toHaveLength(3);
    expect((await list(one)).approvals).toEqual([]);
    await two.stop();
    await one.stop();
  });
});

describe("audit", () => {
  test("of a command of high risk its risk, policies and token are durable before its agent is called", async () => {
    const found: unknown[] = [];
    const look = agent({
      name: "look",
      capability: "look",
      description: "Reads what the log has of it.",
      risk: "high",
      input: z.strictObject({}),
      handle: async (ctx) => {
        const events = await t.store.readAll(0, 1_000, "forward", { types: ["execution.accepted"] });
        const own = events.events.find(({ stream }) => stream === `execution:${ctx.executionId}`);
        found.push(own?.data);
        return null;
      },
    });
    const echo = agent({ ...look, name: "echo", capability: "echo", risk: "low", handle: () => null } as never);
    await using t = await startTestSystem(
      defineSystem({
        name: "audit",
        services: [],
        commands: [look, echo],
        policies: { "command/look": { risk: "medium" } },
      }),
    );
    const { token, capabilityId } = await t.settled(
      t.client().mintCapability({ expiresInMs: 24 * hourMs, label: "program" }),
    );
    const api = t.client(token);
    const { sessionId } = await t.settled(api.openSession({ clientType: "api" }));
    await t.settled(api.send(sessionId, { command: "look", args: {}, mode: "sync" }));
    await t.settled(api.send(sessionId, { command: "echo", args: {}, mode: "sync" }));
    expect(found).toMatchObject([
      {
        audit: { risk: "high", address: "command/look", policies: ["command/look"] },
        authority: { capabilities: [expect.stringMatching(/^cap_/), capabilityId] },
      },
    ]);
    const risky = await t.settled(t.client().executions({ risk: "high" }));
    expect(risky.executions.map(({ command }) => command)).toEqual(["look"]);
    expect(risky.next).toBeUndefined();
    await expect(t.settled(t.client().executions({ risk: "low" as "high" }))).rejects.toMatchObject({
      code: "gateway.invalid_risk",
    });
    const accepted = await t.events("execution.accepted");
    expect(accepted.filter(({ data }) => JSON.stringify(data).includes('"audit"'))).toHaveLength(1);
  });
});

test("what a policy asks for is told of before it is sent", async () => {
  await using t = await startTestSystem(build([]));
  const client = await t.connect();
  const { commands } = await t.settled(client.api.commands());
  expect(commands.filter(({ needsApproval }) => needsApproval).map(({ command }) => command)).toEqual([
    "store.drop",
    "swarm.scale",
  ]);
  expect(await client.run("help", { about: "store.drop" })).toMatchObject({
    result: { allowed: true, reasons: [expect.stringContaining("ask a person")] },
  });
  await expect(t.settled(t.client("nonsense").approvals())).rejects.toBeInstanceOf(GatewayProblem);
});

test.each([
  ["what decides on them all", { "command/approval.decide": { mode: "ask" } }, "nobody could ever say yes"],
  ["nobody, and says how long", { "command/store.*": { approvalTimeoutMs: 60_000 } }, "says how a person is asked"],
  ["for longer than a week", { "command/store.*": { mode: "ask", approvalTimeoutMs: 8 * 24 * hourMs } }, "policies"],
  [
    "people none of whom all allow",
    {
      "command/store.*": { mode: "ask", approvers: ["user:ada"] },
      "command/store.drop": { mode: "ask", approvers: ["user:ben"] },
    },
    "leaves nobody",
  ],
])("a policy that asks %s is a mistake in the config", (_, policies, why) => {
  expect(() => defineSystem({ ...settings([]), policies } as never)).toThrow(why);
});
