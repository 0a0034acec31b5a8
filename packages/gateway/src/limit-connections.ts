import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Lets a server have so many connections at most. One more has the place of that which has asked for nothing for the longest time: who only
 * holds connections open keeps nobody out, and who waits for an answer, or follows something, is never cut for it. Where all do, it is refused.
 */
export function limitConnections(server: Server, maxConnections: number): void {
  /** Those that have asked for nothing yet, or for nothing more, or have not said all of it: the longest first. */
  const idle = new Set<Socket>();
  let open = 0;
  server.on("connection", (socket: Socket) => {
    open += 1;
    socket.once("close", () => {
      open -= 1;
      idle.delete(socket);
    });
    idle.add(socket);
    if (open <= maxConnections) return;
    const [longest = socket] = idle;
    idle.delete(longest);
    longest.destroy();
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    response.once("close", () => {
      if (!socket.destroyed) idle.add(socket);
    });
    const hasCome = () => idle.delete(socket);
    if (hasBody(request)) request.once("end", hasCome);
    else hasCome();
  });
  server.on("upgrade", (_request: IncomingMessage, socket: Socket) => idle.delete(socket));
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
