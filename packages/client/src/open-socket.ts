import type { Backoff, Clock, Random, Timer } from "@viable/kernel";
import { backoffMs, systemClock, systemRandom, ViableError } from "@viable/kernel";
import type {
  ClientFrameInput,
  CommandAnswer,
  Confirmation,
  CoordinationView,
  EventView,
  ExecutionView,
  PresentClient,
  Problem,
  SendCommand,
  ServerFrame,
} from "@viable/protocol";
import {
  feedHeartbeatMs,
  maxSocketFrames,
  problem as problemSchema,
  serverFrame,
  socketClose,
  socketProtocol,
  socketTokenPrefix,
} from "@viable/protocol";
import type { WatchOptions } from "./client.ts";
import { GatewayProblem, unexpectedAnswer, unreachable } from "./errors.ts";
import type { GatewayAddresses } from "./gateway-addresses.ts";
import { createAddresses } from "./gateway-addresses.ts";

export interface SocketSettings {
  /** Where the gateway is, such as `http://127.0.0.1:4100`; or where several of one system are: where one is lost, it is gone on at the next. */
  readonly url: string | readonly string[];
  readonly token: string;
  /** The platform's own unless told. */
  readonly WebSocket?: typeof WebSocket;
  /** Asks why a socket was not opened, which the platform's does not tell. The platform's own unless told. */
  readonly fetch?: typeof fetch;
  /** For the pauses between reconnects; the machine's own unless told. */
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface SocketWatchOptions extends WatchOptions {
  /** Told who is joined to the session, now and whenever that changes: `count` in all, of whom the first hundred are named. */
  readonly onPresence?: (clients: readonly PresentClient[], count: number) => void;
}

/**
 * One connection to the gateway for commands and the events of several sessions. It is opened when it is first needed, and again whenever it
 * is lost while it is needed. Errors are those of `Client`.
 */
export interface GatewaySocket {
  /**
   * A session's events from a position on, each once and in order, however often the connection is lost. What has been handed out is
   * acknowledged, so that no more than a thousand are ever held here. Ends with the session, by the signal, or when the socket is closed; throws
   * when the gateway refuses, or could not be reached for about half a minute. One at a time for each session.
   */
  watch(sessionId: string, options?: SocketWatchOptions): AsyncGenerator<EventView, void, void>;
  /**
   * Sends a command. With an `idempotencyKey` it is sent again when the connection is lost before the answer; without one it then fails with
   * `client.unreachable`, since nobody knows whether it was accepted.
   */
  send(
    sessionId: string,
    command: SendCommand,
    options?: { readonly idempotencyKey?: string; readonly signal?: AbortSignal },
  ): Promise<CommandAnswer>;
  cancel(
    executionId: string,
    options?: { readonly reason?: string; readonly signal?: AbortSignal },
  ): Promise<ExecutionView>;
  /** Says yes or no, once, to what was asked of the clients of a session. */
  confirm(
    coordinationId: string,
    word: Confirmation,
    options?: { readonly signal?: AbortSignal },
  ): Promise<CoordinationView>;
  /** Lets go of the connection. What is watched ends, and what is asked fails with `client.closed`. */
  close(): void;
}

/** Nine tries within about half a minute at most, drawn at random so that clients that were cut together do not come together. */
const reconnect: Backoff = { baseMs: 200, maxMs: 8_000, maxAttempts: 10 };
/** A line of which nothing was heard for three heartbeats, in milliseconds, is dead. */
const silentMs = 3 * feedHeartbeatMs;
/** A line that was heard of for this long, in milliseconds, shows that the gateway is there. */
const steadyMs = 30_000;
/** How many events are acknowledged at once: a tenth of what may be outstanding. */
const ackEvery = 100;
const normalClose = 1000;

const knownTypes: ReadonlySet<unknown> = new Set(serverFrame.options.map(({ shape }) => shape.type.value));

type Reply = Extract<ServerFrame, { type: "reply" }>;
type ErrorFrame = Extract<ServerFrame, { type: "error" }>;

interface Watch {
  readonly sessionId: string;
  readonly onPresence: SocketWatchOptions["onPresence"];
  /** The last event that was handed out. */
  after: string | undefined;
  /** Which `join` it was last asked for by, and whether that was answered. */
  joinId: string;
  isJoined: boolean;
  /** How often it was refused for now, one after the other. */
  refusals: number;
  queue: EventView[];
  unacknowledged: number;
  /** It has ended: after the queue nothing comes, or the failure. */
  end: { readonly failure?: unknown } | undefined;
  wake(): void;
}

interface Ask {
  readonly frame: ClientFrameInput;
  /** Whether it may be sent twice. */
  readonly isRepeatable: boolean;
  isSent: boolean;
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/** Opens a socket to a gateway. Runs in browsers and in Node. */
export function openSocket(settings: SocketSettings): GatewaySocket {
  return new ReconnectingSocket(settings);
}

/** States: idle → connecting → open → (waiting → connecting → open …) → idle | closed. */
class ReconnectingSocket implements GatewaySocket {
  readonly #settings: SocketSettings;
  readonly #addresses: GatewayAddresses;
  readonly #clock: Clock;
  readonly #watches = new Map<string, Watch>();
  readonly #asks = new Map<string, Ask>();
  #line: WebSocket | undefined;
  #isOpen = false;
  #isClosed = false;
  #failures = 0;
  #lastProblem: Problem | undefined;
  #retry: Timer | undefined;
  #silence: Timer | undefined;
  #openedMs = 0;
  #nextId = 1;

  constructor(settings: SocketSettings) {
    this.#settings = settings;
    this.#addresses = createAddresses(settings.url);
    this.#clock = settings.clock ?? systemClock;
  }

  async *watch(
    sessionId: string,
    { after, signal, onPresence }: SocketWatchOptions = {},
  ): AsyncGenerator<EventView, void, void> {
    if (this.#isClosed) throw closed();
    const isAborted = () => signal?.aborted === true;
    if (isAborted()) return;
    if (this.#watches.has(sessionId)) {
      throw new ViableError("client.already_watched", `The session ${sessionId} is watched on this socket already.`, {
        next: "Hand its events on from the first watch, or open another socket.",
      });
    }
    const watch: Watch = {
      sessionId,
      onPresence,
      after,
      joinId: "",
      isJoined: false,
      refusals: 0,
      queue: [],
      unacknowledged: 0,
      end: undefined,
      wake: () => undefined,
    };
    const wake = () => watch.wake();
    signal?.addEventListener("abort", wake);
    this.#watches.set(sessionId, watch);
    if (this.#isOpen) this.#join(watch);
    else this.#need();
    try {
      while (!isAborted()) {
        const event = watch.queue.shift();
        if (event !== undefined) {
          watch.after = event.position;
          yield event;
          this.#handled(watch);
          if (event.type === "session.ended") return;
        } else if (watch.end !== undefined) {
          if ("failure" in watch.end) throw watch.end.failure;
          return;
        } else {
          await new Promise<void>((resolve) => {
            watch.wake = resolve;
          });
        }
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      this.#watches.delete(sessionId);
      if (this.#isOpen && watch.isJoined) this.#write({ type: "leave", sessionId });
    }
  }

  async send(
    sessionId: string,
    command: SendCommand,
    { idempotencyKey, signal }: { readonly idempotencyKey?: string; readonly signal?: AbortSignal } = {},
  ): Promise<CommandAnswer> {
    const id = this.#newId();
    const frame: ClientFrameInput = {
      ...command,
      type: "command",
      id,
      sessionId,
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    };
    const { answer } = await this.#ask(id, frame, idempotencyKey !== undefined, signal);
    if (answer === undefined) throw unexpectedAnswer(this.#base, 101, "a reply to a command without its answer");
    return answer;
  }

  async cancel(
    executionId: string,
    { reason, signal }: { readonly reason?: string; readonly signal?: AbortSignal } = {},
  ): Promise<ExecutionView> {
    const id = this.#newId();
    const frame: ClientFrameInput = { type: "cancel", id, executionId, ...(reason !== undefined && { reason }) };
    const { execution } = await this.#ask(id, frame, true, signal);
    if (execution === undefined) throw unexpectedAnswer(this.#base, 101, "a reply to a cancel without its execution");
    return execution;
  }

  async confirm(
    coordinationId: string,
    word: Confirmation,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<CoordinationView> {
    const id = this.#newId();
    // Not sent twice: the second would be refused, since the client has said its word.
    const { coordination } = await this.#ask(id, { ...word, type: "confirm", id, coordinationId }, false, signal);
    if (coordination === undefined)
      throw unexpectedAnswer(this.#base, 101, "a reply to a confirm without what it is of");
    return coordination;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#retry = undefined;
    for (const watch of this.#watches.values()) end(watch, {});
    this.#failAsks(closed());
    this.#dropLine(normalClose);
  }

  get #base(): string {
    return this.#addresses.current;
  }

  #newId(): string {
    return String(this.#nextId++);
  }

  #ask(id: string, frame: ClientFrameInput, isRepeatable: boolean, signal?: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#isClosed) throw closed();
      if (this.#asks.size >= maxSocketFrames) {
        throw new ViableError("client.too_many_asked", `${maxSocketFrames} answers are waited for already.`, {
          retryable: true,
          next: "Wait for some of them first.",
        });
      }
      const settle = () => {
        signal?.removeEventListener("abort", abort);
        this.#asks.delete(id);
      };
      const abort = () => {
        settle();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort);
      const ask: Ask = {
        frame,
        isRepeatable,
        isSent: false,
        resolve: (reply) => {
          settle();
          resolve(reply);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      this.#asks.set(id, ask);
      if (this.#isOpen) this.#sendAsk(ask);
      else this.#need();
    });
  }

  #sendAsk(ask: Ask): void {
    ask.isSent = true;
    this.#write(ask.frame);
  }

  #join(watch: Watch): void {
    watch.joinId = this.#newId();
    watch.isJoined = false;
    watch.unacknowledged = 0;
    const { sessionId, joinId, after } = watch;
    this.#write({ type: "join", id: joinId, sessionId, acks: true, ...(after !== undefined && { after }) });
  }

  #handled(watch: Watch): void {
    watch.unacknowledged += 1;
    const { sessionId, after } = watch;
    if (watch.unacknowledged < ackEvery || !this.#isOpen || !watch.isJoined || after === undefined) return;
    watch.unacknowledged = 0;
    this.#write({ type: "ack", sessionId, position: after });
  }

  #write(frame: ClientFrameInput): void {
    this.#line?.send(JSON.stringify(frame));
  }

  /** Sees to it that there is a connection, now or after a pause. */
  #need(): void {
    if (this.#line === undefined && this.#retry === undefined && !this.#isClosed) this.#connect();
  }

  #connect(): void {
    const Platform = this.#settings.WebSocket ?? WebSocket;
    const line = new Platform(`${this.#base.replace(/^http/, "ws")}/v1/socket`, [
      socketProtocol,
      `${socketTokenPrefix}${this.#settings.token}`,
    ]);
    this.#line = line;
    this.#openedMs = this.#clock.monotonicMs();
    this.#listen(line);
    line.addEventListener("open", () => {
      if (line === this.#line) this.#opened();
    });
    line.addEventListener("message", ({ data }) => {
      if (line === this.#line) this.#hear(line, data);
    });
    line.addEventListener("close", ({ code }) => {
      if (line === this.#line) this.#lost(code);
    });
  }

  #listen(line: WebSocket): void {
    this.#silence?.cancel();
    this.#silence = this.#clock.setTimer(
      () => {
        if (line !== this.#line) return;
        // Its own closing may take as long again.
        this.#lost(undefined);
        line.close();
      },
      silentMs,
      { background: true },
    );
  }

  #opened(): void {
    this.#isOpen = true;
    for (const watch of this.#watches.values()) if (watch.end === undefined) this.#join(watch);
    for (const ask of this.#asks.values()) this.#sendAsk(ask);
  }

  #dropLine(code: number): void {
    const line = this.#line;
    this.#line = undefined;
    this.#isOpen = false;
    this.#silence?.cancel();
    line?.close(code);
  }

  #hear(line: WebSocket, data: unknown): void {
    this.#listen(line);
    if (this.#clock.monotonicMs() - this.#openedMs >= steadyMs) this.#failures = 0;
    const frame = readFrame(data);
    if (frame === undefined) return;
    if (frame === "unreadable") {
      this.#fail(unexpectedAnswer(this.#base, 101, "a message that is no frame"));
      this.#dropLine(normalClose);
      return;
    }
    if (frame.type === "event") this.#takeEvent(frame.sessionId, frame.event);
    else if (frame.type === "reply") this.#takeReply(frame);
    else if (frame.type === "error") this.#takeError(frame);
    else if (frame.type === "joined") this.#takeJoined(frame.sessionId, frame.id);
    else if (frame.type === "presence") this.#watches.get(frame.sessionId)?.onPresence?.(frame.clients, frame.count);
  }

  #takeJoined(sessionId: string, id: string | undefined): void {
    const watch = this.#watches.get(sessionId);
    if (watch !== undefined && watch.joinId === id) {
      watch.isJoined = true;
      watch.refusals = 0;
    }
    // It was left before it was joined.
    else if (watch === undefined) this.#write({ type: "leave", sessionId });
  }

  #takeEvent(sessionId: string, event: EventView): void {
    this.#failures = 0;
    const watch = this.#watches.get(sessionId);
    // What comes of an earlier join is not this one's.
    if (watch === undefined || !watch.isJoined) return;
    watch.queue.push(event);
    if (event.type === "session.ended") watch.end = {};
    watch.wake();
  }

  #takeReply(reply: Reply): void {
    this.#failures = 0;
    this.#asks.get(reply.id)?.resolve(reply);
  }

  #takeError({ id, sessionId, problem, retryAfterMs }: ErrorFrame): void {
    this.#lastProblem = problem as Problem;
    const error = new GatewayProblem(problem as Problem);
    if (id === undefined) {
      const watch = sessionId === undefined ? undefined : this.#watches.get(sessionId);
      // Of anything else the socket is closed next, and that is where it is gone on from.
      if (watch !== undefined && problem.code === "gateway.session_ended") end(watch, {});
      return;
    }
    if (problem.code === "gateway.too_many_frames") {
      this.#clock.setTimer(() => this.#again(id), retryAfterMs ?? reconnect.baseMs, { background: true });
      return;
    }
    this.#asks.get(id)?.reject(error);
    const watch = this.#watchOf(id);
    if (watch === undefined) return;
    watch.refusals += 1;
    if (!problem.retryable || watch.refusals >= reconnect.maxAttempts) end(watch, { failure: error });
    else this.#clock.setTimer(() => this.#again(id), retryAfterMs ?? reconnect.maxMs, { background: true });
  }

  #watchOf(joinId: string): Watch | undefined {
    return [...this.#watches.values()].find((watch) => watch.joinId === joinId);
  }

  /** Sends once more what found no room, and was not begun. */
  #again(id: string): void {
    if (!this.#isOpen) return;
    const ask = this.#asks.get(id);
    const watch = this.#watchOf(id);
    if (ask !== undefined) this.#sendAsk(ask);
    else if (watch !== undefined && !watch.isJoined && watch.end === undefined) this.#join(watch);
  }

  #lost(code: number | undefined): void {
    const wasOpen = this.#isOpen;
    this.#line = undefined;
    this.#isOpen = false;
    this.#silence?.cancel();
    if (code === socketClose.authorityEnded && this.#lastProblem !== undefined) {
      this.#fail(new GatewayProblem(this.#lastProblem));
      return;
    }
    for (const watch of this.#watches.values()) {
      // They come again, after the last that was handed out: so no more are ever held than one join may have sent.
      if (watch.end === undefined) watch.queue = [];
      watch.isJoined = false;
    }
    for (const ask of [...this.#asks.values()]) {
      if (ask.isSent && !ask.isRepeatable) ask.reject(unreachable(this.#base, this.#lastProblem ?? "It was cut."));
      else ask.isSent = false;
    }
    this.#addresses.failed(this.#base);
    if (this.#isNeeded()) this.#retryLater(wasOpen);
  }

  #isNeeded(): boolean {
    return this.#asks.size > 0 || [...this.#watches.values()].some((watch) => watch.end === undefined);
  }

  #retryLater(wasOpen: boolean): void {
    this.#failures += 1;
    const random = this.#settings.random ?? systemRandom;
    const pauseMs = backoffMs(reconnect, this.#failures, random);
    if (pauseMs === undefined) {
      this.#fail(unreachable(this.#base, this.#lastProblem ?? "No socket was opened."));
      return;
    }
    this.#retry = this.#clock.setTimer(() => {
      this.#retry = undefined;
      if (!this.#isNeeded()) return;
      if (wasOpen) this.#connect();
      else void this.#connectIfAllowed();
    }, pauseMs);
  }

  /** The platform tells nobody why a socket was not opened. What is asked without one is answered. */
  async #connectIfAllowed(): Promise<void> {
    const ask = this.#settings.fetch ?? fetch;
    let refusal: Problem | undefined;
    try {
      const answer = await ask(`${this.#base}/v1/socket`, {
        headers: { authorization: `Bearer ${this.#settings.token}` },
      });
      const parsed = problemSchema.safeParse(await answer.json());
      if (parsed.success) refusal = parsed.data as Problem;
    } catch {
      // Nobody there, which the next try finds as well.
    }
    if (refusal !== undefined && !refusal.retryable && refusal.code !== "gateway.upgrade_needed")
      this.#fail(new GatewayProblem(refusal));
    else this.#need();
  }

  /** Nothing more comes of what is watched and asked. Whoever asks anew has it tried anew. */
  #fail(error: unknown): void {
    this.#failures = 0;
    for (const watch of this.#watches.values()) if (watch.end === undefined) end(watch, { failure: error });
    this.#failAsks(error);
  }

  #failAsks(error: unknown): void {
    for (const ask of [...this.#asks.values()]) ask.reject(error);
  }
}

function end(watch: Watch, how: { readonly failure?: unknown }): void {
  watch.end = how;
  watch.wake();
}

/** Undefined for a type that this release does not know. */
function readFrame(data: unknown): ServerFrame | "unreadable" | undefined {
  if (typeof data !== "string") return "unreadable";
  let body: unknown;
  try {
    body = JSON.parse(data);
  } catch {
    return "unreadable";
  }
  const parsed = serverFrame.safeParse(body);
  if (parsed.success) return parsed.data;
  const isUnknown = typeof body === "object" && body !== null && "type" in body && !knownTypes.has(body.type);
  return isUnknown ? undefined : "unreadable";
}

/** `client.closed`: the socket was closed here. */
const closed = (): ViableError => new ViableError("client.closed", "The socket was closed.");
