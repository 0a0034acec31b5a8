/** Sessions at two gateways on one store: what one of them ends, the other does not go on with. */
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { baseClientLimits, createCapabilities, createHmacChain, mintOwnerToken } from "@viable/security";
import { expect, test } from "vitest";
import { createSessions, grantInSession, isOpen, toSessionView } from "./sessions.ts";

async function startGateway(store: Store, time: SimulatedTime) {
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime, { principal: "owner" });
  const log = createLog(store, runtime);
  await log.start(ctx);
  const capabilities = createCapabilities({ log, open: async () => createHmacChain(new Uint8Array(32)) });
  await capabilities.start(ctx);
  const sessions = createSessions({ log, capabilities, clientLimits: baseClientLimits });
  const { token } = mintOwnerToken(ctx, capabilities);
  const owner = capabilities.verify(ctx, token);
  if (owner === undefined) throw new Error("The owner's token opens nothing.");
  const open = async (key?: string) => {
    const opened = await sessions.create(ctx, { grant: owner, token }, { clientType: "cli" }, key);
    if (!opened.ok) throw new Error("No session was opened.");
    return opened;
  };
  return { ctx, sessions, owner, capabilities, open };
}

/** A store in memory that two processes may share, and one process's way to it, on which reads of streams may be held up. */
function sharedStore() {
  const store: Store = { ...createMemoryStore(), exclusive: false };
  let held: Promise<void> | undefined;
  let reads = 0;
  const slow: Store = {
    ...store,
    async readStream(...asked) {
      reads += 1;
      const found = await store.readStream(...asked);
      await held;
      return found;
    },
  };
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    return () => {
      held = undefined;
      resolve();
    };
  };
  return { store, slow, hold, reads: () => reads };
}

test("a session is read once, and again after another gateway has ended it", async () => {
  const time = simulateTime();
  const { store, slow, reads } = sharedStore();
  const [here, there] = [await startGateway(slow, time), await startGateway(store, time)];
  const { session } = await there.open();
  for (let n = 0; n < 5; n++) await here.sessions.find(here.ctx, here.owner, session.sessionId);
  expect(reads()).toBe(1);
  await there.sessions.end(there.ctx, session, "a test");
  await time.advance(1_000);
  const found = await here.sessions.find(here.ctx, here.owner, session.sessionId);
  expect(found && isOpen(found, time.now())).toBe(false);
});

test("a session that another gateway ends while it is read is not remembered as open", async () => {
  const time = simulateTime();
  const { store, slow, hold } = sharedStore();
  const [here, there] = [await startGateway(slow, time), await startGateway(store, time)];
  const { session } = await there.open();
  const release = hold();
  const early = here.sessions.find(here.ctx, here.owner, session.sessionId);
  await there.sessions.end(there.ctx, session, "a test");
  // The end is seen here at the next poll, while the read is still on its way with what was there before.
  await time.advance(1_000);
  release();
  expect(await early).toMatchObject({ version: 1 });
  const found = await here.sessions.find(here.ctx, here.owner, session.sessionId);
  expect(found && isOpen(found, time.now())).toBe(false);
});

test("a session that is opened under a key is the same again, and so is its token, also when it is asked for later", async () => {
  const time = simulateTime();
  const { ctx, sessions, capabilities, open, owner } = await startGateway(sharedStore().store, time);
  const first = await open("k");
  await time.advance(60_000);
  const again = await open("k");
  expect([again.session.sessionId, again.token]).toEqual([first.session.sessionId, first.token]);
  expect((await open("l")).token).not.toBe(first.token);
  const grant = capabilities.verify(ctx, first.token);
  expect(grant).toMatchObject({
    tokenId: first.session.created.tokenId,
    sessionId: first.session.sessionId,
    isSessionToken: true,
    operations: ["read", "write", "execute"],
    commandsPerHour: 1_000,
    expiresAt: first.session.created.expiresAt,
  });
  // Its own token is the session's already; the owner's is narrowed to it, and opens others still.
  if (grant === undefined) throw new Error("The session's token opens nothing.");
  expect(grantInSession(grant, first.session)).toBe(grant);
  const inSession = grantInSession(owner, first.session);
  expect(inSession).toMatchObject({
    tokenId: first.session.created.tokenId,
    commandsPerHour: 1_000,
    clientType: "cli",
  });
  expect(inSession.isSessionToken).toBeUndefined();
  expect(grantInSession(owner, first.session)).toBe(inSession);
  expect(await sessions.find(ctx, grant, again.session.sessionId)).toBeDefined();
});

test("a session is initialising until somebody does something in it, and that is noted once", async () => {
  const time = simulateTime();
  const { store } = sharedStore();
  const [here, there] = [await startGateway(store, time), await startGateway(store, time)];
  const { session } = await here.open();
  expect(toSessionView(session, time.now()).status).toBe("initialising");
  for (const { ctx, sessions } of [here, here, there]) sessions.noteUse(ctx, session);
  await time.advance(1_000);
  const found = await here.sessions.find(here.ctx, here.owner, session.sessionId);
  expect(found).toMatchObject({ version: 2, isActivated: true });
  if (found !== undefined) {
    expect(toSessionView(found, time.now()).status).toBe("active");
    here.sessions.noteUse(here.ctx, found);
  }
  await time.advance(1_000);
  expect(await here.sessions.find(here.ctx, here.owner, session.sessionId)).toMatchObject({ version: 2 });
});

test("what one gateway suspends, the other knows as suspended, and resumes; twice changes nothing", async () => {
  const time = simulateTime();
  const { store } = sharedStore();
  const [here, there] = [await startGateway(store, time), await startGateway(store, time)];
  const { session } = await here.open();
  const suspended = await here.sessions.suspend(here.ctx, session, "lunch");
  expect(toSessionView(suspended, time.now())).toMatchObject({
    status: "suspended",
    suspended: { by: "owner", reason: "lunch" },
  });
  expect(await here.sessions.suspend(here.ctx, suspended, "again")).toBe(suspended);
  // The other still has it as it was opened, and decides anew when its append is too late.
  expect(await there.sessions.suspend(there.ctx, session, "supper")).toMatchObject({ suspended: { reason: "lunch" } });
  const resumed = await there.sessions.resume(there.ctx, suspended);
  expect(resumed).toMatchObject({ version: 3, suspended: undefined });
  await time.advance(1_000);
  const found = await here.sessions.find(here.ctx, here.owner, session.sessionId);
  expect(found).toMatchObject({ version: 3, suspended: undefined });
});

test("an end is recorded although the session was suspended or used meanwhile, and what is over stays over", async () => {
  const time = simulateTime();
  const { store } = sharedStore();
  const [here, there] = [await startGateway(store, time), await startGateway(store, time)];
  const { session } = await here.open();
  await there.sessions.suspend(there.ctx, session, undefined);
  const ended = await here.sessions.end(here.ctx, session, "a test");
  expect(toSessionView(ended, time.now()).status).toBe("ended");
  expect(await there.sessions.resume(there.ctx, session)).toMatchObject({ suspended: undefined, endedAt: undefined });
  await time.advance(1_000);
  const found = await there.sessions.find(there.ctx, there.owner, session.sessionId);
  expect(found).toMatchObject({ version: 3 });
  expect(found && isOpen(found, time.now())).toBe(false);
});
