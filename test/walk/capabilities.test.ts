/** Narrowed capabilities at the door of a whole system in simulated time: what each restriction keeps from being done, and what it lets pass. */
import type { JsonObject } from "@viable/kernel";
import type { Restrictions } from "@viable/protocol";
import { createHmacChain } from "@viable/security";
import { agent, defineSystem, query, service } from "viable";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

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

describe("a capability that is minted", () => {
  const mint = (call: Awaited<ReturnType<typeof setup>>["call"], token: string, more: JsonObject = {}) =>
    call("POST", "/v1/capabilities", token, { expiresInMs: 60_000, ...more });

  test("allows no more than the token it was asked for with, is listed, and says what it is", async () => {
    const { t, call, token, sessionId, send } = await setup();
    const { status, body } = await mint(call, token, { resources: ["command/echo", "view/**"], label: "ci" });
    expect(status).toBe(201);
    const minted = body.token as string;
    expect((await send(minted, "echo")).status).toBe(200);
    expect((await send(minted, "wait")).status).toBe(403);
    const own = await call("GET", "/v1/capability", minted);
    expect(own.body).toMatchObject({
      capabilityId: body.capabilityId,
      principal: "owner",
      sessionId,
      links: [{ restrictions: {} }, { restrictions: { sessionId } }, { restrictions: { label: "ci" } }],
    });
    const list = await call("GET", "/v1/capabilities", token);
    expect(list.body.capabilities).toEqual([
      {
        capabilityId: body.capabilityId,
        status: "active",
        principal: "owner",
        restrictions: expect.objectContaining({ label: "ci", resources: ["command/echo", "view/**"] }),
        parents: [expect.stringMatching(/^cap_/), expect.stringMatching(/^cap_/)],
        mintedAt: expect.any(String),
        expiresAt: body.expiresAt,
      },
    ]);
    expect((await call("GET", `/v1/capabilities/${body.capabilityId}`, token)).body).toMatchObject({
      status: "active",
    });
    // The token itself stands nowhere.
    expect(JSON.stringify(await t.events("**"))).not.toContain(minted.split(".").at(-1));
    await t.time.advance(60_000);
    expect((await send(minted, "echo")).status).toBe(401);
    expect((await call("GET", `/v1/capabilities/${body.capabilityId}`, token)).body).toMatchObject({
      status: "expired",
    });
    await t.stop();
  });

  test("is the same again under a key, another under none, and refused where the key was used for another", async () => {
    const { t, token } = await setup();
    const post = async (key: string | undefined, body: JsonObject) => {
      const request = new Request("http://test.invalid/v1/capabilities", {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, ...(key !== undefined && { "idempotency-key": key }) },
        body: JSON.stringify(body),
      });
      const response = await t.settled(Promise.resolve(t.system.fetch(request)));
      return { status: response.status, body: (await response.json()) as JsonObject };
    };
    const asked = { expiresInMs: 60_000, maxUses: 1 };
    const first = await post("k", asked);
    await t.time.advance(5_000);
    expect(await post("k", asked)).toEqual(first);
    expect(await post("k", { ...asked, maxUses: 2 })).toMatchObject({
      status: 422,
      body: { code: "gateway.idempotency_mismatch" },
    });
    const [one, two] = [await post(undefined, asked), await post(undefined, asked)];
    expect(new Set([first, one, two].map(({ body }) => body.capabilityId)).size).toBe(3);
    await t.stop();
  });

  test.each([
    [{ expiresInMs: 1 }, "expiresInMs"],
    [{ expiresInMs: 60_000, madeUp: true }, "madeUp"],
    [{ expiresInMs: 60_000, resources: ["command/*/x"] }, "resources"],
    [{ expiresInMs: 60_000, nonce: "mine" }, "nonce"],
  ])("is refused with the place where it is asked for as %j", async (body, place) => {
    const { t, call, token } = await setup();
    const answer = await call("POST", "/v1/capabilities", token, body);
    expect(answer).toMatchObject({ status: 422, body: { code: "gateway.invalid_capability" } });
    expect(JSON.stringify(answer.body.errors)).toContain(place);
    await t.stop();
  });

  test("is not where its bearer may not write, or hand on", async () => {
    const { t, call, narrow } = await setup();
    expect((await mint(call, narrow({ operations: ["read"] }))).status).toBe(403);
    expect(await mint(call, narrow({ maxDelegations: 0 }))).toMatchObject({
      status: 403,
      body: { code: "security.not_attenuable" },
    });
    await t.stop();
  });

  test("W10: a thousand an hour are from one token, however it is narrowed", async () => {
    const { t, call, token, narrow } = await setup();
    const statuses: number[] = [];
    for (let n = 0; n < 1_001; n++)
      statuses.push((await mint(call, n % 2 === 0 ? token : narrow({ label: String(n) }))).status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1_000);
    expect(statuses.at(-1)).toBe(429);
    await t.stop();
  });
});

describe("revoking", () => {
  const revoke = (send: Awaited<ReturnType<typeof setup>>["send"], bearer: string, capabilityId: unknown) =>
    send(bearer, "capability.revoke", { args: { capabilityId: capabilityId as string, reason: "leaked" } });

  test("ends one and all that came of it, at once, and is told with who did it and why", async () => {
    const { t, call, token, send, narrow } = await setup();
    const { body } = await call("POST", "/v1/capabilities", token, { expiresInMs: 60_000 });
    const [minted, narrower] = [body.token as string, narrow({ label: "x" }, body.token as string)];
    const session = (await call("POST", "/v1/sessions", t.system.ownerToken, { clientType: "web" })).body;
    expect([(await send(minted, "echo")).status, (await send(narrower, "echo")).status]).toEqual([200, 200]);
    expect(await revoke(send, token, body.capabilityId)).toMatchObject({
      status: 200,
      body: { result: { status: "revoked", revokedBy: "owner", reason: "leaked" } },
    });
    expect([(await send(minted, "echo")).status, (await send(narrower, "echo")).status]).toEqual([401, 401]);
    expect((await send(token, "echo")).status).toBe(200);
    // Again it changes nothing.
    await revoke(send, token, body.capabilityId);
    expect(await t.events("capability.revoked")).toHaveLength(1);
    expect((await call("GET", `/v1/sessions/${session.sessionId}`, session.token as string)).status).toBe(200);
    await t.stop();
  });

  test("of the owner's own takes the sessions that it opened", async () => {
    const { t, call, token, send, sessionId } = await setup();
    const own = await call("GET", "/v1/capability", t.system.ownerToken);
    // The one who asks is let in by what this ends, and is told so by the outcome alone.
    const request = await call("POST", `/v1/sessions/${sessionId}/commands`, t.system.ownerToken, {
      command: "capability.revoke",
      args: { capabilityId: own.body.capabilityId as string },
      mode: "sync",
    });
    expect(request.status).toBe(200);
    expect((await send(token, "echo")).status).toBe(401);
    expect((await call("GET", "/v1/memory", t.system.ownerToken)).status).toBe(401);
    await t.stop();
  });

  test("by a session's token reaches what was minted in that session, and tells nothing of others", async () => {
    const { t, call, token, send } = await setup();
    const { body: foreign } = await call("POST", "/v1/capabilities", t.system.ownerToken, { expiresInMs: 60_000 });
    const { body: own } = await call("POST", "/v1/capabilities", token, { expiresInMs: 60_000 });
    const refused = await revoke(send, token, foreign.capabilityId);
    expect(refused.body).toMatchObject({ status: "failed", error: { code: "security.capability_not_found" } });
    const unknown = await revoke(send, token, "cap_00000000000000000000000000");
    expect((unknown.body.error as JsonObject).code).toBe("security.capability_not_found");
    expect((await call("GET", `/v1/capabilities/${foreign.capabilityId}`, token)).status).toBe(404);
    expect((await call("GET", "/v1/capabilities", token)).body.capabilities).toMatchObject([
      { capabilityId: own.capabilityId },
    ]);
    expect((await revoke(send, token, own.capabilityId)).body).toMatchObject({ result: { status: "revoked" } });
    await t.stop();
  });
});
