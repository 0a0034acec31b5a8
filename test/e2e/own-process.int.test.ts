/**
 * Services in processes of their own whose agents do to them what agents can: exit, use up all memory, never let go. What is held against them is
 * the same each time: the system's other services answer meanwhile, the process is started again, the task is begun as often as it may be
 * and then fails with who it was and how its process ended, and what else was under way there is done.
 */
import { readFileSync, rmSync } from "node:fs";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import type { JsonObject } from "@viable/kernel";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import { isOutcome } from "@viable/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Running } from "./cli.ts";
import { eventually, Place } from "./cli.ts";

const config = `
import { existsSync } from "node:fs";
import { agent, defineSystem, service } from "viable";
import { z } from "zod";

// A release that does not start.
if (process.argv.includes("unstable") && existsSync(new URL("./broken", import.meta.url))) process.exit(5);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const its = (service, settings) => (name, handle) =>
  agent({ name, capability: service + "." + name, description: "Does it.", input: z.strictObject({}), handle, ...settings });
const apart = (name, settings, agents) => {
  const add = its(name, settings);
  const tell = add("tell", (ctx) => ({ pid: process.pid, attempt: ctx.attempt }));
  return service({ name, description: "Fails.", port: 0, isolation: "process", maxMemoryMb: 128, agents: [tell, ...agents(add)] });
};
const shared = service({ name: "steady", description: "Answers.", port: 0, agents: [its("steady", {})("tell", () => ({ pid: process.pid }))] });

export default defineSystem({
  name: "dying",
  limits: { leaseMs: 5_000 },
  services: [
    shared,
    apart("exiting", { timeoutMs: 120_000 }, (add) => [
      add("exit", async () => {
        await sleep(500);
        process.exit(7);
      }),
      // Longer than the other needs to end them both, and alone it is soon done.
      add("stand_by", async (ctx) => {
        await sleep(ctx.attempt < 3 ? 60_000 : 700);
        return { attempt: ctx.attempt };
      }),
    ]),
    apart("leaking", { timeoutMs: 120_000, maxAttempts: 2 }, (add) => [
      add("leak", async () => {
        for (const kept = []; ; await sleep(1)) kept.push(new Array(500_000).fill(0.5));
      }),
    ]),
    apart("stuck", { timeoutMs: 1_500 }, (add) => [
      add("never", () => new Promise(() => {})),
      add("block", () => {
        for (;;);
      }),
    ]),
    apart("unstable", {}, () => []),
  ],
});
`;

let postgres: PostgresServer;
let place: Place;
let system: Running;
let client: Client;
let sessionId: string;

beforeAll(async () => {
  postgres = await startPostgres();
  place = new Place(config);
  place.environment.DATABASE_URL = postgres.connectionString;
  system = await place.start();
  const read = (name: string) => JSON.parse(readFileSync(place.path(".viable", name), "utf8"));
  client = createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
  ({ sessionId } = await client.openSession({ clientType: "api" }));
});

afterAll(async () => {
  try {
    // In order, since its services' processes would else outlive it for as long as a drain takes.
    system?.signal("SIGTERM");
    await system?.finished;
    await place?.[Symbol.asyncDispose]();
  } finally {
    await postgres?.[Symbol.asyncDispose]();
  }
});

const begin = async (command: string) =>
  (await client.send(sessionId, { command, args: {}, mode: "async" })).executionId;

/** Its outcome. Until then a service of the system's first process answers each time that it is asked. */
async function outcomeOf(executionId: string) {
  await eventually(
    async () => {
      const answer = await client.send(sessionId, { command: "steady.tell", args: {}, mode: "sync" });
      expect(answer).toMatchObject({ status: "completed", result: { pid: system.pid } });
      return isOutcome((await client.execution(executionId)).status);
    },
    () => `${executionId} has no outcome. ${system.err()}`,
  );
  return await client.execution(executionId);
}

async function eventsOf(executionId: string, type: string): Promise<JsonObject[]> {
  const { events } = await client.executionEvents(executionId);
  return events.filter((event) => event.type === `execution.${type}`).map(({ data }) => data as JsonObject);
}

/** In which process a service runs, once it does and answers. */
async function pidOf(service: string): Promise<number> {
  let pid: number | undefined;
  await eventually(
    async () => {
      const asked = client.send(sessionId, { command: `${service}.tell`, args: {}, mode: "sync" });
      const answer = await asked.catch(() => undefined);
      if (answer?.status === "completed") pid = (answer.result as { pid: number }).pid;
      return pid !== undefined;
    },
    () => `${service} does not answer. ${system.err()}`,
  );
  return pid as number;
}

test.concurrent("one that exits fails after its attempts, with the status; what was beside it is done", {
  timeout: 180_000,
}, async () => {
  const first = await pidOf("exiting");
  // All three workers are taken, and the rest waits behind them.
  const beside = [await begin("exiting.stand_by"), await begin("exiting.stand_by")];
  const poison = await begin("exiting.exit");
  beside.push(await begin("exiting.tell"), await begin("exiting.tell"));

  const { status, error, attempts } = await outcomeOf(poison);
  expect({ status, attempts }).toEqual({ status: "failed", attempts: 3 });
  const claims = await eventsOf(poison, "claimed");
  expect(claims.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/^its process prc_\w+ ended with status 7$/),
    expect.stringMatching(/^its process prc_\w+ ended with status 7$/),
  ]);
  const last = claims.at(-1)?.processId;
  expect(error).toMatchObject({ code: "swarm.attempts_exhausted", retryable: false });
  expect(error?.message).toContain("Begun 3 times");
  expect(error?.message).toContain(`its process ${last} ended with status 7`);
  for (const each of beside) expect(await outcomeOf(each)).toMatchObject({ status: "completed" });
  expect(await pidOf("exiting")).not.toBe(first);
  expect(system.err()).toContain("The process of exiting ended with status 7. It is started again.");
});

test.concurrent("one that uses up its process's memory fails after its attempts, and says of how much", {
  timeout: 180_000,
}, async () => {
  const first = await pidOf("leaking");
  const poison = await begin("leaking.leak");
  const { status, error, attempts } = await outcomeOf(poison);
  expect({ status, attempts }).toEqual({ status: "failed", attempts: 2 });
  expect(error).toMatchObject({ code: "swarm.attempts_exhausted" });
  expect(error?.message).toContain("was ended by SIGABRT, as it is where its heap is over 128 MiB");
  expect(await pidOf("leaking")).not.toBe(first);
});

test.concurrent("one that never settles and ignores its end times out, and its worker is free", {
  timeout: 180_000,
}, async () => {
  const first = await pidOf("stuck");
  // As many as there are workers.
  const never = await Promise.all([1, 2, 3].map(() => begin("stuck.never")));
  for (const each of never) expect(await outcomeOf(each)).toMatchObject({ status: "timed_out" });
  expect(await pidOf("stuck")).toBe(first);

  // One that does not even let go of the thread: its process says nothing any more, and is ended.
  const block = await begin("stuck.block");
  expect(await outcomeOf(block)).toMatchObject({ status: "timed_out", attempts: 1 });
  await system.saw("The process of stuck stood still for");
  expect(await pidOf("stuck")).not.toBe(first);
});

test.concurrent("a service whose process never comes up takes nothing with it, and is there again once it does", {
  timeout: 180_000,
}, async () => {
  const first = await pidOf("unstable");
  place.write("broken", "");
  process.kill(first, "SIGKILL");
  const again = "The process of unstable ended with status 5. It is started again.";
  // More often than a supervisor would put up with that takes all down.
  await system.saw(again, 7);
  expect(await outcomeOf(await begin("steady.tell"))).toMatchObject({ status: "completed" });
  rmSync(place.path("broken"));
  expect(await pidOf("unstable")).not.toBe(first);
});
