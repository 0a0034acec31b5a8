// The subject `socket.io`: WebSockets alone, its rooms, its memory of missed messages off as it comes. Its own heartbeat is put off beyond
// the measurement, as it is to nobody's account here.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { useOfMemory } from "../reactors/memory-use.ts";
import { paceEvents } from "./paced-events.ts";

interface IoSocket {
  readonly handshake: { readonly query: { readonly session?: string } };
  join(room: string): void;
  emit(event: string): void;
}
interface IoServer {
  on(event: "connection", handle: (socket: IoSocket) => void): void;
  to(room: string): { emit(event: string, data: object): void };
}
type Frame = Readonly<Record<string, unknown>> & { readonly event: object };

const { sample } = readSettings<{ sample: { readonly text: string; readonly sessionId: string } }>();
const { type: _type, ...template } = JSON.parse(sample.text) as Frame;
const { Server } = loadPeer<{ readonly Server: new (http: object, options: object) => IoServer }>("socket.io");
const http = createServer();
const io = new Server(http, { transports: ["websocket"], pingInterval: 3_600_000, serveClient: false });
io.on("connection", (socket) => {
  socket.join(socket.handshake.query.session ?? "");
  socket.emit("joined");
});
await once(http.listen(0, "127.0.0.1"), "listening");
const { controlPort, publish } = await paceEvents((sessionId, n) => {
  io.to(sessionId).emit("event", {
    ...template,
    sessionId,
    position: String(n),
    event: { ...template.event, sessionId },
  });
});

answerParent({
  ready: () => ({ port: (http.address() as AddressInfo).port, controlPort }),
  publish,
  memory: () => useOfMemory(),
  ...watchProcess(),
});
