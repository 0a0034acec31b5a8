import type { IncomingMessage, Server } from "node:http";
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Context } from "@viable/kernel";
import { untilSettled, ViableError } from "@viable/kernel";
import { limitConnections } from "./limit-connections.ts";
import { toResponse } from "./problems.ts";

export interface Listener {
  readonly host: string;
  /** The port that was given, or the free one that was found for 0. */
  readonly port: number;
  readonly url: string;
  /** Takes no new connections, lets requests finish within the context's deadline, then cuts what is left. */
  close(ctx: Context): Promise<void>;
}

/** What becomes of connections that ask for WebSockets. */
export interface Upgrades {
  /** How many it has open at most. */
  readonly max: number;
  /** Takes the connection over, which is handed on as Node's server has it: request, socket and what came behind the headers. Never rejects. */
  handle(request: unknown, socket: unknown, head: Uint8Array): Promise<void>;
  /** Opens no more, and ends those that are open. */
  close(): Promise<void>;
}

/** Headers must be there within this, in milliseconds: whoever sends them byte by byte holds a socket, not a place. */
const headersTimeoutMs = 20_000;
/** A whole request must be there within this, in milliseconds. */
const requestTimeoutMs = 60_000;
/** How often it is looked for those whose time is over, in milliseconds: Node's own half a minute would be added to the two above. */
const lookMs = 1_000;
/**
 * Connections that are open at once beside WebSockets: four thousand feeds, and who comes and goes. With the four thousand sockets that there may be where nothing
 * else is said they are 10,000, which take 200 MB at rest, and are below the files that a process may have open on most systems that serve.
 */
const maxPlainConnections = 6_000;
/** More than any route takes, in bytes, and nobody's mistake: a body that says it has more is refused, whatever it is for. */
const maxAnnouncedBytes = 16 * 1024 * 1024;

/** Serves a fetch handler over HTTP. Fails with `gateway.port_in_use` or `gateway.cannot_listen`, naming the address. */
export async function listen(
  fetch: (request: Request, env: object) => Response | Promise<Response>,
  address: { readonly host: string; readonly port: number; readonly name: string },
  upgrades?: Upgrades,
): Promise<Listener> {
  const server: Server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: lookMs,
      // Whoever asks for anything else, such as HTTP/2, is answered as if they had not.
      shouldUpgradeCallback: ({ headers }) => upgrades !== undefined && headers.upgrade?.toLowerCase() === "websocket",
    },
    getRequestListener(
      ((request: Request, env: { incoming: IncomingMessage }) =>
        refusalOf(env.incoming) ?? fetch(request, env)) as never,
      // What is no request at all: a host or a path that is none.
      { errorHandler: malformed },
    ),
  );
  limitConnections(server, maxPlainConnections + (upgrades?.max ?? 0));
  if (upgrades !== undefined) server.on("upgrade", upgrades.handle);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(error, address)));
    server.listen(address.port, address.host, resolve);
  });
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return {
    host: address.host,
    port,
    url: `http://${host}:${port}`,
    async close(closeCtx) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await untilSettled(closeCtx, (resolve) => {
        void closed.then(resolve);
        return () => {};
      }).catch(() => undefined);
      await upgrades?.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Why a request is not looked at any further, as an answer. */
function refusalOf({ rawHeaders, headers }: IncomingMessage): Response | undefined {
  // A proxy may go by one host and we by the other (RFC 9112, 3.2).
  let hosts = 0;
  for (let n = 0; n < rawHeaders.length; n += 2) if (/^host$/i.test(rawHeaders[n] as string)) hosts += 1;
  if (hosts > 1) return malformed();
  return Number(headers["content-length"] ?? 0) > maxAnnouncedBytes ? tooLarge() : undefined;
}

const malformed = (): Response =>
  toResponse({
    status: 400,
    code: "gateway.malformed_request",
    detail: "That is no request: its host or its path is none, or it has two hosts.",
  });

/** The connection ends with it: what comes is not read on, though its sender may be cut before it sees this. */
const tooLarge = (): Response =>
  toResponse({
    status: 413,
    code: "gateway.body_too_large",
    detail: `No body has more than ${maxAnnouncedBytes} bytes, and most may have less.`,
    headers: { connection: "close" },
  });

function cannotListen(
  error: NodeJS.ErrnoException,
  address: { host: string; port: number; name: string },
): ViableError {
  if (error.code === "EADDRINUSE") {
    return new ViableError(
      "gateway.port_in_use",
      `${address.name}: port ${address.port} on ${address.host} is in use.`,
      {
        next: "Stop what listens there, or give another port (0 takes any free one).",
        cause: error,
      },
    );
  }
  return new ViableError(
    "gateway.cannot_listen",
    `${address.name}: cannot listen on ${address.host}:${address.port}: ${error.message}.`,
    {
      cause: error,
    },
  );
}
