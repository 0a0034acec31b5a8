// Queries: asked here or of another process, authorised at both ends, bounded, and never recorded.
import { createMemoryBus, createMemoryHub } from "@viable/bus";
import type { Context, JsonValue } from "@viable/kernel";
import { rootContext, seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { Grant } from "@viable/security";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { readHosting } from "./hosting.ts";
import type { QueryDefinition } from "./index.ts";
import { agent, defineSystem, query, service, ViableError } from "./index.ts";

const grant: Grant = {
  tokenId: "tok_1",
  tenant: "default",
  principal: "session:ses_1",
  clientType: "api",
  operations: ["read"],
  sessionId: "ses_1",
  commandsPerHour: 1,
  maxConcurrent: undefined,
  expiresAt: null,
};

const adder = query({
  name: "sum",
  description: "Adds.",
  input: z.strictObject({ a: z.number(), b: z.number().default(1) }),
  answer: (_ctx, { a, b }) => a + b,
});

const systemOf = (queries: readonly QueryDefinition[], more: { tenants?: readonly string[] } = {}) =>
  defineSystem({
    name: "s",
    services: [service({ name: "asked", description: "Answers.", port: 0, agents: [], queries, ...more })],
  });

async function start(queries: readonly QueryDefinition[], more: { tenants?: readonly string[] } = {}) {
  const t = await startTestSystem(systemOf(queries, more));
  const ask = (name: string, args: JsonValue = {}, as: Partial<Grant> = {}, hops?: number) =>
    t.settled(
      t.system.queries.ask(rootContext(t.ctx.runtime, { tenant: as.tenant ?? "default" }), {
        grant: { ...grant, ...as },
        query: name,
        args,
        ...(hops !== undefined && { hops }),
      }),
    );
  return { t, ask };
}

describe("in the process that answers", () => {
  test("a query is answered, with its defaults, and nothing is recorded", async () => {
    const { t, ask } = await start([adder]);
    const before = (await t.events()).length;
    expect(await ask("sum", { a: 1 })).toEqual({
      ok: true,
      result: 2,
      answeredBy: { service: "asked", processId: t.system.membership.processId },
    });
    expect((await t.events()).length).toBe(before);
    expect(t.system.queries.stats()).toMatchObject({ asked: 1, answered: 1, remote: 0 });
    await t.stop();
  });

  test.each([
    ["an unknown name, with what is near", "sun", {}, {}, { kind: "unknown", reasons: ["Did you mean sum?"] }],
    ["arguments that do not fit, with the place", "sum", { a: "x" }, {}, { kind: "invalid", reasons: [/^args\.a: /] }],
    ["a grant that does not read", "sum", { a: 1 }, { operations: ["write"] as const }, { kind: "denied" }],
    ["a grant that is over", "sum", { a: 1 }, { expiresAt: 0 }, { kind: "denied" }],
  ])("%s is refused", async (_, name, args, as, refused) => {
    const { t, ask } = await start([adder]);
    const { reasons, ...rest } = { reasons: undefined, ...refused } as { reasons?: (string | RegExp)[] };
    const outcome = await ask(name, args, as);
    expect(outcome).toMatchObject({ ok: false, ...rest });
    for (const [index, reason] of (reasons ?? []).entries())
      expect(outcome.ok ? "" : outcome.reasons[index]).toMatch(reason);
    await t.stop();
  });

  test("a service that is not open to a tenant has no queries for it (W11)", async () => {
    const { t, ask } = await start([adder], { tenants: ["acme"] });
    expect(await ask("sum", { a: 1 })).toMatchObject({ ok: false, kind: "unknown" });
    expect(await ask("sum", { a: 1 }, { tenant: "acme" })).toMatchObject({ ok: true, result: 2 });
    await t.stop();
  });

  test("an answer is a frozen copy, and what is no JSON is a failure that names the place", async () => {
    const kept = { list: [{ n: 1 }] };
    const answers = (name: string, answer: () => JsonValue | Promise<JsonValue>) =>
      query({ name, description: "Answers.", input: z.strictObject({}), answer });
    const { t, ask } = await start([
      answers("plain", () => kept),
      answers("odd", () => ({ at: [() => 1] }) as never),
      answers("large", () => "x".repeat(400_000)),
      answers("thrower", () => {
        throw new ViableError("shop.closed", "It is closed.", { next: "Come back." });
      }),
      answers("non-error", () => Promise.reject("just text")),
    ]);
    const outcome = await ask("plain");
    expect(outcome).toMatchObject({ ok: true, result: kept });
    if (outcome.ok) {
      expect(outcome.result).not.toBe(kept);
      expect(Object.isFrozen((outcome.result as typeof kept).list[0])).toBe(true);
    }
    expect(await ask("odd")).toMatchObject({
      ok: false,
      kind: "failed",
      error: { code: "query.invalid_answer", message: expect.stringContaining("answer.at[0]") },
    });
    expect(await ask("large")).toMatchObject({ ok: false, error: { code: "query.invalid_answer" } });
    expect(await ask("thrower")).toMatchObject({
      ok: false,
      kind: "failed",
      error: { code: "shop.closed", next: "Come back." },
    });
    expect(await ask("non-error")).toMatchObject({ ok: false, kind: "failed" });
    await t.stop();
  });

  test("one that takes too long is told to end, and gives its place back; one more than may be is refused", async () => {
    const signals: AbortSignal[] = [];
    const slow = query({
      name: "slow",
      description: "Never answers.",
      input: z.strictObject({}),
      timeoutMs: 500,
      maxConcurrent: 2,
      answer: (ctx) => {
        signals.push(ctx.signal);
        return new Promise<never>(() => {});
      },
    });
    const { t, ask } = await start([slow]);
    const asked = [ask("slow"), ask("slow"), ask("slow")];
    expect(await Promise.all(asked)).toMatchObject([
      { ok: false, kind: "timed_out" },
      { ok: false, kind: "timed_out" },
      { ok: false, kind: "overloaded", retryAfterMs: 100 },
    ]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(await ask("slow")).toMatchObject({ ok: false, kind: "timed_out" });
    await t.stop();
  });

  test("queries that ask each other in a circle come to an end", async () => {
    const circle = query({
      name: "circle",
      description: "Asks itself.",
      input: z.strictObject({}),
      answer: async (ctx) => {
        const outcome = await ctx.ask("circle", {});
        return outcome.ok ? outcome.result : outcome.error.code;
      },
    });
    const { t, ask } = await start([circle]);
    expect(await ask("circle")).toMatchObject({ ok: true, result: "query.too_deep" });
    await t.stop();
  });
});

test("one whose time is over, or whose caller has gone, before it begins is not begun; one that ends by it leaves no rejection behind", async () => {
  let begun = 0;
  const reads = query({
    name: "reads",
    description: "Reads.",
    input: z.strictObject({}),
    timeoutMs: 1_000,
    answer: async (ctx) => {
      begun += 1;
      await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, 5_000));
      // Its time is over by now: this rejects, and nobody waits for it.
      return (await ctx.memory.get("x"))?.version ?? 0;
    },
  });
  const { t } = await start([reads]);
  const { runtime } = t.ctx;
  const ask = (ctx: Context) => t.settled(t.system.queries.ask(ctx, { grant, query: "reads", args: {} }));
  expect(await ask(rootContext(runtime, { deadline: t.time.now() }))).toMatchObject({ ok: false, kind: "timed_out" });
  expect(await ask(rootContext(runtime, { signal: AbortSignal.abort() }))).toMatchObject({
    ok: false,
    kind: "cancelled",
  });
  expect(begun).toBe(0);
  expect(await ask(rootContext(runtime))).toMatchObject({ ok: false, kind: "timed_out" });
  await t.time.advance(10_000);
  expect(begun).toBe(1);
  await t.stop();
});

test("a query and a command may not have one name, nor two queries of one service", () => {
  const same = agent({
    name: "a",
    capability: "sum",
    description: "Adds.",
    input: z.strictObject({}),
    handle: () => 1,
  });
  const build = (...queries: QueryDefinition[]) =>
    startTestSystem(
      defineSystem({
        name: "s",
        services: [
          service({ name: "one", description: "", port: 0, agents: [same] }),
          service({ name: "two", description: "", port: 0, agents: [], queries }),
        ],
      }),
    );
  expect(() => build(adder, adder)).toThrow(expect.objectContaining({ code: "config.invalid" }));
  return expect(build(adder)).rejects.toMatchObject({
    code: "config.invalid",
    message: expect.stringContaining('"sum" of two has the name of a command of one'),
  });
});

describe("over processes", () => {
  const seen: { tenant: string; principal: string; traceparent: string | undefined; leftMs: number }[] = [];
  const teller = query({
    name: "tell",
    description: "Says who asks.",
    input: z.strictObject({}),
    answer: ({ tenant, principal, traceparent, deadline, runtime }) => {
      seen.push({ tenant, principal, traceparent, leftMs: deadline - runtime.clock.now() });
      return "told";
    },
  });
  const busy = query({
    name: "busy",
    description: "Is full.",
    input: z.strictObject({}),
    maxConcurrent: 1,
    timeoutMs: 60_000,
    answer: (ctx) => new Promise<string>((resolve) => void ctx.runtime.clock.setTimer(() => resolve("done"), 10_000)),
  });
  const definition = systemOf([teller, busy]);
  const parts = (asked: string) => readHosting(definition, { roles: asked }, { only: "--only", roles: "--roles" });

  const startParts = async (workers: number) => {
    const time = simulateTime({ random: seededRandom(5) });
    const store = { ...createMemoryStore(), exclusive: false };
    const hub = createMemoryHub();
    const all: TestSystem[] = [];
    for (let index = 0; index <= workers; index++)
      all.push(
        await startTestSystem(definition, {
          seed: index + 1,
          store,
          time,
          hub,
          hosting: parts(index === 0 ? "gateway" : "swarm"),
        }),
      );
    await time.advance(2_000);
    const [gateway, ...others] = all as [TestSystem, ...TestSystem[]];
    const ask = (name: string, more: { grant?: Grant; traceparent?: string; deadline?: number } = {}) =>
      gateway.system.queries.ask(
        rootContext(gateway.ctx.runtime, { traceparent: more.traceparent, deadline: more.deadline }),
        { grant: more.grant ?? grant, query: name, args: {} },
      );
    return {
      gateway,
      others,
      ask,
      hub,
      time,
      stop: async () => {
        for (const each of [...others, gateway]) await each.stop();
      },
    };
  };

  test("it arrives with tenant, principal, trace and what is left of the time", async () => {
    const { gateway, others, ask, time, stop } = await startParts(1);
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    const outcome = await gateway.settled(ask("tell", { traceparent, deadline: time.now() + 3_000 }));
    expect(outcome).toMatchObject({
      ok: true,
      result: "told",
      answeredBy: { processId: others[0]?.system.membership.processId },
    });
    expect(seen.at(-1)).toEqual({ tenant: "default", principal: "session:ses_1", traceparent, leftMs: 3_000 });
    expect(gateway.system.queries.stats()).toMatchObject({ remote: 1, answered: 1 });
    expect(others[0]?.system.queries.stats()).toMatchObject({ served: 1 });
    await stop();
  });

  test("a process that is full or gone is passed over for another, and where none is left it is said", async () => {
    const { gateway, others, ask, time } = await startParts(2);
    const first = ask("busy");
    const second = ask("busy");
    const third = ask("busy");
    expect(await gateway.settled(third)).toMatchObject({ ok: false, kind: "overloaded" });
    const [one, two] = await Promise.all([gateway.settled(first), gateway.settled(second)]);
    const processes = [one, two].map((each) => (each?.ok ? each.answeredBy.processId : "none"));
    expect(new Set(processes)).toEqual(new Set(others.map(({ system }) => system.membership.processId)));
    await others[0]?.stop();
    for (let times = 0; times < 4; times++)
      expect(await gateway.settled(ask("tell"))).toMatchObject({
        ok: true,
        answeredBy: { processId: others[1]?.system.membership.processId },
      });
    await others[1]?.stop();
    await time.advance(2_000);
    expect(await gateway.settled(ask("tell"))).toMatchObject({ ok: false, kind: "unavailable" });
    await gateway.stop();
  });

  test("a drained swarm is asked for nothing more, neither from its own process nor from another", async () => {
    const { gateway, others, ask, time, stop } = await startParts(2);
    const [one, two] = others as [TestSystem, TestSystem];
    const askIn = (each: TestSystem) =>
      each.settled(each.system.queries.ask(rootContext(each.ctx.runtime), { grant, query: "tell", args: {} }));
    expect(await askIn(one)).toMatchObject({ answeredBy: { processId: one.system.membership.processId } });
    await one.settled(one.system.swarms.get("asked")?.drain(one.ctx, true) ?? Promise.reject());
    // From others also before they have heard of it.
    const answers = [gateway.settled(ask("tell")), gateway.settled(ask("tell")), askIn(one)];
    await time.advance(2_000);
    for (const answer of [...(await Promise.all(answers)), await askIn(one)])
      expect(answer).toMatchObject({ ok: true, answeredBy: { processId: two.system.membership.processId } });
    await one.settled(one.system.swarms.get("asked")?.drain(one.ctx, false) ?? Promise.reject());
    expect(await askIn(one)).toMatchObject({ answeredBy: { processId: one.system.membership.processId } });
    await stop();
  });

  test("one that does not answer is passed over in time, and a caller's impatience leaves nobody out", async () => {
    const { gateway, others, ask, hub, time, stop } = await startParts(2);
    const [silent, well] = others as [TestSystem, TestSystem];
    // It is there, and takes what it is asked, and never answers.
    const { processId } = silent.system.membership;
    await silent.system.queries.stop(silent.ctx);
    const deaf = createMemoryBus(gateway.ctx.runtime, { hub });
    await deaf.start(gateway.ctx);
    deaf.subscribe(`queries.${processId}`, {}, () => new Promise(() => {}));
    for (let times = 0; times < 4; times++)
      expect(await gateway.settled(ask("tell"))).toMatchObject({
        ok: true,
        answeredBy: { processId: well.system.membership.processId },
      });
    for (let times = 0; times < 20; times++) await gateway.settled(ask("busy", { deadline: time.now() + 10 }));
    const { swarms } = gateway.system.registry.discover("busy");
    expect(swarms.map(({ outlier }) => outlier)).toEqual([undefined, undefined]);
    await stop();
  });

  test("what somebody sends who has not the system's key is denied, whatever it says", async () => {
    const { gateway, others, ask, hub, stop } = await startParts(1);
    const processId = others[0]?.system.membership.processId as string;
    await gateway.settled(ask("tell"));
    const before = seen.length;
    const stranger = createMemoryBus(gateway.ctx.runtime, { hub });
    await stranger.start(gateway.ctx);
    const messages: Record<string, JsonValue>[] = [
      {},
      { query: "tell", args: {}, hops: 0, grant: JSON.stringify(grant) },
      { query: "tell", args: {}, hops: 0, grant: `${JSON.stringify(grant)}.${"A".repeat(43)}` },
      { query: 5, args: {}, hops: 0, grant: "" },
    ];
    for (const message of messages)
      expect(await gateway.settled(stranger.request(gateway.ctx, `queries.${processId}`, message))).toMatchObject({
        ok: false,
        kind: "denied",
        error: { code: "query.unknown_authority" },
      });
    expect(seen.length).toBe(before);
    await stop();
  });
});
