/**
 * One system as several processes that run a part each, started as the help says and sharing nothing but a PostgreSQL server: what one is
 * asked is done by the one that runs the service; who leaves is not asked any more; what a killed one has begun is done by the next that runs
 * the same service, once.
 */
import { readFileSync } from "node:fs";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import { eventually, isAlive, Place } from "./cli.ts";

const config = `
import { agent, defineSystem, service } from "viable";
import { z } from "zod";

const teller = (name: string) => agent({
  name: "teller",
  capability: name + ".tell",
  description: "Says in which process it is; sleeps the first time where it is told to, or asks another.",
  timeoutMs: 120_000,
  input: z.strictObject({ ask: z.string().optional(), sleepMs: z.number().optional() }),
  handle: async (ctx, { ask, sleepMs }) => {
    if (sleepMs !== undefined && ctx.attempt === 1) {
      await new Promise<void>((resolve, reject) => {
        ctx.runtime.clock.setTimer(resolve, sleepMs);
        ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason));
      });
    }
    const asked = ask === undefined ? undefined : await ctx.delegate(ask + ".tell", {});
    return { pid: process.pid, attempt: ctx.attempt, ...(asked?.ok && { asked: asked.result }) };
  },
});

export default defineSystem({
  name: "parts",
  services: ["ai", "storage"].map((name) => service({ name, description: "Tells.", port: 0, agents: [teller(name)] })),
});
`;

const swarmsOf = async (client: Client, capability: string) => (await client.discover(capability)).swarms.length;

test("processes that run a part each make one system", { timeout: 180_000 }, async () => {
  await using postgres = await startPostgres();
  await using place = new Place(config);
  place.environment.DATABASE_URL = postgres.connectionString;
  const gateway = await place.start("--roles", "gateway");
  expect(gateway.out()).toContain("elsewhere   ai, storage");
  const ai = await place.start("--only", "ai", "--roles", "swarm");
  const storage = await place.start("--only=storage", "--roles=swarm");

  const read = (name: string) => JSON.parse(readFileSync(place.path(".viable", name), "utf8"));
  const client = createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
  const { sessionId } = await client.openSession({ clientType: "api" });
  const run = (command: string, args: Record<string, string>) =>
    client.send(sessionId, { command, args, mode: "sync" });

  expect(await run("ai.tell", {})).toMatchObject({ status: "completed", result: { pid: ai.pid } });
  // There and back through a third process.
  expect(await run("storage.tell", { ask: "ai" })).toMatchObject({
    result: { pid: storage.pid, asked: { pid: ai.pid } },
  });

  // A gateway without swarms of its own shows those of the others, with how old that is.
  const processOf = async (service: string) => (await client.swarm(service)).processId;
  await eventually(
    async () => (await client.swarms()).swarms.filter(({ service }) => service !== "system").length === 2,
    () => "The gateway does not show the swarms of the others.",
  );
  const killed = await processOf("storage");
  expect(killed).not.toBe(await processOf("ai"));

  // Longer than the test: the first attempt ends by being killed, or not at all.
  const begun = await client.send(sessionId, { command: "storage.tell", args: { sleepMs: 110_000 }, mode: "async" });
  await eventually(
    async () => (await client.execution(begun.executionId)).status === "running",
    () => "It did not begin.",
  );
  storage.signal("SIGKILL");
  await storage.finished;
  const next = await place.start("--only", "storage", "--roles", "swarm");
  await eventually(
    async () => (await client.execution(begun.executionId)).status === "completed",
    () => "It was not taken over.",
  );
  expect((await client.execution(begun.executionId)).result).toMatchObject({ pid: next.pid, attempt: 2 });

  // The killed one's swarm is told lost once, and is shown no more.
  await eventually(
    async () => (await client.swarmHistory("storage")).changes.length > 0,
    () => "Nobody says that it is lost.",
  );
  expect((await client.swarmHistory("storage")).changes).toMatchObject([
    { number: 1, processId: killed, from: "healthy", to: "lost" },
  ]);
  const { processes = [] } = await client.swarm("storage");
  expect(processes.map(({ processId }) => processId)).toEqual([await processOf("storage")]);
  expect(await processOf("storage")).not.toBe(killed);

  ai.signal("SIGTERM");
  expect((await ai.finished).status).toBe(0);
  await eventually(
    async () => (await swarmsOf(client, "ai.tell")) === 0,
    () => "Who left is still offered.",
  );
  await expect(run("ai.tell", {})).rejects.toMatchObject({ code: "registry.no_swarm" });
  for (const process of [next, gateway]) {
    process.signal("SIGTERM");
    expect((await process.finished).status).toBe(0);
  }
});

test("a part on the embedded database is refused: nobody could run the rest", async () => {
  await using place = new Place(config);
  const refused = await place.run("start", "--only", "ai");
  expect(refused.status).toBe(2);
  expect(refused.err).toContain("DATABASE_URL");
  const unknown = await place.run("start", "--only", "storrage");
  expect(unknown.status).toBe(2);
  expect(unknown.err).toContain("Did you mean storage?");
});

test("a service that asks for a process of its own has one, which is started again when it is killed, and ends with the system", {
  timeout: 120_000,
}, async () => {
  await using postgres = await startPostgres();
  await using place = new Place(
    config.replace("port: 0,", 'port: 0, isolation: name === "storage" ? "process" : "shared",'),
  );
  place.environment.DATABASE_URL = postgres.connectionString;
  const system = await place.start();
  const read = (name: string) => JSON.parse(readFileSync(place.path(".viable", name), "utf8"));
  const client = createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
  const { sessionId } = await client.openSession({ clientType: "api" });
  const pidOf = async (service: string) => {
    const answer = await client.send(sessionId, { command: `${service}.tell`, args: {}, mode: "sync" });
    return answer.status === "completed" ? (answer.result as { pid: number }).pid : undefined;
  };
  expect(await pidOf("ai")).toBe(system.pid);
  const first = await pidOf("storage");
  expect(first).not.toBe(system.pid);
  process.kill(first as number, "SIGKILL");
  await system.saw("The process of storage was ended by SIGKILL");
  let second: number | undefined;
  await eventually(
    async () => {
      second = await pidOf("storage").catch(() => undefined);
      return second !== undefined && second !== first;
    },
    () => "It was not started again.",
  );
  system.signal("SIGTERM");
  expect((await system.finished).status).toBe(0);
  expect(isAlive(second as number)).toBe(false);
});

test("services in processes of their own drain side by side: what none of them can end is given back by each", {
  timeout: 120_000,
}, async () => {
  await using postgres = await startPostgres();
  const apart = config
    .replace("port: 0,", 'port: 0, isolation: "process",')
    .replace('name: "parts",', 'name: "parts", limits: { drainMs: 3_000 },');
  await using place = new Place(apart);
  place.environment.DATABASE_URL = postgres.connectionString;
  const system = await place.start();
  const read = (name: string) => JSON.parse(readFileSync(place.path(".viable", name), "utf8"));
  const client = createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
  const { sessionId } = await client.openSession({ clientType: "api" });
  const ids: string[] = [];
  for (const service of ["ai", "storage"]) {
    const args = { sleepMs: 110_000 };
    const begun = await client.send(sessionId, { command: `${service}.tell`, args, mode: "async" });
    ids.push(begun.executionId);
    await eventually(
      async () => (await client.execution(begun.executionId)).status === "running",
      () => "It did not begin.",
    );
  }
  system.signal("SIGTERM");
  expect((await system.finished).status).toBe(0);
  const again = await place.start("--roles", "gateway");
  const after = createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
  for (const id of ids) {
    const { events } = await after.executionEvents(id);
    expect(events.map(({ type }) => type)).toContain("execution.released");
  }
  again.signal("SIGTERM");
  await again.finished;
});

test("on the embedded database it runs with the others, and the config's check says so", async () => {
  await using place = new Place(config.replace("port: 0,", 'port: 0, isolation: "process",'));
  const checked = await place.run("config", "check");
  expect(checked.status).toBe(0);
  expect(checked.out).toContain("ai, storage run with the others");
});
