// Clients of sockets: opens thousands of them, joins each to its session, counts what arrives on each, and holds every frame against the
// session of its socket. As little work for a frame as possible: on a small machine it takes its time from what it measures.
import type { Socket } from "node:net";
import { connect } from "node:net";
import { answerParent } from "../harness/child.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { SocketAsked, SocketPlan } from "./socket-plan.ts";

interface Client {
  readonly socket: Socket;
  readonly asked: SocketAsked;
  /** Of its session, among the sessions. */
  readonly session: number;
  readonly id: Buffer;
  /** What came and is no whole frame yet. */
  rest: Buffer | undefined;
  isOpen: boolean;
  isJoined: boolean;
  events: number;
}

/** How many are being opened at once: more are longer in the listener's queue, and are opened no sooner. */
const maxOpening = 50;
/** Reads of all sockets go through one buffer: each is handled before the next. */
const shared = Buffer.allocUnsafe(256 * 1024);

let plan: SocketPlan | undefined;
let clients: Client[] = [];
let control: Socket | undefined;
/** By session: how many of its sockets have heard its event of each number, those numbers counted round. */
let arrived: Uint32Array[] = [];
/** More than are under way in a session at once. */
const numbersKept = 64;
/** How many sockets each session has. */
let members: number[] = [];
let prefix = Buffer.alloc(0);
let problem: string | undefined;
/** Where in an event its session stands: at the same place in all events of a subject. */
let idAt = -1;

/** Opens all sockets and answers when each is joined. */
async function open(asked: SocketPlan): Promise<void> {
  plan = asked;
  clients = [];
  prefix = Buffer.from(asked.eventPrefix);
  problem = undefined;
  idAt = -1;
  const sessions = [...new Set(asked.sockets.map(({ sessionId }) => sessionId))];
  arrived = sessions.map(() => new Uint32Array(numbersKept));
  members = sessions.map((id) => asked.sockets.filter(({ sessionId }) => sessionId === id).length);
  const numbers = new Map(sessions.map((id, number) => [id, number]));
  control = connect({ host: "127.0.0.1", port: asked.controlPort, noDelay: true });
  const waiting = [...asked.sockets];
  const openNext = async (): Promise<void> => {
    for (let each = waiting.pop(); each !== undefined; each = waiting.pop())
      await openOne(asked, each, numbers.get(each.sessionId) as number);
  };
  await Promise.all(Array.from({ length: maxOpening }, openNext));
}

function openOne({ port, joinedMark }: SocketPlan, asked: SocketAsked, session: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const read = (count: number, buffer: Uint8Array): boolean => {
      const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, count);
      const wasJoined = client.isJoined;
      hear(client, client.rest === undefined ? chunk : Buffer.concat([client.rest, chunk]), joinedMark);
      if (!wasJoined && client.isJoined) resolve();
      if (problem !== undefined) reject(new Error(problem));
      return true;
    };
    const socket = connect({ host: "127.0.0.1", port, noDelay: true, onread: { buffer: shared, callback: read } });
    const client: Client = {
      socket,
      asked,
      session,
      id: Buffer.from(asked.sessionId),
      rest: undefined,
      isOpen: false,
      isJoined: false,
      events: 0,
    };
    clients.push(client);
    socket.once("connect", () => socket.write(asked.request, "latin1"));
    socket.once("error", reject);
    socket.once("close", () => {
      if (plan !== undefined) problem ??= "A socket was closed.";
      reject(new Error(problem));
    });
  });
}

function hear(client: Client, data: Buffer, joinedMark: string): void {
  let at = 0;
  if (!client.isOpen) {
    const end = data.indexOf("\r\n\r\n");
    if (end >= 0) {
      if (!data.subarray(0, 12).equals(Buffer.from("HTTP/1.1 101"))) problem ??= data.toString("latin1");
      client.isOpen = true;
      at = end + 4;
      for (const text of client.asked.hello) client.socket.write(masked(0x81, Buffer.from(text)));
    }
  }
  if (client.isOpen) at = hearFrames(client, data, at, joinedMark);
  client.rest = at < data.length ? Buffer.from(data.subarray(at)) : undefined;
}

/** Takes the whole frames and answers where the rest begins. */
function hearFrames(client: Client, data: Buffer, from: number, joinedMark: string): number {
  let at = from;
  while (at + 2 <= data.length) {
    const first = data[at] as number;
    let length = (data[at + 1] as number) & 0x7f;
    let begin = at + 2;
    if (length === 126) {
      if (at + 4 > data.length) break;
      length = data.readUInt16BE(at + 2);
      begin = at + 4;
    } else if (length === 127) {
      if (at + 10 > data.length) break;
      length = Number(data.readBigUInt64BE(at + 2));
      begin = at + 10;
    }
    if (begin + length > data.length) break;
    if (first === 0x81) hearText(client, data, begin, begin + length, joinedMark);
    else if (first === 0x89) client.socket.write(masked(0x8a, data.subarray(begin, begin + length)));
    else problem ??= `A frame of kind 0x${first.toString(16)}: ${data.toString("utf8", begin, begin + length)}`;
    at = begin + length;
  }
  return at;
}

function hearText(client: Client, data: Buffer, begin: number, end: number, joinedMark: string): void {
  if (!client.isJoined) {
    const text = data.toString("utf8", begin, end);
    if (text.includes(joinedMark)) client.isJoined = true;
    return;
  }
  if (end - begin < prefix.length || data.compare(prefix, 0, prefix.length, begin, begin + prefix.length) !== 0) return;
  if (idAt < 0) idAt = data.indexOf(client.id, begin) - begin;
  if (idAt < 0 || data.compare(client.id, 0, client.id.length, begin + idAt, begin + idAt + client.id.length) !== 0)
    problem ??= `A socket of ${client.asked.sessionId} heard ${data.toString("utf8", begin, end)}`;
  client.events += 1;
  const { session } = client;
  const reached = arrived[session] as Uint32Array;
  const number = client.events % numbersKept;
  const all = (reached[number] as number) + 1;
  reached[number] = all;
  if (all < (members[session] as number)) return;
  reached[number] = 0;
  control?.write(Buffer.of(session >> 8, session & 0xff));
}

/** A frame of a client, with the mask that changes nothing. */
function masked(kind: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = length < 126 ? Buffer.of(kind, 0x80 | length) : Buffer.of(kind, 0xfe, length >> 8, length & 0xff);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

answerParent({
  ready: () => true,
  open: ({ asked }: { asked: SocketPlan }) => open(asked),
  /** What each socket has heard since it was asked last, in the order of their sessions' numbers; throws what went wrong meanwhile. */
  counts: (): { session: number; events: number }[] => {
    if (problem !== undefined) throw new Error(problem);
    const counted = clients.map(({ session, events }) => ({ session, events }));
    for (const client of clients) client.events = 0;
    for (const reached of arrived) reached.fill(0);
    return counted;
  },
  close: async () => {
    plan = undefined;
    control?.destroy();
    await Promise.all(
      clients.map(
        ({ socket }) =>
          new Promise<void>((resolve) => {
            if (socket.destroyed) resolve();
            else socket.once("close", () => resolve()).resetAndDestroy();
          }),
      ),
    );
    clients = [];
  },
  ...watchProcess(),
});
