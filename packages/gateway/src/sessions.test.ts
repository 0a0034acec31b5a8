/** Sessions at two gateways on one store: what one of them ends, the other does not go on with. */
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { baseClientLimits, createTokens, mintOwnerToken } from "@viable/security";
import { expect, test } from "vitest";
import { createSessions, isOpen } from "./sessions.ts";

async function startGateway(store: Store, time: SimulatedTime) {
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime, { principal: "owner" });
  const log = createLog(store, runtime);
  await log.start(ctx);
  const tokens = createTokens(log);
  await tokens.start(ctx);
  const sessions = createSessions({ log, tokens, clientLimits: baseClientLimits });
  const { token } = await mintOwnerToken(ctx, log, tokens);
  const owner = await tokens.verify(ctx, token);
  if (owner === undefined || "full" in owner) throw new Error("The owner's token opens nothing.");
  const open = async () => {
    const opened = await sessions.create(ctx, owner, { clientType: "cli" });
    if (!opened.ok) throw new Error("No session was opened.");
    return opened;
  };
  return { ctx, sessions, owner, tokens, open };
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
  const { session, token } = await there.open();
  for (let n = 0; n < 5; n++) await here.sessions.find(here.ctx, here.owner, session.sessionId);
  expect(reads()).toBe(1);
  expect(await here.tokens.verify(here.ctx, token)).toBeDefined();
  await there.sessions.end(there.ctx, session, "a test");
  await time.advance(1_000);
  const found = await here.sessions.find(here.ctx, here.owner, session.sessionId);
  expect(found && isOpen(found, time.now())).toBe(false);
  expect(await here.tokens.verify(here.ctx, token)).toBeUndefined();
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

test("a session that is opened under a key, and its token, have the ids that they always had", async () => {
  const { ctx, sessions, owner } = await startGateway(sharedStore().store, simulateTime());
  const once = { key: "k", token: "secret" };
  const opened = await sessions.create(ctx, { ...owner, tokenId: "tok_1" }, { clientType: "cli" }, once);
  if (!opened.ok) throw new Error("No session was opened.");
  const { sessionId, created } = opened.session;
  expect([sessionId, created.tokenId]).toEqual(["ses_0ytbx5sd3kze9dc1msp4ktxzv3", "tok_5rttdrkghtq6sfmym3xhyawnja"]);
});
