import type { Server } from "node:http";
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Context } from "@viable/kernel";
import { untilSettled, ViableError } from "@viable/kernel";

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
  /** Takes the connection over, which is handed on as Node's server has it: request, socket and what came behind the headers. Never rejects. */
  handle(request: unknown, socket: unknown, head: Uint8Array): Promise<void>;
  /** Opens no more, and ends those that are open. */
  close(): Promise<void>;
}

/** Headers must be there within this, in milliseconds: whoever sends them byte by byte holds a socket, not a place. */
const headersTimeoutMs = 20_000;
/** A whole request must be there within this, in milliseconds. */
const requestTimeoutMs = 60_000;

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
      // Whoever asks for anything else, such as HTTP/2, is answered as if they had not.
      shouldUpgradeCallback: ({ headers }) => upgrades !== undefined && headers.upgrade?.toLowerCase() === "websocket",
    },
    getRequestListener(fetch as never),
  );
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
