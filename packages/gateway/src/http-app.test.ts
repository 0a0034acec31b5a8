/** The door alone, with views of its own making and nothing behind it that executes: who may read which, and what a flood meets. */
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { baseClientLimits, createTokens, mintOwnerToken } from "@viable/security";
import { expect, test } from "vitest";
import { createHttpApp } from "./http-app.ts";
import { createReceive } from "./receive.ts";
import { createSessions } from "./sessions.ts";
import type { View } from "./view.ts";

async function setup(views: readonly View[], store: Store = createMemoryStore()) {
  const runtime = createRuntime({ clock: simulateTime() });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
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
  if (grant === undefined || "full" in grant) throw new Error("The owner's token opens nothing.");
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

test("W10: requests with tokens that nobody knows are refused when too many come at once, and say when to come again", async () => {
  const inner = createMemoryStore();
  let held: Promise<void> | undefined;
  const store: Store = {
    ...inner,
    async getRecords(keys, now) {
      await held;
      return await inner.getRecords(keys, now);
    },
  };
  const { owner, read } = await setup([view("plan")], store);
  const { promise, resolve } = Promise.withResolvers<void>();
  held = promise;
  const guess = (n: number) => read("/v1/plan", `vbl_${String(n).padStart(26, "0")}_${"A".repeat(43)}`);
  const guesses = Array.from({ length: 100 }, (_, n) => guess(n));
  expect((await read("/v1/plan", owner)).status).toBe(200);
  const refused = await guess(100);
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(await refused.json()).toMatchObject({ code: "gateway.overloaded", retryable: true });
  resolve();
  const statuses = (await Promise.all(guesses)).map((answer) => answer.status);
  expect(statuses.filter((status) => status === 401)).toHaveLength(64);
  expect(statuses.filter((status) => status === 503)).toHaveLength(36);
});
