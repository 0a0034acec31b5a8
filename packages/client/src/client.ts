import type { Clock, JsonValue, Random } from "@viable/kernel";
import { codeOf, systemClock, systemRandom } from "@viable/kernel";
import type {
  ApprovalList,
  AskQuery,
  CapabilityMinted,
  CapabilityPage,
  CapabilityView,
  ClaimPage,
  CloudEvent,
  CommandAnswer,
  CommandList,
  Confirmation,
  CoordinationView,
  CreateSession,
  DeadLetterPage,
  Discovery,
  EventPage,
  EventView,
  ExecutionEventPage,
  ExecutionPage,
  ExecutionView,
  ExportAccepted,
  ExportFormat,
  HealthView,
  MemoryPage,
  MintCapability,
  OwnCapability,
  Problem,
  ProjectionList,
  QueryAnswer,
  QueryList,
  ReactorList,
  RegistryMetrics,
  RequestCoordination,
  RunPage,
  RunStatus,
  RunView,
  SendCommand,
  ServiceSwarms,
  SessionCreated,
  SessionJoined,
  SessionList,
  SessionShared,
  SessionView,
  ShareSession,
  SuspendSession,
  SwarmHistory,
  SwarmReportList,
  WebhookPage,
} from "@viable/protocol";
import {
  approvalList,
  capabilityMinted,
  capabilityPage,
  capabilityView,
  claimPage,
  cloudEventBatch,
  cloudEventsBatchType,
  commandAnswer,
  commandList,
  coordinationView,
  deadLetterPage,
  discovery,
  endedRunStatuses,
  eventPage,
  eventView,
  executionEventPage,
  executionPage,
  executionView,
  exportAccepted,
  feedHeartbeatMs,
  healthView,
  memoryPage,
  ownCapability,
  problem as problemSchema,
  projectionList,
  queryAnswer,
  queryList,
  reactorList,
  registryMetrics,
  runPage,
  runView,
  serviceSwarms,
  sessionCreated,
  sessionJoined,
  sessionList,
  sessionShared,
  sessionView,
  swarmHistory,
  swarmReportList,
  webhookPage,
} from "@viable/protocol";
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { z } from "zod";
import { GatewayProblem, unexpectedAnswer, unreachable, unreachableCode } from "./errors.ts";
import { createAddresses } from "./gateway-addresses.ts";
import type { UsersClient } from "./users-client.ts";
import { createUsersClient } from "./users-client.ts";

export interface ClientSettings {
  /**
   * Where the gateway is, such as `http://127.0.0.1:4100`; or where several of one system are, 16 at most. Where one cannot be reached the next is
   * asked, and feeds go on there. What may be sent twice is sent once to each: reads, and what has an idempotency key.
   */
  readonly url: string | readonly string[];
  readonly token: string;
  /** The platform's own unless told. */
  readonly fetch?: typeof fetch;
  /** For the pauses between reconnects; the machine's own unless told. */
  readonly clock?: Clock;
  /** So that clients that were cut together do not come back together; the machine's own unless told. */
  readonly random?: Random;
}

/** Which events: those after a position, oldest first, or else the latest. */
export interface EventsQuery {
  readonly after?: string;
  readonly before?: string;
  readonly limit?: number;
  /** Types, or globs of them, with commas between. */
  readonly type?: string;
  readonly session?: string;
}

/** Which swarms, beside what they offer: all that is named must hold. */
export interface DiscoverQuery {
  /** A range as npm writes it: `^1.4`. */
  readonly version?: string;
  /** The caller's own where absent. */
  readonly tenant?: string;
  readonly subsystem?: string;
  readonly tags?: readonly string[];
}

/** Events as CloudEvents, and the position to go on from. */
export interface CloudEventPage {
  readonly events: readonly CloudEvent[];
  readonly next: string;
}

/** Which runs, the newest first. */
export interface RunsQuery {
  readonly reactor?: string;
  readonly status?: RunStatus;
  readonly session?: string;
  readonly limit?: number;
  readonly before?: string;
}

export interface WatchOptions {
  /** Go on after this position; from the beginning of what is watched where absent. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

/**
 * The gateway, typed. Every answer is checked against the protocol. Errors are `GatewayProblem` (the gateway said no, and why),
 * `client.unreachable` or `client.unexpected_answer`. Runs in browsers and in Node.
 */
export interface Client {
  /** The gateway that is asked now. */
  readonly url: string;
  /** Opens a session. The same `idempotencyKey` sent again with the same token finds the first, and its token. */
  openSession(request: CreateSession, options?: { idempotencyKey?: string }): Promise<SessionCreated>;
  /** The latest first; for a session's token its own. */
  sessions(query?: { limit?: number }): Promise<SessionList>;
  /** Has this client's token narrowed, and the result recorded, so that it is listed. The same `idempotencyKey` finds the first. */
  mintCapability(request: MintCapability, options?: { idempotencyKey?: string }): Promise<CapabilityMinted>;
  /** Those that were minted, the latest first; for a session's token those of its session. */
  capabilities(query?: { limit?: number; before?: string }): Promise<CapabilityPage>;
  /** One of them. */
  capability(capabilityId: string): Promise<CapabilityView>;
  /** What this client's token allows. */
  ownCapability(): Promise<OwnCapability>;
  /** Lets another client into a session, for an hour unless told. The same `idempotencyKey` finds the first. */
  share(
    sessionId: string,
    request?: Partial<ShareSession>,
    options?: { idempotencyKey?: string },
  ): Promise<SessionShared>;
  /** Joins the session that this client's token is a share of, and tells its other clients. */
  join(): Promise<SessionJoined>;
  /** Asks the other clients of a session whether something may be. */
  coordinate(
    sessionId: string,
    request: Omit<RequestCoordination, "requiredConfirmations"> & { requiredConfirmations?: number },
  ): Promise<CoordinationView>;
  coordination(coordinationId: string): Promise<CoordinationView>;
  /** Says yes or no, once. */
  confirm(coordinationId: string, word: Confirmation): Promise<CoordinationView>;
  /** Asks for all that a session holds up to now, as one text. */
  requestExport(sessionId: string, format: ExportFormat): Promise<ExportAccepted>;
  /** That text, as it comes. */
  readExport(exportId: string): Promise<ReadableStream<string>>;
  session(sessionId: string): Promise<SessionView>;
  endSession(sessionId: string): Promise<SessionView>;
  /** Keeps anything new from being begun in a session; what was begun goes on. */
  suspendSession(sessionId: string, request?: SuspendSession): Promise<SessionView>;
  /** Lets it go on. Not by the session's own token. */
  resumeSession(sessionId: string): Promise<SessionView>;
  /** Sends a command. The same `idempotencyKey` sent again finds the first. */
  send(
    sessionId: string,
    command: SendCommand,
    options?: { idempotencyKey?: string; signal?: AbortSignal },
  ): Promise<CommandAnswer>;
  /** Asks a query and waits for its answer. Nothing is recorded, and asking again changes nothing. */
  ask(sessionId: string, query: AskQuery, options?: { signal?: AbortSignal }): Promise<QueryAnswer>;
  queries(): Promise<QueryList>;
  execution(executionId: string): Promise<ExecutionView>;
  executions(query?: { limit?: number; before?: string; session?: string; risk?: "high" }): Promise<ExecutionPage>;
  cancel(executionId: string): Promise<ExecutionView>;
  /**
   * An execution's events, oldest first, in as many requests as it takes: all there are after a position, or `limit` of them and
   * then `next` to go on from.
   */
  executionEvents(executionId: string, query?: { after?: string; limit?: number }): Promise<ExecutionEventPage>;
  /**
   * A session's events, from a position on, for as long as it is read: drops are mended by going on after the last one seen, so
   * none is missed and none comes twice. A feed that has been silent for longer than its heartbeats allow counts as dropped. Ends
   * by the signal; throws when the gateway refuses, or after it could not be reached for about half a minute.
   */
  watch(sessionId: string, options?: WatchOptions): AsyncGenerator<EventView, void, void>;
  commands(): Promise<CommandList>;
  /** Every swarm of every living process. */
  swarms(): Promise<SwarmReportList>;
  /** A service's swarm, in the process that answers where it is there, with all of them in `processes`. */
  swarm(service: string): Promise<ServiceSwarms>;
  /** What a service's swarms were: samples and the latest changes, or `limit` changes from the number `from` on downwards. */
  swarmHistory(service: string, query?: { from?: number; limit?: number }): Promise<SwarmHistory>;
  /** Who offers a capability, and fits the query; by the query alone where none is named. */
  discover(capability: string | undefined, query?: DiscoverQuery): Promise<Discovery>;
  /** Tasks that came to nothing before anybody ended them, the newest first. */
  deadLetters(query?: { limit?: number; before?: string }): Promise<DeadLetterPage>;
  /** What the registry of the process that answers has done, and what crosses between swarms. */
  registryMetrics(): Promise<RegistryMetrics>;
  /** Who has which of the tenant's resources, by their names. */
  claims(query?: { limit?: number; after?: string }): Promise<ClaimPage>;
  memory(query: {
    service?: string;
    namespace?: string;
    prefix?: string;
    key?: string;
    limit?: number;
  }): Promise<MemoryPage>;
  events(query?: EventsQuery): Promise<EventPage>;
  /** The same as CloudEvents. */
  cloudEvents(query?: EventsQuery): Promise<CloudEventPage>;
  projections(): Promise<ProjectionList>;
  /** Messages to receivers, the newest first. */
  webhooks(query?: { limit?: number; before?: string }): Promise<WebhookPage>;
  /** The reactors that runs can be begun of, and with `graph` each as Mermaid draws it. */
  reactors(query?: { graph?: "mermaid" }): Promise<ReactorList>;
  runs(query?: RunsQuery): Promise<RunPage>;
  run(runId: string): Promise<RunView>;
  /** A run's events, as `executionEvents` does it. */
  runEvents(runId: string, query?: { after?: string; limit?: number }): Promise<ExecutionEventPage>;
  /** A run's events as they come, up to its end, mended as `watch` does it. */
  watchRun(runId: string, options?: WatchOptions): AsyncGenerator<EventView, void, void>;
  /** What persons are asked for. */
  approvals(query?: { limit?: number; after?: string }): Promise<ApprovalList>;
  health(): Promise<HealthView>;
  readonly users: UsersClient;
}

/** A dropped feed is picked up again after these waits at most, in milliseconds, and half of them at least; then it is given up. About half a minute in all. */
const reconnectAfterMs = [100, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000];

/** A feed that was heard of for this long, in milliseconds, shows that the gateway is there. */
const steadyMs = 30_000;

/** A feed of which nothing was heard for three heartbeats, in milliseconds, is dead: its line broke, and nobody said so. */
const silentMs = 3 * feedHeartbeatMs;

/** How many events of an execution are asked for at once: as many as the gateway gives. */
const pageEvents = 1_000;

export function createClient(settings: ClientSettings): Client {
  const send = settings.fetch ?? fetch;
  const clock = settings.clock ?? systemClock;
  const random = settings.random ?? systemRandom;
  const addresses = createAddresses(settings.url);

  /** Why an answer did not come: because the caller did not want it any more, or because nobody gave one. */
  const lost = (base: string, error: unknown, signal: AbortSignal | undefined): unknown => {
    if (signal?.aborted === true) return signal.reason;
    addresses.failed(base);
    return unreachable(base, error);
  };

  /** Asks one gateway after the other, each once, until one answers: where it does no harm that another was asked before. */
  const asking = async <T>(
    method: string,
    headers: Record<string, string> | undefined,
    ask: (base: string) => Promise<T>,
  ): Promise<T> => {
    const isRepeatable = method !== "POST" || headers?.["idempotency-key"] !== undefined;
    for (let left = isRepeatable ? addresses.count : 1; ; left--) {
      try {
        return await ask(addresses.current);
      } catch (error) {
        if (left <= 1 || codeOf(error) !== unreachableCode) throw error;
      }
    }
  };

  interface RequestOptions {
    readonly body?: unknown;
    readonly headers?: Record<string, string>;
    readonly signal?: AbortSignal;
  }
  const requestAt = async (base: string, method: string, path: string, options: RequestOptions) => {
    const url = base + path;
    let response: Response;
    try {
      response = await send(url, {
        method,
        headers: {
          authorization: `Bearer ${settings.token}`,
          ...(options.body !== undefined && { "content-type": "application/json" }),
          ...options.headers,
        },
        ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
        ...(options.signal !== undefined && { signal: options.signal }),
      });
    } catch (error) {
      throw lost(base, error, options.signal);
    }
    if (!response.ok && !(path === "/health" && response.status === 503)) throw await toProblem(url, response);
    return response;
  };
  const request = (method: string, path: string, options: RequestOptions = {}): Promise<Response> =>
    asking(method, options.headers, (base) => requestAt(base, method, path, options));
  const textOf = (base: string, response: Response, signal?: AbortSignal): Promise<string> =>
    response.text().catch((error) => {
      throw lost(base, error, signal);
    });
  const json = <T>(method: string, path: string, schema: z.ZodType<T>, options: RequestOptions = {}): Promise<T> =>
    asking(method, options.headers, async (base) => {
      const response = await requestAt(base, method, path, options);
      return check(await textOf(base, response, options.signal), schema, base + path, response.status);
    });
  const read = <T>(path: string, schema: z.ZodType<T>): Promise<T> => json("GET", path, schema);

  /** Events in as many requests as it takes. */
  const readPages = async (
    path: string,
    { after, limit = Number.POSITIVE_INFINITY }: { after?: string; limit?: number } = {},
  ): Promise<ExecutionEventPage> => {
    const events: EventView[] = [];
    let next = after;
    do {
      const query = toQuery({ after: next, limit: Math.min(limit - events.length, pageEvents) });
      const page = await read(path + query, executionEventPage);
      events.push(...page.events);
      // It would be asked for ever.
      if (page.next !== undefined && page.next === next)
        throw unexpectedAnswer(addresses.current + path, 200, "it goes on where it was asked to begin");
      next = page.next;
    } while (next !== undefined && events.length < limit);
    return { events, ...(next !== undefined && { next }) };
  };

  /** A feed for as long as it is read, or, where `ends` is given, until it is closed after such an event. */
  async function* follow(
    path: string,
    options: WatchOptions = {},
    ends: (event: EventView) => boolean = () => false,
  ): AsyncGenerator<EventView, void, void> {
    let { after } = options;
    let failures = 0;
    let isOver = false;
    for (;;) {
      const base = addresses.current;
      const line = watchLine(clock, base, options.signal);
      try {
        const response = await requestAt(base, "GET", path, {
          headers: { accept: "text/event-stream", ...(after !== undefined && { "last-event-id": after }) },
          signal: line.signal,
        });
        // There is nothing more to come.
        if (response.status === 204) return;
        for await (const event of readEvents(response, line)) {
          failures = 0;
          after = event.position;
          isOver = ends(event);
          yield event;
        }
        if (isOver) return;
      } catch (error) {
        if (options.signal?.aborted === true) return;
        if (error instanceof GatewayProblem && !error.retryable) throw error;
        addresses.failed(base);
        if (failures >= reconnectAfterMs.length && line.heardForMs() < steadyMs) throw error;
      } finally {
        line.stop();
      }
      if (options.signal?.aborted === true) return;
      // A feed that held for a while was a good one, however few its events: its end is the first failure, not one more.
      if (line.heardForMs() >= steadyMs) failures = 0;
      const waitMs = reconnectAfterMs[Math.min(failures++, reconnectAfterMs.length - 1)] as number;
      await pause(clock, waitMs * (0.5 + random.next() / 2), options.signal);
    }
  }

  return {
    get url() {
      return addresses.current;
    },
    openSession: (body, options = {}) =>
      json("POST", "/v1/sessions", sessionCreated, { body, headers: keyHeader(options.idempotencyKey) }),
    sessions: (query = {}) => read(`/v1/sessions${toQuery({ ...query })}`, sessionList),
    mintCapability: (body, options = {}) =>
      json("POST", "/v1/capabilities", capabilityMinted, { body, headers: keyHeader(options.idempotencyKey) }),
    capabilities: (query = {}) => read(`/v1/capabilities${toQuery({ ...query })}`, capabilityPage),
    capability: (id) => read(`/v1/capabilities/${encodeURIComponent(id)}`, capabilityView),
    ownCapability: () => read("/v1/capability", ownCapability),
    share: (sessionId, body = {}, options = {}) =>
      json("POST", `/v1/sessions/${encodeURIComponent(sessionId)}/shares`, sessionShared, {
        body,
        headers: keyHeader(options.idempotencyKey),
      }),
    join: () => json("POST", "/v1/sessions/join", sessionJoined, { body: { token: settings.token } }),
    coordinate: (sessionId, body) =>
      json("POST", `/v1/sessions/${encodeURIComponent(sessionId)}/coordinations`, coordinationView, { body }),
    coordination: (id) => read(`/v1/coordinations/${encodeURIComponent(id)}`, coordinationView),
    confirm: (id, body) =>
      json("POST", `/v1/coordinations/${encodeURIComponent(id)}/confirmations`, coordinationView, { body }),
    requestExport: (sessionId, format) =>
      json("POST", `/v1/sessions/${encodeURIComponent(sessionId)}/exports`, exportAccepted, { body: { format } }),
    readExport: async (exportId) => {
      const response = await request("GET", `/v1/exports/${encodeURIComponent(exportId)}`);
      return (response.body ?? new Blob([]).stream()).pipeThrough(new TextDecoderStream());
    },
    session: (sessionId) => read(`/v1/sessions/${encodeURIComponent(sessionId)}`, sessionView),
    endSession: (sessionId) => json("DELETE", `/v1/sessions/${encodeURIComponent(sessionId)}`, sessionView),
    suspendSession: (sessionId, body = {}) =>
      json("PUT", `/v1/sessions/${encodeURIComponent(sessionId)}/suspension`, sessionView, { body }),
    resumeSession: (sessionId) =>
      json("DELETE", `/v1/sessions/${encodeURIComponent(sessionId)}/suspension`, sessionView),
    send: (sessionId, body, options = {}) =>
      json("POST", `/v1/sessions/${encodeURIComponent(sessionId)}/commands`, commandAnswer, {
        body,
        ...(options.signal !== undefined && { signal: options.signal }),
        headers: keyHeader(options.idempotencyKey),
      }),
    ask: (sessionId, body, options = {}) =>
      json("POST", `/v1/sessions/${encodeURIComponent(sessionId)}/queries`, queryAnswer, {
        body,
        ...(options.signal !== undefined && { signal: options.signal }),
      }),
    queries: () => read("/v1/queries", queryList),
    execution: (executionId) => read(`/v1/executions/${encodeURIComponent(executionId)}`, executionView),
    executions: (query = {}) => read(`/v1/executions${toQuery(query)}`, executionPage),
    cancel: (executionId) => json("DELETE", `/v1/executions/${encodeURIComponent(executionId)}`, executionView),
    executionEvents: (executionId, query) =>
      readPages(`/v1/executions/${encodeURIComponent(executionId)}/events`, query),
    watch: (sessionId, options) => follow(`/v1/sessions/${encodeURIComponent(sessionId)}/events`, options),
    commands: () => read("/v1/commands", commandList),
    projections: () => read("/v1/projections", projectionList),
    webhooks: (query = {}) => read(`/v1/webhooks${toQuery(query)}`, webhookPage),
    reactors: (query = {}) => read(`/v1/reactors${toQuery(query)}`, reactorList),
    runs: (query = {}) => read(`/v1/reactors/runs${toQuery({ ...query })}`, runPage),
    run: (runId) => read(runPath(runId), runView),
    runEvents: (runId, query) => readPages(`${runPath(runId)}/events`, query),
    watchRun: (runId, options) => follow(`${runPath(runId)}/events`, options, endsRun),
    approvals: (query = {}) => read(`/v1/approvals${toQuery(query)}`, approvalList),
    swarms: () => read("/v1/swarms", swarmReportList),
    swarm: (service) => read(`/v1/swarms/${encodeURIComponent(service)}`, serviceSwarms),
    swarmHistory: (service, query = {}) =>
      read(`/v1/swarms/${encodeURIComponent(service)}/history${toQuery(query)}`, swarmHistory),
    discover: (capability, { tags, ...query } = {}) =>
      read(`/v1/registry/discover${toQuery({ capability, ...query, tag: tags?.join(",") })}`, discovery),
    deadLetters: (query = {}) => read(`/v1/registry/dead-letters${toQuery(query)}`, deadLetterPage),
    registryMetrics: () => read("/v1/registry/metrics", registryMetrics),
    claims: (query = {}) => read(`/v1/registry/claims${toQuery(query)}`, claimPage),
    memory: (query) => read(`/v1/memory${toQuery(query)}`, memoryPage),
    events: (query = {}) => read(`/v1/events${toQuery({ ...query })}`, eventPage),
    async cloudEvents(query = {}) {
      const path = `/v1/events${toQuery({ ...query })}`;
      const headers = { accept: cloudEventsBatchType };
      return await asking("GET", headers, async (base) => {
        const response = await requestAt(base, "GET", path, { headers });
        const events = check(await textOf(base, response), cloudEventBatch, base + path, response.status);
        const next = nextOf(response.headers.get("link"));
        if (next === undefined) throw unexpectedAnswer(base + path, response.status, "it does not say where to go on");
        return { events, next };
      });
    },
    health: () => read("/health", healthView),
    users: createUsersClient(json),
  };
}

const runPath = (runId: string): string => `/v1/reactors/runs/${encodeURIComponent(runId)}`;

const runEndings: ReadonlySet<string> = new Set(endedRunStatuses.map((status) => `run.${status}`));
const endsRun = (event: EventView): boolean => runEndings.has(event.type);

const keyHeader = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { "idempotency-key": key };

/** What an answer says, where it is of the protocol; `client.unexpected_answer` where it is not. */
function check<T>(text: string, schema: z.ZodType<T>, url: string, status: number): T {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw unexpectedAnswer(url, status, "it is no JSON");
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unexpectedAnswer(url, status, `${issue?.path.join(".") || "the whole"}: ${issue?.message}`);
}

/** The line that a feed comes over, and whether there is still anything to be heard. */
interface Line {
  /** Aborts when the caller's does, or when nothing was heard for `silentMs`. */
  readonly signal: AbortSignal;
  heard(): void;
  /** From its beginning to the last that was heard of it, in milliseconds. */
  heardForMs(): number;
  stop(): void;
}

function watchLine(clock: Clock, url: string, signal: AbortSignal | undefined): Line {
  const silence = new AbortController();
  const beganMs = clock.monotonicMs();
  let lastMs = beganMs;
  const listen = () =>
    clock.setTimer(
      () => silence.abort(unreachable(url, new Error(`Nothing was heard for ${silentMs} ms.`))),
      silentMs,
      { background: true },
    );
  let timer = listen();
  return {
    signal: signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]),
    heard() {
      lastMs = clock.monotonicMs();
      timer.cancel();
      timer = listen();
    },
    heardForMs: () => lastMs - beganMs,
    stop: () => timer.cancel(),
  };
}

async function* readEvents(response: Response, line: Line): AsyncGenerator<EventView, void, void> {
  const type = response.headers.get("content-type") ?? "nothing";
  if (response.body === null || !type.startsWith("text/event-stream"))
    throw unexpectedAnswer(response.url, response.status, `${type} instead of a feed`);
  // Heartbeats are comments, which the parser drops: that there is somebody is heard before it.
  const listen = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      line.heard();
      controller.enqueue(chunk);
    },
  });
  const messages = response.body
    .pipeThrough(listen, { signal: line.signal })
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const message of messages) yield check(message.data, eventView, response.url, response.status);
}

async function toProblem(url: string, response: Response): Promise<Error> {
  const body: unknown = await response.json().catch(() => undefined);
  const parsed = problemSchema.safeParse(body);
  return parsed.success
    ? new GatewayProblem(parsed.data as Problem)
    : unexpectedAnswer(url, response.status, "no problem document");
}

function toQuery(query: Readonly<Record<string, JsonValue | undefined>>): string {
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs)}`;
}

/** The position that a page's link to the next one names (RFC 8288). */
function nextOf(link: string | null): string | undefined {
  const query = /<\?([^>]*)>; rel="next"/.exec(link ?? "")?.[1];
  return new URLSearchParams(query).get("after") ?? undefined;
}

function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(resolve, ms);
    signal?.addEventListener(
      "abort",
      () => {
        timer.cancel();
        resolve();
      },
      { once: true },
    );
  });
}
