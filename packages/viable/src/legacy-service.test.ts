// Proves what the intake makes of services that offer the same: of a legacy one, and of one that is asked by name.
import type { RouteDecision } from "@viable/protocol";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "./index.ts";

/** A service whose agent says who it is, once it has taken its time. */
const answering = (name: string, legacy: boolean) =>
  service({
    name,
    description: "Says who it is.",
    port: 0,
    legacy,
    agents: [
      agent({
        name: "answerer",
        capability: "who",
        description: "Says who it is.",
        risk: "low",
        joinable: true,
        input: z.strictObject({ n: z.number() }),
        handle: async (ctx) => {
          await new Promise<void>((resolve) => ctx.runtime.clock.setTimer(resolve, 1_000));
          return name;
        },
      }),
    ],
  });
const asker = agent({
  name: "asker",
  capability: "ask",
  description: "Asks all, and each of those that are named.",
  input: z.strictObject({ services: z.array(z.string()) }),
  handle: async (ctx, { services }) => {
    const asked = [undefined, ...services].map((each) =>
      ctx.delegate("who", { n: 1 }, each === undefined ? {} : { service: each }),
    );
    return (await Promise.all(asked)).map((outcome) => (outcome.ok ? outcome.result : outcome.error.code));
  },
});
const start = () =>
  startTestSystem(
    defineSystem({ name: "s", services: [answering("swarm", true), answering("tools", false)], commands: [asker] }),
  );

describe("a legacy service", () => {
  test("gets nothing while another offers the same, and what a migration rule sends to it (S11)", async () => {
    await using t = await start();
    const client = await t.connect("api");
    expect(await client.run("who", { n: 1 })).toMatchObject({ result: "tools" });
    await t.settled(t.system.registry.setMigration(t.ctx, "tools", { percent: 0, compare: false }));
    expect(await client.run("who", { n: 1 })).toMatchObject({ result: "swarm" });
    const routes = (await t.events("execution.accepted")).map(({ data }) => data.route);
    expect(routes).toMatchObject([
      { reason: "the only swarm that offers it, the legacy one aside" },
      { migration: { service: "tools", percent: 0, side: "legacy" } },
    ]);
  });
});

describe("a task that is asked of one service by name", () => {
  test("is done by it and joins nobody's work, beside the same task that is asked of all", async () => {
    await using t = await start();
    const client = await t.connect("api");
    const answer = await client.run("ask", { services: ["swarm", "tools"] });
    expect(answer).toMatchObject({ result: ["tools", "swarm", "tools"] });
    const accepted = (await t.events("execution.accepted")).map(({ data }) => data).slice(1);
    const named = accepted.filter(({ route }) => (route as RouteDecision).pinned !== undefined);
    expect(accepted).toHaveLength(3);
    expect(named).toMatchObject([{ route: { pinned: "swarm" } }, { route: { pinned: "tools" } }]);
    for (const each of named) expect(each).not.toHaveProperty("joinKey");
  });

  test("is refused where that service does not offer it", async () => {
    await using t = await start();
    const client = await t.connect("api");
    expect(await client.run("ask", { services: ["storage"] })).toMatchObject({
      result: ["tools", "intake.unknown_service"],
    });
  });

  test("is another than the same under the same idempotency key that is asked of all", async () => {
    await using t = await start();
    const grant = {
      tokenId: "tok_test",
      tenant: "default",
      principal: "owner",
      clientType: "owner",
      operations: ["write"],
      sessionId: undefined,
      commandsPerHour: 100,
      maxConcurrent: undefined,
      expiresAt: null,
    } as const;
    const submit = (service: string | undefined) =>
      t.settled(
        t.system.intake.submit(t.ctx, { grant, command: "who", args: { n: 1 }, idempotencyKey: "once", service }),
      );
    expect(await submit("swarm")).toMatchObject({ ok: true, repeated: false });
    expect(await submit("swarm")).toMatchObject({ ok: true, repeated: true });
    expect(await submit(undefined)).toMatchObject({ ok: false, code: "intake.idempotency_mismatch" });
    expect(await submit("tools")).toMatchObject({ ok: false, code: "intake.idempotency_mismatch" });
  });
});
