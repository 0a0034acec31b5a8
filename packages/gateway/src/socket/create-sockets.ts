import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Runtime } from "@viable/kernel";
import { rootContext, sleep, toWire, waitFor } from "@viable/kernel";
import type { Log } from "@viable/log";
import { maxSocketMessageBytes, socketClose, socketProtocol } from "@viable/protocol";
import type { WebSocketServer } from "ws";
import { bearerOf } from "../bearer.ts";
import type { Upgrades } from "../listen.ts";
import type { ProblemParts } from "../problems.ts";
import { HttpProblem, ofError, toResponse } from "../problems.ts";
import type { Receive } from "../receive.ts";
import type { SessionPresences } from "../session-presences.ts";
import { checkUpgrade } from "./check-upgrade.ts";
import { createPageReaders } from "./page-readers.ts";
import { createSessionRooms } from "./session-rooms.ts";
import type { SocketConnectionSettings } from "./socket-connection.ts";
import { SocketConnection } from "./socket-connection.ts";
import { createSocketRounds } from "./socket-rounds.ts";

export interface SocketsSettings {
  readonly runtime: Runtime;
  readonly receive: Receive;
  readonly log: Log;
  readonly presences: SessionPresences;
  /** Sockets of this process, of which one token that is bound to no session gets a quarter. What lies here for clients that do not read, their sessions share. */
  readonly maxSockets: number;
  /** Told of errors that are ours and whose text does not go out. */
  onError(error: unknown): void;
}

/** Counted at the moment of asking, or since the start. */
export interface SocketStats {
  readonly open: number;
  /** Sessions that are followed for them. */
  readonly sessions: number;
  /** Not opened because as many were as may be. */
  readonly refused: number;
  /** Cut because their clients took nothing. */
  readonly slow: number;
}

export interface Sockets extends Upgrades {
  stats(): SocketStats;
}

/** Clients that catch up from the log at once. A page has up to 8 MiB, so these take 64 MiB at worst. */
const maxReaders = 8;
/** It must be known within this whether a socket is opened, in milliseconds: nobody waits longer for a door. */
const admissionMs = 10_000;
/** The closing handshake must be done within this, in milliseconds: as long as a mebibyte takes on a slow line. */
const closeMs = 5_000;
/** A process that stops waits as long for it, in milliseconds. */
const stopMs = 1_000;

/** The gateway over WebSockets: one connection for a client's commands and the events of the sessions it has joined. */
export function createSockets(settings: SocketsSettings): Sockets {
  const { runtime, receive, log, presences, maxSockets, onError } = settings;
  const options = {
    noServer: true,
    maxPayload: maxSocketMessageBytes,
    // A few bytes may unpack to any number of them, and events share their text over sockets only as it is.
    perMessageDeflate: false,
    // One message of a socket for each turn of the loop: a flood on one must not hold up the others.
    allowSynchronousEvents: false,
    clientTracking: false,
    // Not yet in the types that are published for it.
    closeTimeout: closeMs,
    handleProtocols: () => socketProtocol,
  };
  let server: Promise<WebSocketServer> | undefined;
  // Here and not above: most processes open none, and would load it at each start.
  const openServer = async () => {
    const ws = await import("ws");
    framing = (ws as unknown as Framing).Sender;
    return new ws.WebSocketServer(options);
  };
  let framing: Framing["Sender"] | undefined;
  const toFrame = (opcode: number, message: Buffer): Buffer => {
    if (framing === undefined) throw new Error("No socket was opened yet.");
    return Buffer.concat(framing.frame(message, { fin: true, rsv1: false, opcode, mask: false, readOnly: true }));
  };
  let beat: Buffer | undefined;
  const rooms = createSessionRooms({
    runtime,
    log,
    presences,
    readers: createPageReaders(maxReaders),
    toFrame: (message) => toFrame(textOpcode, message),
  });
  const open = new Set<SocketConnection>();
  const shared: SocketConnectionSettings = {
    runtime,
    receive,
    log,
    rooms,
    rounds: createSocketRounds({ runtime, receive, onError }),
    beatFrames() {
      beat ??= Buffer.concat([
        toFrame(pingOpcode, Buffer.alloc(0)),
        toFrame(textOpcode, Buffer.from(JSON.stringify({ type: "beat" }))),
      ]);
      return beat;
    },
    onSlow: () => void slow++,
    onError,
    onClosed(connection) {
      open.delete(connection);
      count(connection.bearer, -1);
      if (open.size === 0) lastClosed?.();
    },
  };
  const byBearer = new Map<string, number>();
  let entering = 0;
  let refused = 0;
  let slow = 0;
  let stopping = false;
  let lastClosed: (() => void) | undefined;

  const count = (bearer: string, by: 1 | -1) => {
    const now = (byBearer.get(bearer) ?? 0) + by;
    if (now === 0) byBearer.delete(bearer);
    else byBearer.set(bearer, now);
  };

  const admit = async (request: IncomingMessage, socket: Duplex, head: Buffer, token: string): Promise<void> => {
    const gone = new AbortController();
    const onGone = () => gone.abort();
    socket.once("close", onGone);
    const { traceparent } = request.headers;
    const who = await waitFor(
      rootContext(runtime, { deadline: runtime.clock.now() + admissionMs }),
      receive.authenticate({
        token,
        traceparent: typeof traceparent === "string" ? traceparent : undefined,
        signal: gone.signal,
      }),
    );
    server ??= openServer();
    const opener = await server;
    const { bearer, max } = bearerOf(who.grant, maxSockets);
    if ((byBearer.get(bearer) ?? 0) >= max) throw new HttpProblem(tooManyOfBearer(max));
    if (stopping) throw new HttpProblem(stops);
    if (socket.destroyed) return;
    // What is kept for a socket at rest is kept thousands of times.
    socket.off("close", onGone);
    opener.handleUpgrade(request, socket, head, (ws) => {
      open.add(new SocketConnection(ws, socket, who, bearer, shared));
      count(bearer, 1);
    });
  };

  return {
    max: maxSockets,
    async handle(rawRequest, rawSocket, head) {
      // The port names none of Node's types, so that whoever has this package needs none of them.
      const [request, socket] = [rawRequest as IncomingMessage, rawSocket as Duplex];
      // A client may go before it is answered.
      socket.on("error", ignore);
      const check = checkUpgrade(request.url ?? "", request.headers);
      if (!check.ok) return await refuse(socket, check.problem);
      if (stopping) return await refuse(socket, stops);
      if (open.size + entering >= maxSockets) {
        refused += 1;
        return await refuse(socket, tooMany(maxSockets));
      }
      entering += 1;
      try {
        await admit(request, socket, Buffer.from(head), check.token);
      } catch (error) {
        if (socket.destroyed) return;
        const parts = partsOf(error);
        if (parts.status === 500) onError(error);
        if (parts.code === tooManySockets) refused += 1;
        await refuse(socket, parts);
      } finally {
        entering -= 1;
      }
    },
    stats: () => ({ open: open.size, sessions: rooms.size, refused, slow }),
    async close() {
      stopping = true;
      if (open.size === 0) return;
      const closed = new Promise<void>((resolve) => {
        lastClosed = resolve;
      });
      for (const connection of [...open]) connection.end(socketClose.goingAway, "the process stops");
      await Promise.race([closed, sleep(rootContext(runtime), stopMs)]);
      for (const connection of [...open]) connection.cut();
    },
  };
}

const ignore = () => undefined;

/** What the library frames messages with. Public there, and not in the types that are published for it. */
interface Framing {
  readonly Sender: { frame(data: Buffer, options: object): Buffer[] };
}
/** Of RFC 6455. */
const textOpcode = 1;
const pingOpcode = 9;

function partsOf(error: unknown): ProblemParts {
  if (error instanceof HttpProblem) return error.parts;
  const wire = toWire(error);
  return wire.code === "context.deadline_exceeded" ? notInTime : ofError(wire);
}

const notInTime: ProblemParts = {
  status: 503,
  code: "gateway.not_admitted",
  detail: "It could not be told in time whether the token still holds.",
  retryAfterMs: 5_000,
};
const tooManySockets = "gateway.too_many_sockets";
const tooMany = (max: number): ProblemParts => ({
  status: 503,
  code: tooManySockets,
  detail: `${max} sockets are open at this gateway.`,
  next: "Come again later, or use another gateway of the system.",
  retryAfterMs: 5_000,
});
const tooManyOfBearer = (max: number): ProblemParts => ({
  status: 429,
  code: tooManySockets,
  detail: `${max} sockets are open with this token, or what was narrowed from it.`,
  next: "Close one: a socket can be joined to several sessions.",
  retryAfterMs: 5_000,
});
const stops: ProblemParts = {
  status: 503,
  code: "gateway.stopping",
  detail: "The process stops.",
  next: "Use another gateway of the system, or come again.",
  retryAfterMs: 1_000,
};

/** Answers instead of opening a socket. */
async function refuse(socket: Duplex, parts: ProblemParts): Promise<void> {
  const response = toResponse(parts);
  const body = await response.text();
  const fields = [...response.headers, ["content-length", String(Buffer.byteLength(body))], ["connection", "close"]];
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  if (!socket.destroyed)
    socket.end(`HTTP/1.1 ${parts.status} ${STATUS_CODES[parts.status] ?? ""}\r\n${head}\r\n${body}`);
}
