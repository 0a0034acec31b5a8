/**
 * Paths that try to leave where they are: dots, encoded once and twice, backslashes, NUL, in routes, ids of exports, and names. Everything of them
 * that is no route of ours is not found, on a database that refuses what it cannot hold.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttackedGateway } from "./attacked-gateway.ts";
import { startGateway } from "./attacked-gateway.ts";
import { exchange, statusesOf } from "./raw-connection.ts";

let gateway: AttackedGateway;
beforeAll(async () => {
  gateway = await startGateway({ store: "pglite" });
});
afterAll(async () => {
  await gateway.expectServes();
  await gateway[Symbol.asyncDispose]();
});

const steps = [
  "../../../../etc/passwd",
  "..%2f..%2f..%2fetc%2fpasswd",
  "..%252f..%252fetc%252fpasswd",
  "..\\..\\etc\\passwd",
  "..%5c..%5cetc%5cpasswd",
  "%2e%2e/%2e%2e/etc/passwd",
  "%c0%ae%c0%ae/etc/passwd",
  "....//....//etc/passwd",
  "/etc/passwd",
  "file:///etc/passwd",
  "%00",
  "exp_00000000000000000000000000%00.json",
  "%ff%fe",
  "%E0%A4%A",
  "%u2216",
  "constructor",
  "__proto__",
  "*",
  "%2a",
  "%25",
  "_",
  "'%3B--",
];
const places = ["/", "/docs/", "/v1/", "/v1/exports/", "/v1/sessions/", "/v1/executions/", "/v1/swarms/", "/v1/users/"];

describe.each(places)("below %s", (place) => {
  test.each(steps)("%s is nothing", async (step) => {
    const answer = await exchange(
      gateway.port,
      `GET ${place}${step} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${gateway.owner}\r\nConnection: close\r\n\r\n`,
    );
    expect(statusesOf(answer)).toEqual([expect.toSatisfy((status) => [400, 404].includes(status))]);
    expect(answer).toContain("application/problem+json");
    expect(answer).not.toContain("root:");
  });
});

test.each(steps)("an export of the session %s, and its events, are nothing", async (step) => {
  for (const end of ["exports", "events", "commands"]) {
    const body = end === "exports" ? '{"format":"json"}' : '{"command":"echo"}';
    const head = end === "events" ? "GET" : "POST";
    const answer = await exchange(
      gateway.port,
      `${head} /v1/sessions/${step}/${end} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${gateway.owner}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    expect(statusesOf(answer)).toEqual([expect.toSatisfy((status) => [400, 404].includes(status))]);
  }
});
