import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Context as KernelContext, Runtime } from "@viable/kernel";
import { jsonDepth, maxJsonDepth, rootContext, toWire, ViableError } from "@viable/kernel";
import type { Log, StoredEvent } from "@viable/log";
import { isPosition, startPosition } from "@viable/log";
import type { HealthView, SessionCreated } from "@viable/protocol";
import { createSession, outcomeStatuses, toFieldProblems } from "@viable/protocol";
import type { Grant } from "@viable/security";
import type { Executions } from "@viable/swarm";
import { executionStream, toExecutionView, toUndecodableView } from "@viable/swarm";
import type { Context } from "hono";
import { Hono } from "hono";
import { type Action, actionRoute } from "./action.ts";
import { answerEvents } from "./answer-events.ts";
import { createClientAddress } from "./client-address.ts";
import { sourceOf } from "./cloud-event.ts";
import { addDocsPage } from "./docs-page/add-docs-page.ts";
import { createFeedPlaces } from "./feed-places.ts";
import { readLogEvents } from "./log-events.ts";
import { addDescription, type DescriptionSettings } from "./openapi/add-description.ts";
import { gatewayRoutes } from "./openapi/gateway-routes.ts";
import type { Mount, Route } from "./openapi/route.ts";
import type { ProblemParts } from "./problems.ts";
import { HttpProblem, notFound, ofError, toResponse } from "./problems.ts";
import { quotaHeaders } from "./rate-limit-headers.ts";
import type { Authenticated } from "./receive.ts";
import { toPresentClient } from "./session-client.ts";
import { streamFeed } from "./session-feed.ts";
import type { SessionPresences } from "./session-presences.ts";
import type { SessionRoutesSettings } from "./session-routes.ts";
import { addSessionRoutes } from "./session-routes.ts";
import type { Session, Sessions } from "./sessions.ts";
import { isOpen, toSessionView } from "./sessions.ts";
import { socketPath, upgradeNeeded } from "./socket/check-upgrade.ts";
import { followStored, readStreamEvents } from "./stream-events.ts";
import type { ReadScope, View } from "./view.ts";
import { queryNumber, viewRoute } from "./view.ts";
import type { Webhooks } from "./webhooks/create-webhooks.ts";

/** A command is a decision, not an upload: 1 MiB of JSON. */
const maxBodyBytes = 1024 * 1024;
/** A body that is too large is read on this far, in bytes, and thrown away: whoever is still sending would not see the answer. */
const maxDiscardedBytes = 16 * maxBodyBytes;
/** What who has shown no token may have kept for it, in bytes: a log-in, or a share, with room to spare. */
const maxOpenBodyBytes = 16 * 1024;
const maxIdempotencyKeyChars = 200;

export interface HttpAppSettings extends SessionRoutesSettings, DescriptionSettings {
  readonly runtime: Runtime;
  readonly sessions: Sessions;
  readonly presences: SessionPresences;
  readonly executions: Executions;
  readonly log: Log;
  readonly views: readonly View[];
  readonly webhooks: Pick<Webhooks, "secretOf">;
  readonly actions: readonly Action[];
  /** Addresses and networks of proxies whose word on where a request comes from is taken. */
  readonly trustedProxies: readonly string[];
  health(ctx: KernelContext): Promise<HealthView>;
  /** Prometheus text, for scrapers on this machine and for bearers of a token that is bound to no session. */
  metrics(): Promise<string>;
  /** Told of errors that are ours and whose text does not go out, such as what ends a live feed. */
  onError(error: unknown): void;
}

/** The gateway's app, and all its routes as they describe themselves. */
export type HttpApp = Hono & { readonly described: readonly Route[] };

/** The gateway over HTTP: routes that translate to and from `receive`, and nothing else. None is mounted without a description of itself. */
export function createHttpApp(settings: HttpAppSettings): HttpApp {
  const { runtime, receive, sessions, presences, executions, log } = settings;
  const source = sourceOf(settings.system);
  const app = new Hono();
  const described: Route[] = [];
  const mount: Mount = (route, handle) => {
    described.push(route);
    app.on(route.method, route.path, handle);
  };
  const feeds = createFeedPlaces();

  const who = (c: Context): Promise<Authenticated> =>
    receive.authenticate({ token: bearerOf(c), traceparent: headerOf(c, "traceparent"), signal: goneSignal(c) });
  const reader = async (
    c: Context,
    subject: string,
    scope: ReadScope,
    about?: { readonly executionId: string },
  ): Promise<Authenticated> => {
    const caller = await who(c);
    receive.mayRead(caller, subject, scope, about);
    return caller;
  };

  /** Events of one stream: a page of them, or a live feed up to the last. */
  const answerStream = async (
    c: Context,
    caller: Authenticated,
    stream: string,
    ends: (event: StoredEvent) => boolean,
  ): Promise<Response> => {
    const { ctx, grant } = caller;
    const after = positionOf(headerOf(c, "last-event-id") ?? c.req.query("after")) ?? startPosition;
    if (headerOf(c, "accept")?.includes("text/event-stream") !== true) {
      const limit = queryNumber(c.req.query(), "limit", 1_000, 1_000);
      return answerEvents(c, await readStreamEvents(ctx, log, stream, { after, limit }), source);
    }
    const followed = await followStored(ctx, log, stream, after, ends);
    // There is nothing to wait for: this answer keeps an EventSource from asking again.
    if (followed === undefined) return c.body(null, 204);
    return streamFeed(c, {
      ctx,
      log,
      filter: { tenant: ctx.tenant, streamPrefix: stream },
      first: followed.events,
      after,
      endsWith: followed.endsWith,
      expiresAt: grant.expiresAt,
      isOpen: () => receive.isOpen(caller),
      onError: settings.onError,
      onEnd: feeds.enter(grant),
    });
  };

  app.onError((error, c) => {
    if (error instanceof HttpProblem) return toResponse(error.parts);
    const parts = ofError(toWire(error));
    // Who went away in the middle has ended it, and reads no answer.
    if (parts.status === 500 && !goneSignal(c).aborted) settings.onError(error);
    return toResponse(parts);
  });
  app.notFound((c) =>
    toResponse({ status: 404, code: "gateway.no_route", detail: `There is nothing at ${c.req.method} ${c.req.path}.` }),
  );

  const answerHealth = async (c: Context) => {
    const health = await settings.health(rootContext(runtime));
    return c.json(health, health.status === "down" ? 503 : 200);
  };
  mount(gatewayRoutes.health, answerHealth);
  mount(gatewayRoutes.guardedHealth, async (c) => {
    await reader(c, "health", "session");
    return await answerHealth(c);
  });
  mount(gatewayRoutes.ready, async (c) => {
    const { status } = await settings.health(rootContext(runtime));
    return c.json({ ready: status !== "down" }, status === "down" ? 503 : 200);
  });
  mount(gatewayRoutes.metrics, async (c) => {
    if (!isLoopback(c)) await reader(c, "metrics", "tenant");
    return c.text(await settings.metrics(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  });

  mount(gatewayRoutes.openSession, async (c) => {
    const opener = await who(c);
    const { ctx, grant, token } = opener;
    const key = idempotencyKeyOf(c);
    const parsed = createSession.safeParse(await bodyOf(c));
    if (!parsed.success) {
      const errors = toFieldProblems(parsed.error, "body");
      throw new HttpProblem({
        status: 422,
        code: "gateway.invalid_session",
        detail: "The request does not describe a session.",
        errors,
        reasons: errors.map(({ path, reason }) => `${path}: ${reason}`),
      });
    }
    if (grant.sessionId !== undefined) {
      throw new HttpProblem({
        status: 403,
        code: "gateway.session_token",
        detail: "A session's token opens no further sessions.",
        next: "Use the token that opened this one.",
      });
    }
    receive.mayOpenSession(opener);
    const opened = await sessions.create(ctx, { grant, token }, parsed.data, key);
    if (!opened.ok) {
      throw new HttpProblem({
        status: 422,
        code: "gateway.idempotency_mismatch",
        detail: "This idempotency key was used for another session.",
        reasons: ["A key stands for one session with the same client type and purpose; take a new key for a new one."],
      });
    }
    const { session } = opened;
    const body: SessionCreated = {
      sessionId: session.sessionId,
      capabilities: session.created.capabilities,
      token: opened.token,
      eventsUrl: `/v1/sessions/${session.sessionId}/events`,
      socketUrl: socketPath,
      webhookSecret: settings.webhooks.secretOf(session.sessionId),
      expiresAt: new Date(session.created.expiresAt).toISOString(),
    };
    return c.json(body, 201, { location: `/v1/sessions/${session.sessionId}` });
  });
  mount(gatewayRoutes.sessions, async (c) => {
    const { ctx, grant } = await reader(c, "sessions", "session");
    const now = runtime.clock.now();
    const visible =
      grant.sessionId === undefined
        ? await sessions.list(ctx, queryNumber(c.req.query(), "limit", 50, 500))
        : [await sessions.find(ctx, grant, grant.sessionId)].filter((own) => own !== undefined);
    return c.json({ sessions: visible.map((session) => toSessionView(session, now)) });
  });
  mount(gatewayRoutes.session, async (c) => {
    const caller = await reader(c, "session", "session");
    const session = await receive.session(caller, c.req.param("id"));
    return c.json({ ...toSessionView(session, runtime.clock.now()), present: presences.of(session.sessionId) });
  });
  mount(gatewayRoutes.endSession, async (c) => {
    const caller = await who(c);
    return c.json(toSessionView(await receive.endSession(caller, c.req.param("id")), runtime.clock.now()));
  });
  mount(gatewayRoutes.send, async (c) => {
    const caller = await who(c);
    const session = await receive.session(caller, c.req.param("id"));
    const { answer, quota } = await receive.command(caller, session, await bodyOf(c), idempotencyKeyOf(c));
    const headers = quota === undefined ? {} : quotaHeaders(quota);
    if (answer.status === "pending" || answer.status === "waiting" || answer.status === "running") {
      return c.json(answer, 202, { ...headers, location: answer.pollUrl });
    }
    return c.json(answer, 200, headers);
  });
  mount(gatewayRoutes.ask, async (c) => {
    const caller = await who(c);
    const session = await receive.session(caller, c.req.param("id"));
    return c.json(await receive.query(caller, session, await bodyOf(c)));
  });
  mount(gatewayRoutes.watch, async (c) => {
    const caller = await reader(c, "session.events", "session");
    const session = await receive.session(caller, c.req.param("id"));
    const after = positionOf(headerOf(c, "last-event-id") ?? c.req.query("after")) ?? startPosition;
    // From here on nothing throws: the place is given back when the feed ends.
    const giveBack = feeds.enter(caller.grant);
    const present = { client: toPresentClient(caller.grant, runtime.clock.now(), "events") };
    presences.enter(session.sessionId, present);
    return streamFeed(c, {
      ctx: caller.ctx,
      log,
      filter: { tenant: caller.ctx.tenant, session: session.sessionId },
      endsWith: (event) => event.type === "session.ended",
      after,
      expiresAt: feedEnd(caller.grant, session, runtime.clock.now()),
      isOpen: () => receive.isOpen(caller),
      onError: settings.onError,
      onEnd() {
        giveBack();
        presences.leave(session.sessionId, present);
      },
    });
  });
  mount(gatewayRoutes.socket, async (c) => {
    await who(c);
    throw new HttpProblem(upgradeNeeded);
  });

  addSessionRoutes(
    mount,
    {
      who,
      whoShows: (c, token) =>
        receive.authenticate({ token, traceparent: headerOf(c, "traceparent"), signal: goneSignal(c) }),
      reader,
      body: bodyOf,
      openBody: (c) => bodyOf(c, maxOpenBodyBytes),
      idempotencyKey: idempotencyKeyOf,
    },
    settings,
  );

  mount(gatewayRoutes.mintCapability, async (c) => {
    const caller = await who(c);
    return c.json(await receive.mint(caller, await bodyOf(c), idempotencyKeyOf(c)), 201);
  });

  mount(gatewayRoutes.executions, async (c) => {
    const { ctx, grant } = await reader(c, "executions", "session");
    const before = positionOf(c.req.query("before"));
    const session = grant.sessionId ?? c.req.query("session");
    const page = await executions.list(ctx, {
      limit: queryNumber(c.req.query(), "limit", 50, 500),
      ...(isHighRisk(c.req.query("risk")) && { risk: "high" }),
      ...(before !== undefined && { before }),
      ...(session !== undefined && { session }),
    });
    return c.json({
      executions: page.executions.map(toExecutionView),
      ...(page.undecodable.length > 0 && { undecodable: page.undecodable.map(toUndecodableView) }),
      ...(page.next !== undefined && { next: page.next }),
    });
  });
  mount(gatewayRoutes.execution, async (c) => {
    const executionId = c.req.param("id");
    const caller = await reader(c, "execution", "session", { executionId });
    return c.json(toExecutionView(await receive.execution(caller, executionId)));
  });
  mount(gatewayRoutes.cancel, async (c) => {
    const caller = await who(c);
    return c.json(toExecutionView(await receive.cancel(caller, c.req.param("id"), "asked by a client")));
  });
  mount(gatewayRoutes.executionEvents, async (c) => {
    const executionId = c.req.param("id");
    const caller = await reader(c, "execution.events", "session", { executionId });
    await receive.mayFollow(caller, executionId);
    return await answerStream(c, caller, executionStream(executionId), endsExecution);
  });

  mount(gatewayRoutes.events, async (c) => {
    const { ctx, grant } = await reader(c, "events", "session");
    const { type, session, ...query } = c.req.query();
    const page = await readLogEvents(ctx, log, {
      after: positionOf(query.after),
      before: positionOf(query.before),
      limit: queryNumber(query, "limit", 100, 1_000),
      session: grant.sessionId ?? session,
      types: type?.split(","),
    });
    return answerEvents(c, page, source);
  });

  for (const view of settings.views) {
    mount(viewRoute(view), async (c) => {
      const caller = await reader(c, view.name, view.scope ?? "tenant");
      const request = {
        grant: caller.grant,
        params: c.req.param() as Record<string, string>,
        query: c.req.query(),
      };
      if ("stream" in view) {
        const stream = await view.stream(caller.ctx, request);
        if (stream === undefined) throw notFound(view.name);
        return await answerStream(c, caller, stream, (event) => view.ends(event));
      }
      const answer = await view.read(caller.ctx, request);
      if (answer === undefined) throw notFound(view.name);
      return c.json(answer as object);
    });
  }

  addDescription(mount, { reader: (c) => reader(c, "openapi", "session") }, settings, described);
  addDocsPage(mount);

  const clientAddress = createClientAddress(settings.trustedProxies);
  for (const action of settings.actions) {
    mount(actionRoute(action), async (c) => {
      const request = {
        params: c.req.param() as Record<string, string>,
        address: clientAddress(bindingsOf(c).incoming?.socket.remoteAddress, headerOf(c, "x-forwarded-for")),
        body: () => bodyOf(c, action.isOpen === true ? maxOpenBodyBytes : maxBodyBytes),
      };
      const { status, body } =
        action.isOpen === true
          ? await action.perform(rootContext(runtime, { signal: goneSignal(c) }), request)
          : await action.perform(await who(c), request);
      return c.json(body, status, { "cache-control": "no-store" });
    });
  }
  return Object.assign(app, { described });
}

const outcomeTypes: ReadonlySet<string> = new Set(outcomeStatuses.map((status) => `execution.${status}`));

/** Whether an event of an execution is its last (W5). */
const endsExecution = (event: StoredEvent): boolean => outcomeTypes.has(event.type);

/**
 * When a session's feed ends by time: with the token it was opened with, and with the session. What is left to come of one that is
 * over, as of a command it left to itself, may still be followed by whoever opened it.
 */
function feedEnd(grant: Grant, session: Session, now: number): number | null {
  if (!isOpen(session, now)) return grant.expiresAt;
  return Math.min(session.created.expiresAt, grant.expiresAt ?? Number.POSITIVE_INFINITY);
}

function bearerOf(c: Context): string | undefined {
  const header = headerOf(c, "authorization");
  return header?.startsWith("Bearer ") === true ? header.slice("Bearer ".length) : undefined;
}

async function bodyOf(c: Context, maxBytes = maxBodyBytes): Promise<unknown> {
  const encoding = headerOf(c, "content-encoding");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") throw new HttpProblem(packed);
  const text = await readText(c, maxBytes).catch((error) => {
    throw error instanceof HttpProblem ? error : new HttpProblem(incomplete);
  });
  if (text.trim() === "") throw malformed("The body is empty; JSON is needed.");
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw malformed(`The body is not JSON: ${error instanceof Error ? error.message : "it does not parse"}.`);
  }
  if (jsonDepth(body) > maxJsonDepth) throw malformed(`The body is nested deeper than ${maxJsonDepth} levels.`);
  return body;
}

/** The body as text, at most so many bytes of it, whatever length was announced. */
async function readText(c: Context, maxBytes: number): Promise<string> {
  const announced = Number(headerOf(c, "content-length") ?? Number.NaN);
  if (announced > maxBytes) throw tooLarge(maxBytes, announced);
  // What is announced is held to by the server: such a body can be read in one go.
  if (announced <= maxBytes) return await c.req.text();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of c.req.raw.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes <= maxBytes) text += decoder.decode(chunk, { stream: true });
    else if (bytes > maxDiscardedBytes) break;
  }
  if (bytes > maxBytes) throw tooLarge(maxBytes, bytes);
  return text + decoder.decode();
}

const tooLarge = (maxBytes: number, bytes: number): HttpProblem =>
  new HttpProblem({
    status: 413,
    code: "gateway.body_too_large",
    detail: `A body holds ${maxBytes} bytes at most.`,
    // So much is nobody's mistake: it is not read on, though its sender may be cut before it sees this.
    ...(bytes > maxDiscardedBytes && { headers: { connection: "close" } }),
  });

/** Nothing is unpacked: a few bytes may become any number of them. */
const packed: ProblemParts = {
  status: 415,
  code: "gateway.unsupported_encoding",
  detail: "A body is taken as it is, and not packed.",
  next: "Send it without Content-Encoding.",
  headers: { "accept-encoding": "identity" },
};

/** Whoever it came from has gone, or was cut: nobody reads this, and it is no error of ours. */
const incomplete: ProblemParts = {
  status: 400,
  code: "gateway.incomplete_body",
  detail: "The body ended before its end.",
};

const malformed = (detail: string): HttpProblem =>
  new HttpProblem({ status: 400, code: "gateway.malformed_body", detail });

function idempotencyKeyOf(c: Context): string | undefined {
  const key = headerOf(c, "idempotency-key");
  if (key !== undefined && (key.length === 0 || key.length > maxIdempotencyKeyChars)) {
    throw new HttpProblem({
      status: 400,
      code: "gateway.invalid_idempotency_key",
      detail: `An Idempotency-Key has 1 to ${maxIdempotencyKeyChars} characters.`,
    });
  }
  return key;
}

/** Whether those of high risk alone are asked for. Of others acceptances need not say what they have. */
function isHighRisk(text: string | undefined): boolean {
  if (text === undefined || text === "high") return text !== undefined;
  throw new HttpProblem({ status: 400, code: "gateway.invalid_risk", detail: "Only risk=high can be asked for." });
}

function positionOf(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (!isPosition(text))
    throw new HttpProblem({
      status: 400,
      code: "gateway.invalid_position",
      detail: "That is not a position of this log.",
    });
  return text;
}

/** What a Node server hands over beside the request; absent where the app is called in process. */
interface NodeBindings {
  readonly incoming?: IncomingMessage;
}

const bindingsOf = (c: Context): NodeBindings => (c.env as NodeBindings | undefined) ?? {};

/** A header, read where the server has it already: building the whole of a web request for it takes longer than the command. */
function headerOf(c: Context, name: string): string | undefined {
  const { incoming } = bindingsOf(c);
  if (incoming === undefined) return c.req.header(name);
  const value = incoming.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** One for each connection, which serves many requests: making one for each cost more than the rest of the door. */
const goneSignals = new WeakMap<Socket, AbortSignal>();

/** Aborts when the client's connection closes; with HTTP/1.1 that is when it no longer waits for its answer. */
function goneSignal(c: Context): AbortSignal {
  const socket = bindingsOf(c).incoming?.socket;
  if (socket === undefined) return c.req.raw.signal;
  const known = goneSignals.get(socket);
  if (known !== undefined) return known;
  const gone = new AbortController();
  const abort = () => gone.abort(new ViableError("context.cancelled", "The client went away."));
  if (socket.destroyed) abort();
  else socket.once("close", abort);
  goneSignals.set(socket, gone.signal);
  return gone.signal;
}

function isLoopback(c: Context): boolean {
  const address = bindingsOf(c).incoming?.socket.remoteAddress;
  return address === "127.0.0.1" || address === "::1" || address === "::ffff:127.0.0.1";
}
