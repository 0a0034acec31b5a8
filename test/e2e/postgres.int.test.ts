/**
 * The system on a PostgreSQL server, as `DATABASE_URL` asks for: the same walk; two processes on one database; what a killed
 * process leaves is taken over by the other, without an operator (W5).
 */
import { readFileSync } from "node:fs";
import { createClient } from "@viable/client";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import { eventually, Place } from "./cli.ts";

const config = `
import { agent, defineSystem, service } from "viable";
import { z } from "zod";

const nap = agent({
  name: "nap",
  capability: "nap",
  description: "Sleeps, then says where.",
  timeoutMs: 120_000,
  input: z.strictObject({ ms: z.number() }),
  handle: async (ctx, { ms }) => {
    await new Promise<void>((resolve, reject) => {
      const timer = ctx.runtime.clock.setTimer(resolve, ms);
      ctx.signal.addEventListener("abort", () => {
        timer.cancel();
        reject(ctx.signal.reason);
      });
    });
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
  return { system, client, sessionId };
}

test("two processes on one PostgreSQL: each sees the other's executions, and takes over when it is killed", {
  timeout: 120_000,
}, async () => {
  await using postgres = await startPostgres();
  await using here = new Place(config);
  await using there = new Place(config);
  const [a, b] = [await startOn(postgres.connectionString, here), await startOn(postgres.connectionString, there)];

  const quick = await a.client.send(a.sessionId, { command: "nap", args: { ms: 10 }, mode: "sync" });
  expect(quick).toMatchObject({ status: "completed" });
  // Another process reads it from the same log.
  expect(await b.client.execution(quick.executionId)).toMatchObject({ status: "completed", result: { attempt: 1 } });

  const naps = await Promise.all(
    Array.from({ length: 4 }, () => a.client.send(a.sessionId, { command: "nap", args: { ms: 3_000 }, mode: "async" })),
  );
  await eventually(
    async () => (await b.client.execution(naps[0]?.executionId as string)).status === "running",
    () => "The other process did not see it.",
  );
  a.system.signal("SIGKILL");
  await a.system.finished;
  for (const { executionId } of naps) {
    await eventually(
      async () => (await b.client.execution(executionId)).status === "completed",
      () => `${executionId} was not taken over.`,
    );
    const execution = await b.client.execution(executionId);
    expect((execution.result as { pid: number }).pid).toBe(b.system.pid);
    const { events } = await b.client.executionEvents(executionId);
    expect(events.filter((event) => event.type === "execution.completed")).toHaveLength(1);
  }
  b.system.signal("SIGTERM");
  expect((await b.system.finished).status).toBe(0);
});
