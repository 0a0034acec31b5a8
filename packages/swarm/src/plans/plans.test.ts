// Proves plans in whole systems, in memory and under simulated time: what they answer, that they hold no worker while they wait, that no member
// is done twice however they die, and that members end with their plan and have no more than it. At last, members that behave at random,
// against a reference that works out from the times alone how each kind must end.
import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import { createMemoryStore, storeUnavailable } from "@viable/log";
import { baseClientLimits } from "@viable/security";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { AgentContext, AgentDefinition } from "../agent.ts";
import { agent } from "../agent.ts";
import { service } from "../service.ts";
import { firstSuccess } from "./first-success.ts";
import { parallel } from "./parallel.ts";
import type { AnswerSettler } from "./plan.ts";
import type { PlanAgent } from "./plan-agent.ts";
import type { PlanOutcome } from "./plan-outcome.ts";
import { quorum } from "./quorum.ts";
import { sequence } from "./sequence.ts";

const pause = (ctx: AgentContext, ms: number) =>
  new Promise<void>((resolve, reject) => {
    const timer = ctx.runtime.clock.setTimer(resolve, ms);
    ctx.signal.addEventListener("abort", () => {
      timer.cancel();
      reject(ctx.signal.reason);
    });
  });

/** How a member behaves: after `ms` it answers, fails, throws what is no error, or answers three million characters; or it never does. */
const behaviour = z.strictObject({
  label: z.string(),
  ms: z.number(),
  does: z.enum(["answer", "fail", "throw", "answer_much", "hang"]),
  answer: z.json().optional(),
});
type Behaviour = z.infer<typeof behaviour>;
const largeChars = 3_000_000;

/** The agent that members are; `calls` is the effect ledger: it lies outside of the system and outlives its processes. */
const actor = (calls: string[], capability = "act"): AgentDefinition =>
  agent({
    name: capability.replace(".", "-"),
    capability,
    description: "Behaves as it is asked.",
    input: behaviour,
    timeoutMs: 3_600_000,
    handle: async (ctx, { label, ms, does, answer }) => {
      calls.push(`${label} begun`);
      if (does === "hang")
        await new Promise((_, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason)));
      await pause(ctx, ms);
      calls.push(`${label} ${does}`);
      if (does === "fail") throw new Error("it broke");
      if (does === "throw") throw "no error at all";
      return does === "answer_much" ? "x".repeat(largeChars) : ((answer ?? label) as JsonValue);
    },
  });

const asking = (label: string, ms: number, does: Behaviour["does"] = "answer", more: object = {}) => ({
  capability: "act",
  args: () => ({ label, ms, does, ...more }),
  name: label,
});

const about = {
  name: "p",
  capability: "together",
  description: "Does it together.",
  input: z.strictObject({}),
  timeoutMs: 60_000,
};

const systemOf = (agents: readonly AgentDefinition[], workers = 3): Parameters<typeof startTestSystem>[0] => ({
  kind: "system",
  name: "plans",
  services: [service({ name: "crew", description: "Works.", port: 0, agents, workers })],
  commands: [],
  projections: [],
  reactors: [],
  schedules: [],
  routing: [],
  pools: {},
  egress: { allow: [] },
  policies: {},
  gateway: { host: "127.0.0.1", port: 0, trustedProxies: [] },
  roles: {},
  clients: { ...baseClientLimits },
  limits: { maxOpenExecutions: 10_000, threads: 1, drainMs: 20_000, leaseMs: 10_000, sockets: 4_000 },
});
const start = (
  calls: string[],
  plan: AgentDefinition,
  options: Parameters<typeof startTestSystem>[1] & { workers?: number } = {},
) => startTestSystem(systemOf([actor(calls), plan], options.workers), options);

/** A store that takes what it is given, unless it is the task of this label while it is away. */
function storeAwayFor(label: string, isAway: () => boolean) {
  const memory = createMemoryStore();
  return {
    ...memory,
    commit: async (...given: Parameters<typeof memory.commit>) => {
      if (!JSON.stringify(given).includes(String.raw`\"label\":\"${label}\"`) || !isAway())
        return await memory.commit(...given);
      throw new ViableError(storeUnavailable, "The database is away.", { retryable: true });
    },
  };
}

/** The executions of a plan's members. */
async function childrenOf(t: TestSystem, parentId: string) {
  const accepted = await t.events("execution.accepted");
  const ids = accepted
    .filter(({ data }) => data.parentId === parentId)
    .map(({ stream }) => stream.slice("execution:".length));
  return await Promise.all(ids.map(async (id) => await t.system.executions.get(t.ctx, id)));
}
const statusOf = (outcome: { members: PlanOutcome["members"] }) =>
  outcome.members.map(({ name, status }) => `${name} ${status}`);

describe("a plan", () => {
  test("answers its value, why it ended so, and what each member came to (X5)", async () => {
    const plan = parallel({ ...about, members: [asking("a", 100), asking("b", 50, "fail")], require: "some" });
    await using t = await start([], plan);
    const answer = await (await t.connect()).run("together");
    expect(answer).toMatchObject({
      status: "completed",
      result: {
        value: ["a", null],
        reason: "1 of 2 succeeded; missing: b failed (internal)",
        members: [
          { name: "a", capability: "act", status: "completed", executionId: expect.stringMatching(/^exe_/) },
          { name: "b", status: "failed", executionId: expect.stringMatching(/^exe_/), error: { message: "it broke" } },
        ],
      },
    });
  });

  test("that fails says the same in its error", async () => {
    const plan = sequence({ ...about, members: [asking("a", 100), asking("b", 50, "throw"), asking("c", 1)] });
    await using t = await start([], plan);
    const answer = await (await t.connect()).run("together");
    expect(answer).toMatchObject({
      status: "failed",
      error: {
        code: "plan.member_failed",
        message: "The plan (sequence) ended without a value: b failed (internal), and 1 after it did not begin.",
        details: {
          kind: "sequence",
          members: [{ status: "completed" }, { status: "failed" }, { status: "not_begun" }],
        },
      },
    });
  });

  test("in sequence hands each what the one before returned, and the first its own input", async () => {
    const step = (capability: string, input: z.ZodType, result: JsonValue) =>
      agent({
        name: capability,
        capability,
        description: "Answers.",
        input,
        handle: (_ctx, given) => (result === "given" ? { given } : result) as JsonValue,
      });
    const agents = [
      step("one", z.strictObject({ n: z.number() }), null),
      step("two", z.null(), 7),
      step("three", z.literal(7), "given"),
    ];
    const plan = sequence({
      ...about,
      input: z.strictObject({ n: z.number() }),
      members: agents.map(({ capability }) => ({ capability })),
    });
    await using t = await startTestSystem(systemOf([...agents, plan]));
    const answer = await (await t.connect()).run("together", { n: 1 });
    expect(answer).toMatchObject({ result: { value: { given: 7 }, reason: "all 3 succeeded, one after the other" } });
  });

  test.each(["parallel", "sequence", "first", "quorum"])(
    "%s over its own service's agents needs no second worker",
    async (kind) => {
      const members = [asking("a", 100, "answer", { answer: 1 }), asking("b", 100, "answer", { answer: 1 })];
      const plans: Record<string, PlanAgent> = {
        parallel: parallel({ ...about, members }),
        sequence: sequence({ ...about, members }),
        first: firstSuccess({ ...about, members, hedgeAfterMs: 10 }),
        quorum: quorum({ ...about, members, atLeast: 2 }),
      };
      await using t = await start([], plans[kind] as PlanAgent, { workers: 1 });
      expect(await (await t.connect()).run("together")).toMatchObject({ status: "completed" });
    },
  );

  test("cancels the others once one has succeeded, within a second of its end", async () => {
    const calls: string[] = [];
    const plan = firstSuccess({
      ...about,
      members: [asking("slow", 50_000), asking("fast", 100)],
      hedgeAfterMs: 1_000,
    });
    await using t = await start(calls, plan);
    const client = await t.connect();
    const answer = await client.run("together");
    expect(answer).toMatchObject({ result: { value: "fast", reason: "fast succeeded" } });
    expect(statusOf((answer as unknown as { result: PlanOutcome }).result)).toEqual(["slow left", "fast completed"]);
    await t.time.advance(1_100);
    const [slow] = await childrenOf(t, answer.executionId);
    expect(slow).toMatchObject({
      status: "cancelled",
      error: { message: expect.stringContaining("the parent ended") },
    });
    expect(calls).toEqual(["slow begun", "fast begun", "fast answer"]);
  });

  test("settles contradicting answers by the policy that it declares (S5)", async () => {
    const policy: AnswerSettler = {
      policy: { kind: "last-named" },
      byLogOrder: false,
      settle: (claims) => ({
        settled: true,
        winner: claims.length - 1,
        losers: claims.slice(0, -1).map((_, claim) => ({ claim, reason: "named earlier" })),
        reason: "named last",
      }),
    };
    const plan = quorum({ ...about, members: [asking("a", 30), asking("b", 20)], atLeast: 2, onConflict: policy });
    await using t = await start([], plan);
    expect(await (await t.connect()).run("together")).toMatchObject({
      result: {
        value: "b",
        conflict: { policy: "last-named", winner: "b", losers: [{ member: "a", reason: "named earlier" }] },
      },
    });
  });

  test("has two members that are asked the same both do it", async () => {
    const calls: string[] = [];
    const same = { label: "twin", ms: 10, does: "answer" };
    const members = [1, 2].map(() => ({ capability: "act", args: () => same }));
    await using t = await start(calls, parallel({ ...about, members }));
    const answer = await (await t.connect()).run("together");
    expect(answer).toMatchObject({
      result: { value: ["twin", "twin"], members: [{ name: "act#1" }, { name: "act#2" }] },
    });
    expect(calls).toEqual(["twin begun", "twin begun", "twin answer", "twin answer"]);
  });

  test("whose functions throw ends at once and says which", async () => {
    const bad = () => {
      throw "no error at all";
    };
    const plan = parallel({ ...about, members: [asking("a", 50), { capability: "act", name: "b", args: bad }] });
    await using t = await start([], plan);
    expect(await (await t.connect()).run("together")).toMatchObject({
      status: "failed",
      error: { code: "plan.mistake", message: "The plan ended since what makes the arguments of b threw." },
    });
    const combined = sequence({ ...about, members: [asking("a", 50)], combine: bad });
    await using other = await start([], combined);
    expect(await (await other.connect()).run("together")).toMatchObject({
      error: { code: "plan.mistake", details: { members: [{ status: "completed" }] } },
    });
  });

  test("whose value is more than can be kept fails, and says where the parts are", async () => {
    const plan = parallel({ ...about, members: [asking("a", 10, "answer_much"), asking("b", 20, "answer_much")] });
    await using t = await start([], plan);
    expect(await (await t.connect()).run("together")).toMatchObject({
      status: "failed",
      error: { code: "plan.value_too_large", details: { members: [{ executionId: expect.any(String) }, {}] } },
    });
  });

  test("of as many members as may be, with long errors, still tells what each came to", async () => {
    const capability = `c${"a".repeat(98)}`;
    const failing = agent({
      name: "failing",
      capability,
      description: "Fails at length.",
      input: z.number(),
      handle: () => {
        throw Object.assign(new Error('"\u0001'.repeat(1_000)), { code: "c".repeat(150) });
      },
    });
    const members = Array.from({ length: 32 }, (_, index) => ({
      name: `${"n".repeat(60)}${index}`,
      capability,
      args: () => index,
    }));
    await using t = await startTestSystem(systemOf([failing, parallel({ ...about, members, require: "some" })]));
    const answer = await (await t.connect()).run("together");
    expect(answer).toMatchObject({ status: "failed", error: { code: "plan.none_succeeded" } });
    const details = (answer as unknown as { error: { details: { members: unknown[] } } }).error.details;
    expect(details.members).toHaveLength(32);
  });
});

describe("a plan that dies under its work", () => {
  const chain = () =>
    sequence({ ...about, timeoutMs: 600_000, members: [asking("a", 1_000), asking("b", 1_000), asking("c", 1_000)] });
  const all = ["a begun", "a answer", "b begun", "b answer", "c begun", "c answer"];

  test("goes on with a sibling when its worker is killed, between members and during one, and none is done twice", async () => {
    const calls: string[] = [];
    // The members are another service's: what dies here is the plan.
    const definition = systemOf([chain()]);
    const helper = service({ name: "helper", description: "Works.", port: 0, agents: [actor(calls)] });
    await using t = await startTestSystem({ ...definition, services: [...definition.services, helper] });
    const client = await t.connect();
    const executionId = await client.begin("together");
    for (const atMs of [500, 500, 500, 500]) {
      await t.time.advance(atMs);
      for (const worker of ["worker-1", "worker-2", "worker-3"]) t.system.swarms.get("crew")?.kill(worker, "a test");
    }
    expect(await client.outcome(executionId)).toMatchObject({
      status: "completed",
      attempts: 5,
      result: { value: "c" },
    });
    expect(calls).toEqual(all);
  });

  test.each([500, 1_000, 1_500, 2_000, 2_999])(
    "goes on in another process when its own is gone after %d ms",
    async (diesAtMs) => {
      const calls: string[] = [];
      const store = createMemoryStore();
      const first = await start(calls, chain(), { store });
      const executionId = await (await first.connect()).begin("together");
      await first.time.advance(diesAtMs);
      // The process is gone without a word: its time stands still from here on.
      const finished = calls.filter((call) => call.endsWith("answer"));
      await using next = await start(calls, chain(), { store, seed: 2 });
      const state = await next.settled(next.system.executions.whenSettled(next.ctx, executionId));
      expect(state).toMatchObject({ status: "completed", result: { value: "c" } });
      // What had ended before is not begun again; what was under way is, once.
      for (const call of finished) expect(calls.filter((each) => each === call)).toHaveLength(1);
      expect(new Set(calls)).toEqual(new Set(all));
      expect(await childrenOf(next, executionId)).toHaveLength(3);
    },
  );

  test("asks again where the database did not take what it asked, and does nothing twice", async () => {
    const calls: string[] = [];
    let refusals = 0;
    const store = storeAwayFor("b", () => ++refusals <= 40);
    await using t = await start(calls, chain(), { store });
    const client = await t.connect();
    const executionId = await client.begin("together");
    expect(await client.outcome(executionId)).toMatchObject({ status: "completed", result: { value: "c" } });
    expect(refusals).toBeGreaterThan(40);
    expect(calls).toEqual(all);
  });

  test("asks for nothing any more once it has ended", async () => {
    const calls: string[] = [];
    // An append is tried for ten seconds: b is refused for the second time when a ends, and would be asked for a third time.
    const plan = firstSuccess({ ...about, members: [asking("a", 15_000), asking("b", 100)], hedgeAfterMs: 50 });
    let away = true;
    await using t = await start(calls, plan, { store: storeAwayFor("b", () => away) });
    expect(await (await t.connect()).run("together")).toMatchObject({ result: { value: "a" } });
    await t.time.advance(3_000);
    away = false;
    await t.time.advance(60_000);
    expect(calls).toEqual(["a begun", "a answer"]);
  });
});

describe("members", () => {
  test("are cancelled with their plan", async () => {
    const calls: string[] = [];
    await using t = await start(calls, parallel({ ...about, members: [asking("a", 50_000), asking("b", 50_000)] }));
    const client = await t.connect();
    const executionId = await client.begin("together");
    await t.time.advance(100);
    await t.settled(client.api.cancel(executionId));
    await t.time.advance(1_100);
    expect((await childrenOf(t, executionId)).map((child) => child?.status)).toEqual(["cancelled", "cancelled"]);
    expect(calls).toEqual(["a begun", "b begun"]);
  });

  test("have no more time and no more authority than it (W4), and leave it time to say so", async () => {
    const members = [asking("a", 0, "hang"), { ...asking("b", 0, "hang"), timeoutMs: 5_000 }];
    await using t = await start([], parallel({ ...about, members, require: "some" }));
    const client = await t.connect("web");
    const executionId = await client.begin("together", {}, { deadlineMs: 20_000 });
    await t.time.advance(100);
    const plan = await t.system.executions.get(t.ctx, executionId);
    const children = await childrenOf(t, executionId);
    for (const child of children) {
      expect(child?.accepted.deadline).toBeLessThan(plan?.accepted.deadline ?? 0);
      expect(child?.accepted.authority).toMatchObject({ operations: ["read", "write"], clientType: "agent" });
    }
    expect(children.map((child) => (child?.accepted.deadline ?? 0) - (plan?.acceptedAt ?? 0))).toEqual([19_000, 5_000]);
    expect(await client.outcome(executionId)).toMatchObject({
      status: "failed",
      error: { code: "plan.none_succeeded", details: { members: [{ status: "timed_out" }, { status: "timed_out" }] } },
    });
  });

  test("that nobody offers are told as refused, and the others make up for them", async () => {
    const plan = firstSuccess({ ...about, members: [{ capability: "nobody" }, asking("b", 10)] });
    await using t = await start([], plan);
    expect(await (await t.connect()).run("together")).toMatchObject({
      result: {
        value: "b",
        members: [{ status: "refused", error: { code: "intake.unknown_command" } }, { status: "completed" }],
      },
    });
  });
});

/** The plan's time, of which it keeps a second back from its members, or a tenth of what is left where that is less. */
const planMs = 60_000;
const latestFrom = (fromMs: number) => planMs - Math.min(1_000, (planMs - fromMs) / 10);
/** No two things but equal ones happen at once: what of a time is less than a second tells which members and delays it is made of. */
const msOf = (slot: number, index: number) => 1_000 * (slot + 1) + 2 ** index;
const hedgeMs = 10_064;
const hangMsOf = (index: number) => 57_500 + index;

/** When a member that begins at a time ends, and how. */
function endOf({ ms, does, label }: Behaviour, fromMs: number): { at: number; ok: boolean; timedOut: boolean } {
  const latest = Math.min(latestFrom(fromMs), fromMs + hangMsOf(Number(label.slice(1))));
  if (does === "hang" || fromMs + ms >= latest) return { at: latest, ok: false, timedOut: true };
  return { at: fromMs + ms, ok: does === "answer" || does === "answer_much", timedOut: false };
}

type Expected = {
  readonly ok: boolean;
  readonly endsAt: number;
  readonly statuses: string[];
  readonly winner?: number;
};

/** What a member has come to at a time, when it began at `from`. */
const statusAt = (member: Behaviour, from: number | undefined, time: number): string => {
  if (from === undefined || from > time) return "not_begun";
  const end = endOf(member, from);
  if (end.at > time) return "left";
  return end.ok ? "completed" : end.timedOut ? "timed_out" : "failed";
};

/** How a plan of members that all begin at once ends: the earliest moment at which `judge` knows. */
function endTogether(members: readonly Behaviour[], judge: (statuses: string[]) => boolean | undefined): Expected {
  const moments = [...new Set(members.map((member) => endOf(member, 0).at))].sort((a, b) => a - b);
  for (const endsAt of moments) {
    const statuses = members.map((member) => statusAt(member, 0, endsAt));
    const ok = judge(statuses);
    if (ok !== undefined) return { ok, endsAt, statuses };
  }
  throw new Error("it must end when all members have");
}

const count = (statuses: readonly string[], status: string) => statuses.filter((each) => each === status).length;
const isOver = (statuses: readonly string[]) => !statuses.includes("left");
const keyOf = ({ label, does, answer }: Behaviour) =>
  does === "answer_much" ? "much" : JSON.stringify(answer ?? label);

const references: Record<string, (members: readonly Behaviour[]) => Expected> = {
  all: (members) =>
    endTogether(members, (now) => {
      if (now.some((status) => status === "failed" || status === "timed_out")) return false;
      return isOver(now) ? true : undefined;
    }),
  some: (members) => endTogether(members, (now) => (isOver(now) ? count(now, "completed") > 0 : undefined)),
  quorum: (members) =>
    endTogether(members, (now) => {
      const wanted = Math.floor(members.length / 2) + 1;
      const votes = members.map((one, at) =>
        now[at] !== "completed"
          ? 0
          : members.filter((other, place) => now[place] === "completed" && keyOf(other) === keyOf(one)).length,
      );
      if (Math.max(...votes) >= wanted) return true;
      return Math.max(...votes) + count(now, "left") < wanted ? false : undefined;
    }),
  sequence: (members) => {
    let at = 0;
    const begun: (number | undefined)[] = members.map(() => undefined);
    let ok = true;
    for (const [index, member] of members.entries()) {
      begun[index] = at;
      const end = endOf(member, at);
      at = end.at;
      ok = end.ok;
      if (!ok) break;
    }
    return { ok, endsAt: at, statuses: members.map((member, index) => statusAt(member, begun[index], at)) };
  },
  hedged: (members) => {
    // Each begins when the one before has failed, or the delay after it began, whatever comes first: unless all is over by then.
    const begun: number[] = [];
    for (const [index] of members.entries()) {
      const before = members[index - 1];
      const from = begun[index - 1] ?? 0;
      const end = before === undefined ? undefined : endOf(before, from);
      begun.push(end === undefined ? 0 : end.ok ? from + hedgeMs : Math.min(end.at, from + hedgeMs));
    }
    const ends = members.map((member, index) => endOf(member, begun[index] as number));
    const wins = ends.filter(({ ok }) => ok).map(({ at }) => at);
    const endsAt = wins.length > 0 ? Math.min(...wins) : Math.max(...ends.map(({ at }) => at));
    return {
      ok: wins.length > 0,
      endsAt,
      statuses: members.map((member, index) => statusAt(member, begun[index], endsAt)),
    };
  },
};
const planOf = (kind: string, members: readonly Behaviour[]): PlanAgent => {
  const asked = members.map(({ label, ...rest }, index) => ({
    name: label,
    timeoutMs: hangMsOf(index),
    capability: "act",
    args: () => ({ label, ...rest }) as JsonValue,
  }));
  const small = (results: readonly (JsonValue | undefined)[]) =>
    results.map((result) => JSON.stringify(result ?? null).length);
  switch (kind) {
    case "all":
      return parallel({ ...about, members: asked, combine: small });
    case "some":
      return parallel({ ...about, members: asked, require: "some", combine: small });
    case "quorum":
      return quorum({ ...about, members: asked, atLeast: Math.floor(members.length / 2) + 1 });
    case "sequence":
      return sequence({ ...about, members: asked, combine: small });
    default:
      return firstSuccess({ ...about, members: asked, hedgeAfterMs: hedgeMs });
  }
};

const drawnMembers = fc.uniqueArray(
  fc.record({
    slot: fc.nat(40),
    does: fc.oneof(
      { weight: 4, arbitrary: fc.constant("answer" as const) },
      { weight: 2, arbitrary: fc.constantFrom("fail" as const, "throw" as const) },
      { weight: 1, arbitrary: fc.constantFrom("hang" as const, "answer_much" as const) },
    ),
    answer: fc.constantFrom("x", "y", { deep: [1, { b: 2, a: 1 }] }),
  }),
  { minLength: 1, maxLength: 6, selector: ({ slot }) => slot },
);
const maxKills = 5;
type Drawn = typeof drawnMembers extends fc.Arbitrary<infer T> ? T : never;

/** Carries out a plan, the worker that has it being killed at these times, and holds it to the reference. */
async function playPlan(kind: string, drawn: Drawn, killsAtMs: readonly number[]): Promise<void> {
  const members = drawn.map(
    ({ slot, ...rest }, index): Behaviour => ({ ...rest, label: `m${index}`, ms: msOf(slot, index) }),
  );
  const calls: string[] = [];
  const definition = systemOf([planOf(kind, members)], maxKills + 1);
  const helper = service({ name: "helper", description: "Works.", port: 0, agents: [actor(calls)], workers: 7 });
  await using t = await startTestSystem({ ...definition, services: [...definition.services, helper] });
  const client = await t.connect();
  const executionId = await client.begin("together");
  // It begins with the first worker; whenever that dies, the next takes it up at once.
  for (const [index, atMs] of killsAtMs.entries())
    t.time.setTimer(() => t.system.swarms.get("crew")?.kill(`worker-${index + 1}`, "a test"), atMs);
  await t.settled(t.system.executions.whenSettled(t.ctx, executionId));
  const state = await t.system.executions.get(t.ctx, executionId);
  const expected = references[kind]?.(members) as Expected;
  const outcome = (expected.ok ? state?.result : state?.error?.details) as unknown as PlanOutcome;
  expect(state?.status).toBe(expected.ok ? "completed" : "failed");
  expect(outcome.members.map(({ status }) => status)).toEqual(expected.statuses);
  expect((state?.endedAt ?? 0) - (state?.acceptedAt ?? 0)).toBeCloseTo(expected.endsAt, 2);
  const begun = expected.statuses.filter((status) => status !== "not_begun").length;
  expect(calls.filter((call) => call.endsWith("begun"))).toHaveLength(begun);
  expect(state?.attempts).toBe(1 + killsAtMs.filter((atMs) => atMs < expected.endsAt).length);
}

describe("members that behave at random", () => {
  test.each(Object.keys(references))("%s ends when, and as, the reference says", { timeout: 120_000 }, async (kind) => {
    await fc.assert(
      fc.asyncProperty(drawnMembers, (drawn) => playPlan(kind, drawn, [])),
      { numRuns: 25 },
    );
  });

  // A hedged plan that is begun anew waits anew before it hedges, so its times are others.
  test.each(["all", "some", "quorum", "sequence"])(
    "%s ends just so where its worker is killed again and again, and begins no member twice",
    { timeout: 120_000 },
    async (kind) => {
      const killsAtMs = fc.uniqueArray(fc.nat(13), { maxLength: maxKills });
      await fc.assert(
        fc.asyncProperty(drawnMembers, killsAtMs, (drawn, kills) =>
          playPlan(
            kind,
            drawn,
            kills.sort((a, b) => a - b).map((each) => 3_000 * each + 700),
          ),
        ),
        { numRuns: 25 },
      );
    },
  );
});
