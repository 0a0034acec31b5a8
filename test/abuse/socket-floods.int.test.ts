/**
 * WebSockets as an attacker opens them, byte by byte: messages of 100 MB, fragments without end, pings that nobody reads the answers of, frames
 * that are none, packed ones, more sockets than may be, pages of other origins. The socket is closed with the code that says why, and nobody
 * else notices.
 */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttackedGateway } from "./attacked-gateway.ts";
import { startGateway } from "./attacked-gateway.ts";
import type { RawConnection } from "./raw-connection.ts";
import { exchange, openRaw, statusesOf } from "./raw-connection.ts";

let gateway: AttackedGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

const opcode = { more: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9 } as const;

interface FrameParts {
  readonly isLast?: boolean;
  /** The three bits that extensions use: 4 says that it is packed. */
  readonly reserved?: number;
  readonly isMasked?: boolean;
  /** What the header says, where it is not what follows. */
  readonly length?: number;
}

/** A frame as RFC 6455 writes it, or nearly. */
function frameOf(code: number, payload: Uint8Array, parts: FrameParts = {}): Buffer {
  const { isLast = true, reserved = 0, isMasked = true, length = payload.length } = parts;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (isLast ? 0x80 : 0) | (reserved << 4) | code;
  head[1] = (isMasked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  // Masked by nothing: it is allowed to be any four bytes.
  return Buffer.concat([head, ...(isMasked ? [Buffer.alloc(4)] : []), payload]);
}

const upgrade = (token: string, more = "") =>
  `GET /v1/socket HTTP/1.1\r\nHost: gateway.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Protocol: viable.v1, bearer.${token}\r\n${more}\r\n`;

async function openSocket(gateway: AttackedGateway, more = ""): Promise<RawConnection> {
  const line = await openRaw(gateway.port);
  await line.send(upgrade(gateway.owner, more));
  await line.saw("\r\n\r\n");
  return line;
}

/** The code of the closing frame that a connection ended with. */
function closeCodeOf(received: string): number | undefined {
  const bytes = Buffer.from(received.slice(received.indexOf("\r\n\r\n") + 4), "latin1");
  for (let at = 0; at + 1 < bytes.length; ) {
    const short = (bytes[at + 1] as number) & 0x7f;
    const [length, start] =
      short === 126
        ? [bytes.readUInt16BE(at + 2), at + 4]
        : short === 127
          ? [Number.POSITIVE_INFINITY, at]
          : [short, at + 2];
    if (((bytes[at] as number) & 0xf) === opcode.close) return bytes.readUInt16BE(start);
    at = start + length;
  }
  return undefined;
}

const text = (value: string) => Buffer.from(value);
const attacks: [string, Buffer | readonly Buffer[], number][] = [
  ["a message that says it has 100 MB", frameOf(opcode.text, text("{"), { length: 100 * 1024 * 1024 }), 1009],
  ["a message that says it has 2^63 bytes", Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 1009],
  [
    "fragments without end",
    Array.from({ length: 200 }, (_, n) =>
      frameOf(n === 0 ? opcode.text : opcode.more, Buffer.alloc(64 * 1024, " "), { isLast: false }),
    ),
    1009,
  ],
  [
    "empty fragments without end",
    Array.from({ length: 400 }, (_, n) =>
      Buffer.concat(
        Array.from({ length: 100 }, (_unused, m) =>
          frameOf(n + m === 0 ? opcode.text : opcode.more, Buffer.alloc(0), { isLast: false }),
        ),
      ),
    ),
    1008,
  ],
  ["a packed message, though packing was not agreed on", frameOf(opcode.text, text("x"), { reserved: 4 }), 1002],
  ["a message that is not masked", frameOf(opcode.text, text("{}"), { isMasked: false }), 1002],
  ["a frame of no kind", frameOf(0x3, text("x")), 1002],
  ["a fragment of nothing", frameOf(opcode.more, text("x")), 1002],
  ["a ping of more than 125 bytes", frameOf(opcode.ping, Buffer.alloc(126)), 1002],
  ["a ping in pieces", frameOf(opcode.ping, text("x"), { isLast: false }), 1002],
  ["text that is no UTF-8", frameOf(opcode.text, Buffer.from([0xff, 0xfe])), 1007],
  ["bytes instead of text", frameOf(opcode.binary, text("{}")), 1003],
  ["a closing code that is none", frameOf(opcode.close, Buffer.from([0x03, 0xec])), 1002],
];

test("a socket on which something is said that is none of the protocol is closed with the code that says so", async () => {
  const before = await gateway.look();
  for (const [what, bytes, code] of attacks) {
    using line = await openSocket(gateway);
    for (const each of Array.isArray(bytes) ? bytes : [bytes]) if (!(await line.send(each as Buffer))) break;
    await expect.poll(() => closeCodeOf(line.received), { message: what }).toBe(code);
  }
  await gateway.expectServes();
  await gateway.expectBack(before);
});

test("a message of JSON that is no frame is answered with what is wrong, and the socket goes on", async () => {
  using line = await openSocket(gateway);
  const messages = [
    "",
    "{",
    "null",
    "[]",
    "7",
    '{"type":"__proto__"}',
    '{"__proto__":{"type":"command"},"id":"1"}',
    '{"type":"join","sessionId":"\\u0000"}',
    `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`,
    `{"type":"cancel","id":"x","executionId":"${"e".repeat(100_000)}"}`,
  ];
  for (const message of messages) await line.send(frameOf(opcode.text, text(message)));
  await expect.poll(() => line.received.split('"type":"error"').length - 1).toBe(messages.length);
  expect(line.received).not.toContain("gateway.internal");
  expect(line.isClosed).toBe(false);
  await gateway.expectServes();
});

test("a flood of pings whose answers nobody reads does not collect in memory", async () => {
  const before = await gateway.look();
  const lines = await Promise.all(Array.from({ length: 4 }, () => openSocket(gateway)));
  for (const { socket } of lines) socket.pause();
  const pings = Buffer.concat(Array.from({ length: 1_000 }, () => frameOf(opcode.ping, Buffer.alloc(125))));
  // 60 MB of answers each.
  const flood = async (line: RawConnection) => {
    for (let n = 0; n < 500; n++) {
      const sent = await Promise.race([
        line.send(pings),
        // Who is not read any more is held up, which is as good.
        new Promise<false>((resolve) => setTimeout(resolve, 5_000, false)),
      ]);
      if (!sent) return;
    }
  };
  const flooding = Promise.all(lines.map(flood));
  await gateway.expectServes();
  await flooding;
  expect((await gateway.look()).rssBytes - before.rssBytes).toBeLessThan(100 * 1024 * 1024);
  await gateway.expectServes();
  for (const { socket } of lines) socket.destroy();
  await gateway.expectBack(before);
});

test("no packing is agreed on, whatever a client offers", async () => {
  using line = await openSocket(
    gateway,
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8; client_max_window_bits=8\r\n",
  );
  expect(statusesOf(line.received)).toEqual([101]);
  expect(line.received.toLowerCase()).not.toContain("sec-websocket-extensions");
});

test("a page of another origin opens no socket, and is allowed nothing by CORS", async () => {
  for (const origin of [
    "https://evil.example",
    "null",
    "http://gateway.example.evil.example",
    "http://gateway.example:1",
  ]) {
    const answer = await exchange(gateway.port, upgrade(gateway.owner, `Origin: ${origin}\r\n`));
    expect(statusesOf(answer), origin).toEqual([403]);
    expect(answer).toContain("gateway.foreign_origin");
    for (const [method, path, more] of [
      [
        "OPTIONS",
        "/v1/sessions",
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n",
      ],
      [
        "OPTIONS",
        "/v1/login",
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Private-Network: true\r\n",
      ],
      ["GET", "/health", ""],
      ["POST", "/v1/login", "Content-Type: text/plain\r\nContent-Length: 2\r\n"],
    ]) {
      const body = method === "POST" ? "{}" : "";
      const cross = await exchange(
        gateway.port,
        `${method} ${path} HTTP/1.1\r\nHost: gateway.example\r\nOrigin: ${origin}\r\nCookie: token=${gateway.owner}\r\nConnection: close\r\n${more}\r\n${body}`,
      );
      // Nothing is said that a browser would take for leave.
      expect(cross.toLowerCase(), `${origin} ${method} ${path}`).not.toContain("access-control-");
      expect(cross.toLowerCase()).not.toContain("set-cookie");
    }
  }
  using own = await openRaw(gateway.port);
  await own.send(upgrade(gateway.owner, "Origin: http://gateway.example\r\n"));
  expect(statusesOf(await own.saw("\r\n\r\n"))).toEqual([101]);
  await gateway.expectServes();
});

test("of one session's tokens a hundred sockets are open at once, and no more", async () => {
  const { token } = await gateway.client.openSession({ clientType: "web" });
  const lines = await Promise.all(
    Array.from({ length: 130 }, async () => {
      const line = await openRaw(gateway.port);
      await line.send(upgrade(token));
      await line.saw("\r\n\r\n");
      return line;
    }),
  );
  const statuses = lines.flatMap(({ received }) => statusesOf(received));
  expect(statuses.filter((status) => status === 101)).toHaveLength(100);
  expect(statuses.filter((status) => status === 429)).toHaveLength(30);
  await gateway.expectServes();
  for (const { socket } of lines) socket.destroy();
});
