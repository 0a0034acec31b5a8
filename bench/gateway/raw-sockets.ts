// The subject `limit` of sockets: the handshake by hand, and then frames that were made before anything is measured, written to Node's
// sockets of their session. Nobody is asked who they are, nothing is read from anywhere, no frame is checked.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { answerParent, readSettings } from "../harness/child.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { useOfMemory } from "../reactors/memory-use.ts";
import { paceEvents } from "./paced-events.ts";

const { sample } = readSettings<{ sample: { readonly text: string; readonly sessionId: string } }>();
const rooms = new Map<string, { readonly frame: Buffer; readonly sockets: Set<Socket> }>();

const textFrame = (text: string): Buffer => {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = length < 126 ? Buffer.of(0x81, length) : Buffer.of(0x81, 126, length >> 8, length & 0xff);
  return Buffer.concat([head, payload]);
};

const server = createServer();
server.on("upgrade", (request, rawSocket) => {
  const socket = rawSocket as Socket;
  socket.setNoDelay();
  socket.setTimeout(0);
  const key = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  socket.write([...head, `Sec-WebSocket-Accept: ${key}`, "\r\n"].join("\r\n"));
  socket.on("data", () => undefined);
  socket.on("error", () => undefined);
  const sessionId = (request.url ?? "").slice(1);
  const room = rooms.get(sessionId) ?? {
    frame: textFrame(sample.text.replaceAll(sample.sessionId, sessionId)),
    sockets: new Set(),
  };
  rooms.set(sessionId, room);
  room.sockets.add(socket);
  socket.once("close", () => room.sockets.delete(socket));
  socket.write(textFrame("joined"));
});
await once(server.listen(0, "127.0.0.1"), "listening");
const { controlPort, publish } = await paceEvents((sessionId) => {
  const room = rooms.get(sessionId);
  if (room !== undefined) for (const socket of room.sockets) socket.write(room.frame);
});

answerParent({
  ready: () => ({ port: (server.address() as AddressInfo).port, controlPort }),
  publish,
  memory: () => useOfMemory(),
  ...watchProcess(),
});
