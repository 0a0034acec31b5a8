/**
 * The gateway called as clients call it, on a whole system in simulated time: who gets in, what is refused and how, and that the
 * live feed loses and repeats nothing.
 */
import { createClient } from "@viable/client";
import { capabilityIdOf, createHmacChain, mintOwnerToken } from "@viable/security";
import type { TestSystem } from "@viable/testing";
import { agent, defineSystem, query, reactor, service, ViableError } from "viable";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

const settings = {
  name: "gateway-test",
  services: [
    service({
      name: "work",
      description: "Works.",
      port: 0,
      agents: [
        agent({
          name: "echo",
          capability: "echo",
          description: "Says it again.",
          input: z.looseObject({}),
          handle: (_ctx, input) => input as never,
        }),
        agent({
          name: "large",
          capability: "large",
          description: "Returns much.",
          input: z.strictObject({}),
          handle: () => ({ text: "x".repeat(100_000) }),
        }),
        agent({
          name: "wait",
          capability: "wait",
          description: "Waits.",
          input: z.strictObject({ ms: z.number() }),
          handle: async (ctx, { ms }) => {
            await new Promise<void>((resolve) => {
              ctx.runtime.clock.setTimer(resolve, ms);
            });
            return "waited";
          },
        }),
      ],
      queries: [
        query({
          name: "double",
          description: "Doubles.",
          input: z.strictObject({ n: z.number() }),
          answer: (_ctx, { n }) => {
            if (n < 0) throw new ViableError("work.negative", "It is below zero.", { next: "Ask for more." });
            return n * 2;
          },
        }),
        query({
          name: "never",
          description: "Never answers.",
          input: z.strictObject({}),
          answer: () => new Promise<never>(() => {}),
        }),
      ],
    }),
  ],
};
const asking = reactor("asking", { input: z.looseObject({}) }, (steps) =>
  steps
    .approval("ask", { title: "secret-title", args: ({ input }) => ({ details: input }) })
    .returns(({ results }) => results.ask),
);
const definition = defineSystem({ ...settings, reactors: [asking] });

interface Call {
  method?: string;
  token?: string | undefined;
  body?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

async function setup(system = definition) {
  const t = await startTestSystem(system);
  const call = async (
    path: string,
    { method = "GET", token = t.system.ownerToken, body, headers, signal }: Call = {},
  ) => {
    const request = new Request(`http://test.invalid${path}`, {
      method,
      headers: { ...(token !== "" && { authorization: `Bearer ${token}` }), ...headers },
      ...(body !== undefined && { body }),
      ...(signal !== undefined && { signal }),
    });
    const response = await t.settled(Promise.resolve(t.system.fetch(request)));
    return response;
  };
  const json = async (path: string, options?: Call) => {
    const response = await call(path, options);
    return {
      status: response.status,
      type: response.headers.get("content-type"),
      body: (await response.json()) as Record<string, unknown>,
    };
  };
  const open = async (clientType = "cli") => {
    const { body } = await json("/v1/sessions", { method: "POST", body: JSON.stringify({ clientType }) });
    return body as { sessionId: string; token: string };
  };
  return { t, call, json, open };
}

/** Every route that needs a token, with a path that fits it. */
const guarded = [
  ["POST", "/v1/sessions"],
  ["GET", "/v1/sessions"],
  ["GET", "/v1/sessions/ses_00000000000000000000000000"],
  ["DELETE", "/v1/sessions/ses_00000000000000000000000000"],
  ["PUT", "/v1/sessions/ses_00000000000000000000000000/suspension"],
  ["DELETE", "/v1/sessions/ses_00000000000000000000000000/suspension"],
  ["POST", "/v1/sessions/ses_00000000000000000000000000/commands"],
  ["POST", "/v1/sessions/ses_00000000000000000000000000/queries"],
  ["GET", "/v1/socket"],
  ["GET", "/v1/sessions/ses_00000000000000000000000000/events"],
  ["POST", "/v1/sessions/ses_00000000000000000000000000/shares"],
  ["POST", "/v1/sessions/ses_00000000000000000000000000/coordinations"],
  ["GET", "/v1/coordinations/apr_00000000000000000000000000"],
  ["POST", "/v1/coordinations/apr_00000000000000000000000000/confirmations"],
  ["POST", "/v1/sessions/ses_00000000000000000000000000/exports"],
  ["GET", "/v1/exports/exp_00000000000000000000000000"],
  ["POST", "/v1/capabilities"],
  ["GET", "/v1/capability"],
  ["GET", "/v1/capabilities"],
  ["GET", "/v1/capabilities/cap_00000000000000000000000000"],
  ["GET", "/v1/executions"],
  ["GET", "/v1/executions/exe_00000000000000000000000000"],
  ["DELETE", "/v1/executions/exe_00000000000000000000000000"],
  ["GET", "/v1/executions/exe_00000000000000000000000000/events"],
  ["GET", "/v1/health"],
  ["GET", "/v1/commands"],
  ["GET", "/v1/queries"],
  ["GET", "/v1/swarms"],
  ["GET", "/v1/swarms/work"],
  ["GET", "/v1/swarms/work/history"],
  ["GET", "/v1/registry/discover?capability=echo"],
  ["GET", "/v1/registry/dead-letters"],
  ["GET", "/v1/registry/metrics"],
  ["GET", "/v1/registry/claims"],
  ["GET", "/v1/memory"],
  ["GET", "/v1/projections"],
  ["GET", "/v1/events"],
  ["GET", "/v1/reactors"],
  ["GET", "/v1/reactors/runs"],
  ["GET", "/v1/reactors/runs/run_00000000000000000000000000"],
  ["GET", "/v1/reactors/runs/run_00000000000000000000000000/events"],
  ["GET", "/v1/approvals"],
  ["GET", "/v1/webhooks"],
  ["POST", "/v1/login/renew"],
  ["DELETE", "/v1/login"],
  ["GET", "/v1/users"],
  ["GET", "/v1/users/:user"],
  ["GET", "/v1/users/:user/keys"],
  ["POST", "/v1/users/:user/keys"],
  ["POST", "/v1/users/:user/invitations"],
  ["POST", "/v1/users/:user/password"],
  ["GET", "/v1/credentials"],
  ["PUT", "/v1/credentials/:provider"],
  ["DELETE", "/v1/credentials/:provider"],
  ["GET", "/metrics"],
  ["GET", "/openapi.json"],
] as const;

describe("without a valid token", () => {
  test.each(guarded)("%s %s is refused with 401 and no hint", async (method, path) => {
    const { t, json } = await setup();
    const answers = [];
    for (const token of ["", "nonsense", `${t.system.ownerToken}x`, t.system.ownerToken.slice(0, -1)]) {
      answers.push(await json(path, { method, token, ...(method === "POST" && { body: "{}" }) }));
    }
    for (const { status, type, body } of answers) {
      expect(status).toBe(401);
      expect(type).toBe("application/problem+json");
      expect(body).toEqual(answers[0]?.body);
      expect(body).toMatchObject({ code: "gateway.unauthenticated", reasons: [] });
    }
    await t.stop();
  });

  test("health and readiness answer, and say what survives", async () => {
    const { t, json } = await setup();
    expect(await json("/health", { token: "" })).toMatchObject({
      status: 200,
      body: { status: "ok", durability: "nothing" },
    });
    expect(await json("/ready", { token: "" })).toMatchObject({ status: 200, body: { ready: true } });
    await t.stop();
  });

  test("the list of guarded routes is the gateway's own", async () => {
    const { t } = await setup();
    const routes = t.system.routes();
    const open = routes.filter(({ guard }) => guard === "open").map(({ method, path }) => `${method} ${path}`);
    // Who logs in has no token yet, and how often they may try is limited; what joins a session shows its token in the body; the page of
    // the description holds nothing of the system's.
    const page = ["/docs", "/docs/page.js", "/docs/page.css", "/docs/openapi-explorer.min.js"];
    expect(open.sort()).toEqual(
      [
        "GET /health",
        "GET /ready",
        "POST /v1/login",
        "POST /v1/sessions/join",
        ...page.map((path) => `GET ${path}`),
      ].sort(),
    );
    const known = guarded.map(
      ([method, path]) =>
        `${method} ${path
          .split("?")[0]
          ?.replace(/(ses|exe|run|cap|apr|exp)_0+/, ":id")
          .replace("/work", "/:service")}`,
    );
    const actual = routes.map(({ method, path }) => `${method} ${path}`).filter((route) => !open.includes(route));
    expect(new Set(actual)).toEqual(new Set(known));
    await t.stop();
  });
});

describe("a query", () => {
  test("is answered with 200 and who answered, and the log is as it was", async () => {
    const { t, json, open } = await setup();
    const { sessionId, token } = await open();
    const before = (await t.events()).length;
    const ask = (body: object) =>
      json(`/v1/sessions/${sessionId}/queries`, { method: "POST", token, body: JSON.stringify(body) });
    expect(await ask({ query: "double", args: { n: 21 } })).toMatchObject({
      status: 200,
      body: { query: "double", result: 42, answeredBy: { service: "work", processId: t.system.membership.processId } },
    });
    for (const [body, status, code] of [
      [{ query: "duoble" }, 404, "query.unknown"],
      [{ query: "double", args: { n: "x" } }, 422, "query.invalid_arguments"],
      [{ query: "double", args: { n: -1 } }, 500, "work.negative"],
      [{ query: "never", deadlineMs: 50 }, 504, "query.timed_out"],
      [{ query: "double", more: 1 }, 422, "gateway.invalid_query"],
    ] as const)
      expect(await ask(body)).toMatchObject({ status, body: { code } });
    expect((await t.events()).length).toBe(before);
    expect((await json("/v1/queries", { token })).body).toMatchObject({
      queries: [{ query: "double", services: ["work"], available: true }, { query: "never" }],
    });
    await t.stop();
  });

  test("is refused in a session that has ended, and in another's", async () => {
    const { t, json, open } = await setup();
    const [mine, other] = [await open(), await open()];
    const ask = (sessionId: string, token: string) =>
      json(`/v1/sessions/${sessionId}/queries`, {
        method: "POST",
        token,
        body: JSON.stringify({ query: "double", args: { n: 1 } }),
      });
    expect(await ask(other.sessionId, mine.token)).toMatchObject({ status: 404 });
    await json(`/v1/sessions/${mine.sessionId}`, { method: "DELETE", token: mine.token });
    expect((await ask(mine.sessionId, t.system.ownerToken)).body).toMatchObject({ code: "gateway.session_ended" });
    await t.stop();
  });
});

/** Two sessions, one of which keeps secrets: in its arguments, in its results and in the memory of the tenant. */
async function twoSessions() {
  const world = await setup();
  const [mine, other] = [await world.open(), await world.open()];
  const send = async (session: { sessionId: string; token: string }, command: string, args: object) =>
    (
      await world.json(`/v1/sessions/${session.sessionId}/commands`, {
        method: "POST",
        token: session.token,
        body: JSON.stringify({ command, args, mode: "sync" }),
      })
    ).body;
  await send(other, "memory.set", { key: "secret-key", value: "secret-value" });
  const { executionId } = await send(other, "echo", { secret: "secret-argument" });
  const begun = await send(other, "reactor.start", { reactor: "asking", input: { secret: "secret-argument" } });
  const { runId } = begun.result as { runId: string };
  const asked = { method: "POST", token: other.token, body: '{"expiresInMs":60000,"label":"secret-label"}' };
  const { capabilityId } = (await world.json("/v1/capabilities", asked)).body as { capabilityId: string };
  const post = async (path: string, body: string) =>
    (await world.json(`/v1/sessions/${other.sessionId}/${path}`, { method: "POST", token: other.token, body })).body;
  const { coordinationId } = await post("coordinations", '{"operation":"secret-operation","timeoutMs":60000}');
  const { exportId } = await post("exports", '{"format":"json"}');
  await world.t.time.advance(1_000);
  const ids = { executionId, runId, capabilityId, coordinationId, exportId } as Record<string, string>;
  return { ...world, mine, other, executionId: executionId as string, runId, ids };
}

/** A body that fits, for each route that takes one: so that nothing but the token is wrong. */
const bodies: Readonly<Record<string, string>> = {
  "/v1/sessions": '{"clientType":"cli"}',
  commands: '{"command":"echo","mode":"sync"}',
  queries: '{"query":"double","args":{"n":1}}',
  shares: "{}",
  suspension: '{"reason":"lunch"}',
  coordinations: '{"operation":"x","timeoutMs":60000}',
  confirmations: '{"decision":"approve"}',
  exports: '{"format":"json"}',
  "/v1/capabilities": '{"expiresInMs":60000}',
  renew: "{}",
  keys: '{"label":"ci"}',
  invitations: "{}",
  password: '{"password":"long enough, and not common"}',
  "/v1/credentials/:provider": '{"value":"a key"}',
};
const bodyFor = (path: string): string | undefined =>
  Object.entries(bodies).find(([end]) => path === end || path.endsWith(`/${end}`))?.[1];

describe("every route, attacked with what was somebody's", () => {
  /** Things of a session that are there are asked for, and done to, with a token that follows from its own or another's. */
  const attack = async (method: string, path: string, tokenFrom: (own: string, foreign: string) => string) => {
    const world = await twoSessions();
    const all = [world.other.sessionId, ...Object.values(world.ids)];
    const aimed = path.replace(/([a-z]{3})_0+/, (none, kind) => all.find((id) => id.startsWith(kind)) ?? none);
    const takesBody = method === "POST" || method === "PUT";
    const body = takesBody ? bodyFor(path) : undefined;
    if (takesBody) expect(body, `no body for ${path}`).toBeDefined();
    const before = (await world.t.events()).length;
    const answer = await world.call(aimed, {
      method,
      token: tokenFrom(world.other.token, world.mine.token),
      ...(body !== undefined && { body }),
    });
    const done = (await world.t.events()).slice(before).filter(({ type }) => !type.startsWith("security."));
    await world.t.stop();
    return { status: answer.status, done: done.map(({ type }) => type) };
  };

  test.each(guarded)(
    "%s %s with a token that is narrowed to nothing is refused, and nothing is done",
    async (method, path) => {
      const nothing = (token: string) => createHmacChain(new Uint8Array(32)).attenuate(token, { operations: [] }).token;
      const { status, done } = await attack(method, path, nothing);
      expect(done).toEqual([]);
      // A socket is opened by whoever has a session; each of its frames is judged by itself. Nobody is told which users there are.
      const other: Readonly<Record<string, number>> = { "/v1/socket": 426, "/v1/users/:user/password": 404 };
      expect(status).toBe(other[path] ?? 403);
    },
  );

  test.each(guarded.filter(([, path]) => /_0{26}/.test(path)))(
    "%s %s with another session's token is as if it were not there, and nothing is done",
    async (method, path) => {
      expect(await attack(method, path, (_own, foreign) => foreign)).toEqual({ status: 404, done: [] });
    },
  );

  test.each(guarded)("%s %s with a token that is revoked is refused as if there were none", async (method, path) => {
    const world = await twoSessions();
    const { token } = (
      await world.json("/v1/capabilities", {
        method: "POST",
        token: world.other.token,
        body: '{"expiresInMs":3600000}',
      })
    ).body as { token: string };
    const revoke = JSON.stringify({
      command: "capability.revoke",
      args: { capabilityId: capabilityIdOf(token) },
      mode: "sync",
    });
    const path2 = `/v1/sessions/${world.other.sessionId}/commands`;
    expect((await world.call(path2, { method: "POST", token: world.other.token, body: revoke })).status).toBe(200);
    const body = method === "POST" ? bodyFor(path) : undefined;
    const answer = await world.call(path, { method, token, ...(body !== undefined && { body }) });
    expect(answer.status).toBe(401);
    await world.t.stop();
  });
});

describe("opening a session with an Idempotency-Key", () => {
  const post = (key: string, more: Call = {}): Call => ({
    method: "POST",
    body: '{"clientType":"cli"}',
    headers: { "idempotency-key": key },
    ...more,
  });

  test("answers a repeat as the first time, its token included, and opens one session", async () => {
    const { t, json } = await setup();
    const first = await json("/v1/sessions", post("k"));
    await t.time.advance(60_000);
    expect(await json("/v1/sessions", post("k"))).toEqual(first);
    const { sessionId, token } = first.body as { sessionId: string; token: string };
    expect(await json(`/v1/sessions/${sessionId}`, { token })).toMatchObject({
      status: 200,
      body: { status: "initialising" },
    });
    expect(await t.events("session.created")).toHaveLength(1);
    await t.stop();
  });

  test("answers both of two that come at once with the one session", async () => {
    const { t, json } = await setup();
    const [one, two] = await Promise.all([json("/v1/sessions", post("k")), json("/v1/sessions", post("k"))]);
    expect(one.status).toBe(201);
    expect(two).toEqual(one);
    expect(await t.events("session.created")).toHaveLength(1);
    await t.stop();
  });

  test("refuses a repeat that asks for something else", async () => {
    const { t, json } = await setup();
    await json("/v1/sessions", post("k"));
    for (const body of ['{"clientType":"web"}', '{"clientType":"cli","purpose":"other"}']) {
      expect(await json("/v1/sessions", post("k", { body }))).toMatchObject({
        status: 422,
        body: { code: "gateway.idempotency_mismatch" },
      });
    }
    await t.stop();
  });

  test("opens another session under another key, and for another token", async () => {
    const { t, json } = await setup();
    const { token } = mintOwnerToken(t.ctx, t.system.capabilities);
    const answers = [
      await json("/v1/sessions", post("k")),
      await json("/v1/sessions", post("l")),
      await json("/v1/sessions", post("k", { token })),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(new Set(answers.map(({ body }) => body.sessionId)).size).toBe(3);
    expect(new Set(answers.map(({ body }) => body.token)).size).toBe(3);
    await t.stop();
  });

  test("gives nobody a working token after the session has ended", async () => {
    const { t, json } = await setup();
    const { body } = await json("/v1/sessions", post("k"));
    await json(`/v1/sessions/${body.sessionId}`, { method: "DELETE" });
    expect(await json("/v1/sessions", post("k"))).toMatchObject({ status: 201, body });
    expect((await json(`/v1/sessions/${body.sessionId}`, { token: body.token as string })).status).toBe(401);
    await t.stop();
  });
});

test("what is left of a caller's commands is said in the RateLimit headers, also when it is none", async () => {
  const limits = { web: { commandsPerHour: 2, maxConcurrent: 1 } };
  const { t, call, open } = await setup(defineSystem({ ...settings, clients: limits }));
  const { sessionId, token } = await open("web");
  const send = async (body: string) => {
    const { status, headers } = await call(`/v1/sessions/${sessionId}/commands`, { method: "POST", token, body });
    return [status, headers.get("ratelimit-policy"), headers.get("ratelimit"), headers.has("retry-after")];
  };
  const waiting = '{"command":"wait","args":{"ms":1000},"mode":"async"}';
  const quick = '{"command":"echo","mode":"sync"}';
  expect(await send(waiting)).toEqual([202, '"commands";q=2;w=3600', '"commands";r=1', false]);
  expect(await send(quick)).toEqual([429, '"concurrent";q=1;qu="concurrent-requests"', '"concurrent";r=0', true]);
  await t.time.advance(1_000);
  expect(await send(quick)).toEqual([200, '"commands";q=2;w=3600', '"commands";r=0', false]);
  expect(await send(quick)).toEqual([429, '"commands";q=2;w=3600', '"commands";r=0', true]);
  await t.stop();
});

test("W10: of one token, however it is narrowed, a thousand sessions are opened at once, and ten a second after that", async () => {
  const { t, call } = await setup();
  const narrowed = createHmacChain(new Uint8Array(32)).attenuate(t.system.ownerToken, { label: "x" }).token;
  const open = async (token: string) =>
    (await call("/v1/sessions", { method: "POST", token, body: '{"clientType":"api"}' })).status;
  const statuses: number[] = [];
  for (let n = 0; n < 1_000; n++) statuses.push(await open(n % 2 === 0 ? narrowed : t.system.ownerToken));
  expect(new Set(statuses)).toEqual(new Set([201]));
  expect([await open(narrowed), await open(t.system.ownerToken)]).toEqual([429, 429]);
  await t.time.advance(1_000);
  expect(await open(narrowed)).toBe(201);
  await t.stop();
});

test("where sockets are opened, whoever asks for none is told so", async () => {
  const { t, json, open } = await setup();
  const opened = await open();
  expect(opened).toMatchObject({ socketUrl: "/v1/socket" });
  const answer = await json("/v1/socket", { token: opened.token });
  expect(answer).toMatchObject({ status: 426, body: { code: "gateway.upgrade_needed" } });
  await t.stop();
});

test("health is under /v1 too, for whoever has a token, a session's included", async () => {
  const { t, json, open } = await setup();
  const { token } = await open("web");
  expect(await json("/v1/health", { token })).toMatchObject({ status: 200, body: { status: "ok" } });
  await t.stop();
});

describe("a session's token", () => {
  const reads = guarded.filter(([method]) => method === "GET").map(([, path]) => path);
  /** Where something is opened, and nothing read. */
  const opens: readonly string[] = ["/v1/socket"];
  const tenantOnly = [
    "/v1/users",
    "/v1/users/:user",
    "/v1/users/:user/keys",
    "/v1/credentials",
    "/v1/memory",
    "/v1/projections",
    "/v1/registry/claims",
    "/v1/registry/dead-letters",
    "/v1/swarms/work/history",
    "/metrics",
  ];

  test.each(reads)("W11: GET %s tells it nothing of another session, nor what the tenant keeps", async (path) => {
    const { t, call, mine, other, ids } = await twoSessions();
    const all = [other.sessionId, ...Object.values(ids)];
    const aimed = path.replace(/([a-z]{3})_0+/, (none, kind) => all.find((id) => id.startsWith(kind)) ?? none);
    const answer = await call(aimed, { token: mine.token });
    const expected = aimed !== path ? 404 : tenantOnly.includes(path) ? 403 : opens.includes(path) ? 426 : 200;
    expect(answer.status).toBe(expected);
    const text = await answer.text();
    for (const secret of [
      "secret-key",
      "secret-value",
      "secret-argument",
      "secret-title",
      "secret-label",
      "secret-operation",
      ...all,
    ])
      expect(text).not.toContain(secret);
    await t.stop();
  });

  test.each([...tenantOnly, "/v1/memory?key=secret-key", "/v1/memory?service=work"])(
    "does not open %s, which is the tenant's as a whole; the opener's does",
    async (path) => {
      const { t, json, call, mine } = await twoSessions();
      expect(await json(path, { token: mine.token })).toMatchObject({
        status: 403,
        body: { code: "security.denied", reasons: [expect.stringContaining("as a whole")] },
      });
      // Of a user that there is none of, the opener is told so.
      expect((await call(path)).status).toBe(path.includes(":user") ? 404 : 200);
      await t.stop();
    },
  );

  test.each([
    ["web", 403],
    ["cli", 200],
    ["api", 200],
  ])("of a %s client that sends a command of high risk is answered %i", async (clientType, status) => {
    const { t, json, open } = await setup();
    const { sessionId, token } = await open(clientType);
    const answer = await json(`/v1/sessions/${sessionId}/commands`, {
      method: "POST",
      token,
      body: '{"command":"swarm.restart","args":{"service":"work","part":"memory"},"mode":"sync"}',
    });
    expect(answer.status).toBe(status);
    if (status === 403) {
      expect(answer.body).toMatchObject({
        code: "security.denied",
        reasons: ['It has a high risk: swarm.restart needs "execute"; a web token here allows read, write.'],
      });
      expect(await t.events("execution.*")).toEqual([]);
    }
    await t.stop();
  });

  test("opens its own session, and no other's, and nothing beside", async () => {
    const { t, json, open } = await setup();
    const [mine, other] = [await open(), await open()];
    expect((await json(`/v1/sessions/${mine.sessionId}`, { token: mine.token })).status).toBe(200);
    for (const [method, path] of [
      ["GET", `/v1/sessions/${other.sessionId}`],
      ["DELETE", `/v1/sessions/${other.sessionId}`],
      ["GET", `/v1/sessions/${other.sessionId}/events`],
    ] as const) {
      expect((await json(path, { method, token: mine.token })).status).toBe(404);
    }
    const command = JSON.stringify({ command: "echo", args: {} });
    expect(
      (await json(`/v1/sessions/${other.sessionId}/commands`, { method: "POST", token: mine.token, body: command }))
        .status,
    ).toBe(404);
    expect(
      await json("/v1/sessions", { method: "POST", token: mine.token, body: '{"clientType":"cli"}' }),
    ).toMatchObject({
      status: 403,
      body: { code: "gateway.session_token" },
    });
    const { body } = await json(`/v1/sessions/${other.sessionId}/commands`, {
      method: "POST",
      token: other.token,
      body: command,
    });
    expect((await json(`/v1/executions/${body.executionId}`, { token: mine.token })).status).toBe(404);
    expect((await json(`/v1/executions/${body.executionId}`, { method: "DELETE", token: mine.token })).status).toBe(
      404,
    );
    expect((await json("/v1/executions", { token: mine.token })).body).toEqual({ executions: [] });
    expect(JSON.stringify((await json("/v1/events", { token: mine.token })).body)).not.toContain(other.sessionId);
    await t.stop();
  });

  test("lists its own session, however many were opened since", async () => {
    const { t, json, open } = await setup();
    const mine = await open();
    for (let n = 0; n < 60; n++) await open();
    const { body } = await json("/v1/sessions", { token: mine.token });
    expect(body.sessions).toMatchObject([{ sessionId: mine.sessionId }]);
    await t.stop();
  });

  test("is worth nothing once its session has ended", async () => {
    const { t, json, open } = await setup();
    const { sessionId, token } = await open();
    expect((await json(`/v1/sessions/${sessionId}`, { method: "DELETE", token })).body).toMatchObject({
      status: "ended",
    });
    expect((await json(`/v1/sessions/${sessionId}`, { token })).status).toBe(401);
    expect(
      await json(`/v1/sessions/${sessionId}/commands`, { method: "POST", body: '{"command":"echo"}' }),
    ).toMatchObject({
      status: 409,
      body: { code: "gateway.session_ended" },
    });
    await t.stop();
  });
});

describe("a body", () => {
  const nested = `${'{"a":'.repeat(100)}1${"}".repeat(100)}`;
  test.each([
    ["that is empty", "", 400, "gateway.malformed_body"],
    ["that is not JSON", "{command:", 400, "gateway.malformed_body"],
    ["that is nested too deep", `{"command":"echo","args":${nested}}`, 400, "gateway.malformed_body"],
    ["that is a list", "[]", 422, "gateway.invalid_command"],
    ["without a command", "{}", 422, "gateway.invalid_command"],
    ["with a member nobody knows", '{"command":"echo","colour":"red"}', 422, "gateway.invalid_command"],
    ["whose arguments are no object", '{"command":"echo","args":7}', 422, "gateway.invalid_command"],
    ["with a mode nobody knows", '{"command":"echo","mode":"soon"}', 422, "gateway.invalid_command"],
    ["with a deadline in the past", '{"command":"echo","deadlineMs":0}', 422, "gateway.invalid_command"],
    [
      "of more than a mebibyte",
      `{"command":"echo","args":{"x":"${"y".repeat(1_100_000)}"}}`,
      413,
      "gateway.body_too_large",
    ],
  ])("%s is refused, and nothing is recorded", async (_what, body, status, code) => {
    const { t, json, open } = await setup();
    const { sessionId, token } = await open();
    const answer = await json(`/v1/sessions/${sessionId}/commands`, {
      method: "POST",
      token,
      body,
      headers: { "content-length": String(body.length) },
    });
    expect(answer).toMatchObject({ status, type: "application/problem+json", body: { code } });
    expect(await t.events("execution.*")).toEqual([]);
    // And the next good one goes through.
    const good = await json(`/v1/sessions/${sessionId}/commands`, {
      method: "POST",
      token,
      body: '{"command":"echo","args":{"n":1}}',
    });
    expect(good).toMatchObject({ status: 200, body: { status: "completed", result: { n: 1 } } });
    await t.stop();
  });

  test("with `__proto__` gives nobody a prototype, and comes back as it was", async () => {
    const { t, call, open } = await setup();
    const { sessionId, token } = await open();
    const response = await call(`/v1/sessions/${sessionId}/commands`, {
      method: "POST",
      token,
      body: '{"command":"echo","args":{"__proto__":{"admin":true},"n":1}}',
    });
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
    const text = await response.text();
    expect(JSON.parse(text).result.admin).toBeUndefined();
    await t.stop();
  });
});

test("what is not there is a problem with a code, not a page", async () => {
  const { t, json } = await setup();
  expect(await json("/v1/nothing")).toMatchObject({
    status: 404,
    type: "application/problem+json",
    body: { code: "gateway.no_route" },
  });
  expect(await json("/v1/swarms/absent")).toMatchObject({ status: 404, body: { code: "gateway.not_found" } });
  expect(await json("/v1/executions/exe_nonsense")).toMatchObject({ status: 404 });
  expect(await json("/v1/events?after=nonsense")).toMatchObject({ status: 400 });
  await t.stop();
});

test("everything the client reads is answered as the protocol says", async () => {
  const { t, mine, other, executionId, runId } = await twoSessions();
  const client = createClient({
    url: "http://test.invalid",
    token: t.system.ownerToken,
    clock: t.time,
    fetch: (async (url: string, init?: RequestInit) => await t.system.fetch(new Request(url, init))) as typeof fetch,
  });
  const read = <T>(answer: Promise<T>) => t.settled(answer);
  expect((await read(client.session(mine.sessionId))).status).toBe("initialising");
  expect((await read(client.execution(executionId))).status).toBe("completed");
  expect((await read(client.executions({ session: other.sessionId }))).executions).toHaveLength(3);
  expect((await read(client.executionEvents(executionId))).events.map(({ type }) => type)).toEqual([
    "execution.accepted",
    "execution.completed",
  ]);
  expect((await read(client.commands())).commands.map(({ command }) => command)).toContain("echo");
  expect((await read(client.swarms())).swarms.map(({ service }) => service)).toContain("work");
  expect((await read(client.swarm("work"))).status).toBe("healthy");
  expect((await read(client.discover("echo"))).swarms).toHaveLength(1);
  expect((await read(client.memory({}))).entries).toMatchObject([{ key: "secret-key", value: "secret-value" }]);
  expect((await read(client.events({ session: other.sessionId }))).events).toHaveLength(12);
  expect((await read(client.capabilities())).capabilities).toMatchObject([{ status: "active" }]);
  expect(await read(client.ownCapability())).toMatchObject({ principal: "owner", links: [{ restrictions: {} }] });
  expect((await read(client.reactors())).reactors.map(({ name }) => name)).toEqual(["asking"]);
  expect((await read(client.runs({ status: "waiting" }))).runs.map((run) => run.runId)).toEqual([runId]);
  expect((await read(client.run(runId))).counts).toEqual({ waiting: 1 });
  expect((await read(client.runEvents(runId))).events.map(({ type }) => type)).toEqual(["run.started", "step.waiting"]);
  expect((await read(client.approvals())).approvals.map((asked) => asked.runId)).toEqual([runId]);
  expect((await read(client.health())).status).toBe("ok");
  expect((await read(client.endSession(mine.sessionId))).status).toBe("ended");
  await t.stop();
});

describe("modes", () => {
  test("async answers at once, auto after two seconds, sync with the outcome", async () => {
    const { t, json, open } = await setup();
    const { sessionId, token } = await open();
    const send = (mode: string, ms: number) =>
      json(`/v1/sessions/${sessionId}/commands`, {
        method: "POST",
        token,
        body: JSON.stringify({ command: "wait", args: { ms }, mode }),
      });
    const before = t.time.now();
    const pending = await send("async", 60_000);
    expect(pending).toMatchObject({
      status: 202,
      body: { status: "pending", pollUrl: `/v1/executions/${pending.body.executionId}` },
    });
    expect(t.time.now() - before).toBeLessThan(1_000);
    expect(await send("auto", 10_000)).toMatchObject({ status: 202 });
    expect(t.time.now() - before).toBeLessThan(4_000);
    expect(await send("auto", 100)).toMatchObject({ status: 200, body: { result: "waited" } });
    expect(await send("sync", 20_000)).toMatchObject({ status: 200, body: { result: "waited" } });
    await t.stop();
  });
});

describe("a client that goes away", () => {
  test("while it waits for an outcome leaves the command to be finished", async () => {
    const { t, json, open } = await setup();
    const { sessionId, token } = await open();
    const abort = new AbortController();
    const waiting = t.system.fetch(
      new Request(`http://test.invalid/v1/sessions/${sessionId}/commands`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        body: '{"command":"wait","args":{"ms":5000},"mode":"sync"}',
        signal: abort.signal,
      }),
    );
    await t.time.advance(1_000);
    abort.abort();
    // Nobody reads it any more; that it is there shows that the gateway has stopped waiting.
    expect((await t.settled(Promise.resolve(waiting))).status).toBe(202);
    await t.time.advance(5_000);
    const { body } = await json("/v1/executions", { token });
    expect(body.executions).toMatchObject([{ command: "wait", status: "completed", result: "waited" }]);
    await t.stop();
  });

  test("from its feed leaves nothing behind", async () => {
    const { t, call, json, open } = await setup();
    const { sessionId, token } = await open();
    const abort = new AbortController();
    const feed = await call(`/v1/sessions/${sessionId}/events`, { token, signal: abort.signal });
    const reader = (feed.body as ReadableStream<Uint8Array>).getReader();
    await t.settled(reader.read());
    const timers = t.time.pending;
    abort.abort();
    await reader.cancel().catch(() => undefined);
    await t.time.settle();
    // The feed's heartbeat and its expiry are gone, what tells others of its reader too, and later events are handed to nobody.
    expect(t.time.pending).toBe(timers - 4);
    expect(
      (
        await json(`/v1/sessions/${sessionId}/commands`, {
          method: "POST",
          token,
          body: '{"command":"echo","args":{}}',
        })
      ).status,
    ).toBe(200);
    await t.stop();
  });
});

describe("a session's feed", () => {
  const read = async (t: TestSystem, response: Response, count: number) => {
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const messages = () =>
      [...text.matchAll(/event: (.*)\ndata: (.*)\nid: (.*)\n/g)].map((match) => ({
        type: match[1],
        data: JSON.parse(match[2] as string),
        id: match[3],
      }));
    while (messages().length < count) {
      const { value, done } = await t.settled(reader.read());
      if (done) break;
      text += value;
    }
    await reader.cancel();
    return messages();
  };

  test("begins with what was, goes on with what comes, and resumes without a gap or a repeat", async () => {
    const { t, call, json, open } = await setup();
    const { sessionId, token } = await open();
    const send = (n: number) =>
      json(`/v1/sessions/${sessionId}/commands`, {
        method: "POST",
        token,
        body: JSON.stringify({ command: "echo", args: { n }, mode: "sync" }),
      });
    await send(1);
    const first = await read(t, await call(`/v1/sessions/${sessionId}/events`, { token }), 2);
    expect(first.map((each) => each.type)).toEqual(["session.created", "execution.accepted"]);
    await send(2);
    const feed = await call(`/v1/sessions/${sessionId}/events`, {
      token,
      headers: { "last-event-id": first[1]?.id as string },
    });
    await send(3);
    const rest = await read(t, feed, 5);
    expect(rest.map((each) => each.type)).toEqual([
      "execution.completed",
      "session.activated",
      "execution.accepted",
      "execution.completed",
      "execution.accepted",
    ]);
    await t.stop();
  });

  test("leaves out what is large, and names it", async () => {
    const { t, call, json, open } = await setup();
    const { sessionId, token } = await open();
    const answer = await json(`/v1/sessions/${sessionId}/commands`, {
      method: "POST",
      token,
      body: '{"command":"large","mode":"sync"}',
    });
    const events = await read(t, await call(`/v1/sessions/${sessionId}/events`, { token }), 3);
    expect(events[2]?.data).toMatchObject({ type: "execution.completed", omitted: ["result"], data: {} });
    const execution = await json(`/v1/executions/${answer.body.executionId}`, { token });
    expect((execution.body.result as { text: string }).text).toHaveLength(100_000);
    await t.stop();
  });
});
