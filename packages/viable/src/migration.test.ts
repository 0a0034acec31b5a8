// Proves that a service's tasks move over from a legacy one and back by percentage, and that it is seen how both answer (S11): whole
// systems under simulated time.
import type { JsonValue, SimulatedTime } from "@viable/kernel";
import { simulateTime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import type { TestClient } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { AgentContext, ServiceDefinition } from "./index.ts";
import { agent, defineSystem, service } from "./index.ts";

type Handle = (ctx: AgentContext, input: { n: number }) => Promise<JsonValue> | JsonValue;
interface Parts {
  readonly handle?: Handle;
  readonly risk?: "low" | "medium";
  readonly timeoutMs?: number;
  readonly joinable?: boolean;
}

/** A service that doubles, in its own way where one is given. */
const doubling = (name: string, legacy: boolean, { handle, risk = "low", ...rest }: Parts = {}) =>
  service({
    name,
    description: "Doubles.",
    port: 0,
    legacy,
    agents: [
      agent({
        name: "doubler",
        capability: "double",
        description: "Doubles a number.",
        input: z.strictObject({ n: z.number() }),
        risk,
        handle: handle ?? ((_ctx, { n }) => ({ doubled: 2 * n })),
        ...rest,
      }),
    ],
  });
const after =
  (ms: number, answer: Handle): Handle =>
  async (ctx, input) => {
    await new Promise<void>((resolve) => ctx.runtime.clock.setTimer(resolve, ms));
    return await answer(ctx, input);
  };
const doubled: Handle = (_ctx, { n }) => ({ doubled: 2 * n });

interface Options {
  readonly store?: Store;
  readonly time?: SimulatedTime;
  readonly seed?: number;
}

async function startMoving(services: readonly ServiceDefinition[], options: Options = {}) {
  const t = await startTestSystem(defineSystem({ name: "moving", services }), options);
  const client = await t.connect("cli");
  const run = async (command: string, args: Record<string, JsonValue> = {}, from: TestClient = client) => {
    const answer = await from.run(command, args as never);
    return answer.status === "completed" ? { ...(answer.result as object) } : { ...answer };
  };
  return {
    t,
    client,
    run,
    set: (args: Record<string, JsonValue>) => run("migration.set", { service: "tools", ...args }),
    /** Does so many tasks, one after the other, and lets what they bring with them come to its end. */
    async double(times: number) {
      for (let n = 0; n < times; n++) await run("double", { n });
      await t.time.advance(10_000);
    },
    async status() {
      const { migrations, legacy } = (await run("migration.status")) as Record<string, Record<string, JsonValue>[]>;
      return { tools: migrations?.[0], legacy };
    },
    [Symbol.asyncDispose]: () => t.stop(),
  };
}
const both = (parts: { tools?: Parts; swarm?: Parts } = {}) => [
  doubling("tools", false, parts.tools),
  doubling("swarm", true, parts.swarm),
];

describe("a service's tasks", () => {
  test("move over by percentage and back, and it is measured where they went", async () => {
    await using moving = await startMoving(both());
    await moving.double(5);
    for (const percent of [0, 50, 100, 50, 0]) {
      expect(await moving.set({ percent })).toMatchObject({ service: "tools", percent, capabilities: ["double"] });
      await moving.double(40);
      const { tools } = await moving.status();
      const routed = tools?.routed as { service: number; legacy: number; percent: number };
      expect(routed.service + routed.legacy).toBe(40);
      // Fixed ids: how near to the percentage forty of them come is the same each time.
      expect(Math.abs(routed.percent - percent)).toBeLessThanOrEqual(20);
      const swarms = moving.t.system.swarms;
      expect(routed).toMatchObject(percent === 0 ? { service: 0 } : percent === 100 ? { legacy: 0 } : {});
      expect(swarms.get("swarm")?.measure().failed).toBe(0);
    }
    expect(await moving.run("migration.end", { service: "tools" })).toEqual({ service: "tools", ended: true });
    await moving.double(5);
    const accepted = (await moving.t.events("execution.accepted")).filter(({ data }) => data.command === "double");
    expect(accepted.slice(-5).map(({ data }) => data.service)).toEqual(Array(5).fill("tools"));
    expect((await moving.status()).tools).toBeUndefined();
    expect(await moving.run("migration.end", { service: "tools" })).toEqual({ service: "tools", ended: false });
  });

  test("that nobody but the legacy service takes are counted as its fallbacks", async () => {
    await using moving = await startMoving([doubling("swarm", true)]);
    await moving.double(3);
    const { legacy } = await moving.status();
    expect(legacy).toEqual([{ service: "swarm", capabilities: ["double"], fallbacks: 3 }]);
  });

  test("are counted anew when their rule changes", async () => {
    await using moving = await startMoving(both());
    await moving.set({ percent: 50 });
    await moving.double(10);
    await moving.set({ compare: true });
    expect((await moving.status()).tools).toMatchObject({
      percent: 50,
      compare: true,
      routed: { service: 0, legacy: 0 },
    });
  });
});

describe("answers that are compared", () => {
  test("and are equal on both sides are tallied, with how long each side takes", async () => {
    const took = both({ tools: { handle: after(100, doubled) }, swarm: { handle: after(300, doubled) } });
    await using moving = await startMoving(took);
    for (const percent of [0, 100]) {
      await moving.set({ percent, compare: true });
      await moving.double(1);
    }
    expect((await moving.status()).tools).toMatchObject({
      skipped: { busy: 0, risk: 0, refused: 0 },
      capabilities: [
        {
          capability: "double",
          legacy: ["swarm"],
          compared: 2,
          equal: 2,
          different: 0,
          meanMs: { service: 100, legacy: 300 },
        },
      ],
    });
  });

  test("and differ are tallied with the places where they do, whichever side was asked first", async () => {
    const swarm: Parts = { handle: (_ctx, { n }) => ({ doubled: 2 * n + 1, rest: [] }) };
    for (const percent of [0, 100]) {
      await using moving = await startMoving(both({ swarm }));
      await moving.set({ percent, compare: true });
      await moving.double(1);
      const accepted = await moving.t.events("execution.accepted");
      const [asked, again] = accepted
        .filter(({ data }) => data.command === "double")
        .map(({ stream }) => stream.slice(10));
      expect((await moving.status()).tools?.capabilities).toMatchObject([
        {
          different: 1,
          lastDifference: {
            executionId: asked,
            comparedWith: again,
            paths: ["result.doubled", "result.rest"],
            more: 0,
          },
        },
      ]);
      expect(await moving.run("migration.compare", { executionId: asked ?? "" })).toMatchObject({
        status: "different",
        differences: [
          { path: "result.doubled", service: "0", legacy: "1" },
          { path: "result.rest", legacy: "[]" },
        ],
      });
    }
  });

  test("differ where one side fails, and are equal where both fail with the same code", async () => {
    const failing: Parts = {
      handle: () => {
        throw Object.assign(new Error("Cannot."), { code: "test.cannot" });
      },
    };
    for (const [tools, expected] of [
      [{}, { different: 1, lastDifference: { paths: ["error", "result"] } }],
      [failing, { equal: 1 }],
    ] as const) {
      await using moving = await startMoving(both({ tools, swarm: failing }));
      await moving.set({ percent: 0, compare: true });
      await moving.double(1);
      expect((await moving.status()).tools?.capabilities).toMatchObject([expected]);
    }
  });

  test("are unanswered where the other side runs out of time, which says nothing of its answer", async () => {
    await using moving = await startMoving(both({ swarm: { timeoutMs: 500, handle: after(1_000, doubled) } }));
    await moving.set({ percent: 100, compare: true });
    await moving.double(1);
    expect((await moving.status()).tools?.capabilities).toMatchObject([
      { compared: 0, unanswered: 1, lastUnanswered: { reason: expect.stringContaining("No outcome by its deadline") } },
    ]);
  });

  test("are compared one at a time for each service, and the rest is counted as skipped (W10)", async () => {
    await using moving = await startMoving(both({ swarm: { handle: after(5_000, doubled) } }));
    await moving.set({ percent: 100, compare: true });
    await Promise.all(Array.from({ length: 8 }, (_, n) => moving.client.begin("double", { n })));
    await moving.t.time.advance(10_000);
    expect((await moving.status()).tools).toMatchObject({ skipped: { busy: 7 }, capabilities: [{ compared: 1 }] });
    await moving.double(1);
    expect((await moving.status()).tools).toMatchObject({ skipped: { busy: 7 }, capabilities: [{ compared: 2 }] });
  });

  test("are asked for by the system itself, through the intake and outside of the caller's session (W7)", async () => {
    await using moving = await startMoving(both());
    await moving.set({ percent: 100, compare: true });
    await moving.double(1);
    const comparing = (await moving.t.events("execution.accepted")).filter(
      ({ data }) => data.command === "migration.compare",
    );
    expect(comparing).toMatchObject([{ data: { authority: { principal: "system", clientType: "system" } } }]);
    expect(comparing[0]?.metadata.session).toBeUndefined();
  });

  test("are not those of tasks that joined equal work: their answer is another's", async () => {
    const parts: Parts = { joinable: true, handle: after(1_000, doubled) };
    await using moving = await startMoving(both({ tools: parts, swarm: parts }));
    await moving.set({ percent: 50, compare: true });
    const ids = await Promise.all(Array.from({ length: 4 }, () => moving.client.begin("double", { n: 1 })));
    await moving.t.time.advance(10_000);
    const { tools } = await moving.status();
    expect(tools).toMatchObject({ skipped: { busy: 0 }, capabilities: [{ compared: 1, equal: 1 }] });
    const views = await Promise.all(ids.map((id) => moving.client.outcome(id)));
    const joined = views.find(({ joinedTo }) => joinedTo !== undefined);
    expect(await moving.run("migration.compare", { executionId: joined?.executionId ?? "" })).toMatchObject({
      error: { code: "migration.not_comparable", message: expect.stringContaining(joined?.joinedTo ?? "-") },
    });
  });

  test("are not asked for where doing it twice could do harm", async () => {
    await using moving = await startMoving(both({ tools: { risk: "medium" }, swarm: { risk: "medium" } }));
    await moving.set({ percent: 100, compare: true });
    await moving.double(1);
    expect((await moving.status()).tools).toMatchObject({ skipped: { risk: 1 }, capabilities: [{ compared: 0 }] });
    const executionId = await moving.client.begin("double", { n: 1 });
    await moving.client.outcome(executionId);
    expect(await moving.run("migration.compare", { executionId })).toMatchObject({
      error: { code: "migration.not_comparable", message: expect.stringContaining("medium risk") },
    });
  });
});

describe("two processes", () => {
  test("count the tasks of both, and each compares its own", async () => {
    const store = { ...createMemoryStore(), exclusive: false };
    const time = simulateTime();
    await using here = await startMoving(both(), { store, time, seed: 1 });
    await using there = await startMoving(both(), { store, time, seed: 2 });
    await here.set({ percent: 100, compare: true });
    await time.advance(2_000);
    await here.double(2);
    await there.double(1);
    for (const each of [here, there]) {
      expect((await each.status()).tools).toMatchObject({
        routed: { service: 3, legacy: 0 },
        skipped: { busy: 0, risk: 0, refused: 0 },
        capabilities: [{ compared: 3, equal: 3 }],
      });
    }
    const comparing = (await here.t.events("execution.accepted")).filter(
      ({ data }) => data.command === "migration.compare",
    );
    const compared = comparing.map(({ data }) => (data.args as { executionId: string }).executionId);
    expect(new Set(compared).size).toBe(3);
  });
});

describe("a comparison that is asked for", () => {
  test("is of an execution that the session may see", async () => {
    await using moving = await startMoving(both());
    await moving.set({ percent: 100 });
    const other = await moving.t.connect("api");
    const executionId = await other.begin("double", { n: 1 });
    await other.outcome(executionId);
    expect(await moving.run("migration.compare", { executionId })).toMatchObject({
      error: { code: "migration.unknown_execution" },
    });
    expect(await moving.run("migration.compare", { executionId }, other)).toMatchObject({
      status: "equal",
      executionId,
      service: "tools",
      legacy: "swarm",
    });
  });

  test("holds what the legacy service did against the service whose task it was", async () => {
    const slow = doubling("alpha", false, { handle: after(5_000, doubled) });
    await using moving = await startMoving([slow, ...both()]);
    await moving.run("migration.set", { service: "alpha", percent: 100 });
    await moving.set({ percent: 0 });
    // The first goes to alpha, by name; the next to the one that has done less, which is tools.
    await moving.double(1);
    const executionId = await moving.client.begin("double", { n: 1 });
    expect(await moving.client.outcome(executionId)).toMatchObject({ service: "swarm" });
    expect(await moving.run("migration.compare", { executionId })).toMatchObject({ service: "tools", legacy: "swarm" });
  });

  test("is refused with the reason where there is nothing to compare", async () => {
    await using moving = await startMoving(both({ tools: { handle: after(2_000, doubled) } }));
    const running = await moving.client.begin("double", { n: 1 });
    const compare = (executionId: string) => moving.run("migration.compare", { executionId });
    const { t, client } = moving;
    const asked = client.begin("migration.compare", { executionId: running });
    expect(await client.outcome(await asked)).toMatchObject({
      error: { code: "migration.not_comparable", message: "It is running." },
    });
    await client.outcome(running);
    expect(await compare(running)).toMatchObject({
      error: { message: 'No service with a migration rule offers "double".' },
    });
    expect(await compare("exe_none")).toMatchObject({ error: { code: "migration.unknown_execution" } });
    await moving.set({ percent: 100 });
    const status = await client.begin("migration.status");
    await client.outcome(status);
    expect(await compare(status)).toMatchObject({ error: { code: "migration.not_comparable" } });
    expect(t.notices.filter(({ level }) => level === "error")).toEqual([]);
  });
});

describe("a rule", () => {
  test("keeps what is not said anew, and is set by the version that was read", async () => {
    await using moving = await startMoving(both());
    expect(await moving.set({})).toMatchObject({ percent: 100, compare: false, version: 1 });
    expect(await moving.set({ percent: 25, compare: true })).toMatchObject({ percent: 25, compare: true, version: 2 });
    expect(await moving.set({ percent: 50 })).toMatchObject({ percent: 50, compare: true, version: 3 });
    expect(await moving.set({ percent: 75, expected: 2 })).toMatchObject({
      error: { code: "migration.conflict", details: { actual: 3 } },
    });
    expect(await moving.set({ percent: 75, expected: 3 })).toMatchObject({ version: 4 });
  });

  test("is refused where there is nothing that could move", async () => {
    const alone = service({ ...doubling("alone", false), agents: [agent({ ...only("alone"), capability: "alone" })] });
    await using moving = await startMoving([...both(), alone]);
    const refused = async (service: string) =>
      ((await moving.set({ service })) as { error: { code: string } }).error.code;
    expect(await refused("nobody")).toBe("migration.unknown_service");
    expect(await refused("swarm")).toBe("migration.nothing_to_move");
    expect(await refused("alone")).toBe("migration.nothing_to_move");
    expect(await moving.set({ percent: 101 }).catch((error) => error.code)).toBe("intake.invalid_arguments");
  });

  test("is for those who may do what has a high risk", async () => {
    await using moving = await startMoving(both());
    const web = await moving.t.connect("web");
    for (const command of ["migration.set", "migration.end"])
      await expect(web.run(command, { service: "tools" })).rejects.toMatchObject({ code: "security.denied" });
    expect(await moving.run("migration.status", {}, web)).toMatchObject({ migrations: [] });
  });
});

const only = (name: string) => ({
  name,
  description: "Does nothing that anybody else does.",
  input: z.strictObject({}),
  handle: () => null,
});
