/** The app of the gateway with views of its own making: who may read which of them. */
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { baseClientLimits, createTokens, mintOwnerToken } from "@viable/security";
import { expect, test } from "vitest";
import { createHttpApp } from "./http-app.ts";
import { createReceive } from "./receive.ts";
import { createSessions } from "./sessions.ts";
import type { View } from "./view.ts";

/** The door alone: nothing behind it executes. */
async function setup(views: readonly View[]) {
  const runtime = createRuntime({ clock: simulateTime() });
  const ctx = rootContext(runtime);
  const log = createLog(createMemoryStore(), runtime);
  await log.start(ctx);
  const tokens = createTokens(log);
  await tokens.start(ctx);
  const sessions = createSessions({ log, tokens, clientLimits: baseClientLimits });
  const absent = {} as never;
  const receive = createReceive({ runtime, tokens, sessions, executions: absent, intake: absent });
  const app = createHttpApp({
    runtime,
    receive,
    sessions,
    executions: absent,
    log,
    views,
    health: () => Promise.reject(new Error("not asked")),
    metrics: () => Promise.reject(new Error("not asked")),
    onError: () => undefined,
  });
  const owner = await mintOwnerToken(ctx, log, tokens);
  const grant = await tokens.verify(ctx, owner.token);
  if (grant === undefined) throw new Error("The owner's token opens nothing.");
  const opened = await sessions.create(ctx, grant, { clientType: "web" });
  return {
    owner: owner.token,
    session: opened.token,
    read: (path: string, token: string) => app.request(path, { headers: { authorization: `Bearer ${token}` } }),
  };
}

const view = (name: string, scope?: View["scope"]): View => ({
  name,
  path: `/${name}`,
  ...(scope !== undefined && { scope }),
  read: (_ctx, { grant }) => ({ session: grant.sessionId ?? "none" }),
});

test.each([
  [undefined, 403],
  ["tenant", 403],
  ["session", 200],
] as const)("a view of scope %s answers a session's token with %i, and the owner's with 200", async (scope, status) => {
  const { owner, session, read } = await setup([view("plan", scope)]);
  const answer = await read("/v1/plan", session);
  expect(answer.status).toBe(status);
  if (status === 403) expect(await answer.json()).toMatchObject({ code: "security.denied" });
  expect((await read("/v1/plan", owner)).status).toBe(200);
});
