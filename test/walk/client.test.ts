/**
 * The typed client against what the gateway says of itself: every method is called on a whole system and must be the operation that it is
 * named after, by its method, path, parameters and body; what it answers is held to the description on the way, and to the client's own
 * types by the client. And there is no operation that the client does not know, but those that are listed with the reason.
 */
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import type { OpenApi } from "@viable/gateway";
import { describeRoutes } from "@viable/gateway";
import fc from "fast-check";
import { agent, defineSystem, query, reactor, service } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { findOperation } from "../openapi/check-exchange.ts";
import { answersOf } from "../openapi/sample-answer.ts";
import { startTestSystem } from "./described-system.ts";

const asking = reactor("asking", { input: z.looseObject({}) }, (steps) =>
  steps.approval("ask", { title: "May it?", args: () => ({ details: {} }) }).returns(({ results }) => results.ask),
);
const input = z.looseObject({});
const definition = defineSystem({
  name: "client-test",
  services: [
    service({
      name: "work",
      description: "Works.",
      port: 0,
      agents: [
        agent({ name: "echo", capability: "echo", description: "Says it again.", input, handle: () => "echo" }),
        agent({
          name: "wait",
          capability: "wait",
          description: "Waits.",
          input,
          handle: (ctx) =>
            new Promise<string>((resolve) => {
              ctx.runtime.clock.setTimer(() => resolve("waited"), 3_600_000);
            }),
        }),
      ],
      queries: [query({ name: "double", description: "Doubles.", input, answer: () => 2 })],
    }),
  ],
  reactors: [asking],
});

/** Operations under `/v1` that the client has no method for, and why. */
const withoutMethod: Readonly<Record<string, string>> = {
  guardedHealth: "The client asks /health, which tells the same to anybody.",
  openSocket: "It is opened by openSocket, which is no method of this client.",
};
/** Methods whose operation is another's, or has another name. */
const otherNames: Readonly<Record<string, string>> = {
  cloudEvents: "events",
  watchRun: "runEvents",
  "users.list": "users",
  "users.get": "user",
  "users.keys": "userKeys",
};

async function setup() {
  const t = await startTestSystem(definition, { secret: new Uint8Array(32).fill(3) });
  const document = describeRoutes(t.system.routes(), {
    title: "test",
    version: "0.0.0",
    offers: { commands: [], queries: [] },
  });
  const asked: string[] = [];
  const clientOf = (token: string) =>
    createClient({
      url: "http://test.invalid",
      token,
      clock: t.time,
      fetch: (async (url: string, init?: RequestInit) => {
        const operation = findOperation(document, init?.method ?? "GET", new URL(url).pathname);
        asked.push(operation?.operation.operationId ?? `nothing at ${init?.method} ${url}`);
        return await t.system.fetch(new Request(url, init));
      }) as typeof fetch,
    });
  const client = clientOf(t.system.ownerToken);
  const wait = <T>(promise: Promise<T>) => t.settled(promise);
  const { sessionId, token } = await wait(client.openSession({ clientType: "cli" }));
  const send = (command: string, args: Record<string, never> | object = {}) =>
    wait(client.send(sessionId, { command, args: args as never, mode: "sync" }));
  const run = await send("reactor.start", { reactor: "asking", input: {} });
  if (run.status !== "completed") throw new Error(`The run was not begun: ${run.status}.`);
  const { runId } = run.result as { runId: string };
  await send("memory.set", { key: "k", value: { any: ["json", 1, null] } });
  await send("user.create", { user: "anna", roles: ["admin"] });
  const waiting = await wait(client.send(sessionId, { command: "wait", args: {}, mode: "async" }));
  await t.time.advance(1_000);
  return {
    t,
    document,
    asked,
    client,
    clientOf,
    wait,
    send,
    sessionId,
    token,
    runId,
    executionId: waiting.executionId,
  };
}

/** What calls are made with. */
interface World {
  readonly client: Client;
  clientOf(token: string): Client;
  readonly sessionId: string;
  readonly token: string;
  readonly runId: string;
  readonly executionId: string;
}

/** The first of a feed. */
async function firstOf(feed: AsyncGenerator<unknown>): Promise<unknown> {
  const { value } = await feed.next();
  await feed.return(undefined);
  return value;
}
const password = "long enough, and not common";

/** One call of each method, with what it needs before it. In this order: some end what others need. */
const calls: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  openSession: ({ client }) => client.openSession({ clientType: "web", purpose: "x" }, { idempotencyKey: "a" }),
  sessions: ({ client }) => client.sessions({ limit: 5 }),
  mintCapability: ({ client }) =>
    client.mintCapability({ expiresInMs: 60_000, operations: ["read"], label: "x" }, { idempotencyKey: "b" }),
  capabilities: ({ client }) => client.capabilities({ limit: 5 }),
  capability: async ({ client }) => {
    const { capabilities } = await client.capabilities();
    return await client.capability(capabilities[0]?.capabilityId || "none");
  },
  ownCapability: ({ client }) => client.ownCapability(),
  share: ({ client, sessionId }) => client.share(sessionId, { readOnly: true }, { idempotencyKey: "c" }),
  join: async ({ client, clientOf, sessionId }) => await clientOf((await client.share(sessionId)).token).join(),
  coordinate: ({ client, sessionId }) =>
    client.coordinate(sessionId, { operation: "x", details: [1], timeoutMs: 60_000 }),
  coordination: async ({ client, sessionId }) => {
    const { coordinationId } = await client.coordinate(sessionId, { operation: "y", timeoutMs: 60_000 });
    return await client.coordination(coordinationId || "none");
  },
  confirm: async ({ client, clientOf, sessionId, token }) => {
    const { coordinationId } = await client.coordinate(sessionId, { operation: "z", timeoutMs: 60_000 });
    const other = clientOf((await clientOf(token).share(sessionId)).token);
    return await other.confirm(coordinationId || "none", { decision: "approve", reason: "why not" });
  },
  requestExport: ({ client, sessionId }) => client.requestExport(sessionId, "csv"),
  readExport: async ({ client, sessionId }) => {
    for (const format of ["csv", "markdown", "json"] as const) {
      const { exportId } = await client.requestExport(sessionId, format);
      let text = "";
      for await (const chunk of await client.readExport(exportId || "none")) text += chunk;
      expect(text).not.toBe("");
    }
  },
  session: ({ client, sessionId }) => client.session(sessionId),
  send: ({ client, sessionId }) =>
    client.send(sessionId, { command: "echo", args: {}, deadlineMs: 60_000 }, { idempotencyKey: "d" }),
  ask: ({ client, sessionId }) => client.ask(sessionId, { query: "double", args: {}, deadlineMs: 1_000 }),
  queries: ({ client }) => client.queries(),
  execution: ({ client, executionId }) => client.execution(executionId),
  executions: ({ client, sessionId }) => client.executions({ limit: 3, session: sessionId }),
  executionEvents: ({ client, executionId }) => client.executionEvents(executionId, { limit: 10 }),
  watch: ({ client, sessionId }) => firstOf(client.watch(sessionId)),
  commands: ({ client }) => client.commands(),
  swarms: ({ client }) => client.swarms(),
  swarm: ({ client }) => client.swarm("work"),
  swarmHistory: ({ client }) => client.swarmHistory("work", { limit: 5 }),
  discover: ({ client }) => client.discover("echo", { version: "*", tenant: "default" }),
  deadLetters: ({ client }) => client.deadLetters({ limit: 5 }),
  registryMetrics: ({ client }) => client.registryMetrics(),
  claims: ({ client }) => client.claims({ limit: 5 }),
  memory: ({ client }) => client.memory({ prefix: "k", limit: 5 }),
  events: ({ client, sessionId }) => client.events({ type: "execution.*", session: sessionId, limit: 3 }),
  cloudEvents: ({ client }) => client.cloudEvents({ limit: 3 }),
  projections: ({ client }) => client.projections(),
  webhooks: ({ client }) => client.webhooks({ limit: 5 }),
  reactors: ({ client }) => client.reactors({ graph: "mermaid" }),
  runs: ({ client }) => client.runs({ reactor: "asking", status: "waiting", limit: 5 }),
  run: ({ client, runId }) => client.run(runId),
  runEvents: ({ client, runId }) => client.runEvents(runId, { limit: 10 }),
  watchRun: ({ client, runId }) => firstOf(client.watchRun(runId)),
  approvals: ({ client }) => client.approvals({ limit: 5 }),
  health: ({ client }) => client.health(),
  "users.setPassword": async ({ client, clientOf }) =>
    await clientOf((await client.users.invite("anna")).token).users.setPassword("anna", password),
  "users.logIn": ({ client }) => client.users.logIn({ user: "anna", password }),
  "users.renewLogIn": async ({ client, clientOf }) =>
    await clientOf((await client.users.logIn({ user: "anna", password })).token).users.renewLogIn(),
  "users.logOut": async ({ client, clientOf }) =>
    await clientOf((await client.users.logIn({ user: "anna", password })).token).users.logOut(),
  "users.list": ({ client }) => client.users.list({ limit: 5 }),
  "users.get": ({ client }) => client.users.get("anna"),
  "users.invite": ({ client }) => client.users.invite("anna"),
  "users.createKey": ({ client }) => client.users.createKey("anna", { label: "ci", expiresInDays: 3 }),
  "users.keys": ({ client }) => client.users.keys("anna"),
  "users.setCredential": ({ client }) => client.users.setCredential("openai", "a key that is long enough"),
  "users.credentials": ({ client }) => client.users.credentials(),
  "users.removeCredential": ({ client }) => client.users.removeCredential("openai"),
  cancel: ({ client, executionId }) => client.cancel(executionId),
  suspendSession: ({ client, sessionId }) => client.suspendSession(sessionId, { reason: "lunch" }),
  resumeSession: ({ client, sessionId }) => client.resumeSession(sessionId),
  endSession: ({ client, sessionId }) => client.endSession(sessionId),
};

test("every method of the client is an operation of the gateway's, and asks and is answered as that says", async () => {
  const world = await setup();
  const { t, document, asked, client, wait } = world;
  const { users, url: _url, ...own } = client;
  const methods = [...Object.keys(own), ...Object.keys(users).map((name) => `users.${name}`)];
  expect(Object.keys(calls).sort()).toEqual(methods.sort());

  const called = new Set<string>();
  for (const [method, call] of Object.entries(calls)) {
    asked.length = 0;
    await wait(call(world));
    // What is needed before it is asked before it.
    const operation = otherNames[method] ?? method.replace("users.", "");
    expect(asked.at(-1), method).toBe(operation);
    called.add(operation);
  }
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    path.startsWith("/v1/") ? Object.values(operations).map(({ operationId }) => operationId) : [],
  );
  const missing = described.filter((operation) => !called.has(operation));
  expect(missing.sort()).toEqual(Object.keys(withoutMethod).sort());
  await t.stop();
});

/** How often each method is answered. */
const rounds = 10;

const arbitraries = new WeakMap<object, ReturnType<typeof answersOf>>();
function arbitraryOf(document: OpenApi, schema: object): ReturnType<typeof answersOf> {
  const arbitrary = arbitraries.get(schema) ?? answersOf(document, schema);
  arbitraries.set(schema, arbitrary);
  return arbitrary;
}

/** Answers as the description allows them: what stands behind any gateway that keeps to it, of this release or a later one. */
function answering(document: OpenApi, seed: number): typeof fetch {
  // Each answer is another, so that pages come to an end.
  let answers = 0;
  const sample = (schema: object) =>
    fc.sample(arbitraryOf(document, schema), { seed: seed * 1_000 + answers++, numRuns: 1 })[0];
  return (async (url: string, init?: RequestInit) => {
    const place = findOperation(document, init?.method ?? "GET", new URL(url).pathname);
    const good = Object.entries(place?.operation.responses ?? {}).filter(
      ([status, { content }]) => status.startsWith("2") && content !== undefined,
    );
    const [status, { content = {} }] = good[seed % good.length] ?? ["500", { description: "" }];
    const accepted = new Headers(init?.headers).get("accept") ?? "application/json";
    const type = accepted in content ? accepted : (Object.keys(content)[0] ?? "");
    const { schema = {} } = content[type] ?? {};
    const inside = schema.contentSchema;
    const body =
      type === "text/event-stream"
        ? `data: ${JSON.stringify(sample(inside as object))}\n\n`
        : type.includes("json")
          ? JSON.stringify(sample(schema))
          : "text";
    return new Response(body, {
      status: Number(status),
      headers: { "content-type": type, link: '<?after=x>; rel="next"' },
    });
  }) as typeof fetch;
}

test("whatever the description allows as an answer, the client reads, and passes over what comes later", async () => {
  const { t, document } = await setup();
  for (const [method, call] of Object.entries(calls)) {
    for (let round = 0; round < rounds; round++) {
      const fetch = answering(document, round + 1);
      const clientOf = (token: string) => createClient({ url: "http://test.invalid", token, fetch });
      const ids = { sessionId: "ses_1", token: "x", runId: "run_1", executionId: "exe_1" };
      await call({ client: clientOf("x"), clientOf, ...ids }).catch((error: unknown) => {
        throw new Error(`${method}, round ${round + 1}`, { cause: error });
      });
    }
  }
  await t.stop();
});
