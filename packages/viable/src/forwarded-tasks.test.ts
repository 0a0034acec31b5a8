// A task for another process is accepted by that process, which then writes all of its events. What cannot be asked of it, or is not answered,
// is accepted where it was asked for; once all the same.
import type { MemoryHub } from "@viable/bus";
import { createMemoryHub, toSubjectToken } from "@viable/bus";
import { seededRandom, simulateTime } from "@viable/kernel";
import type { AppendOutcome } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Role } from "./hosting.ts";
import { agent, defineSystem, service } from "./index.ts";

/** Executions, once for each time that one was begun. */
const begun: string[] = [];
const timesBegun = (executionId: string) => begun.filter((each) => each === executionId).length;

const sleeper = (capability: string, maxAttempts: number) =>
  agent({
    name: capability.replace(".", "-"),
    capability,
    description: "Sleeps, and says how often it was begun.",
    input: z.strictObject({ ms: z.number() }),
    maxAttempts,
    handle: async (ctx, { ms }) => {
      begun.push(ctx.executionId);
      await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, ms));
      return ctx.attempt;
    },
  });
const system = defineSystem({
  name: "forwarding",
  services: [
    service({
      name: "work",
      description: "Sleeps, one task at a time.",
      port: 0,
      workers: 1,
      maxQueued: 2,
      agents: [sleeper("work.sleep", 3), sleeper("work.once", 1)],
    }),
  ],
});

/**
 * What the bus does with questions to accept a task: `lose` those, or the answers to them, `hold` them until told, be cut off while an answer is
 * awaited and have no room from then on, or have nobody there.
 */
type Fate = "carry" | "lose" | "lose-answers" | "hold" | "cut" | "nobody";

interface Setup {
  readonly workers?: number;
  /** Whether the process that is asked runs the service, too. */
  readonly gatewayWorks?: boolean;
}

/** With several workers, what becomes of questions to the first; to all of them where `toAll`. */
async function start({ workers = 1, gatewayWorks = false }: Setup = {}) {
  // The same seed gives the same ids.
  begun.length = 0;
  const time = simulateTime({ random: seededRandom(9) });
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const bus = { fate: "carry" as Fate, toAll: false, first: "", asked: 0, held: [] as (() => void)[] };
  const watched: MemoryHub = {
    ...hub,
    send(delivery, random) {
      const isForwarded = bus.toAll ? delivery.subject.startsWith("tasks.accept.") : delivery.subject === bus.first;
      if (isForwarded) bus.asked += 1;
      if (!isForwarded || bus.fate === "carry") return hub.send(delivery, random);
      if (bus.fate === "nobody") return 0;
      if (bus.fate === "cut") {
        // The first arrives all the same.
        if (bus.asked === 1) hub.send({ ...delivery, answer: () => {} }, random);
        const code = bus.asked === 1 ? "bus.disconnected" : "bus.overloaded";
        queueMicrotask(() =>
          delivery.answer?.({ ok: false, error: { code, message: "It is cut off.", retryable: true } }),
        );
        return 1;
      }
      if (bus.fate === "hold") return bus.held.push(() => void hub.send(delivery, random));
      return bus.fate === "lose" ? 1 : hub.send({ ...delivery, answer: () => {} }, random);
    },
  };
  const startAs = (seed: number, role: Role) =>
    startTestSystem(system, {
      seed,
      store,
      time,
      hub: watched,
      hosting: {
        roles: role === "gateway" && gatewayWorks ? ["gateway", "swarm"] : [role],
        services: role === "swarm" || gatewayWorks ? ["work"] : [],
        apart: [],
      },
    });
  const gateway = await startAs(1, "gateway");
  const swarms: TestSystem[] = [];
  for (let nr = 0; nr < workers; nr++) swarms.push(await startAs(nr + 2, "swarm"));
  bus.first = `tasks.accept.${toSubjectToken((swarms[0] as TestSystem).system.membership.processId)}`;
  const client = await gateway.connect();
  await time.advance(2_000);
  const all = [gateway, ...swarms];
  return {
    time,
    bus,
    gateway,
    worker: swarms[0] as TestSystem,
    /** The other one, where there are two. */
    other: swarms[1] as TestSystem,
    client,
    historyOf: async (executionId: string) => {
      const events = await gateway.settled(gateway.system.log.readStream(gateway.ctx, `execution:${executionId}`));
      return events.map(({ type, data, metadata }) => ({ type: type.slice("execution.".length), data, metadata }));
    },
    [Symbol.asyncDispose]: async () => {
      for (const each of all.reverse()) await each.stop();
    },
  };
}

/** Which process appended which events of executions. */
function watchAppends(t: TestSystem): string[] {
  const { log } = t.system;
  const { append } = log;
  const types: string[] = [];
  Object.assign(log, {
    append: async (...[ctx, request]: Parameters<typeof append>) => {
      for (const { stream, events } of request.streams ?? [])
        if (stream.startsWith("execution:")) types.push(...events.map(({ type }) => type));
      return await append.call(log, ctx, request);
    },
  });
  return types;
}

/** Has something happen before a process appends an acceptance; what that answers, if anything, is the append's answer. */
function beforeAcceptance(t: TestSystem, act: () => Promise<AppendOutcome | undefined>): void {
  const { log } = t.system;
  const { append } = log;
  Object.assign(log, {
    append: async (...[ctx, request]: Parameters<typeof append>) => {
      const isAcceptance = request.streams?.some(({ events }) => events[0]?.type === "execution.accepted") === true;
      return (isAcceptance ? await act() : undefined) ?? (await append.call(log, ctx, request));
    },
  });
}

test("who does a task writes all of its events, in the caller's name", async () => {
  await using t = await start();
  const [asked, working] = [watchAppends(t.gateway), watchAppends(t.worker)];
  const { executionId } = await t.client.run("work.sleep", { ms: 100 });
  expect({ asked, working }).toEqual({ asked: [], working: ["execution.accepted", "execution.completed"] });
  const { processId, epoch } = t.worker.system.membership;
  expect(await t.historyOf(executionId)).toMatchObject([
    {
      type: "accepted",
      data: { claim: { processId, epoch, attempt: 1 }, route: { chosen: { processId } } },
      metadata: { actor: "owner", tenant: "default", session: t.client.sessionId, correlation: executionId },
    },
    { type: "completed" },
  ]);
});

test("what may be begun only once is claimed with its acceptance", async () => {
  await using t = await start();
  const { executionId } = await t.client.run("work.once", { ms: 100 });
  const history = await t.historyOf(executionId);
  expect(history.map(({ type }) => type)).toEqual(["accepted", "completed"]);
});

test("what finds the queue full waits unclaimed, and is done when there is room", async () => {
  await using t = await start();
  const ids = [];
  for (let nr = 0; nr < 5; nr++) ids.push(await t.client.begin("work.sleep", { ms: 300 }));
  const histories = await Promise.all(ids.map(t.historyOf));
  expect(histories.map(([accepted]) => "claim" in (accepted?.data ?? {}))).toEqual([true, true, true, false, false]);
  for (const [accepted] of histories) expect(accepted?.data).not.toHaveProperty("assigned");
  for (const each of ids) expect(await t.client.outcome(each)).toMatchObject({ status: "completed", result: 1 });
});

/** Has two tasks done, one for each worker where both are asked; answers what the first event of each says. */
async function doTwo(t: Awaited<ReturnType<typeof start>>) {
  const ids = [];
  for (let nr = 0; nr < 2; nr++) ids.push(await t.client.begin("work.sleep", { ms: 100 }));
  for (const each of ids) expect(await t.client.outcome(each)).toMatchObject({ status: "completed", result: 1 });
  const histories = await Promise.all(ids.map(t.historyOf));
  for (const history of histories) expect(history.map(({ type }) => type)).toEqual(["accepted", "completed"]);
  return histories.map(([accepted]) => accepted?.data as { claim: object; route: { leftOut?: object[] } });
}

test.each<[string, Fate, string]>([
  ["does not answer", "lose", "it did not answer"],
  ["is gone", "nobody", "it did not answer"],
  ["has written it, and whose answer is lost,", "lose-answers", "it did not answer"],
])("what a process %s is accepted by another, once, and the next go there at once", async (_what, fate, reason) => {
  await using t = await start({ workers: 2 });
  t.bus.fate = fate;
  const first = t.worker.system.membership;
  const other = t.other.system.membership;
  const accepted = await doTwo(t);
  const asked = accepted.filter(({ route }) => route.leftOut !== undefined);
  if (fate !== "lose-answers") {
    expect(accepted.map(({ claim }) => claim)).toEqual(
      accepted.map(() => ({ processId: other.processId, epoch: other.epoch, attempt: 1 })),
    );
    expect(asked.length).toBeGreaterThan(0);
    for (const { route } of asked)
      expect(route.leftOut).toEqual([{ service: "work", processId: first.processId, reason }]);
  }
  // From then on it is not even tried.
  const beganMs = t.time.now();
  expect(await t.client.run("work.sleep", { ms: 100 })).toMatchObject({ status: "completed" });
  expect(t.time.now() - beganMs).toBeLessThan(1_000);
});

test("a full queue is passed over where another has room", async () => {
  await using t = await start({ workers: 2 });
  const working = [t.worker, t.other].map((each) => each.system.membership.processId);
  const ids = [];
  for (let nr = 0; nr < 6; nr++) ids.push(await t.client.begin("work.sleep", { ms: 3_000 }));
  const claims = (await Promise.all(ids.map(t.historyOf))).map(([accepted]) => accepted?.data.claim);
  expect(claims.map((claim) => (claim as { processId: string }).processId).toSorted()).toEqual(
    [...working, ...working, ...working].toSorted(),
  );
  for (const each of ids) expect(await t.client.outcome(each)).toMatchObject({ status: "completed", result: 1 });
});

test("a process that stops accepts nothing more, and another does", async () => {
  await using t = await start({ workers: 2 });
  await t.client.begin("work.sleep", { ms: 8_000 });
  await t.client.begin("work.sleep", { ms: 8_000 });
  const stopped = t.worker.stop();
  await t.time.advance(1);
  const executionId = await t.client.begin("work.sleep", { ms: 100 });
  const { processId, epoch } = t.other.system.membership;
  expect((await t.historyOf(executionId))[0]?.data).toMatchObject({ claim: { processId, epoch, attempt: 1 } });
  expect(await t.client.outcome(executionId)).toMatchObject({ status: "completed", result: 1 });
  await t.gateway.settled(stopped);
});

test("where the answer is lost the task is found, not accepted twice", async () => {
  await using t = await start();
  t.bus.fate = "lose-answers";
  const view = await t.client.run("work.sleep", { ms: 100 });
  expect(view).toMatchObject({ status: "completed", result: 1 });
  expect((await t.historyOf(view.executionId)).map(({ type }) => type)).toEqual(["accepted", "completed"]);
});

test("where the question is lost it is accepted after two seconds, and the process is left alone for five", async () => {
  await using t = await start();
  t.bus.fate = "lose";
  const beginTimed = async () => {
    const beganMs = t.time.now();
    const executionId = await t.client.begin("work.sleep", { ms: 100 });
    return { executionId, tookMs: t.time.now() - beganMs };
  };
  const first = await beginTimed();
  expect(first.tookMs).toBeGreaterThanOrEqual(2_000);
  const second = await beginTimed();
  expect(second.tookMs).toBeLessThan(1_000);
  t.bus.fate = "carry";
  await t.time.advance(5_000);
  const third = await beginTimed();
  for (const { executionId } of [first, second, third])
    expect(await t.client.outcome(executionId)).toMatchObject({ status: "completed", result: 1 });
  const claimed = await Promise.all(
    [first, second, third].map(async ({ executionId }) => "claim" in ((await t.historyOf(executionId))[0]?.data ?? {})),
  );
  expect(claimed).toEqual([false, false, true]);
});

test("where nobody is there to be asked it is accepted at once, and claimed by whoever begins it", async () => {
  await using t = await start();
  t.bus.fate = "nobody";
  const view = await t.client.run("work.sleep", { ms: 100 });
  expect(view).toMatchObject({ status: "completed", result: 1 });
  expect((await t.historyOf(view.executionId)).map(({ type }) => type)).toEqual(["accepted", "claimed", "completed"]);
});

test("a task that was written late, after it was accepted elsewhere, is begun once", async () => {
  await using t = await start();
  const gate = Promise.withResolvers<undefined>();
  beforeAcceptance(t.worker, () => gate.promise);
  const executionId = await t.client.begin("work.sleep", { ms: 5_000 });
  gate.resolve(undefined);
  expect(await t.client.outcome(executionId)).toMatchObject({ status: "completed", result: 1 });
  const history = await t.historyOf(executionId);
  expect(history.map(({ type }) => type)).toEqual(["accepted", "claimed", "completed"]);
});

test.each<[string, (t: Awaited<ReturnType<typeof start>>) => void | Promise<void>]>([
  ["whose time is over", ({ time }) => time.advance(60_000)],
  ["at a process that stops", ({ worker }) => worker.system.intake.close()],
  [
    "for an earlier life of a process",
    ({ worker }) => void Object.defineProperty(worker.system.membership, "epoch", { value: 99 }),
  ],
])("what arrives after whoever sent it is gone is not accepted %s", async (_what, change) => {
  await using t = await start();
  t.bus.fate = "hold";
  const written = watchAppends(t.worker);
  void t.client.begin("work.sleep", { ms: 100 }, { deadlineMs: 30_000 }).catch(() => undefined);
  await t.time.advance(100);
  const { log } = t.gateway.system;
  const { append } = log;
  // It never comes to accept it itself.
  Object.assign(log, { append: () => new Promise(() => {}) });
  await change(t);
  expect(t.bus.held).toHaveLength(1);
  for (const deliver of t.bus.held) deliver();
  await t.time.advance(1_000);
  expect(written).toEqual([]);
  Object.assign(log, { append });
});

test.each(["work.sleep", "work.once"])("a message that comes again begins nothing again: %s", async (capability) => {
  await using t = await start();
  t.bus.fate = "hold";
  const begins = t.client.begin(capability, { ms: 1_500 });
  await t.time.advance(100);
  for (let nr = 0; nr < 2; nr++) t.bus.held[0]?.();
  const executionId = await begins;
  t.bus.held[0]?.();
  await t.time.advance(500);
  t.bus.held[0]?.();
  expect(await t.client.outcome(executionId)).toMatchObject({ status: "completed", result: 1 });
  t.bus.held[0]?.();
  await t.time.advance(5_000);
  expect(timesBegun(executionId)).toBe(1);
  expect((await t.historyOf(executionId)).map(({ type }) => type)).toEqual(["accepted", "completed"]);
});

test("a task is begun once where the bus is cut off while its answer is awaited, and nobody is held to have begun it", async () => {
  await using t = await start();
  t.bus.fate = "cut";
  const gate = Promise.withResolvers<undefined>();
  beforeAcceptance(t.worker, () => gate.promise);
  const executionId = await t.client.begin("work.sleep", { ms: 5_000 });
  await t.time.advance(300);
  gate.resolve(undefined);
  expect(await t.client.outcome(executionId)).toMatchObject({ status: "completed", result: 1 });
  expect(timesBegun(executionId)).toBe(1);
  const [accepted] = await t.historyOf(executionId);
  expect(accepted?.data).not.toHaveProperty("assigned");
});

test("what may have been accepted elsewhere is not refused because there is no room here", async () => {
  await using t = await start({ gatewayWorks: true });
  const own = t.gateway.system.membership.processId;
  const ids = [];
  for (let nr = 0; nr < 6; nr++) ids.push(await t.client.begin("work.sleep", { ms: 40_000 }));
  for (const each of ids) {
    const claim = (await t.historyOf(each))[0]?.data.claim as { processId: string };
    if (claim.processId !== own)
      await t.gateway.settled(t.gateway.system.intake.cancel(t.gateway.ctx, each, "It has to go."));
  }
  await t.time.advance(1_500);
  t.bus.fate = "lose-answers";
  const executionId = await t.client.begin("work.sleep", { ms: 100 });
  expect(await t.client.outcome(executionId)).toMatchObject({ status: "completed", result: 1 });
  expect(timesBegun(executionId)).toBe(1);
});

test("what may have been accepted elsewhere is not refused because nobody is known any more who does it", async () => {
  await using t = await start();
  t.bus.fate = "lose-answers";
  const { registry } = t.gateway.system;
  const { route } = registry;
  let routed = 0;
  Object.assign(registry, {
    route: (...asked: Parameters<typeof route>) =>
      routed++ === 0 ? route(...asked) : { ok: false, code: "registry.no_swarm", reasons: ["It is gone."], near: [] },
  });
  const executionId = await t.client.begin("work.sleep", { ms: 100 });
  expect(await t.client.outcome(executionId)).toMatchObject({ status: "completed", result: 1 });
  expect(timesBegun(executionId)).toBe(1);
});

test("where nobody can tell whether it was accepted, that is what the caller is told", async () => {
  await using t = await start();
  t.bus.fate = "lose-answers";
  beforeAcceptance(t.gateway, async () => ({ ok: false, reason: "overloaded", waiting: 1, retryAfterMs: 100 }));
  await expect(t.client.begin("work.sleep", { ms: 100 })).rejects.toMatchObject({ code: "intake.in_doubt" });
  await t.time.advance(1_000);
  expect(begun).toHaveLength(1);
});

test("a full queue here is passed over where another has room", async () => {
  await using t = await start({ gatewayWorks: true });
  const ids = [];
  for (let nr = 0; nr < 6; nr++) ids.push(await t.client.begin("work.sleep", { ms: 3_000 }));
  for (const each of ids) expect(await t.client.outcome(each)).toMatchObject({ status: "completed", result: 1 });
  await expect(
    Promise.all(Array.from({ length: 9 }, () => t.client.begin("work.sleep", { ms: 3_000 }))),
  ).rejects.toMatchObject({ code: "swarm.overloaded" });
});

test("however many do not answer, a task is accepted after four seconds", async () => {
  await using t = await start({ workers: 5 });
  t.bus.fate = "lose";
  t.bus.toAll = true;
  const beganMs = t.time.now();
  const executionId = await t.client.begin("work.sleep", { ms: 100 });
  expect(t.time.now() - beganMs).toBeLessThan(4_500);
  expect(t.bus.asked).toBe(2);
  expect(await t.client.outcome(executionId)).toMatchObject({ status: "completed", result: 1 });
});

test("two requests under one key are one task, whichever is written first", async () => {
  await using t = await start();
  const send = () => t.client.begin("work.sleep", { ms: 100 }, { idempotencyKey: "one" });
  const [one, other] = await Promise.all([send(), send()]);
  expect(one).toBe(other);
  expect(await t.client.outcome(one)).toMatchObject({ status: "completed", result: 1 });
  expect((await t.historyOf(one)).map(({ type }) => type)).toEqual(["accepted", "completed"]);
});
