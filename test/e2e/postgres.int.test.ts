/**
 * The system on a PostgreSQL server, as `DATABASE_URL` asks for: the same walk; two processes on one database, each of which does
 * what it is asked as long as it can; what a killed process has begun is done by the other, without an operator, and once (W5).
 */
import { readFileSync } from "node:fs";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import type { JsonObject } from "@viable/kernel";
import { startPostgres } from "@viable/log-postgres/testing";
import { outcomeStatuses } from "@viable/protocol";
import { expect, test } from "vitest";
import { eventually, Place } from "./cli.ts";

const config = `
import { agent, defineSystem, service } from "viable";
import { z } from "zod";

const nap = agent({
  name: "nap",
  capability: "nap",
  description: "Sleeps the first time it is begun, then says where and which time it was.",
  timeoutMs: 120_000,
  input: z.strictObject({ ms: z.number() }),
  handle: async (ctx, { ms }) => {
    if (ctx.attempt === 1) {
      await new Promise<void>((resolve, reject) => {
        const timer = ctx.runtime.clock.setTimer(resolve, ms);
        ctx.signal.addEventListener("abort", () => {
          timer.cancel();
          reject(ctx.signal.reason);
        });
      });
    }
    return { pid: process.pid, attempt: ctx.attempt };
  },
});

export default defineSystem({ name: "shared", services: [service({ name: "beds", description: "Naps.", port: 0, agents: [nap] })] });
`;

async function startOn(databaseUrl: string, place: Place) {
  place.environment.DATABASE_URL = databaseUrl;
  const system = await place.start();
  const read = (name: string) => JSON.parse(readFileSync(place.path(".viable", name), "utf8"));
  const client = createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
  const { sessionId } = await client.openSession({ clientType: "api" });
  const { processId } = await client.swarm("beds");
  return { system, client, sessionId, processId };
}

/** Who began an execution, in order, and how it ended, as the log tells it. */
async function historyOf(client: Client, executionId: string) {
  const { events } = await client.executionEvents(executionId);
  const of = (type: string) => events.filter((event) => event.type === type).map(({ data }) => data as JsonObject);
  const withAcceptance = of("execution.accepted").flatMap(({ claim }) =>
    claim === undefined ? [] : [claim as JsonObject],
  );
  return {
    claims: [...withAcceptance, ...of("execution.claimed")].map(({ processId, attempt }) => ({ processId, attempt })),
    outcomes: events.map(({ type }) => type).filter((type) => outcomes.has(type)),
  };
}
const outcomes = new Set(outcomeStatuses.map((status) => `execution.${status}`));

test("two processes on one PostgreSQL: each does its own executions and sees the other's, and does what a killed one had begun", {
  timeout: 120_000,
}, async () => {
  await using postgres = await startPostgres();
  await using here = new Place(config);
  await using there = new Place(config);
  const [a, b] = [await startOn(postgres.connectionString, here), await startOn(postgres.connectionString, there)];

  for (const [asked, other] of [
    [a, b],
    [b, a],
  ] as const) {
    // Both know of both swarms, so staying is a choice.
    await eventually(
      async () => (await asked.client.discover("nap")).swarms.length === 2,
      () => "One process does not know the other's swarm.",
    );
    const quick = await asked.client.send(asked.sessionId, { command: "nap", args: { ms: 10 }, mode: "sync" });
    expect(quick).toMatchObject({ status: "completed", result: { pid: asked.system.pid } });
    // The other reads it from the same log, where it looks each second.
    await eventually(
      async () => (await other.client.execution(quick.executionId)).status === "completed",
      () => "The other process did not see it.",
    );
    expect((await other.client.execution(quick.executionId)).result).toEqual({ pid: asked.system.pid, attempt: 1 });
  }

  // Longer than the test: the first attempt ends by being killed, or not at all.
  const args = { ms: 110_000 };
  const naps = await Promise.all(
    Array.from({ length: 4 }, () => a.client.send(a.sessionId, { command: "nap", args, mode: "async" })),
  );
  const begunByA = { processId: a.processId, attempt: 1 };
  for (const { executionId } of naps) {
    await eventually(
      async () => (await b.client.execution(executionId)).status === "running",
      () => "The other process did not see it.",
    );
    expect(await historyOf(b.client, executionId)).toEqual({ claims: [begunByA], outcomes: [] });
  }
  a.system.signal("SIGKILL");
  await a.system.finished;
  for (const { executionId } of naps) {
    await eventually(
      async () => (await b.client.execution(executionId)).status === "completed",
      () => `${executionId} was not taken over.`,
    );
    expect((await b.client.execution(executionId)).result).toEqual({ pid: b.system.pid, attempt: 2 });
    expect(await historyOf(b.client, executionId)).toEqual({
      claims: [begunByA, { processId: b.processId, attempt: 2 }],
      outcomes: ["execution.completed"],
    });
  }
  b.system.signal("SIGTERM");
  expect((await b.system.finished).status).toBe(0);
});
