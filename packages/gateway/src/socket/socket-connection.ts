import type { Duplex } from "node:stream";
import type { Runtime } from "@viable/kernel";
import { toWire, ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import { comparePositions, isPosition, startPosition } from "@viable/log";
import type { ClientFrame, ServerFrame } from "@viable/protocol";
import { maxSocketFrames, maxSocketJoins, socketClose } from "@viable/protocol";
import { toExecutionView } from "@viable/swarm";
import type { WebSocket } from "ws";
import type { ProblemParts } from "../problems.ts";
import { HttpProblem, ofError, toProblem, unauthenticated } from "../problems.ts";
import type { Authenticated, Receive } from "../receive.ts";
import { toPresentClient } from "../session-client.ts";
import { isOpen } from "../sessions.ts";
import { readFrame } from "./read-frame.ts";
import type { JoinEnd, JoinLine } from "./session-join.ts";
import { maxBufferedBytes, SessionJoin } from "./session-join.ts";
import type { SessionRoom, SessionRooms } from "./session-rooms.ts";
import type { SocketRounds, WatchedSocket } from "./socket-rounds.ts";

/** What all sockets of a process share. */
export interface SocketConnectionSettings {
  readonly runtime: Runtime;
  readonly receive: Receive;
  readonly log: Log;
  readonly rooms: SessionRooms;
  readonly rounds: SocketRounds;
  /** A ping and a `beat`, framed: the same bytes for all. */
  beatFrames(): Buffer;
  /** The client took nothing, and is cut. */
  onSlow(): void;
  /** Told of errors that are ours and whose text does not go out. */
  onError(error: unknown): void;
  onClosed(connection: SocketConnection): void;
}

/** Heartbeats that may go unanswered: after the second the client is taken for dead, 45 s at most after its last sign of life. */
const maxMissedBeats = 2;
/** For how long a session that is over is still told to whoever is catching up with it, in milliseconds: some hundred thousand events. */
const lastEventsMs = 60_000;
/** When there may be room again for a frame that was one too many, in milliseconds: most commands are done by then. */
const frameRetryMs = 100;

interface Joined {
  readonly room: SessionRoom;
  readonly join: SessionJoin;
}

type Reply = Extract<ServerFrame, { type: "reply" }>;

/**
 * One client's socket: its frames in, and what comes of them out. Every frame is received as a request over HTTP is.
 *
 * States: open → ending (told why, if there is a reason, and the closing handshake begun) → closed.
 */
export class SocketConnection implements JoinLine, WatchedSocket {
  readonly beatRound: number;
  /** Whose sockets it is counted with. */
  readonly bearer: string;
  readonly #ws: WebSocket;
  /** What the library writes to as well. Neither holds anything back from it, so what is written here keeps its order with what the library writes. */
  readonly #socket: Duplex;
  readonly #settings: SocketConnectionSettings;
  readonly #who: Authenticated;
  /** Aborts when the client is gone: nobody waits for an answer then. There only while a frame is under way: at rest it would weigh as much as the rest of it. */
  #asking: AbortController | undefined;
  /** By session. */
  readonly #joins = new Map<string, Joined>();
  /** Joins that catch up, also those that were left meanwhile and wait for their turn to read nothing. */
  #catchingUp = 0;
  #framesUnderWay = 0;
  /** Of answers, which are counted apart from events: whoever catches up has no room for more of those, and may ask all the same. */
  #untakenBytes = 0;
  #missedBeats = 0;
  #isEnding = false;
  #isGone = false;
  #sessionOverSinceMs: number | undefined;

  constructor(ws: WebSocket, socket: Duplex, who: Authenticated, bearer: string, settings: SocketConnectionSettings) {
    this.#ws = ws;
    this.#socket = socket;
    this.bearer = bearer;
    this.#who = settings.rounds.whoOf(who);
    this.#settings = settings;
    this.beatRound = settings.rounds.round;
    socket.on("drain", () => {
      for (const { join } of this.#joins.values()) join.taken();
    });
    ws.on("message", (data, isBinary) => this.#hear(data, isBinary));
    ws.on("pong", () => {
      this.#missedBeats = 0;
    });
    // What the client did against the protocol: the library closes with the code that says so, and `close` follows.
    ws.on("error", ignore);
    ws.on("close", () => this.#close());
    settings.rounds.enter(this.#who, this);
  }

  get isJoined(): boolean {
    return this.#joins.size > 0;
  }

  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  /** Tells the client why, and closes. */
  end(code: number, reason: string, error?: Omit<Extract<ServerFrame, { type: "error" }>, "type">): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#leaveAll();
    if (error !== undefined) this.#ws.send(JSON.stringify({ type: "error", ...error }));
    this.#ws.close(code, reason);
  }

  /** Cuts it, whatever the client does. */
  cut(): void {
    this.#ws.terminate();
  }

  #close(): void {
    this.#isEnding = true;
    this.#isGone = true;
    this.#settings.rounds.leave(this.#who, this);
    this.#leaveAll();
    this.#asking?.abort(new ViableError("context.cancelled", "The client went away."));
    this.#settings.onClosed(this);
  }

  #leaveAll(): void {
    for (const [sessionId, joined] of [...this.#joins]) this.#leave(sessionId, joined);
  }

  #leave(sessionId: string, { room, join }: Joined): void {
    this.#joins.delete(sessionId);
    join.leave();
    room.leave(join);
  }

  /** Past the library, which would write the head of each frame anew and apart from the rest, for each socket. */
  writeFrames(frames: Buffer): void {
    if (!this.#isEnding && this.#ws.readyState === this.#ws.OPEN) this.#socket.write(frames);
  }

  write(message: Buffer | string, onTaken?: () => void): void {
    if (!this.#isEnding) this.#ws.send(message, { binary: false }, onTaken);
  }

  /** Sends what is no event. A client that asks and does not read the answers must not collect them here. */
  #say(frame: ServerFrame): void {
    if (this.#untakenBytes >= maxBufferedBytes) {
      this.#endSlow();
      return;
    }
    const message = Buffer.from(JSON.stringify(frame));
    this.#untakenBytes += message.length;
    this.write(message, () => {
      this.#untakenBytes -= message.length;
    });
  }

  #refuse(id: string | undefined, parts: ProblemParts): void {
    const { retryAfterMs } = parts;
    this.#say({
      type: "error",
      ...(id !== undefined && { id }),
      problem: toProblem(parts),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }

  #hear(data: unknown, isBinary: boolean): void {
    if (this.#isEnding) return;
    this.#missedBeats = 0;
    if (isBinary) {
      this.end(socketClose.notText, "frames are text");
      return;
    }
    const reading = readFrame(String(data));
    if (!reading.ok) {
      this.#refuse(reading.id, reading.problem);
      return;
    }
    const { frame } = reading;
    if (frame.type === "ack") this.#acknowledge(frame);
    else if (frame.type === "leave") this.#leaveAsked(frame);
    else void this.#answer(frame);
  }

  async #answer(frame: Extract<ClientFrame, { type: "join" | "command" | "cancel" | "confirm" }>): Promise<void> {
    if (this.#framesUnderWay >= maxSocketFrames) {
      this.#refuse(frame.id, {
        status: 429,
        code: "gateway.too_many_frames",
        detail: `${maxSocketFrames} frames of this socket are under way already.`,
        next: "Wait for some of the answers first.",
        retryAfterMs: frameRetryMs,
      });
      return;
    }
    this.#framesUnderWay += 1;
    this.#asking ??= new AbortController();
    try {
      const { token } = this.#who;
      const who = await this.#settings.receive.authenticate({
        token,
        traceparent: undefined,
        signal: this.#asking.signal,
      });
      if (frame.type === "join") await this.#join(who, frame);
      else if (frame.type === "command") this.#reply(await this.#command(who, frame));
      else if (frame.type === "cancel") this.#reply(await this.#cancel(who, frame));
      else this.#reply(await this.#confirm(who, frame));
    } catch (error) {
      this.#refuse(frame.id, this.#partsOf(error));
    } finally {
      this.#framesUnderWay -= 1;
      if (this.#framesUnderWay === 0) this.#asking = undefined;
    }
  }

  #reply(reply: Omit<Reply, "type">): void {
    this.#say({ type: "reply", ...reply });
  }

  #partsOf(error: unknown): ProblemParts {
    if (error instanceof HttpProblem) return error.parts;
    const parts = ofError(toWire(error));
    if (parts.status === 500 && !this.#isGone) this.#settings.onError(error);
    return parts;
  }

  async #command(
    who: Authenticated,
    { type: _type, id, sessionId, idempotencyKey, ...body }: Extract<ClientFrame, { type: "command" }>,
  ): Promise<Omit<Reply, "type">> {
    const { receive } = this.#settings;
    const session = await receive.session(who, sessionId);
    const { answer } = await receive.command(who, session, body, idempotencyKey);
    return { id, answer };
  }

  async #cancel(
    who: Authenticated,
    { id, executionId, reason }: Extract<ClientFrame, { type: "cancel" }>,
  ): Promise<Omit<Reply, "type">> {
    const state = await this.#settings.receive.cancel(who, executionId, reason ?? "asked by a client");
    return { id, execution: toExecutionView(state) };
  }

  async #confirm(
    who: Authenticated,
    { type: _type, id, coordinationId, ...word }: Extract<ClientFrame, { type: "confirm" }>,
  ): Promise<Omit<Reply, "type">> {
    return { id, coordination: await this.#settings.receive.confirm(who, coordinationId, word) };
  }

  async #join(
    who: Authenticated,
    { id, sessionId, after = startPosition, acks = false }: Extract<ClientFrame, { type: "join" }>,
  ): Promise<void> {
    const { runtime, receive, rooms } = this.#settings;
    receive.mayRead(who, "session.events", "session");
    const session = await receive.session(who, sessionId);
    await this.#checkPosition(who, after);
    if (this.#isEnding) return;
    if (this.#joins.has(sessionId)) throw alreadyJoined();
    if (Math.max(this.#joins.size, this.#catchingUp) >= maxSocketJoins) throw tooManyJoins();
    const now = runtime.clock.now();
    // What is left to come of a session that is over may still be followed by whoever opened it.
    const until = isOpen(session, now) ? session.created.expiresAt : Number.POSITIVE_INFINITY;
    const room = rooms.enter(who.ctx.tenant, sessionId);
    const join = new SessionJoin({
      line: this,
      flow: room.flow,
      after,
      acks,
      client: toPresentClient(who.grant, now, "socket"),
      until: Math.min(until, who.grant.expiresAt ?? Number.POSITIVE_INFINITY),
    });
    this.#joins.set(sessionId, { room, join });
    room.admit(join);
    this.#say({ type: "joined", ...(id !== undefined && { id }), sessionId, position: after });
    this.#catchingUp += 1;
    void join.start().finally(() => {
      this.#catchingUp -= 1;
    });
  }

  /** A position that the log has not come to is of another log, or of one that has lost its end: waiting there would miss what comes before. */
  async #checkPosition({ ctx }: Authenticated, after: string): Promise<void> {
    if (!isPosition(after)) {
      throw new HttpProblem({
        status: 400,
        code: "gateway.invalid_position",
        detail: "That is not a position of this log.",
      });
    }
    if (after !== startPosition && comparePositions(after, await this.#settings.log.head(ctx)) > 0) {
      throw new HttpProblem({
        status: 409,
        code: "gateway.position_ahead",
        detail: "The log has not come to that position.",
        next: "Join from the beginning: the position is of another log, or of events that it has lost.",
      });
    }
  }

  #leaveAsked({ id, sessionId }: Extract<ClientFrame, { type: "leave" }>): void {
    const joined = this.#joins.get(sessionId);
    if (joined === undefined) this.#refuse(id, notJoined);
    else this.#leave(sessionId, joined);
  }

  #acknowledge({ sessionId, position }: Extract<ClientFrame, { type: "ack" }>): void {
    const joined = this.#joins.get(sessionId);
    // One that is on its way while a join ends is nobody's mistake.
    if (joined === undefined) return;
    if (!isPosition(position) || !joined.join.acknowledge(position)) {
      this.#refuse(undefined, {
        status: 422,
        code: "gateway.invalid_ack",
        detail: "No event was sent up to that position.",
      });
    }
  }

  joinOver(sessionId: string, why: JoinEnd): void {
    const joined = this.#joins.get(sessionId);
    if (joined === undefined) return;
    const { position } = joined.join;
    this.#leave(sessionId, joined);
    if (why.kind === "failed") {
      this.#endFailed(why.error, sessionId, position);
    } else if (why.kind === "slow") {
      this.#endSlow(sessionId, position);
    } else if (this.#who.grant.sessionId === sessionId || this.#isExpired()) {
      this.endWithAuthority();
    } else if (why.kind === "expired") {
      this.#say({ type: "error", sessionId, problem: toProblem(sessionOver), position });
    }
  }

  #isExpired(): boolean {
    return (this.#who.grant.expiresAt ?? Number.POSITIVE_INFINITY) <= this.#settings.runtime.clock.now();
  }

  #endSlow(sessionId?: string, position?: string): void {
    if (!this.#isEnding) this.#settings.onSlow();
    this.end(socketClose.slowConsumer, "slow consumer", {
      ...(sessionId !== undefined && { sessionId }),
      ...(position !== undefined && { position }),
      problem: toProblem({
        status: 503,
        code: "gateway.slow_consumer",
        detail: "What came for this client was not taken as fast as it came.",
        next: "Open another socket and go on from the last event that was handled.",
        retryAfterMs: 1_000,
      }),
      retryAfterMs: 1_000,
    });
  }

  #endFailed(error: unknown, sessionId: string, position: string): void {
    const parts = this.#partsOf(error);
    const [code, reason] =
      parts.status === 503
        ? [socketClose.tryAgain, "the log cannot be read"]
        : [socketClose.internal, "the events cannot be followed"];
    this.end(code, reason, { sessionId, position, problem: toProblem(parts) });
  }

  endWithAuthority(parts: ProblemParts = unauthenticated().parts): void {
    this.end(socketClose.authorityEnded, "the token opens nothing any more", { problem: toProblem(parts) });
  }

  /** Ends what is over in time. */
  look(now: number): void {
    for (const { join } of this.#joins.values()) join.look(now);
  }

  /** Its session has ended: whoever follows it is still told up to there. */
  endAfterLastEvent(): void {
    const nowMs = this.#settings.runtime.clock.monotonicMs();
    this.#sessionOverSinceMs ??= nowMs;
    const { sessionId } = this.#who.grant;
    const isFollowed = sessionId !== undefined && this.#joins.has(sessionId);
    if (!isFollowed || nowMs - this.#sessionOverSinceMs > lastEventsMs) this.endWithAuthority();
  }

  /** A sign of life, and cuts a client that gave none. */
  beat(): void {
    if (this.#missedBeats >= maxMissedBeats) {
      this.cut();
      return;
    }
    this.#missedBeats += 1;
    if (this.#untakenBytes >= maxBufferedBytes) this.#endSlow();
    else this.writeFrames(this.#settings.beatFrames());
  }
}

const ignore = () => undefined;

const notJoined: ProblemParts = {
  status: 409,
  code: "gateway.not_joined",
  detail: "The session is not joined on this socket.",
};

const sessionOver: ProblemParts = {
  status: 409,
  code: "gateway.session_ended",
  detail: "The session has ended.",
  next: "Open another with POST /v1/sessions.",
};

const alreadyJoined = (): HttpProblem =>
  new HttpProblem({
    status: 409,
    code: "gateway.already_joined",
    detail: "The session is joined on this socket already.",
  });

const tooManyJoins = (): HttpProblem =>
  new HttpProblem({
    status: 429,
    code: "gateway.too_many_joins",
    detail: `${maxSocketJoins} sessions are joined on this socket already.`,
    next: "Leave one, or open another socket.",
  });
