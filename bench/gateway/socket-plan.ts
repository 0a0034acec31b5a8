/** How a client of one subject opens a socket, and what it is told then. Written out by whoever measures, so that all clients do the same. */
export interface SocketPlan {
  readonly port: number;
  /** Where it is said that an event has reached all sockets of its session. */
  readonly controlPort: number;
  readonly sockets: readonly SocketAsked[];
  /** What a message begins with that is an event. */
  readonly eventPrefix: string;
  /** A message with this text says that the socket is joined to its session; it does not count as an event. */
  readonly joinedMark: string;
}

export interface SocketAsked {
  /** The whole request, up to the empty line. */
  readonly request: string;
  /** Messages that are sent when the socket is open. */
  readonly hello: readonly string[];
  /** The session that alone may be heard of on it. */
  readonly sessionId: string;
}

/** The request for a WebSocket. The key is that of RFC 6455's example: servers only echo it. */
export const upgradeRequest = (path: string, headers: Readonly<Record<string, string>> = {}): string =>
  [
    `GET ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "\r\n",
  ].join("\r\n");
