/** Narrowed capabilities at the door of a whole system in simulated time: what each restriction keeps from being done, and what it lets pass. */
import type { JsonObject } from "@viable/kernel";
import type { Restrictions } from "@viable/protocol";
import { createHmacChain } from "@viable/security";
import { startTestSystem } from "@viable/testing";
import { agent, defineSystem, query, service } from "viable";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const input = z.looseObject({});
const work = service({
  name: "work",
  description: "Works.",
  port: 0,
  agents: [
    agent({
      name: "echo",
      capability: "echo",
      description: "Says it again.",
      input,
      handle: (_ctx, args) => args as JsonObject,
    }),
    agent({
      name: "asks",
      capability: "asks",
      description: "Has echo do it.",
      input,
      handle: async (ctx) => {
        const outcome = await ctx.delegate("echo", { from: "asks" });
        return outcome.ok ? outcome.result : { code: outcome.error.code, message: outcome.error.message };
      },
    }),
    agent({
      name: "danger",
      capability: "danger",
      description: "Is dangerous.",
      risk: "high",
      input,
      handle: () => "done",
    }),
    agent({
      name: "wait",
      capability: "wait",
      description: "Waits.",
      input,
      handle: async (ctx) => {
        await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, 5_000));
        return "waited";
      },
    }),
  ],
  queries: [
    query({
      name: "double",
      description: "Doubles.",
      input: z.strictObject({ n: z.number() }),
      answer: (_ctx, { n }) => 2 * n,
    }),
  ],
});
const definition = defineSystem({ name: "capabilities", services: [work] });
/** Narrowing needs no key: any adapter of the same form does it. */
const offline = createHmacChain(new Uint8Array(32));

async function setup() {
  const t = await startTestSystem(definition);
  const call = async (method: string, path: string, token: string, body?: JsonObject) => {
    const request = new Request(`http://test.invalid${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const response = await t.settled(Promise.resolve(t.system.fetch(request)));
    return { status: response.status, body: (await response.json()) as JsonObject };
  };
  const { body: session } = await call("POST", "/v1/sessions", t.system.ownerToken, { clientType: "cli" });
  const { sessionId, token } = session as { sessionId: string; token: string };
  const narrow = (restrictions: Restrictions, from = token) => offline.attenuate(from, restrictions).token;
  const send = (bearer: string, command: string, more: JsonObject = {}) =>
    call("POST", `/v1/sessions/${sessionId}/commands`, bearer, { command, mode: "sync", ...more });
  const ask = (bearer: string, n = 1) =>
    call("POST", `/v1/sessions/${sessionId}/queries`, bearer, { query: "double", args: { n } });
  return { t, call, sessionId, token, narrow, send, ask };
}

describe("a capability that its bearer has narrowed", () => {
  test("for one command does that one, and what is done for it is not bound by it", async () => {
    const { t, narrow, send, ask, call, sessionId } = await setup();
    const bearer = narrow({ resources: ["command/asks"] });
    expect(await send(bearer, "asks")).toMatchObject({ status: 200, body: { result: { from: "asks" } } });
    const refused = await send(bearer, "echo");
    expect(refused).toMatchObject({ status: 403, body: { code: "security.denied" } });
    expect(refused.body.reasons).toEqual(["The token is for command/asks, and not for command/echo."]);
    expect((await ask(bearer)).status).toBe(403);
    expect((await call("GET", `/v1/sessions/${sessionId}`, bearer)).status).toBe(403);
    await t.stop();
  });

  test("against one command is against it also where it is done for another", async () => {
    const { t, narrow, send } = await setup();
    const bearer = narrow({ denied: ["command/echo"] });
    expect((await send(bearer, "echo")).status).toBe(403);
    expect(await send(bearer, "asks")).toMatchObject({
      status: 200,
      body: { result: { code: "security.denied", message: expect.stringContaining("denies command/echo") } },
    });
    await t.stop();
  });

  test("to read only reads, and neither sends, cancels nor ends the session", async () => {
    const { t, narrow, send, ask, call, sessionId, token } = await setup();
    const bearer = narrow({ operations: ["read"] });
    const { body } = await send(token, "wait", { mode: "async" });
    expect((await send(bearer, "echo")).status).toBe(403);
    expect((await call("DELETE", `/v1/executions/${body.executionId}`, bearer)).status).toBe(403);
    expect((await call("DELETE", `/v1/sessions/${sessionId}`, bearer)).status).toBe(403);
    expect(await ask(bearer)).toMatchObject({ status: 200, body: { result: 2 } });
    expect((await call("GET", `/v1/executions/${body.executionId}`, bearer)).status).toBe(200);
    await t.stop();
  });

  test("to one execution shows and cancels that one, and nothing else", async () => {
    const { t, narrow, send, call, sessionId, token } = await setup();
    const { body } = await send(token, "wait", { mode: "async" });
    const { body: other } = await send(token, "wait", { mode: "async" });
    const bearer = narrow({ executionId: body.executionId as string });
    expect((await call("GET", `/v1/executions/${body.executionId}`, bearer)).status).toBe(200);
    expect((await call("GET", `/v1/executions/${body.executionId}/events`, bearer)).status).toBe(200);
    for (const path of [
      `/v1/executions/${other.executionId}`,
      "/v1/executions",
      `/v1/sessions/${sessionId}`,
      "/v1/commands",
    ])
      expect([path, (await call("GET", path, bearer)).status]).toEqual([path, 403]);
    expect((await send(bearer, "echo")).status).toBe(403);
    expect((await call("DELETE", `/v1/executions/${other.executionId}`, bearer)).status).toBe(403);
    expect(await call("DELETE", `/v1/executions/${body.executionId}`, bearer)).toMatchObject({
      status: 200,
      body: { status: "cancelled" },
    });
    await t.stop();
  });

  test("to one use has one command or query, whichever comes first, and a refusal takes none", async () => {
    const { t, narrow, send, ask } = await setup();
    const bearer = narrow({ maxUses: 1, operations: ["read", "write"] });
    expect((await send(bearer, "danger")).status).toBe(403);
    expect((await send(bearer, "no_such")).status).toBe(404);
    expect((await ask(bearer)).status).toBe(200);
    expect(await send(bearer, "echo")).toMatchObject({ status: 403, body: { code: "security.used_up" } });
    expect(await ask(bearer)).toMatchObject({ status: 403, body: { code: "security.used_up" } });
    // A hundred at once on another: one is done.
    const once = narrow({ maxUses: 1, label: "once" });
    const answers = await Promise.all(Array.from({ length: 100 }, () => send(once, "echo")));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === "security.used_up")).toHaveLength(99);
    expect(await t.events("execution.accepted")).toHaveLength(1);
    await t.stop();
  });

  test("with less an hour, or fewer at once, has that, and counts on what it came from, too", async () => {
    const { t, narrow, send, token } = await setup();
    const two = narrow({ commandsPerHour: 2 });
    const [left, right] = [narrow({ label: "left" }, two), narrow({ label: "right" }, two)];
    expect([(await send(left, "echo")).status, (await send(right, "echo")).status]).toEqual([200, 200]);
    expect(await send(left, "echo")).toMatchObject({ status: 429, body: { code: "intake.rate_limited" } });
    expect((await send(token, "echo")).status).toBe(200);
    const alone = narrow({ maxConcurrent: 1 });
    expect((await send(alone, "wait", { mode: "async" })).status).toBe(202);
    expect(await send(alone, "echo")).toMatchObject({ status: 429, body: { code: "intake.too_many_at_once" } });
    await t.time.advance(5_000);
    expect((await send(alone, "echo")).status).toBe(200);
    await t.stop();
  });

  test("that must name a webhook waits for its commands, or does not send them", async () => {
    const { t, narrow, send } = await setup();
    const bearer = narrow({ requireWebhook: true });
    expect((await send(bearer, "echo")).status).toBe(200);
    for (const mode of ["async", "auto"])
      expect(await send(bearer, "echo", { mode })).toMatchObject({
        status: 403,
        body: { code: "gateway.webhook_required" },
      });
    await t.stop();
  });

  test("to small arguments refuses larger ones", async () => {
    const { t, narrow, send } = await setup();
    const bearer = narrow({ maxRequestBytes: 20 });
    expect((await send(bearer, "echo", { args: { a: "x" } })).status).toBe(200);
    expect((await send(bearer, "echo", { args: { a: "x".repeat(20) } })).status).toBe(403);
    await t.stop();
  });

  test("is over with its session, and by time, whoever narrowed it", async () => {
    const { t, narrow, send, call, sessionId, token } = await setup();
    const short = narrow({ expiresAt: Math.floor(t.time.now()) + 1_000 });
    const longer = narrow({ expiresAt: Math.floor(t.time.now()) + 1_000_000_000 }, short);
    expect((await send(longer, "echo")).status).toBe(200);
    await t.time.advance(1_000);
    expect([(await send(short, "echo")).status, (await send(longer, "echo")).status]).toEqual([401, 401]);
    const own = narrow({ label: "mine" });
    expect((await send(own, "echo")).status).toBe(200);
    expect((await call("DELETE", `/v1/sessions/${sessionId}`, token)).status).toBe(200);
    expect((await send(own, "echo")).status).toBe(401);
    await t.stop();
  });

  test("opens no other session, though it is narrowed from a token that could", async () => {
    const { t, narrow, call, sessionId } = await setup();
    const bound = narrow({ sessionId }, t.system.ownerToken);
    expect((await call("POST", "/v1/sessions", bound, { clientType: "cli" })).status).toBe(403);
    expect((await call("GET", `/v1/sessions/${sessionId}`, bound)).status).toBe(200);
    expect((await call("GET", "/v1/memory", bound)).status).toBe(403);
    const both = narrow({ sessionId: "ses_00000000000000000000000000" }, bound);
    expect((await call("GET", `/v1/sessions/${sessionId}`, both)).status).not.toBe(200);
    await t.stop();
  });
});

test("help and chat tell a bearer what its own capability allows", async () => {
  const { t, narrow, send } = await setup();
  const bearer = narrow({ resources: ["command/help", "command/echo"] });
  const { body } = await send(bearer, "help", { args: { about: "danger" } });
  expect(body).toMatchObject({ result: { allowed: false, reasons: [expect.stringContaining("command/danger")] } });
  expect((await send(bearer, "help", { args: { about: "echo" } })).body).toMatchObject({ result: { allowed: true } });
  await t.stop();
});
