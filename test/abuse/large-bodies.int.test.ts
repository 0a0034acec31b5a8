/**
 * Bodies of 100 MB, with their length told and without, at every route that takes one; packed ones that unpack to more; lengths that lie. They are
 * refused with 413 or 415, and the gateway reads and keeps no more of them than it says.
 */
import { randomBytes } from "node:crypto";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttackedGateway } from "./attacked-gateway.ts";
import { startGateway } from "./attacked-gateway.ts";
import { exchange, openRaw, statusesOf } from "./raw-connection.ts";

let gateway: AttackedGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

const megabyte = 1024 * 1024;
const bodyBytes = 100 * megabyte;
/** What the gateway reads on and throws away, and what sockets on both sides hold. */
const maxTakenBytes = 32 * megabyte;

const takingBodies = () =>
  gateway.routes
    .filter(({ method }) => method === "POST" || method === "PUT")
    .map(({ method, path }) => ({ method, path: path.replace(/:[a-z]+/g, "ses_00000000000000000000000000") }));

const headOf = (method: string, path: string, more: string) =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${gateway.owner}\r\n${more}\r\n`;

test("100 MB at any route that takes a body are refused, and not taken", async () => {
  const { sessionId } = await gateway.client.openSession({ clientType: "api" });
  const routes = [...takingBodies(), { method: "POST", path: `/v1/sessions/${sessionId}/commands` }];
  expect(routes.length).toBeGreaterThan(10);
  const before = await gateway.look();
  const part = Buffer.alloc(megabyte, "x");
  for (const { method, path } of routes)
    for (const isChunked of [false, true]) {
      using line = await openRaw(gateway.port);
      const length = isChunked ? "Transfer-Encoding: chunked\r\n" : `Content-Length: ${bodyBytes}\r\n`;
      await line.send(headOf(method, path, length));
      let sent = 0;
      const chunk = isChunked
        ? Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")])
        : part;
      // The gateway ends the connection in the middle; what it has not taken by then lies in the sockets.
      while (sent < bodyBytes && (await line.send(chunk))) sent += megabyte;
      const where = `${method} ${path} ${isChunked ? "in chunks" : "in one"}`;
      const [status] = statusesOf(await line.closed);
      // Of what is refused for another reason the rest is thrown away for half a second, and then cut.
      if (!isChunked || status === 413) expect(sent, where).toBeLessThan(maxTakenBytes);
      // Whoever is still sending may be cut before it has read the answer.
      expect([413, 404, 403, 401, 429, undefined], where).toContain(status);
    }
  expect((await gateway.look()).rssBytes - before.rssBytes).toBeLessThan(bodyBytes);
  await gateway.expectServes();
  await gateway.expectBack(before);
});

test("who has no token cannot have the gateway keep more than 16 KiB for it", async () => {
  const before = await gateway.look();
  // A body just below what a command may have, and its end is never sent.
  const lines = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const line = await openRaw(gateway.port);
      await line.send(
        `POST /v1/sessions/join HTTP/1.1\r\nHost: x\r\nContent-Length: ${megabyte}\r\n\r\n${"x".repeat(megabyte - 10)}`,
      );
      return line;
    }),
  );
  for (const line of lines) expect(statusesOf(await line.saw("HTTP/1.1"))).toEqual([413]);
  for (const { socket } of lines) socket.destroy();
  await gateway.expectServes();
  await gateway.expectBack(before);
});

test("a packed body is refused before it is unpacked, whatever it is packed by", async () => {
  const sessions = (await gateway.client.sessions()).sessions.length;
  const zeros = Buffer.alloc(bodyBytes);
  const bombs: [string, Buffer][] = [
    ["gzip", gzipSync(zeros)],
    ["deflate", deflateSync(zeros)],
    ["br", brotliCompressSync(zeros)],
    ["zstd", zstdCompressSync(zeros)],
    ["gzip, gzip", gzipSync(gzipSync(zeros))],
    ["compress", randomBytes(1_000)],
    ["nonsense", Buffer.from('{"clientType":"api"}')],
  ];
  const before = await gateway.look();
  for (const [encoding, body] of bombs) {
    const small = body.subarray(0, 64 * 1024);
    const head = headOf(
      "POST",
      "/v1/sessions",
      `Content-Encoding: ${encoding}\r\nContent-Length: ${small.length}\r\nConnection: close\r\n`,
    );
    const answer = await exchange(gateway.port, Buffer.concat([Buffer.from(head), small]));
    expect(statusesOf(answer), encoding).toEqual([415]);
    expect(answer).toContain("gateway.unsupported_encoding");
    expect(answer.toLowerCase()).toContain("accept-encoding: identity");
  }
  expect((await gateway.client.sessions()).sessions).toHaveLength(sessions);
  await gateway.expectServes();
  await gateway.expectBack(before, 24 * megabyte);
});

test("a body that is shorter or longer than it says reaches nobody as another request", async () => {
  const sessions = (await gateway.client.sessions()).sessions.length;
  const body = '{"clientType":"api"}';
  const hidden = headOf("POST", "/v1/sessions", "Content-Length: 20\r\n") + body;
  // What comes behind a body that is complete is a request of the same client, and is answered as one.
  const longer = headOf("POST", "/v1/sessions", `Content-Length: ${body.length}\r\n`) + body;
  const both = await exchange(gateway.port, `${longer}${hidden.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")}`);
  expect(statusesOf(both)).toEqual([201, 201]);
  // One that is not complete is none, and its end is that of the connection.
  using shorter = await openRaw(gateway.port);
  await shorter.send(headOf("POST", "/v1/sessions", "Content-Length: 2000\r\n") + hidden);
  shorter.socket.end();
  expect(statusesOf(await shorter.closed).filter((status) => status < 400)).toEqual([]);
  expect((await gateway.client.sessions()).sessions).toHaveLength(sessions + 2);
  await gateway.expectServes();
});
