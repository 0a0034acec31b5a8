/**
 * Processes of two releases of one system on one database, as while one is replaced by the other: each does what it knows and leaves the rest to
 * the other, and what neither can do is refused or fails with the reason. A log or a database that a later release of Viable has written into is
 * refused with what to do; a process that such a one comes upon while it runs ends.
 */
import { readFileSync } from "node:fs";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext } from "@viable/kernel";
import { createLog, eventType } from "@viable/log";
import { createPostgresStore } from "@viable/log-postgres";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { eventually, Place } from "./cli.ts";

/** A release of the system: what its writer takes, and what else it can. */
const release = (name: string, writes: string, more: string) => `
import { agent, defineSystem, service } from "viable";
import { z } from "zod";

const can = (name, input, handle) => agent({ name, capability: "desk." + name, description: "Does it.", timeoutMs: 120_000, input, handle });

export default defineSystem({
  name: "desks",
  limits: { leaseMs: 4_000 },
  services: [
    service({ name: "desk", description: "Writes.", port: 0, agents: [
      can("write", z.strictObject(${writes}), (_ctx, input) => ({ release: "${name}", ...input })),
      ${more}
    ] }),
  ],
});
`;
// What it folds takes longer than the test, but for the second time.
const fold = `can("fold", z.strictObject({}), async ({ attempt }) => {
  if (attempt === 1) await new Promise((resolve) => setTimeout(resolve, 110_000));
  return { release: "older", attempt };
})`;
const older = release("older", "{ text: z.string() }", fold);
const newer = release(
  "newer",
  '{ text: z.string(), tone: z.string().default("plain") }',
  'can("stamp", z.strictObject({}), () => ({ release: "newer" }))',
);

/** Asks by the gateway that was started in a place. */
async function clientOf(place: Place) {
  const read = (name: string) => JSON.parse(readFileSync(place.path(".viable", name), "utf8"));
  const api = createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
  const { sessionId } = await api.openSession({ clientType: "api" });
  const send = async (command: string, args: JsonObject, mode: "sync" | "async") =>
    await api.send(sessionId, { command: `desk.${command}`, args, mode });
  return {
    api,
    run: (command: string, args: JsonObject = {}) => send(command, args, "sync"),
    begin: async (command: string) => (await send(command, {}, "async")).executionId,
  };
}

/** So many at once that each who is there gets some. */
const several = [1, 2, 3, 4, 5, 6];
const offering = async (api: Client, capability: string) => (await api.discover(capability)).swarms.length;

test("while one release replaces another each does what it knows, and says of the rest why not", {
  timeout: 240_000,
}, async () => {
  await using postgres = await startPostgres();
  await using before = new Place(older);
  await using after = new Place(newer);
  for (const place of [before, after]) place.environment.DATABASE_URL = postgres.connectionString;
  await before.start("--roles", "gateway");
  const replaced = await before.start("--roles", "swarm");
  const old = await clientOf(before);

  // The swarms first: behind a gateway that knows less the newer is asked for no more than it knows, and fills in what is new.
  await after.start("--roles", "swarm");
  await eventually(
    async () => (await offering(old.api, "desk.write")) === 2,
    () => "The newer one is not there.",
  );
  const written = new Set<string>();
  await eventually(
    async () => {
      for (const answer of await Promise.all(several.map(() => old.run("write", { text: "a" })))) {
        expect(answer.status).toBe("completed");
        if (answer.status === "completed") written.add(JSON.stringify(answer.result));
      }
      return written.size === 2;
    },
    () => `Not both do it: ${[...written]}`,
  );
  expect([...written].sort()).toEqual([
    JSON.stringify({ release: "newer", text: "a", tone: "plain" }),
    JSON.stringify({ release: "older", text: "a" }),
  ]);
  await expect(old.run("stamp")).rejects.toMatchObject({ code: "intake.unknown_command" });

  // What only the older knows waits for one of its kind.
  const folding = await old.begin("fold");
  await eventually(
    async () => (await old.api.execution(folding)).status === "running",
    () => "It did not begin.",
  );
  replaced.signal("SIGKILL");
  await replaced.finished;
  await eventually(
    async () => (await offering(old.api, "desk.write")) === 1,
    () => "The killed one is still offered.",
  );
  expect(await old.run("write", { text: "b" })).toMatchObject({ result: { release: "newer" } });
  await expect(old.run("fold")).rejects.toMatchObject({ code: "registry.no_swarm" });
  expect(await old.api.execution(folding)).toMatchObject({ status: "running", attempts: 1 });
  const last = await before.start("--roles", "swarm");
  await eventually(
    async () => (await old.api.execution(folding)).status === "completed",
    () => "It was not taken over.",
  );
  expect(await old.api.execution(folding)).toMatchObject({ result: { release: "older", attempt: 2 } });

  // A gateway that knows more takes more, and what the older cannot read fails there with the reason.
  await after.start("--roles", "gateway");
  const young = await clientOf(after);
  expect(await young.run("stamp")).toMatchObject({ status: "completed", result: { release: "newer" } });
  const ends = new Map<string, unknown>();
  await eventually(
    async () => {
      const asked = several.map(() => young.run("write", { text: "c", tone: "warm" }));
      for (const answer of await Promise.all(asked)) ends.set(answer.status, answer);
      return ends.size === 2;
    },
    () => `All end alike: ${[...ends.keys()]}`,
  );
  expect(ends.get("completed")).toMatchObject({ result: { release: "newer", tone: "warm" } });
  expect(ends.get("failed")).toMatchObject({
    error: {
      code: "agent.invalid_input",
      message: expect.stringContaining('"tone"'),
      next: expect.stringContaining("of one release"),
    },
  });
  last.signal("SIGTERM");
  expect((await last.finished).status).toBe(0);
  for (const answer of await Promise.all(several.map(() => young.run("write", { text: "d", tone: "warm" }))))
    expect(answer.status).toBe("completed");
});

test("a process ends that comes upon what a later release has written, and is refused from then on, as is a later database", {
  timeout: 180_000,
}, async () => {
  await using postgres = await startPostgres();
  await using place = new Place(older);
  place.environment.DATABASE_URL = postgres.connectionString;
  const system = await place.start();
  const { run } = await clientOf(place);
  expect(await run("write", { text: "a" })).toMatchObject({ status: "completed" });

  // As a release writes it in which the shape has changed once.
  const ctx = rootContext(createRuntime());
  const later = eventType("execution.accepted", z.object({ wish: z.string() }), [() => ({ wish: "" })]);
  const log = createLog(createPostgresStore({ connectionString: postgres.connectionString }), ctx.runtime, {
    types: [later],
  });
  await log.start(ctx);
  const events = [{ type: "execution.accepted", data: { wish: "more" } }];
  const streams = [{ stream: "execution:exe_00000000000000000000000001", expected: 0, events }];
  expect(await log.append(ctx, { streams })).toMatchObject({ ok: true });
  await log.stop(ctx);

  const refused = await place.begin("start").finished;
  for (const { status, err } of [await system.finished, refused]) {
    expect(status).toBe(1);
    expect(err).toContain("it is of version 2, and this release knows versions up to 1. [log.undecodable_event]");
    expect(err).toContain("next: Run the release that wrote it");
  }

  await postgres.query("INSERT INTO viable.schema_version (version) VALUES (999)");
  const { status, err } = await place.run("start");
  expect(status).toBe(1);
  expect(err).toMatch(/The database is at schema version 999; .* \[log\.database_too_new\]/);
  expect(err).toContain("next: Run the release that migrated it, or a later one.");
});
