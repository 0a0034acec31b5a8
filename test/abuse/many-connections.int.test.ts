/**
 * More connections than the gateway takes, held open by somebody who asks for nothing: who behaves is served all the same, memory stays where it is
 * said to, and afterwards everything is as before. Feeds, which hold connections by right, are counted by token.
 */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttackedGateway } from "./attacked-gateway.ts";
import { startGateway } from "./attacked-gateway.ts";
import type { RawConnection } from "./raw-connection.ts";
import { openRaw, statusesOf } from "./raw-connection.ts";

let gateway: AttackedGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

/** As `listen.ts` has it, and some more. */
const maxConnections = 10_000;
const attempts = maxConnections + 500;

test("10,500 connections that ask for nothing keep nobody out, and are no more than 10,000", async () => {
  const files = Number(execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }));
  expect(
    files,
    "This machine lets a process have fewer files open than this takes: raise it with ulimit -n.",
  ).toBeGreaterThan(attempts + 500);
  const before = await gateway.look();
  const lines: RawConnection[] = [];
  for (let n = 0; n < attempts; n += 100)
    lines.push(...(await Promise.all(Array.from({ length: 100 }, () => openRaw(gateway.port)))));
  // One that came last, and each of those below, has the place of one that says nothing.
  await gateway.expectServes();
  const look = await gateway.look();
  expect(look.sockets).toBeLessThanOrEqual(maxConnections);
  expect(look.sockets).toBeGreaterThan(maxConnections / 2);
  expect((look.rssBytes - before.rssBytes) / maxConnections).toBeLessThan(40_000);
  for (let n = 0; n < 20; n++) {
    using line = await openRaw(gateway.port);
    await line.send("GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(statusesOf(await line.closed)).toEqual([200]);
  }
  for (const { socket } of lines) socket.destroy();
  await gateway.expectServes();
  await gateway.expectBack(before, 96 * 1024 * 1024);
});

test("who follows something is not cut for who asks for nothing", async () => {
  const { sessionId, token } = await gateway.client.openSession({ clientType: "api" });
  using feed = await openRaw(gateway.port);
  await feed.send(`GET /v1/sessions/${sessionId}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  await feed.saw("session.created");
  const lines: RawConnection[] = [];
  for (let n = 0; n < attempts; n += 100)
    lines.push(...(await Promise.all(Array.from({ length: 100 }, () => openRaw(gateway.port)))));
  await gateway.client.send(sessionId, { command: "echo", args: { still: "here" }, mode: "sync" });
  expect(await feed.saw("execution.completed")).toContain("still");
  for (const { socket } of lines) socket.destroy();
});

test("a session's feeds are a hundred at most, and room is made as they end", async () => {
  const { sessionId, token } = await gateway.client.openSession({ clientType: "api" });
  const before = await gateway.look();
  const follow = async () => {
    const line = await openRaw(gateway.port);
    await line.send(
      `GET /v1/sessions/${sessionId}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    return { line, status: statusesOf(await line.saw("HTTP/1.1"))[0] };
  };
  const feeds = await Promise.all(Array.from({ length: 120 }, follow));
  expect(feeds.filter(({ status }) => status === 200)).toHaveLength(100);
  const refused = feeds.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(20);
  expect(await refused[0]?.line.saw("gateway.too_many_feeds")).toContain("retry-after");
  for (const { line } of feeds) line.socket.destroy();
  await expect.poll(async () => (await gateway.look()).sockets).toBeLessThanOrEqual(before.sockets + 2);
  const again = await follow();
  expect(again.status).toBe(200);
  again.line.socket.destroy();
  await gateway.expectServes();
});
