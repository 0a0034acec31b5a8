/** Several clients of one session on a whole system in simulated time: shares, what they decide together, and what they take with them. */
import type { JsonObject } from "@viable/kernel";
import { createHmacChain } from "@viable/security";
import { agent, defineSystem, service } from "viable";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

const input = z.looseObject({});
const echo = agent({
  name: "echo",
  capability: "echo",
  description: "Says it again.",
  input,
  handle: (_ctx, args) => args as JsonObject,
});
const definition = defineSystem({
  name: "sharing",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [echo] })],
});

async function setup() {
  const t = await startTestSystem(definition);
  const { api, sessionId } = await t.connect("web");
  const send = (client: typeof api) => t.settled(client.send(sessionId, { command: "echo", args: {}, mode: "sync" }));
  const codeOf = async (answer: Promise<unknown>) => {
    try {
      await t.settled(answer);
      return "fine";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const share = async (request: Parameters<typeof api.share>[1] = {}) =>
    t.client((await t.settled(api.share(sessionId, request))).token);
  return { t, api, sessionId, send, codeOf, share };
}

describe("a share", () => {
  test("lets a second client in, tells the others, and has no more than it was given", async () => {
    const { t, api, sessionId, send, codeOf, share } = await setup();
    const guest = await share({ maxOperations: 2, label: "a colleague" });
    expect(await t.settled(guest.join())).toMatchObject({ sessionId, operations: ["read", "write"] });
    expect((await t.settled(api.events({ session: sessionId }))).events.at(-1)).toMatchObject({
      type: "session.joined",
      data: { label: "a colleague", by: "owner" },
    });
    expect([(await send(guest)).status, (await send(guest)).status]).toEqual(["completed", "completed"]);
    expect(await codeOf(send(guest))).toBe("security.used_up");
    expect((await send(api)).status).toBe("completed");
    // It opens this session and no other, shares nothing on, and cannot be handed on in part.
    expect(await codeOf(guest.openSession({ clientType: "cli" }))).toBe("gateway.session_token");
    expect(await codeOf(guest.share(sessionId))).toBe("security.not_attenuable");
    expect(await codeOf(guest.mintCapability({ expiresInMs: 1_000 }))).toBe("security.not_attenuable");
    const { token } = await t.settled(api.share(sessionId, {}));
    expect(() => createHmacChain(new Uint8Array(32)).attenuate(token, {})).toThrow("not to be handed on");
    await t.stop();
  });

  test("to read only sees all and does nothing", async () => {
    const { t, api, sessionId, send, codeOf, share } = await setup();
    const guest = await share({ readOnly: true });
    await t.settled(guest.join());
    expect((await t.settled(guest.session(sessionId))).status).toBe("active");
    expect(await codeOf(send(guest))).toBe("security.denied");
    expect(await codeOf(guest.endSession(sessionId))).toBe("security.denied");
    const { coordinationId } = await t.settled(api.coordinate(sessionId, { operation: "x", timeoutMs: 60_000 }));
    expect((await t.settled(guest.coordination(coordinationId))).status).toBe("pending");
    expect(await codeOf(guest.confirm(coordinationId, { decision: "approve" }))).toBe("security.denied");
    expect(await codeOf(guest.coordinate(sessionId, { operation: "x", timeoutMs: 60_000 }))).toBe("security.denied");
    await t.stop();
  });

  test("ends with its time, with its session, and when it is revoked", async () => {
    const { t, api, sessionId, codeOf, share } = await setup();
    const [short, long] = [await share({ expiresInMs: 1_000 }), await share({ expiresInMs: 3_600_000 })];
    const shared = await t.settled(api.share(sessionId, {}));
    const revoked = t.client(shared.token);
    await t.settled(
      api.send(sessionId, {
        command: "capability.revoke",
        args: { capabilityId: shared.capabilityId },
        mode: "sync",
      }),
    );
    expect(await codeOf(revoked.join())).toBe("gateway.unauthenticated");
    await t.time.advance(1_000);
    expect([await codeOf(short.join()), await codeOf(long.join())]).toEqual(["gateway.unauthenticated", "fine"]);
    await t.settled(api.endSession(sessionId));
    expect(await codeOf(long.join())).toBe("gateway.unauthenticated");
    await t.stop();
  });

  test("is what joins: neither the session's own token, the owner's, nor a made-up one does", async () => {
    const { t, api, codeOf } = await setup();
    for (const client of [api, t.client(), t.client("vbc1.e30.AAAA"), t.client("x")])
      expect(await codeOf(client.join())).toBe("gateway.unauthenticated");
    await t.stop();
  });

  test("is the same again under a key, and refused where the key was used for another", async () => {
    const { t, api, sessionId, codeOf } = await setup();
    const once = { idempotencyKey: "k" };
    const first = await t.settled(api.share(sessionId, { readOnly: true }, once));
    await t.time.advance(1_000);
    expect(await t.settled(api.share(sessionId, { readOnly: true }, once))).toEqual(first);
    expect(await codeOf(api.share(sessionId, {}, once))).toBe("gateway.idempotency_mismatch");
    await t.stop();
  });
});

describe("an operation that needs confirmations", () => {
  test("is asked of all clients, goes on when so many have said yes, and all of them see it", async () => {
    const { t, api, sessionId, codeOf, share } = await setup();
    const [one, two] = [await share(), await share()];
    const asked = await t.settled(
      api.coordinate(sessionId, {
        operation: "deploy",
        details: { version: "1.2.0" },
        requiredConfirmations: 2,
        timeoutMs: 60_000,
      }),
    );
    expect(asked).toMatchObject({ status: "pending", details: { version: "1.2.0" }, confirmations: [] });
    const { coordinationId } = asked;
    expect(await codeOf(api.confirm(coordinationId, { decision: "approve" }))).toBe("gateway.coordination_own");
    await t.settled(one.confirm(coordinationId, { decision: "approve" }));
    expect(await codeOf(one.confirm(coordinationId, { decision: "approve" }))).toBe("gateway.coordination_said");
    const settled = await t.settled(two.confirm(coordinationId, { decision: "approve", reason: "looks good" }));
    expect(settled).toMatchObject({ status: "approved", confirmations: [{}, { reason: "looks good" }] });
    expect(await codeOf(two.confirm(coordinationId, { decision: "reject" }))).toBe("gateway.coordination_settled");
    for (const client of [api, one, two]) {
      const { events } = await t.settled(client.events({ type: "coordination.*" }));
      expect(events.map(({ type }) => type.split(".")[1])).toEqual(["requested", "confirmed", "confirmed", "settled"]);
    }
    await t.stop();
  });

  test("does not go on when nobody says anything, and no client of another session hears of it", async () => {
    const { t, api, sessionId, codeOf } = await setup();
    const other = await t.connect("web");
    const { coordinationId } = await t.settled(api.coordinate(sessionId, { operation: "x", timeoutMs: 5_000 }));
    expect(await codeOf(other.api.coordination(coordinationId))).toBe("gateway.not_found");
    expect(await codeOf(other.api.confirm(coordinationId, { decision: "approve" }))).toBe("gateway.not_found");
    expect(await codeOf(other.api.coordinate(sessionId, { operation: "x", timeoutMs: 5_000 }))).toBe(
      "gateway.not_found",
    );
    await t.time.advance(6_000);
    expect((await t.settled(api.coordination(coordinationId))).status).toBe("timed_out");
    await t.stop();
  });

  test.each([
    [{ operation: "x" }, "timeoutMs"],
    [{ operation: "", timeoutMs: 1_000 }, "operation"],
    [{ operation: "x", timeoutMs: 1_000, requiredConfirmations: 0 }, "requiredConfirmations"],
    [{ operation: "x", timeoutMs: 1_000, details: "x".repeat(20_000) }, "details"],
    [{ operation: "x", timeoutMs: 1_000, more: 1 }, "more"],
  ])("is refused with the place where it is asked for as %j", async (body, place) => {
    const { t, api, sessionId } = await setup();
    const refused = api.coordinate(sessionId, body as never).catch((error) => error);
    expect(JSON.stringify((await t.settled(refused)).problem.errors)).toContain(place);
    await t.stop();
  });
});

describe("an export", () => {
  const textOf = async (stream: ReadableStream<string>) => {
    let text = "";
    for await (const chunk of stream) text += chunk;
    return text;
  };

  test("holds the session, its executions and its events up to when it was asked for, in each format, as often as it is read", async () => {
    const { t, api, sessionId, send } = await setup();
    await send(api);
    const before = (await t.settled(api.events({ session: sessionId, limit: 1_000 }))).events;
    const asked = await t.settled(api.requestExport(sessionId, "json"));
    await send(api);
    const read = async (exportId: string) => await t.settled(api.readExport(exportId).then(textOf));
    const text = await read(asked.exportId);
    const held = JSON.parse(text) as { session: object; executions: object[]; events: object[] };
    expect(held.session).toMatchObject({ sessionId, clientType: "web" });
    expect(held.events).toEqual(before);
    expect(held.executions).toHaveLength(2);
    expect(JSON.parse(await read(asked.exportId)).events).toEqual(before);
    const csv = await read((await t.settled(api.requestExport(sessionId, "csv"))).exportId);
    const rows = csv.trimEnd().split("\r\n");
    expect(rows[0]).toBe("position,time,type,stream,version,actor,data");
    expect(rows[1]).toContain('"session.created"');
    expect(rows.length).toBeGreaterThan(before.length);
    const markdown = await read((await t.settled(api.requestExport(sessionId, "markdown"))).exportId);
    expect(markdown).toContain(`# Session ${sessionId}`);
    expect(markdown).toMatch(/\| exe_\w+ \| echo \| completed \|/);
    await t.stop();
  });

  test("is read by those of its session alone", async () => {
    const { t, api, sessionId, codeOf, share } = await setup();
    const guest = await share({ readOnly: true });
    const other = await t.connect("web");
    const { exportId } = await t.settled(guest.requestExport(sessionId, "csv"));
    expect(await codeOf(other.api.readExport(exportId))).toBe("gateway.not_found");
    expect(await codeOf(other.api.requestExport(sessionId, "csv"))).toBe("gateway.not_found");
    expect(await codeOf(api.readExport("exp_00000000000000000000000000"))).toBe("gateway.not_found");
    expect(await codeOf(api.readExport(exportId))).toBe("fine");
    await t.stop();
  });
});
