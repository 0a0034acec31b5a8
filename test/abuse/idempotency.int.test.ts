/**
 * One idempotency key, used for what it was not made for: another body, another command, while the first is under way, by another session, principal or
 * tenant, over HTTP and over a socket. What was begun under it is never another's, and is begun once.
 */
import type { Client } from "@viable/client";
import { createClient, GatewayProblem, openSocket } from "@viable/client";
import { expect, test } from "vitest";
import { startGateway } from "./attacked-gateway.ts";

const codeOf = async (attempt: Promise<unknown>): Promise<unknown> => {
  const outcome = await attempt.catch((error: unknown) => error);
  return outcome instanceof GatewayProblem ? [outcome.problem.status, outcome.problem.code] : outcome;
};

test.each(["memory", "pglite"] as const)("a key stands for one command of one session (%s)", async (store) => {
  await using gateway = await startGateway({ store });
  const { client, url } = gateway;
  const { sessionId, token } = await client.openSession({ clientType: "api" });
  const api = createClient({ url, token });
  const key = { idempotencyKey: "k" };
  const echo = (by: Client, to: string, n: number) => by.send(to, { command: "echo", args: { n }, mode: "sync" }, key);
  const first = await echo(api, sessionId, 1);
  expect(await echo(api, sessionId, 1)).toEqual(first);
  expect(await codeOf(echo(api, sessionId, 2))).toEqual([422, "intake.idempotency_mismatch"]);
  const other = api.send(sessionId, { command: "wait", args: { ms: 1 }, mode: "sync" }, key);
  expect(await codeOf(other)).toEqual([422, "intake.idempotency_mismatch"]);
  const socket = openSocket({ url, token });
  expect(await codeOf(socket.send(sessionId, { command: "echo", args: { n: 3 }, mode: "sync" }, key))).toEqual([
    422,
    "intake.idempotency_mismatch",
  ]);
  expect(await socket.send(sessionId, { command: "echo", args: { n: 1 }, mode: "sync" }, key)).toEqual(first);
  socket.close();
  // In other hands it is another key.
  const second = await client.openSession({ clientType: "api" });
  const stranger = createClient({ url, token: gateway.otherOwner });
  const theirs = await stranger.openSession({ clientType: "api" });
  for (const [by, to] of [
    [createClient({ url, token: second.token }), second.sessionId],
    [createClient({ url, token: theirs.token }), theirs.sessionId],
  ] as const) {
    const answer = await echo(by, to, 2);
    expect(answer).toMatchObject({ status: "completed", result: { n: 2 } });
    expect(answer.executionId).not.toBe(first.executionId);
  }
  expect(await codeOf(echo(stranger, sessionId, 1))).toEqual([404, "gateway.not_found"]);
  await gateway.expectServes();
});

test("a hundred at once under one key, half of them with another body, begin one command", async () => {
  await using gateway = await startGateway({ store: "pglite" });
  const { sessionId } = await gateway.client.openSession({ clientType: "api" });
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      codeOf(
        gateway.client.send(
          sessionId,
          { command: "wait", args: { ms: 200 + (n % 2) }, mode: "sync" },
          { idempotencyKey: "in flight" },
        ),
      ),
    ),
  );
  const refused = answers.filter((answer) => Array.isArray(answer));
  expect(refused).toEqual(Array.from({ length: 50 }, () => [422, "intake.idempotency_mismatch"]));
  const ids = answers.flatMap((answer) =>
    Array.isArray(answer) ? [] : [(answer as { executionId: string }).executionId],
  );
  expect(ids).toHaveLength(50);
  expect(new Set(ids).size).toBe(1);
  expect((await gateway.client.executions({ session: sessionId })).executions).toHaveLength(1);
  await gateway.expectServes();
});

test("keys that are none, or too long, are refused before anything is done", async () => {
  await using gateway = await startGateway();
  const { sessionId } = await gateway.client.openSession({ clientType: "api" });
  for (const key of ["", "k".repeat(201)]) {
    const response = await fetch(`${gateway.url}/v1/sessions/${sessionId}/commands`, {
      method: "POST",
      headers: { authorization: `Bearer ${gateway.owner}`, "idempotency-key": key },
      body: '{"command":"echo"}',
    });
    expect(response.status).toBe(400);
  }
  expect((await gateway.client.executions({ session: sessionId })).executions).toEqual([]);
});
