import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemoryHub } from "@viable/bus";
import { createEgress } from "@viable/gateway";
import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { Projection, Store, StoredEvent } from "@viable/log";
import { createLog, createMemoryStore, createProjections } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import { createSealer, openSealKey, sealFile } from "@viable/security";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import type { AgentContext } from "viable";
import { agent, defineSystem, processManager, reactor, schedule, service } from "viable";
import type { Role } from "viable/run";
import { eventTypes } from "viable/run";
import { z } from "zod";
import { maxHistoryEvents } from "./history.ts";

const pause = (ctx: AgentContext, ms: number) =>
  new Promise<void>((resolve, reject) => {
    const timer = ctx.runtime.clock.setTimer(resolve, ms);
    ctx.signal.addEventListener("abort", () => {
      timer.cancel();
      reject(ctx.signal.reason);
    });
  });

const job = z.strictObject({ label: z.string(), ms: z.number().default(1_000), fails: z.boolean().default(false) });

const nap = agent({
  name: "napper",
  capability: "nap",
  description: "Takes its time, tells how far it is, and fails where it is asked to.",
  maxAttempts: 2,
  joinable: true,
  input: job,
  handle: async (ctx, { label, ms, fails }) => {
    ctx.progress(50, `half of ${label}`, { label });
    await pause(ctx, ms);
    if (fails) throw new Error("as asked");
    return { label };
  },
});
const chief = agent({
  name: "chief",
  capability: "ask",
  description: "Has another do it.",
  input: job,
  handle: async (ctx, args) => (await ctx.delegate("nap", args)) as never,
});
const settings = {
  name: "histories",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [nap] })],
  commands: [chief],
};
const definition = defineSystem(settings);

async function stored(store: Store): Promise<StoredEvent[]> {
  const events = await everyEvent(store);
  if (events.length > maxHistoryEvents) throw new Error(`${events.length} events are too many for a history.`);
  return events;
}

/** Ends whatever way there is: done, failed, cancelled with what was delegated, out of time; and the session ends. */
async function outcomes(): Promise<StoredEvent[]> {
  await using t = await startTestSystem(definition);
  const client = await t.connect("api");
  await client.run("ask", { label: "done" }, { idempotencyKey: "first" });
  await client.run("nap", { label: "failed", fails: true });
  await client.run("nap", { label: "late", ms: 5_000 }, { deadlineMs: 1_000 });
  const cancelled = await client.begin("ask", { label: "cancelled", ms: 5_000 });
  await t.time.advance(100);
  await t.settled(client.api.cancel(cancelled));
  await client.outcome(cancelled);
  await t.connect("web");
  const owner = new Request(`http://test.invalid/v1/sessions/${client.sessionId}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${t.system.ownerToken}` },
  });
  await t.settled(Promise.resolve(t.system.fetch(owner)));
  return await t.events();
}

/** Capabilities: one minted and revoked, one revoked that was narrowed by its bearer; and a command that comes by one with lists and denials. */
async function capabilities(): Promise<StoredEvent[]> {
  await using t = await startTestSystem(definition);
  const { sessionId, api } = await t.connect("api");
  const minted = await t.settled(
    api.mintCapability({
      expiresInMs: 60_000,
      label: "history",
      operations: ["read", "write"],
      resources: ["command/nap", "command/capability.*"],
      denied: ["command/ask"],
      commandsPerHour: 10,
    }),
  );
  const bearer = t.client(minted.token);
  const send = (command: string, args: JsonObject) =>
    t.settled(bearer.send(sessionId, { command, args, mode: "sync" }));
  await send("nap", { label: "by a capability", ms: 10 });
  await send("capability.revoke", { capabilityId: minted.capabilityId, reason: "for the history" });
  const args = { capabilityId: "cap_0ytbx5sd3kze9dc1msp4ktxzv3", expiresAt: Math.floor(t.time.now()) + 60_000 };
  await t.settled(t.client().send(sessionId, { command: "capability.revoke", args, mode: "sync" }));
  return await t.events();
}

/** What somebody may not do, three times: told of, and announced. */
async function violations(): Promise<StoredEvent[]> {
  await using t = await startTestSystem(definition);
  const client = await t.connect("web");
  for (let time = 0; time < 3; time++) {
    await client.run("swarm.restart", { service: "work" }).catch(() => undefined);
    await t.time.advance(1_000);
  }
  return await t.events();
}

/** What clients of a session do together: one joins by a share, they decide on three things, one of which is out of time, and one takes all with it. */
async function sharing(): Promise<StoredEvent[]> {
  await using t = await startTestSystem(definition);
  const { sessionId, api } = await t.connect("web");
  const guest = t.client((await t.settled(api.share(sessionId, { label: "history" }))).token);
  await t.settled(guest.join());
  for (const decision of ["approve", "reject", undefined] as const) {
    const asked = { operation: "deploy", details: { decision: decision ?? null }, timeoutMs: 5_000 };
    const { coordinationId } = await t.settled(api.coordinate(sessionId, asked));
    if (decision === undefined) await t.time.advance(6_000);
    else await t.settled(guest.confirm(coordinationId, { decision, reason: "for the history" }));
  }
  await t.settled(guest.requestExport(sessionId, "csv"));
  return await t.events();
}

/** The life of a session: used, suspended with and without a reason, resumed, ended. */
async function sessionLife(): Promise<StoredEvent[]> {
  await using t = await startTestSystem(definition);
  const { sessionId, api } = await t.connect("web");
  await t.settled(api.send(sessionId, { command: "nap", args: { label: "used" }, mode: "async" }));
  await t.time.advance(2_000);
  for (const request of [{ reason: "lunch" }, {}]) {
    await t.settled(t.client().suspendSession(sessionId, request));
    await t.settled(t.client().resumeSession(sessionId));
  }
  await t.settled(api.endSession(sessionId));
  return await t.events();
}

/** Tasks that nobody takes: delegated to what no service offers, thrice and once more a minute later; and in a circle. */
async function deadLetters(): Promise<StoredEvent[]> {
  const lost = agent({
    name: "lost",
    capability: "lose",
    description: "Has done what nobody does.",
    input: z.strictObject({ times: z.number() }),
    handle: async (ctx, { times }) => {
      for (let time = 0; time < times; time++) await ctx.delegate("nab", { time });
      return null;
    },
  });
  const circle = agent({
    name: "circle",
    capability: "turn",
    description: "Has done what it is asked to do.",
    input: z.strictObject({ turns: z.number() }),
    handle: async (ctx, { turns }) => (await ctx.delegate("turn", { turns: turns + 1 })) as never,
  });
  await using t = await startTestSystem(defineSystem({ ...settings, commands: [lost, circle] }));
  const client = await t.connect();
  await client.run("lose", { times: 3 });
  await t.time.advance(60_000);
  await client.run("lose", { times: 1 });
  await client.run("turn", { turns: 0 });
  return await t.events();
}

/** Tasks that want the same resource: under a lock the second is refused, by priority it is displaced; and policies that differ. */
async function conflicts(): Promise<StoredEvent[]> {
  const holder = agent({
    name: "holder",
    capability: "hold",
    description: "Holds a resource for a while, where it may.",
    input: z.strictObject({ resource: z.string(), policy: z.enum(["lock", "priority"]), priority: z.number() }),
    handle: async (ctx, { resource, policy, priority }) => {
      const claimed = await ctx.claim(resource, { policy: { kind: policy }, priority });
      if (!claimed.ok) return claimed.because;
      await pause(ctx, 2_000);
      return claimed.ended.aborted ? "lost" : "held";
    },
  });
  await using t = await startTestSystem(defineSystem({ ...settings, commands: [holder] }));
  const client = await t.connect();
  const hold = async (resource: string, policy: "lock" | "priority", priority: number) => {
    const id = await client.begin("hold", { resource, policy, priority });
    await t.time.advance(100);
    return id;
  };
  const begun = [
    await hold("disk", "lock", 0),
    await hold("disk", "lock", 9),
    await hold("press", "priority", 1),
    await hold("press", "priority", 2),
    await hold("press", "priority", 1),
    await hold("disk", "priority", 1),
  ];
  for (const id of begun) await client.outcome(id);
  return await t.events();
}

/** Equal tasks: shared when done and when failed; and of three of which the first is cancelled, the second does what both want. */
async function equalWork(): Promise<StoredEvent[]> {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const share = async (count: number, label: string, fails: boolean) => {
    const ids: string[] = [];
    for (let each = 0; each < count; each++) ids.push(await client.begin("nap", { label, fails }));
    return ids;
  };
  for (const id of await share(2, "done", false)) await client.outcome(id);
  for (const id of await share(2, "failed", true)) await client.outcome(id);
  const [first = "", ...others] = await share(3, "left", false);
  await t.settled(client.api.cancel(first));
  for (const id of others) await client.outcome(id);
  return await t.events();
}

/** Work that changes hands: a worker dies, once and once too often; a process stops and gives back; a process dies. */
async function takeovers(): Promise<StoredEvent[]> {
  const store = createMemoryStore();
  const kill = async (t: TestSystem) => {
    await t.time.advance(200);
    for (const worker of ["worker-1", "worker-2", "worker-3"]) t.system.swarms.get("work")?.kill(worker, "a test");
    await t.time.advance(200);
  };
  const impatient = defineSystem({ ...settings, limits: { drainMs: 200 } });
  const first = await startTestSystem(impatient, { store });
  const client = await first.connect();
  const again = await client.begin("nap", { label: "again" });
  await kill(first);
  await client.outcome(again);
  const exhausted = await client.begin("nap", { label: "exhausted" });
  await kill(first);
  await kill(first);
  await client.outcome(exhausted);
  const released = await client.begin("nap", { label: "released", ms: 10_000 });
  await first.time.advance(100);
  await first.stop();
  const second = await startTestSystem(definition, { store, seed: 2, time: first.time });
  await second.time.advance(1_000);
  // Nobody is told: its time stands still from here on.
  await using third = await startTestSystem(definition, { store, seed: 3 });
  await third.settled(third.system.executions.whenSettled(third.ctx, released));
  return await stored(store);
}

/**
 * Tasks for another process, claimed for it with their acceptance: it does one, and gives back two that find its queue full; then it stops
 * with one under way and one that waits, and who joined meanwhile does the one that waited.
 */
async function assignedTasks(): Promise<StoredEvent[]> {
  const time = simulateTime({ random: seededRandom(1) });
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const narrow = defineSystem({
    ...settings,
    services: [service({ name: "work", description: "Works.", port: 0, agents: [nap], workers: 1, maxQueued: 2 })],
  });
  const startAs = (seed: number, role: Role) =>
    startTestSystem(narrow, {
      seed,
      store,
      time,
      hub,
      hosting: { roles: [role], services: role === "swarm" ? ["work"] : [], apart: [] },
    });
  await using gateway = await startAs(1, "gateway");
  const leaver = await startAs(2, "swarm");
  const client = await gateway.connect();
  await time.advance(2_000);
  await client.run("nap", { label: "done" });
  const crowd = ["first", "second", "third", "fourth", "fifth"].map((label) => client.begin("nap", { label }));
  for (const id of await Promise.all(crowd)) await client.outcome(id);
  await client.begin("nap", { label: "under way", ms: 8_000 });
  const left = await client.begin("nap", { label: "left" });
  await time.advance(500);
  await using stayer = await startAs(3, "swarm");
  await stayer.time.advance(500);
  await leaver.stop();
  await client.outcome(left);
  return await stored(store);
}

/** An equal task that is answered by what was remembered of the first, and one that comes too late for that. */
async function rememberedWork(): Promise<StoredEvent[]> {
  const recall = agent({
    name: "recaller",
    capability: "recall",
    description: "Lets what it found be remembered for a minute.",
    joinable: true,
    rememberMs: 60_000,
    input: job,
    handle: (_ctx, { label }) => ({ label }),
  });
  await using t = await startTestSystem(defineSystem({ ...settings, commands: [recall] }));
  const client = await t.connect();
  for (const afterMs of [0, 30_000, 30_001]) {
    await t.time.advance(afterMs);
    await client.run("recall", { label: "found" });
  }
  return await t.events();
}

/** A swarm whose queue is full for a while, and that is well again; and a process that is gone with its swarms. */
async function swarmHealth(): Promise<StoredEvent[]> {
  const store = createMemoryStore();
  const narrow = defineSystem({
    ...settings,
    services: [service({ name: "work", description: "Works.", port: 0, agents: [nap], workers: 1, maxQueued: 2 })],
  });
  const first = await startTestSystem(narrow, { store });
  const client = await first.connect();
  for (const label of ["first", "second", "third"]) await client.begin("nap", { label, ms: 10_000 });
  await first.time.advance(60_000);
  // Nobody is told: its time stands still from here on.
  await using second = await startTestSystem(narrow, { store, seed: 2 });
  await second.time.advance(2_000);
  return await stored(store);
}

/** A projection that stands still before an event, goes on without it when told to, and is built anew. */
async function projections(): Promise<StoredEvent[]> {
  const t = await startTestSystem(definition);
  const client = await t.connect();
  for (const label of ["counted", "unlucky"]) await client.run("nap", { label });
  await t.stop();
  const counts: Projection = {
    name: "counts",
    version: 1,
    filter: { types: ["execution.accepted"] },
    project: (events, target) => ({
      records: events.map(({ id, data, metadata }) => {
        if (JSON.stringify(data).includes("unlucky")) throw new Error("That cannot be counted.");
        return { key: target.key(metadata.tenant, id), value: 1, expected: "any" };
      }),
    }),
  };
  const runtime = createRuntime({ clock: t.time, random: seededRandom(2) });
  const ctx = rootContext(runtime, { principal: "owner" });
  const log = createLog(t.store, runtime, { types: eventTypes });
  await log.start(ctx);
  const kept = createProjections(log, [counts]);
  await t.settled(kept.start(ctx));
  // It does not: it stands still before the unlucky one.
  await t.settled(kept.untilCaughtUp(ctx, "counts")).catch(() => undefined);
  const [parked] = await t.settled(kept.status(ctx));
  await t.settled(kept.skip(ctx, "counts", parked?.parked?.position ?? "", "nobody counts that"));
  await t.settled(kept.untilCaughtUp(ctx, "counts"));
  await t.settled(kept.rebuild(ctx, "counts"));
  await t.time.advance(1_000);
  await t.settled(kept.stop(ctx));
  await t.settled(log.stop(ctx));
  return await stored(t.store);
}

/** A log that is sealed twice. */
async function seals(): Promise<StoredEvent[]> {
  const folder = mkdtempSync(join(tmpdir(), "viable-history-"));
  const t = await startTestSystem(definition);
  try {
    const runtime = createRuntime({ clock: t.time, random: seededRandom(2) });
    const ctx = rootContext(runtime);
    const log = createLog({ ...t.store, exclusive: false }, runtime, { types: eventTypes });
    await log.start(ctx);
    const file = sealFile(join(folder, "seals.jsonl"));
    const sealer = createSealer({ log, runtime, key: openSealKey(folder), file, onNotice: () => undefined });
    await sealer.start(ctx);
    const client = await t.connect();
    for (const label of ["first", "second"]) {
      await client.run("nap", { label });
      await t.time.advance(90_000);
    }
    const events = await stored(t.store);
    await t.settled(sealer.stop(ctx));
    await t.settled(log.stop(ctx));
    return events;
  } finally {
    await t.stop();
    rmSync(folder, { recursive: true });
  }
}

const anything = z.looseObject({});
const failing = (message: string) => (): never => {
  throw new Error(message);
};

/** Every kind of step, one that is tried again, one that is put right; and what can be undone is, at the second try. */
const errand = (() => {
  const tries = { go: 0, undo: 0 };
  return reactor("errand", { input: anything, reversible: true }, (steps) =>
    steps
      .step("never", { where: () => false, run: () => 1 })
      .step("go", {
        retry: { maxAttempts: 2 },
        run: () => (tries.go++ === 0 ? failing("not yet")() : "gone"),
        undo: () => (tries.undo++ === 0 ? failing("not yet")() : undefined),
      })
      .step("put-right", { after: ["go"], run: failing("broken"), compensate: () => ({ result: "whole" }) })
      .step("once", { after: ["put-right"], idempotent: false, run: () => "done" })
      .map("each", { over: () => ["one", "two"], after: ["once"] }, (each) =>
        each.task("nap", { capability: "nap", args: ({ element }) => ({ label: element }) }).returns(() => null),
      )
      .switch("way", {
        after: ["each"],
        args: () => ({}),
        branches: {
          short: {
            when: () => true,
            steps: (short) => short.sleep("doze", { args: () => ({ forMs: 10 }) }).returns(() => null),
          },
        },
      })
      .repeat(
        "again",
        { after: ["way"], maxTurns: 2 },
        (turn) =>
          turn
            .step("look", { args: ({ index }) => ({ index }), run: (_ctx, { index }) => index })
            .returns(({ results }) => results.look),
        (last) => last === 1,
      )
      .returns(() => null),
  );
})();
const asking = reactor("asking", { input: anything }, (steps) =>
  steps
    .waitFor("word", { event: "word", args: () => ({ key: "k" }) })
    .approval("leave", { title: "May I?", after: ["word"], args: ({ input }) => ({ details: input }) })
    .returns(({ results }) => ({ word: results.word, leave: results.leave })),
);
const listening = reactor("listening", { input: anything }, (steps) =>
  steps
    .waitFor("one", { event: "word", args: () => ({ key: "k" }) })
    .group("both", { after: ["one"] }, (inner) =>
      inner.waitFor("other", { event: "word", args: () => ({ key: "k" }) }).returns(({ results }) => results.other),
    )
    .step("last", { args: ({ input, results }) => ({ input, both: results.both }), run: (_ctx, said) => said })
    .returns(({ results }) => ({ one: results.one, last: results.last })),
);
const around = reactor("around", { input: anything }, (steps) =>
  steps.compose("inner", asking, { args: () => ({}) }).returns(({ results }) => results.inner),
);
const broken = reactor("broken", { input: anything }, (steps) =>
  steps.step("break", { run: failing("broken"), compensate: () => undefined }).returns(() => null),
);
const unsure = reactor("unsure", { input: anything }, (steps) =>
  steps.step("wire", { idempotent: false, timeoutMs: 100, run: () => new Promise(() => {}) }).returns(() => null),
);
const late = reactor("late", { input: anything, timeoutMs: 500 }, (steps) =>
  steps.sleep("doze", { args: () => ({ forMs: 60_000 }) }).returns(() => null),
);

/** Runs of reactors, whatever way they end; one changes hands, and one is parked since its reactor is gone. */
async function runs(): Promise<StoredEvent[]> {
  const store = createMemoryStore();
  const reactors = [errand, asking, around, broken, unsure, late];
  const first = await startTestSystem(defineSystem({ ...settings, reactors }), { store });
  const client = await first.connect();
  const begin = async (name: string) => {
    const { executionId } = await client.run("reactor.start", { reactor: name, input: { for: name } });
    const { result } = await client.outcome(executionId);
    return (result as { runId: string }).runId;
  };
  const ended = (id: string) => first.settled(first.system.reactors.whenEnded(first.ctx, id));
  const completed = await begin("errand");
  await ended(completed);
  await client.run("reactor.undo", { runId: completed, reason: "it was not wanted" });
  await first.time.advance(60_000);
  for (const name of ["broken", "late"]) await ended(await begin(name));
  const stuck = await begin("unsure");
  await first.time.advance(1_000);
  await client.run("reactor.resume", { runId: stuck, decision: "done", result: "arrived", reason: "seen" });
  await ended(stuck);
  await client.run("reactor.send", { event: "word", key: "k", payload: { it: "is" } });
  const asked = await begin("around");
  await first.time.advance(1_000);
  const { approvals } = await first.settled(client.api.approvals());
  const approvalId = approvals[0]?.approvalId ?? "";
  await client.run("approval.decide", { approvalId, decision: "approved", reason: "of course" });
  await ended(asked);
  const cancelled = await begin("late");
  await client.run("reactor.cancel", { runId: cancelled, reason: "enough" });
  await ended(cancelled);
  for (const name of ["asking", "late"]) await begin(name);
  await first.time.advance(100);
  // Nobody is told: its time stands still from here on.
  const after = defineSystem({ ...settings, reactors: [late] });
  await using second = await startTestSystem(after, { store, seed: 2 });
  await second.time.advance(60_000);
  return await stored(store);
}

/** A run is forked twice: what it had come to, and had taken of what was sent to it, is taken over. */
async function forks(): Promise<StoredEvent[]> {
  await using t = await startTestSystem(defineSystem({ ...settings, reactors: [listening] }));
  const client = await t.connect();
  for (const payload of ["first", "second", "third"])
    await client.run("reactor.send", { event: "word", key: "k", payload });
  const begin = async (command: string, args: JsonObject) => {
    const { executionId } = await client.run(command, args);
    const { result } = await client.outcome(executionId);
    const { runId } = result as { runId: string };
    await t.settled(t.system.reactors.whenEnded(t.ctx, runId));
    return runId;
  };
  const original = await begin("reactor.start", { reactor: "listening", input: {} });
  const fork = await begin("reactor.fork", { runId: original, from: "both" });
  await begin("reactor.fork", { runId: fork, from: "last", input: { other: true } });
  return await t.events();
}

/** A run that begins each minute, unless the last one has not ended; and one that an event of the log has begun. */
async function plannedRuns(): Promise<StoredEvent[]> {
  const reactors = [late, errand];
  const schedules = [schedule({ name: "each-minute", cron: "* * * * *", reactor: late, input: {}, overlap: "skip" })];
  const slow = reactor("slow", { input: anything }, (steps) =>
    steps.sleep("doze", { args: () => ({ forMs: 90_000 }) }).returns(() => null),
  );
  const waiting = [schedule({ name: "too-often", cron: "* * * * *", reactor: slow, input: {}, overlap: "skip" })];
  const manager = processManager({
    name: "followers",
    reactor: late,
    on: [{ type: "execution.completed", key: ({ stream }) => stream, starts: () => ({}) }],
  });
  await using t = await startTestSystem(
    defineSystem({
      ...settings,
      reactors: [...reactors, slow],
      schedules: [...schedules, ...waiting],
      projections: [manager],
    }),
  );
  const client = await t.connect();
  await client.run("nap", { label: "followed" });
  await t.time.advance(200_000);
  return await t.events();
}

/** Messages to receivers: one is taken at the third try, one given up and sent again by hand, and one that says that a person is waited for. */
async function webhooks(): Promise<StoredEvent[]> {
  const answers = [500, 503, 200, 410, 200];
  const egress = {
    ...createEgress(),
    post: async () => ({ ok: true as const, status: answers.shift() ?? 200, retryAfter: undefined }),
  };
  const answer = z.strictObject({ label: z.string() });
  const permit = reactor("permit", { input: answer }, (steps) =>
    steps
      .approval("leave", { title: "May I?", args: () => ({ timeoutMs: 5_000 }) })
      .returns(({ results }) => results.leave.decision),
  );
  await using t = await startTestSystem(defineSystem({ ...settings, reactors: [permit] }), { egress });
  const client = await t.connect("api");
  const webhookUrl = "https://receiver.example/hook";
  await client.run("nap", { label: "taken" }, { webhookUrl });
  await t.time.advance(60_000);
  await client.run("nap", { label: "given up" }, { webhookUrl });
  await t.time.advance(1_000);
  const { webhooks: all } = await t.settled(client.api.webhooks());
  await client.run("webhook.replay", { deliveryId: all[0]?.deliveryId ?? "" });
  const start = { reactor: "permit", input: { label: "asked" }, wait: true };
  await client.run("reactor.start", start, { webhookUrl, deadlineMs: 60_000 });
  await t.time.advance(1_000);
  return await t.events();
}

/** A user's life: invited, logged in, renewed, out; with a setting, a key and other roles, disabled and let in again. And a provider's credential. */
async function users(): Promise<StoredEvent[]> {
  await using t = await startTestSystem(definition, { secret: new Uint8Array(32).fill(1) });
  const client = await t.connect();
  const ask = async (method: string, path: string, token: string, body: object = {}) => {
    const headers = { authorization: `Bearer ${token}` };
    const init = { method, headers, ...(method !== "GET" && { body: JSON.stringify(body) }) };
    const response = await t.system.fetch(new Request(`http://test.invalid/v1${path}`, init));
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return (await response.json()) as { token: string; keyId: string };
  };
  const owner = t.system.ownerToken;
  const logIn = () => ask("POST", "/login", "", { user: "anna", password: "not-a-real-password" });
  await client.run("user.create", { user: "anna", roles: ["viewer"] });
  const invited = await ask("POST", "/users/anna/invitations", owner);
  await ask("POST", "/users/anna/password", invited.token, { password: "not-a-real-password" });
  const renewed = await ask("POST", "/login/renew", (await logIn()).token);
  await ask("DELETE", "/login", renewed.token);
  await client.run("user.setting", { user: "anna", key: "theme", value: "dark" });
  const { keyId } = await ask("POST", "/users/anna/keys", owner, { label: "ci" });
  await client.run("user.revoke_key", { user: "anna", keyId });
  await client.run("user.roles", { user: "anna", roles: ["operator", "viewer"] });
  await client.run("user.disable", { user: "anna" });
  await client.run("user.enable", { user: "anna" });
  await ask("PUT", "/credentials/openai", owner, { value: "not-a-real-key" });
  await ask("DELETE", "/credentials/openai", owner);
  return await t.events();
}

/** Commands that a person is asked for: approved and done, rejected, out of time, cancelled, waiting; and one that is for a process of its own. */
async function approvals(): Promise<StoredEvent[]> {
  const asking = defineSystem({
    ...settings,
    policies: {
      "command/nap": { mode: "ask", approvalTimeoutMs: 60_000, risk: "high" },
      "command/memory.set": { mode: "ask", approvers: ["owner"] },
    },
  });
  await using t = await startTestSystem(asking);
  const client = await t.connect();
  const owner = await t.settled(t.client().openSession({ clientType: "cli" }));
  const decide = async (executionId: string, decision: string, reason?: string) => {
    const args = { approvalId: executionId.replace("exe", "apr"), decision, ...(reason !== undefined && { reason }) };
    const sent = { command: "approval.decide", args, mode: "sync" as const };
    await t.settled(t.client().send(owner.sessionId, sent));
  };
  const approved = await client.begin("nap", { label: "approved" });
  await decide(approved, "approved", "for the history");
  await client.outcome(approved);
  await decide(await client.begin("nap", { label: "rejected" }, { deadlineMs: 30_000 }), "rejected", "for the history");
  await t.settled(client.api.cancel(await client.begin("nap", { label: "cancelled" })));
  const parent = await client.begin("ask", { label: "delegated" });
  await t.time.advance(1_000);
  const child = [...t.system.executions.open()].find(({ accepted }) => accepted.parentId === parent);
  await decide(child?.executionId ?? "", "approved");
  await client.outcome(parent);
  await client.begin("nap", { label: "out of time" });
  await t.time.advance(62_000);
  await client.begin("memory.set", { key: "k", value: "waiting" });
  await t.time.advance(1_000);
  return await t.events();
}

/** Runs of a system, in simulated time, that between them write every type of event. */
export const walks: Readonly<Record<string, () => Promise<StoredEvent[]>>> = {
  outcomes,
  "dead-letters": deadLetters,
  conflicts,
  capabilities,
  sharing,
  "session-life": sessionLife,
  violations,
  "equal-work": equalWork,
  takeovers,
  "assigned-tasks": assignedTasks,
  "remembered-work": rememberedWork,
  "swarm-health": swarmHealth,
  projections,
  seals,
  runs,
  forks,
  "planned-runs": plannedRuns,
  webhooks,
  users,
  approvals,
};
