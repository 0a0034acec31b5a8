/** The life of a session on a whole system in simulated time: initialising, active, suspended and resumed; and who follows it. */
import type { JsonObject } from "@viable/kernel";
import { startTestSystem } from "@viable/testing";
import { agent, defineSystem, service } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";

const goOn = Promise.withResolvers<void>();
const input = z.looseObject({});
const echo = agent({
  name: "echo",
  capability: "echo",
  description: "Says it again.",
  input,
  handle: (_ctx, args) => args as JsonObject,
});
const slow = agent({
  name: "slow",
  capability: "slow",
  description: "Waits until it may go on.",
  input,
  handle: async () => {
    await goOn.promise;
    return "done";
  },
});
const definition = defineSystem({
  name: "life",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [echo, slow] })],
});

async function setup() {
  const t = await startTestSystem(definition);
  const { api, sessionId } = await t.connect("web");
  const codeOf = async (answer: Promise<unknown>) => {
    try {
      await t.settled(answer);
      return "fine";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { t, api, owner: t.client(), sessionId, codeOf };
}

test("a session is active from a client's first command on, and not by one that was refused", async () => {
  const { t, api, owner, sessionId, codeOf } = await setup();
  const status = async () => (await t.settled(owner.session(sessionId))).status;
  expect(await status()).toBe("initialising");
  expect(await codeOf(api.send(sessionId, { command: "nobody.has.this" }))).toBe("intake.unknown_command");
  await t.settled(api.events({ session: sessionId }));
  expect(await status()).toBe("initialising");
  await t.settled(api.send(sessionId, { command: "echo", args: {}, mode: "sync" }));
  await t.time.settle();
  expect(await status()).toBe("active");
  const { events } = await t.settled(owner.events({ session: sessionId }));
  expect(events.filter(({ type }) => type === "session.activated")).toHaveLength(1);
  await t.stop();
});

test("in a suspended session nothing new is begun, what was begun goes on, and its own token does not resume it", async () => {
  const { t, api, owner, sessionId, codeOf } = await setup();
  const { executionId } = await t.settled(api.send(sessionId, { command: "slow", args: {}, mode: "async" }));
  const suspended = await t.settled(owner.suspendSession(sessionId, { reason: "lunch" }));
  expect(suspended).toMatchObject({ status: "suspended", suspended: { by: "owner", reason: "lunch" } });
  const begun = [
    () => api.send(sessionId, { command: "echo", args: {} }),
    () => owner.send(sessionId, { command: "echo", args: {} }),
    () => api.ask(sessionId, { query: "any" }),
    () => api.share(sessionId),
    () => api.coordinate(sessionId, { operation: "x", timeoutMs: 60_000 }),
  ];
  for (const begin of begun) expect(await codeOf(begin())).toBe("gateway.session_suspended");
  expect(await codeOf(api.resumeSession(sessionId))).toBe("gateway.session_token");
  // It may still be looked at, and what was begun ends.
  expect((await t.settled(api.session(sessionId))).status).toBe("suspended");
  goOn.resolve();
  await t.time.settle();
  expect((await t.settled(api.execution(executionId))).status).toBe("completed");
  expect((await t.settled(owner.resumeSession(sessionId))).status).toBe("active");
  expect((await t.settled(api.send(sessionId, { command: "echo", args: {}, mode: "sync" }))).status).toBe("completed");
  // A client that steps away may suspend its own session; what is over is neither suspended nor resumed.
  expect((await t.settled(api.suspendSession(sessionId))).status).toBe("suspended");
  await t.settled(owner.endSession(sessionId));
  expect(await codeOf(owner.suspendSession(sessionId))).toBe("gateway.session_ended");
  expect(await codeOf(owner.resumeSession(sessionId))).toBe("gateway.session_ended");
  await t.stop();
});

test("a session is suspended forty times and no more, since all of its stream is read", async () => {
  const { t, owner, sessionId, codeOf } = await setup();
  for (let n = 0; n < 40; n++) {
    await t.settled(owner.suspendSession(sessionId));
    await t.settled(owner.resumeSession(sessionId));
  }
  expect(await codeOf(owner.suspendSession(sessionId))).toBe("gateway.too_many_suspensions");
  expect((await t.settled(owner.session(sessionId))).status).toBe("active");
  await t.stop();
});

test("who follows a session by server-sent events is present until the connection is gone", async () => {
  const { t, api, owner, sessionId } = await setup();
  const present = async () => (await t.settled(owner.session(sessionId))).present;
  expect(await present()).toEqual({ count: 0, clients: [] });
  const gone = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { type } of api.watch(sessionId, { signal: gone.signal })) seen.push(type);
  })().catch(() => undefined);
  await t.time.settle();
  expect(seen).toContain("session.created");
  expect(await present()).toMatchObject({
    count: 1,
    clients: [{ clientType: "web", principal: "owner", via: "events" }],
  });
  gone.abort();
  await watching;
  await t.time.settle();
  expect((await present())?.count).toBe(0);
  await t.stop();
});
