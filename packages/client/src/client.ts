import type { Clock, JsonValue } from "@viable/kernel";
import { systemClock } from "@viable/kernel";
import type {
  CommandAnswer,
  CommandDescriptor,
  CreateSession,
  Discovery,
  EventPage,
  EventView,
  ExecutionPage,
  ExecutionView,
  HealthView,
  MemoryEntryView,
  Problem,
  SendCommand,
  SessionCreated,
  SessionView,
  SwarmView,
} from "@viable/protocol";
import {
  commandAnswer,
  eventView,
  executionPage,
  executionView,
  problem as problemSchema,
  sessionCreated,
  sessionView,
} from "@viable/protocol";
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { z } from "zod";
import { GatewayProblem, unexpectedAnswer, unreachable } from "./errors.ts";

export interface ClientSettings {
  /** Where the gateway is, such as `http://127.0.0.1:4100`. */
  readonly url: string;
  readonly token: string;
  /** The platform's own unless told. */
  readonly fetch?: typeof fetch;
  /** For the pauses between reconnects; the machine's own unless told. */
  readonly clock?: Clock;
}

export interface WatchOptions {
  /** Go on after this position; from the session's beginning where absent. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

/**
 * The gateway, typed. Every answer is checked against the protocol. Errors are `GatewayProblem` (the gateway said no, and why),
 * `client.unreachable` or `client.unexpected_answer`. Runs in browsers and in Node.
 */
export interface Client {
  readonly url: string;
  openSession(request: CreateSession): Promise<SessionCreated>;
  session(sessionId: string): Promise<SessionView>;
  endSession(sessionId: string): Promise<SessionView>;
  /** Sends a command. The same `idempotencyKey` sent again finds the first. */
  send(
    sessionId: string,
    command: SendCommand,
    options?: { idempotencyKey?: string; signal?: AbortSignal },
  ): Promise<CommandAnswer>;
  execution(executionId: string): Promise<ExecutionView>;
  executions(query?: { limit?: number; before?: string; session?: string }): Promise<ExecutionPage>;
  cancel(executionId: string): Promise<ExecutionView>;
  executionEvents(executionId: string): Promise<{ events: EventView[] }>;
  /**
   * A session's events, from a position on, for as long as it is read: drops are mended by going on after the last one seen, so
   * none is missed and none comes twice. Ends by the signal; throws when the gateway refuses, or after it could not be reached
   * for about half a minute.
   */
  watch(sessionId: string, options?: WatchOptions): AsyncGenerator<EventView, void, void>;
  commands(): Promise<{ commands: CommandDescriptor[] }>;
  swarms(): Promise<{ swarms: SwarmView[] }>;
  swarm(service: string): Promise<SwarmView>;
  discover(capability: string): Promise<Discovery>;
  memory(query: {
    service?: string;
    namespace?: string;
    prefix?: string;
    key?: string;
    limit?: number;
  }): Promise<{ entries: MemoryEntryView[] }>;
  events(query?: {
    after?: string;
    before?: string;
    limit?: number;
    type?: string;
    session?: string;
  }): Promise<EventPage>;
  health(): Promise<HealthView>;
}

/** A dropped feed is picked up again after these waits, in milliseconds; then it is given up. About half a minute in all. */
const reconnectAfterMs = [100, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000];

/** A feed that held this long, in milliseconds, shows that the gateway is there. */
const steadyMs = 30_000;

export function createClient(settings: ClientSettings): Client {
  const send = settings.fetch ?? fetch;
  const clock = settings.clock ?? systemClock;
  const base = settings.url.replace(/\/+$/, "");

  const request = async (
    method: string,
    path: string,
    options: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ) => {
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
      if (options.signal?.aborted === true) throw options.signal.reason;
      throw unreachable(base, error);
    }
    if (!response.ok && !(path === "/health" && response.status === 503)) throw await toProblem(url, response);
    return response;
  };
  const json = async <T>(
    method: string,
    path: string,
    schema: z.ZodType<T> | undefined,
    options?: Parameters<typeof request>[2],
  ): Promise<T> => {
    const response = await request(method, path, options);
    const body: unknown = await response.json().catch(() => undefined);
    if (schema === undefined) return body as T;
    const parsed = schema.safeParse(body);
    if (!parsed.success)
      throw unexpectedAnswer(base + path, response.status, parsed.error.issues[0]?.message ?? "no JSON");
    return parsed.data;
  };
  const read = <T>(path: string, schema?: z.ZodType<T>): Promise<T> => json("GET", path, schema);

  return {
    url: base,
    openSession: (body) => json("POST", "/v1/sessions", sessionCreated, { body }),
    session: (sessionId) => read(`/v1/sessions/${encodeURIComponent(sessionId)}`, sessionView),
    endSession: (sessionId) => json("DELETE", `/v1/sessions/${encodeURIComponent(sessionId)}`, sessionView),
    send: (sessionId, body, options = {}) =>
      json("POST", `/v1/sessions/${encodeURIComponent(sessionId)}/commands`, commandAnswer, {
        body,
        ...(options.signal !== undefined && { signal: options.signal }),
        ...(options.idempotencyKey !== undefined && { headers: { "idempotency-key": options.idempotencyKey } }),
      }),
    execution: (executionId) => read(`/v1/executions/${encodeURIComponent(executionId)}`, executionView),
    executions: (query = {}) => read(`/v1/executions${toQuery(query)}`, executionPage),
    cancel: (executionId) => json("DELETE", `/v1/executions/${encodeURIComponent(executionId)}`, executionView),
    executionEvents: (executionId) => read(`/v1/executions/${encodeURIComponent(executionId)}/events`),
    async *watch(sessionId, options = {}) {
      let after = options.after;
      let failures = 0;
      for (;;) {
        const beganMs = clock.monotonicMs();
        try {
          const response = await request("GET", `/v1/sessions/${encodeURIComponent(sessionId)}/events`, {
            headers: { accept: "text/event-stream", ...(after !== undefined && { "last-event-id": after }) },
            ...(options.signal !== undefined && { signal: options.signal }),
          });
          for await (const event of readEvents(response)) {
            failures = 0;
            after = event.position;
            yield event;
          }
        } catch (error) {
          if (options.signal?.aborted === true) return;
          if (error instanceof GatewayProblem && !error.retryable) throw error;
          if (failures >= reconnectAfterMs.length && clock.monotonicMs() - beganMs < steadyMs) throw error;
        }
        if (options.signal?.aborted === true) return;
        // A feed that held for a while was a good one, however quiet: its end is the first failure, not one more.
        if (clock.monotonicMs() - beganMs >= steadyMs) failures = 0;
        await pause(
          clock,
          reconnectAfterMs[Math.min(failures++, reconnectAfterMs.length - 1)] as number,
          options.signal,
        );
      }
    },
    commands: () => read("/v1/commands"),
    swarms: () => read("/v1/swarms"),
    swarm: (service) => read(`/v1/swarms/${encodeURIComponent(service)}`),
    discover: (capability) => read(`/v1/registry/discover${toQuery({ capability })}`),
    memory: (query) => read(`/v1/memory${toQuery(query)}`),
    events: (query = {}) => read(`/v1/events${toQuery(query)}`),
    health: () => read("/health"),
  };
}

async function* readEvents(response: Response): AsyncGenerator<EventView, void, void> {
  if (response.body === null) return;
  const messages = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const message of messages) {
    const parsed = eventView.safeParse(JSON.parse(message.data));
    if (!parsed.success)
      throw unexpectedAnswer(response.url, response.status, parsed.error.issues[0]?.message ?? "no event");
    yield parsed.data;
  }
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
