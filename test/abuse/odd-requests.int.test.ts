/**
 * Requests that mean one thing to a proxy and another to a server, that are of another protocol, or that are too large: byte for byte, since no
 * library would send them. None is served as anything but what it plainly says, and none smuggles a second one in.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttackedGateway } from "./attacked-gateway.ts";
import { startGateway } from "./attacked-gateway.ts";
import { exchange, statusesOf } from "./raw-connection.ts";

let gateway: AttackedGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => {
  await gateway.expectServes();
  await gateway[Symbol.asyncDispose]();
});

const close = "Connection: close\r\n";
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const post = (headers: string, body: string) => () =>
  `POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${gateway.owner}\r\n${headers}\r\n${body}`;

describe("a request that hides another", () => {
  test.each([
    ["length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", `0\r\n\r\n${smuggled}`)],
    ["two lengths", post("Content-Length: 0\r\nContent-Length: 60\r\n", smuggled)],
    ["two lengths in one", post("Content-Length: 0, 60\r\n", smuggled)],
    ["a negative length", post("Content-Length: -1\r\n", smuggled)],
    ["a length in hexadecimal", post("Content-Length: 0x10\r\n", smuggled)],
    ["a length with a sign", post("Content-Length: +5\r\n", smuggled)],
    ["an endless length", post("Content-Length: 99999999999999999999999\r\n", smuggled)],
    ["chunks that are not the last coding", post("Transfer-Encoding: chunked, identity\r\n", `0\r\n\r\n${smuggled}`)],
    ["a coding nobody knows", post("Transfer-Encoding: xchunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["a space before the colon", post("Transfer-Encoding : chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["a folded header", post("Transfer-Encoding:\r\n chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["a bare line feed", post("X: a\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["a bare carriage return", post("X: a\rTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["NUL in a header", post("X: a\0b\r\nContent-Length: 0\r\n", smuggled)],
    ["a chunk whose size is no number", post("Transfer-Encoding: chunked\r\n", `zz\r\n\r\n${smuggled}`)],
    ["a chunk larger than any", post("Transfer-Encoding: chunked\r\n", `ffffffffffffffffff\r\n\r\n${smuggled}`)],
    [
      "chunks with extensions without end",
      post("Transfer-Encoding: chunked\r\n", `1;${"a".repeat(40_000)}\r\n{\r\n0\r\n\r\n${smuggled}`),
    ],
  ])("by %s is refused, and the connection ended", async (_what, bytes) => {
    const answer = await exchange(gateway.port, bytes());
    expect(statusesOf(answer)).toEqual([expect.toSatisfy((status) => [400, 413].includes(status))]);
    expect(answer).not.toContain("/smuggled");
  });
});

describe("a request line or host", () => {
  const get = (target: string, more = "Host: x\r\n") => `GET ${target} HTTP/1.1\r\n${more}${close}\r\n`;
  test.each([
    ["without a host", get("/health", ""), 400],
    ["with two hosts", get("/health", "Host: a\r\nHost: b\r\n"), 400],
    ["with a host that is none", get("/health", "Host: a b\r\n"), 400],
    ["with a host that has a path", get("/health", "Host: a/b@c\r\n"), 400],
    ["of HTTP/1.0", "GET /health HTTP/1.0\r\n\r\n", 400],
    ["of HTTP/0.9", "GET /health\r\n\r\n", 400],
    ["of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["of TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400],
    ["with a method nobody knows", `HACK /health HTTP/1.1\r\nHost: x\r\n${close}\r\n`, 400],
    ["that asks for all", `OPTIONS * HTTP/1.1\r\nHost: x\r\n${close}\r\n`, 400],
    ["that wants itself back", `TRACE /health HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n${close}\r\n`, 404],
    ["with another's address", get("http://evil.example/v1/sessions"), 401],
    ["with another's address after two slashes", get("//evil.example/health"), 404],
    ["with 20,000 characters", get(`/${"a".repeat(20_000)}`), 431],
    ["with 20,000 characters of headers", get("/health", `Host: x\r\nX: ${"a".repeat(20_000)}\r\n`), 431],
    ["with 3,000 headers", get("/health", `Host: x\r\n${"a: b\r\n".repeat(3_000)}`), 431],
    ["with an expectation nobody knows", get("/health", "Host: x\r\nExpect: 200-maybe\r\n"), 417],
  ])("%s is answered with its status, and served nothing", async (_what, bytes, status) => {
    expect(statusesOf(await exchange(gateway.port, bytes))).toEqual([status]);
  });

  test("for a tunnel leads nowhere", async () => {
    expect(await exchange(gateway.port, "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n")).not.toMatch(
      /HTTP\/1\.1 2/,
    );
  });

  test("for an upgrade to anything but WebSockets is answered as if it had not asked", async () => {
    const bytes = `GET /ready HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n${close}\r\n`;
    expect(statusesOf(await exchange(gateway.port, bytes))).toEqual([200]);
  });

  test("with a thousand requests in one go has each answered in its turn, and a client beside it served", async () => {
    const one = "GET /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n";
    const flood = exchange(gateway.port, one.repeat(999) + one.replace("\r\n\r\n", `\r\n${close}\r\n`));
    await gateway.expectServes();
    expect(statusesOf(await flood)).toEqual(Array.from({ length: 1_000 }, () => 401));
  });
});
