/**
 * Clients that take their time: headers byte by byte, bodies that never end, connections on which nothing is said, answers that nobody reads. Each
 * is cut at its limit, on a gateway that listens, and holds neither others nor memory up to then. What is waited for is real time, a minute at most.
 */
import { expect, test } from "vitest";
import { startGateway } from "./attacked-gateway.ts";
import type { RawConnection } from "./raw-connection.ts";
import { openRaw, statusesOf } from "./raw-connection.ts";

/** Sends a byte a second until the other side has had enough. */
function drip(line: RawConnection, text: string): void {
  let sent = 0;
  const timer = setInterval(() => void line.send(text[sent++ % text.length] as string), 1_000);
  void line.closed.then(() => clearInterval(timer));
}

const many = 100;

test("who says nothing, or sends headers or a body byte by byte, is cut; others are served meanwhile", async () => {
  await using gateway = await startGateway();
  const before = await gateway.look();
  const bearer = `Authorization: Bearer ${gateway.owner}\r\n`;
  const open = async (first: string, rest?: string): Promise<RawConnection[]> => {
    const lines = await Promise.all(Array.from({ length: many }, () => openRaw(gateway.port)));
    for (const line of lines) {
      if (first !== "") await line.send(first);
      if (rest !== undefined) drip(line, rest);
    }
    return lines;
  };
  const silent = await open("");
  const headers = await open("GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ", "a");
  const head = (path: string, more = "") => `POST ${path} HTTP/1.1\r\nHost: x\r\n${more}Content-Length: 1000\r\n\r\n{`;
  const bodies = await open(head("/v1/sessions", bearer), " ");
  const unknown = await open(head("/v1/sessions/join"), " ");
  // In the middle of it a client that behaves waits for nobody.
  await gateway.expectServes();
  const ends = await Promise.all([silent, headers, bodies, unknown].flat().map(({ closed }) => closed));
  expect(new Set(ends.flatMap(statusesOf))).toEqual(new Set([408]));
  expect(ends.filter((received) => statusesOf(received).length > 1)).toEqual([]);
  await gateway.expectServes();
  await gateway.expectBack(before);
});

test("who does not read its feed has it end with its connection, and its events do not collect in memory", async () => {
  await using gateway = await startGateway();
  const { sessionId, token } = await gateway.client.openSession({ clientType: "api" });
  const before = await gateway.look();
  const deaf = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const line = await openRaw(gateway.port);
      line.socket.pause();
      await line.send(
        `GET /v1/sessions/${sessionId}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
      return line;
    }),
  );
  // 8 MiB of events for each of twenty who read nothing.
  const text = "x".repeat(4_000);
  for (let n = 0; n < 2_000; n += 20)
    await Promise.all(
      Array.from({ length: 20 }, () =>
        gateway.client.send(sessionId, { command: "echo", args: { text }, mode: "sync" }),
      ),
    );
  // What is recorded is kept: the store is in memory. Twenty copies of it would be 160 MiB more.
  expect((await gateway.look()).heapBytes - before.heapBytes).toBeLessThan(96 * 1024 * 1024);
  await gateway.expectServes();
  for (const { socket } of deaf) socket.destroy();
  await expect.poll(async () => (await gateway.look()).sockets).toBeLessThanOrEqual(before.sockets + 20);
});

test("who goes away in the middle of a request is no error of ours", async () => {
  await using gateway = await startGateway({ store: "pglite" });
  const { sessionId } = await gateway.client.openSession({ clientType: "api" });
  const bearer = `Host: x\r\nAuthorization: Bearer ${gateway.owner}\r\n`;
  const body = '{"command":"wait","args":{"ms":300},"mode":"sync"}';
  const requests = [
    `GET /v1/events?limit=1000 HTTP/1.1\r\n${bearer}\r\n`,
    `GET /v1/executions?limit=500 HTTP/1.1\r\n${bearer}\r\n`,
    `GET /v1/sessions/${sessionId}/events HTTP/1.1\r\n${bearer}\r\n`,
    `GET /v1/reactors/runs HTTP/1.1\r\n${bearer}\r\n`,
    `POST /v1/sessions/${sessionId}/commands HTTP/1.1\r\n${bearer}Content-Length: ${body.length}\r\n\r\n${body}`,
    `POST /v1/sessions HTTP/1.1\r\n${bearer}Content-Length: 1000\r\n\r\n{`,
  ];
  for (let n = 0; n < 40; n++)
    await Promise.all(
      requests.map(async (bytes) => {
        using line = await openRaw(gateway.port);
        await line.send(bytes);
        // At another moment of it each time.
        for (let turns = 0; turns < n; turns++) await new Promise((resolve) => setImmediate(resolve));
      }),
    );
  await gateway.expectServes();
});
