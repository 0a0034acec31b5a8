/**
 * The door alone, with nothing behind it that executes: who may read which view, what a flood meets, and how feeds and pages of
 * long executions end.
 */
import { createHash } from "node:crypto";
import { createMemoryBus } from "@viable/bus";
import { createRuntime, rootContext, simulateTime, withContext } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { executionEventPage, readiness } from "@viable/protocol";
import { baseClientLimits, createCapabilities, createHmacChain, mintOwnerToken } from "@viable/security";
import { describe, expect, test } from "vitest";
import { createHttpApp } from "./http-app.ts";
import { createReceive } from "./receive.ts";
import { createSessionPresences } from "./session-presences.ts";
import { createSessions } from "./sessions.ts";
import type { View } from "./view.ts";

const executionId = "exe_00000000000000000000000001";

async function setup(views: readonly View[], store: Store = createMemoryStore()) {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  const capabilities = createCapabilities({ log, open: async () => createHmacChain(new Uint8Array(32)) });
  await capabilities.start(ctx);
  const sessions = createSessions({ log, capabilities, clientLimits: baseClientLimits });
  const absent = {} as never;
  // One execution of the session below, of which the log alone knows more.
  const execution = { executionId, tenant: "default", status: "running", session: "" };
  const executions = { get: async () => execution, owner: async () => execution } as never;
  const receive = createReceive({
    runtime,
    capabilities,
    sessions,
    executions,
    intake: absent,
    queries: absent,
    register: absent,
    violations: { note: () => undefined },
    coordinations: absent,
    webhooks: absent,
  });
  const app = createHttpApp({
    system: "alone",
    version: "0.0.0",
    offers: ({ tenant }) => ({ commands: [commandOf(tenant)], queries: [] }),
    shares: absent,
    coordinations: absent,
    exports: absent,
    runtime,
    receive,
    sessions,
    presences: createSessionPresences({
      runtime,
      presence: createMemoryBus(runtime).presence,
      processId: "prc_here",
      onUnheard: () => undefined,
    }),
    executions,
    log,
    views,
    webhooks: absent,
    actions: [],
    trustedProxies: [],
    health: () => Promise.reject(new Error("not asked")),
    metrics: () => Promise.reject(new Error("not asked")),
    onError: () => undefined,
  });
  const owner = mintOwnerToken(ctx, capabilities);
  const grant = capabilities.verify(ctx, owner.token);
  if (grant === undefined) throw new Error("The owner's token opens nothing.");
  const opened = await sessions.create(ctx, { grant, token: owner.token }, { clientType: "web" });
  if (!opened.ok) throw new Error("No session was opened.");
  execution.session = opened.session.sessionId;
  const read = (path: string, token: string, headers: Record<string, string> = {}) =>
    app.request(path, { headers: { authorization: `Bearer ${token}`, ...headers } });
  /** Appends to the execution, as its worker would. */
  const append = async (...types: string[]) => {
    const events = types.map((type) => ({ type: `execution.${type}`, data: {} }));
    // In portions that one append can hold.
    for (let at = 0; at < events.length; at += 1_000) {
      const stream = {
        stream: `execution:${executionId}`,
        expected: "any" as const,
        events: events.slice(at, at + 1_000),
      };
      await log.append(ctx, { streams: [stream] });
    }
  };
  return {
    app,
    capabilities,
    time,
    ctx,
    log,
    owner: owner.token,
    session: opened.token,
    sessionId: opened.session.sessionId,
    read,
    append,
  };
}

/** A command that a tenant alone may know of. */
const commandOf = (tenant: string) => ({
  command: `of_${tenant}`,
  description: `What ${tenant} does.`,
  services: [],
  risk: "low" as const,
  input: { type: "object" },
  timeoutMs: 1_000,
  joinable: false,
  available: true,
});

/** Reads a feed to its end and tells how far it has come. */
function follow(feed: Response) {
  const seen = { types: [] as string[], ids: [] as string[], ended: false };
  const done = (async () => {
    for await (const text of (feed.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      for (const [, type, id] of text.matchAll(/event: (.*)\ndata: .*\nid: (.*)\n/g)) {
        seen.types.push(type as string);
        seen.ids.push(id as string);
      }
    }
    seen.ended = true;
  })();
  return { seen, done };
}

const view = (name: string, scope?: View["scope"]): View => ({
  name,
  path: `/${name}`,
  operation: name,
  summary: "Tells whose token it is.",
  answer: readiness,
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

test("W10: a flood of guesses is refused without a reading of the database", async () => {
  const inner = createMemoryStore();
  let reads = 0;
  const store: Store = {
    ...inner,
    getRecords: (...asked) => {
      reads += 1;
      return inner.getRecords(...asked);
    },
    readStream: (...asked) => {
      reads += 1;
      return inner.readStream(...asked);
    },
  };
  const { owner, session, read } = await setup([view("plan")], store);
  const before = reads;
  const guess = (n: number) => {
    const parts = session.split(".");
    const signature = createHash("sha256").update(String(n)).digest("base64url");
    return read("/v1/plan", [...parts.slice(0, -1), signature].join("."));
  };
  const statuses = await Promise.all(Array.from({ length: 1_000 }, async (_, n) => (await guess(n)).status));
  expect(new Set(statuses)).toEqual(new Set([401]));
  expect(reads).toBe(before);
  expect((await read("/v1/plan", owner)).status).toBe(200);
});

describe("the events of an execution", () => {
  const path = `/v1/executions/${executionId}/events`;
  const long = ["accepted", ...new Array<string>(10_500).fill("progressed"), "completed"];
  const asFeed = { accept: "text/event-stream" };

  test("are read in pages, and none is missing or comes twice, however many there are", async () => {
    const { owner, read, append } = await setup([]);
    await append(...long);
    const versions: number[] = [];
    let pages = 0;
    for (let next: string | undefined = "0"; next !== undefined; pages++) {
      const answer = await (await read(`${path}?after=${next}&limit=900`, owner)).json();
      const page = executionEventPage.parse(answer);
      versions.push(...page.events.map((event) => event.version));
      next = page.next;
    }
    expect(versions).toEqual(long.map((_, index) => index + 1));
    expect(pages).toBe(Math.ceil(long.length / 900));
  });

  test.each(["0", "1", "2", "3", "4", "9"])("after position %s are those that stand after it", async (after) => {
    const { log, ctx, owner, read, append } = await setup([]);
    // Others' events stand between: positions of the log are not versions of the stream.
    await append("accepted", "claimed");
    await log.append(ctx, { streams: [{ stream: "other", expected: 0, events: [{ type: "other", data: {} }] }] });
    await append("completed");
    const pageOf = async (from: string) => executionEventPage.parse(await (await read(from, owner)).json());
    const { events: all } = await pageOf(path);
    const { events } = await pageOf(`${path}?after=${after}`);
    expect(events).toEqual(all.filter(({ position }) => Number(position) > Number(after)));
  });

  test("as a feed are all of them, however many, and then it ends", async () => {
    const { owner, read, append } = await setup([]);
    await append(...long);
    const { seen, done } = follow(await read(path, owner, asFeed));
    await done;
    expect(seen.types).toEqual(long.map((type) => `execution.${type}`));
  });

  test("as a feed go on with what comes, up to the outcome", async () => {
    const { time, owner, read, append } = await setup([]);
    await append("accepted");
    const { seen, done } = follow(await read(path, owner, asFeed));
    await time.settle();
    await append("claimed");
    await append("completed");
    await done;
    expect(seen.types).toEqual(["execution.accepted", "execution.claimed", "execution.completed"]);
  });

  test("resumed after the outcome are none, and nothing is waited for", async () => {
    const { time, owner, read, append } = await setup([]);
    await append("accepted", "claimed", "completed");
    const { seen, done } = follow(await read(path, owner, asFeed));
    await done;
    const before = time.pending;
    const resumed = await read(path, owner, { ...asFeed, "last-event-id": seen.ids.at(-1) as string });
    expect(resumed.status).toBe(204);
    expect(time.pending).toBe(before);
    // From before the outcome on, it is still told.
    const rest = follow(await read(path, owner, { ...asFeed, "last-event-id": seen.ids.at(-2) as string }));
    await rest.done;
    expect(rest.seen.types).toEqual(["execution.completed"]);
  });
});

describe("a view of a stream", () => {
  const pages: View = {
    name: "log of a plan",
    path: "/plans/:id/events",
    operation: "planEvents",
    summary: "What became of a plan.",
    scope: "session",
    stream: (_ctx, { params, grant }) => (params.id === "none" ? undefined : `plan:${params.id}/${grant.clientType}`),
    ends: ({ type }) => type === "plan.done",
  };
  const asFeed = { accept: "text/event-stream" };
  const write = async ({ log, ctx }: Awaited<ReturnType<typeof setup>>, ...types: string[]) => {
    const events = types.map((type) => ({ type: `plan.${type}`, data: {} }));
    await log.append(ctx, { streams: [{ stream: "plan:a/owner", expected: "any", events }] });
  };
  const url = "/v1/plans/a/events";

  test("is read in pages, by whoever may, and what is not there is not found", async () => {
    const world = await setup([pages]);
    await write(world, "made", "changed", "done");
    const page = executionEventPage.parse(await (await world.read(`${url}?limit=2`, world.owner)).json());
    expect(page.events.map(({ type }) => type)).toEqual(["plan.made", "plan.changed"]);
    const rest = executionEventPage.parse(await (await world.read(`${url}?after=${page.next}`, world.owner)).json());
    expect(rest).toMatchObject({ events: [{ type: "plan.done" }] });
    expect(rest).not.toHaveProperty("next");
    expect((await world.read("/v1/plans/none/events", world.owner)).status).toBe(404);
    expect((await world.read("/v1/plans/none/events", world.session)).status).toBe(404);
    expect((await world.read(url, "nobody")).status).toBe(401);
  });

  test("is followed up to its end; one that was opened once more, up to the end after that", async () => {
    const world = await setup([pages]);
    await write(world, "made", "done", "opened");
    const { seen, done } = follow(await world.read(url, world.owner, asFeed));
    await world.time.settle();
    expect(seen).toMatchObject({ types: ["plan.made", "plan.done", "plan.opened"], ended: false });
    await write(world, "done");
    await done;
    expect(seen.types.at(-1)).toBe("plan.done");
    const resumed = await world.read(url, world.owner, { ...asFeed, "last-event-id": seen.ids.at(-1) as string });
    expect(resumed.status).toBe(204);
  });
});

describe("a feed ends with what it was opened with", () => {
  const twelveHoursMs = 12 * 3_600_000;

  test.each(["session", "owner"] as const)("a session's own, opened with the %s's token", async (whose) => {
    const world = await setup([]);
    const { time, sessionId, read } = world;
    const { seen } = follow(await read(`/v1/sessions/${sessionId}/events`, world[whose]));
    await time.advance(twelveHoursMs - 1);
    expect(seen).toMatchObject({ types: ["session.created"], ended: false });
    await time.advance(1);
    expect(seen.ended).toBe(true);
    expect(time.pending).toBe(0);
  });

  test("that of a session that is over is still there for whoever opened it", async () => {
    const { time, sessionId, owner, session, read } = await setup([]);
    await time.advance(twelveHoursMs);
    expect((await read(`/v1/sessions/${sessionId}/events`, session)).status).toBe(401);
    const { seen } = follow(await read(`/v1/sessions/${sessionId}/events`, owner));
    await time.advance(1_000);
    expect(seen).toMatchObject({ types: ["session.created"], ended: false });
  });

  test("although its reader does not read", async () => {
    const { time, session, read, append } = await setup([]);
    await append(...new Array<string>(100).fill("progressed"));
    await read(`/v1/executions/${executionId}/events`, session, { accept: "text/event-stream" });
    await time.advance(1_000);
    expect(time.pending).toBe(2);
    await time.advance(twelveHoursMs);
    expect(time.pending).toBe(0);
  });
});

describe("the description", () => {
  test("is of all that is mounted, and of nothing else", async () => {
    const { app } = await setup([view("swarms")]);
    const mounted = app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`);
    expect(app.described.map(({ method, path }) => `${method} ${path}`)).toEqual(mounted);
    expect(mounted).toContain("GET /v1/swarms");
  });

  test("is told to whoever may read, a session's token too, once: its tag says that it is the same", async () => {
    const { read, owner, session } = await setup([view("swarms")]);
    const first = await read("/openapi.json", owner);
    const tag = first.headers.get("etag") as string;
    expect(first.headers.get("cache-control")).toBe("private, no-cache");
    expect(Object.keys(((await first.json()) as { paths: object }).paths)).toContain("/v1/swarms");
    const again = await read("/openapi.json", session, { "if-none-match": tag });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    expect((await read("/openapi.json", "nonsense", { "if-none-match": tag })).status).toBe(401);
  });

  test("W11: tells a tenant of its own commands, and no other's", async () => {
    const { app, capabilities, ctx } = await setup([]);
    const tell = async (tenant: string) => {
      const { token } = mintOwnerToken(withContext(ctx, { tenant }), capabilities);
      return await (await app.request("/openapi.json", { headers: { authorization: `Bearer ${token}` } })).text();
    };
    for (const [own, other] of [
      ["acme", "globex"],
      ["globex", "acme"],
      ["acme", "globex"],
    ] as const) {
      const told = await tell(own);
      expect(told).toContain(`command.of_${own}`);
      expect(told).not.toContain(other);
    }
  });
});
