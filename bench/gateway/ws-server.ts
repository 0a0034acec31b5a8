// The subject `ws`: the library that we use by itself, as its documentation shows it, with the sockets of each session kept in a set. An
// event is made into JSON once and sent to each.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { answerParent, readSettings } from "../harness/child.ts";
import { importSameCopy } from "../harness/same-copy.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { useOfMemory } from "../reactors/memory-use.ts";
import { paceEvents } from "./paced-events.ts";

interface BareSocket {
  on(event: "message" | "error" | "close", handle: () => void): void;
  send(text: string): void;
}
interface BareServer {
  on(event: "connection", handle: (socket: BareSocket, request: { readonly url?: string }) => void): void;
  once(event: string, handle: () => void): void;
  address(): AddressInfo;
}
type Frame = Readonly<Record<string, unknown>> & { readonly event: object };

const { sample } = readSettings<{ sample: { readonly text: string; readonly sessionId: string } }>();
const template = JSON.parse(sample.text) as Frame;
const { WebSocketServer } = await importSameCopy<{ readonly WebSocketServer: new (options: object) => BareServer }>(
  "@viable/gateway",
  "ws",
);
const rooms = new Map<string, Set<BareSocket>>();
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, clientTracking: false });
await once(server as never, "listening");
server.on("connection", (socket, request) => {
  const sessionId = (request.url ?? "").slice(1);
  const room = rooms.get(sessionId) ?? new Set();
  rooms.set(sessionId, room);
  room.add(socket);
  socket.on("message", () => undefined);
  socket.on("error", () => undefined);
  socket.on("close", () => room.delete(socket));
  socket.send("joined");
});
const { controlPort, publish } = await paceEvents((sessionId, n) => {
  const text = JSON.stringify({ ...template, sessionId, position: String(n), event: { ...template.event, sessionId } });
  for (const socket of rooms.get(sessionId) ?? []) socket.send(text);
});

answerParent({
  ready: () => ({ port: server.address().port, controlPort }),
  publish,
  memory: () => useOfMemory(),
  ...watchProcess(),
});
