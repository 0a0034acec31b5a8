/**
 * One system as several processes on PostgreSQL and NATS: by NATS they hear each other at once and ask each other; without it the system goes on,
 * and says that it is without; a broker that lost all that it had changes nothing.
 */
import { readFileSync } from "node:fs";
import type { NatsNode } from "@viable/bus-nats/testing";
import { startNats } from "@viable/bus-nats/testing";
import { createClient } from "@viable/client";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import { eventually, Place } from "./cli.ts";

const config = `
import { agent, defineSystem, query, service } from "viable";
import { z } from "zod";

const input = z.strictObject({});
export default defineSystem({
  name: "heard",
  services: [
    service({
      name: "storage",
      description: "Keeps.",
      port: 0,
      agents: [agent({ name: "teller", capability: "storage.tell", description: "Tells.", input, handle: () => process.pid })],
      queries: [query({ name: "storage.usage", description: "How much.", input, answer: (ctx) => ({ pid: process.pid, by: ctx.principal }) })],
    }),
  ],
});
`;

test("processes ask each other by NATS, go on without it, and ask again when it is back, empty", {
  timeout: 180_000,
}, async () => {
  await using postgres = await startPostgres();
  await using nats = await startNats({ own: true });
  await using place = new Place(config);
  place.environment.DATABASE_URL = postgres.connectionString;
  place.environment.NATS_URL = nats.urls.join(",");
  const gateway = await place.start("--roles", "gateway");
  const storage = await place.start("--only", "storage", "--roles", "swarm");
  const read = (name: string) => JSON.parse(readFileSync(place.path(".viable", name), "utf8"));
  const client = createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
  const { sessionId } = await client.openSession({ clientType: "api" });
  const ask = () => client.ask(sessionId, { query: "storage.usage" });
  const tell = () => client.send(sessionId, { command: "storage.tell", args: {}, mode: "sync" });
  const bus = async () => (await client.health()).checks.find(({ name }) => name === "bus");

  const usage = { result: { pid: storage.pid, by: "owner" }, answeredBy: { service: "storage" } };
  expect(await ask()).toMatchObject(usage);
  expect(await tell()).toMatchObject({ status: "completed", result: storage.pid });
  expect(await bus()).toMatchObject({ status: "ok" });

  const [node] = nats.nodes as [NatsNode];
  await node.kill();
  await eventually(
    async () => (await bus())?.status === "degraded",
    () => "Nobody noticed that NATS is gone.",
  );
  expect(await tell()).toMatchObject({ status: "completed", result: storage.pid });
  await expect(ask()).rejects.toMatchObject({ code: "query.unreachable" });

  await node.start();
  await eventually(
    async () =>
      (await ask().then(
        () => true,
        () => false,
      )) === true,
    () => "Nobody asks again though NATS is back.",
  );
  expect(await ask()).toMatchObject(usage);
  for (const each of [storage, gateway]) {
    each.signal("SIGTERM");
    expect((await each.finished).status).toBe(0);
  }
});

test("the system starts while no NATS answers, and says so once", { timeout: 120_000 }, async () => {
  await using postgres = await startPostgres();
  await using place = new Place(config);
  place.environment.DATABASE_URL = postgres.connectionString;
  place.environment.NATS_URL = "nats://127.0.0.1:1";
  const system = await place.start();
  await system.saw("127.0.0.1:1");
  expect(await place.json("exec", "storage.tell")).toBe(system.pid);
  system.signal("SIGTERM");
  const ended = await system.finished;
  expect(ended.status).toBe(0);
  expect(ended.err.split("127.0.0.1:1").length).toBe(2);
});
