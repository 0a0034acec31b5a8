// Projections of a whole system: kept from its own log, read by agents for their tenant, shown, helped on by commands, and part of its
// health.
import { simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { projectionList } from "@viable/protocol";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Projection } from "./index.ts";
import { agent, defineSystem, reaction, service } from "./index.ts";

/** How often each command was asked for. */
const asked = (refuses?: string): Projection => ({
  name: "asked",
  version: 1,
  consistency: "immediate",
  filter: { types: ["execution.accepted"] },
  project: (events, { key }) => {
    const counted = events.map(({ data, metadata, position }) => {
      if (data.command === refuses) throw new Error(`nobody counts ${refuses}`);
      return { key: key(metadata.tenant, `${data.command}/${position}`), value: position, expected: "any" as const };
    });
    return { records: counted };
  },
});

const work = agent({
  name: "work",
  capability: "work",
  description: "Works.",
  input: z.strictObject({ nr: z.number() }),
  handle: () => null,
});
const tell = agent({
  name: "tell",
  capability: "tell",
  description: "Tells what is kept at a position.",
  input: z.strictObject({ projection: z.string(), key: z.string() }),
  handle: async (ctx, { projection, key }) => ({ kept: (await ctx.projection(projection).get(key)) ?? null }),
});
const query = agent({
  name: "query",
  capability: "query",
  description: "Asks a table.",
  input: z.strictObject({ sql: z.string() }),
  handle: async (ctx, { sql }) => (await ctx.projection("asked").query(sql)).length,
});
const system = (...projections: Projection[]) =>
  defineSystem({
    name: "kept",
    services: [service({ name: "desk", description: "Works.", port: 0, agents: [work, tell, query] })],
    projections,
  });

async function list(t: TestSystem) {
  const headers = { authorization: `Bearer ${t.system.ownerToken}` };
  const response = await t.settled(
    Promise.resolve(t.system.fetch(new Request("http://x/v1/projections", { headers }))),
  );
  return projectionList.parse(await response.json()).projections;
}

const checkOf = async (t: TestSystem) =>
  (await t.settled(t.system.health())).checks.find(({ name }) => name === "projections");

const metricsOf = async (t: TestSystem) => {
  const headers = { authorization: `Bearer ${t.system.ownerToken}` };
  const response = t.system.fetch(new Request("http://x/metrics", { headers }));
  return await (await t.settled(Promise.resolve(response))).text();
};

test("an agent reads what is kept of the log; there is a view of it, and it is part of the health", async () => {
  await using t = await startTestSystem(system(asked()));
  await t.time.advance(5_000);
  const client = await t.connect("cli");
  await client.run("work", { nr: 1 });
  const [accepted] = await t.events("execution.accepted");
  const answer = await client.run("tell", { projection: "asked", key: `work/${accepted?.position}` });
  expect(answer).toMatchObject({ status: "completed", result: { kept: accepted?.position } });
  expect(await list(t)).toMatchObject([{ name: "asked", version: 1, generation: 1, state: "live" }]);
  expect(await checkOf(t)).toMatchObject({ status: "ok", detail: "1 kept" });
  const metrics = await metricsOf(t);
  expect(metrics).toMatch(/viable_projection_lag_events\{projection="asked",generation="1"\} \d/);
  expect(metrics).toContain('viable_projection_parked{projection="asked",generation="1"} 0');
  expect(await client.run("tell", { projection: "nothing", key: "x" })).toMatchObject({
    status: "failed",
    error: { code: "log.unknown_projection" },
  });
  // Whose rows it asks for must be said, and a store in memory has none.
  expect(await client.run("query", { sql: "SELECT 1 WHERE $10 = $11" })).toMatchObject({
    error: { code: "projection.no_tenant" },
  });
  expect(await client.run("query", { sql: "SELECT 1 WHERE tenant = $1" })).toMatchObject({
    error: { code: "log.store_refused" },
  });
});

test("one that stands still degrades the health, until a person has it go on; it is built anew when asked for", async () => {
  await using t = await startTestSystem(system(asked("work")));
  await t.time.advance(5_000);
  const client = await t.connect("cli");
  expect(await client.run("work", { nr: 1 })).toMatchObject({ status: "completed" });
  await t.time.advance(10_000);
  const [accepted] = await t.events("execution.accepted");
  const position = accepted?.position as string;
  expect(await list(t)).toMatchObject([{ parked: { position, message: "nobody counts work" } }]);
  // What it says of the failure may be a tenant's, and the health is told to everybody.
  const detail = `asked stands still before event ${position}: internal`;
  expect(await checkOf(t)).toMatchObject({ status: "degraded", detail });

  const owner = (await t.connect("cli")).run;
  expect(await owner("projection.skip", { projection: "asked", position: "1", reason: "x" })).toMatchObject({
    status: "failed",
    error: { code: "log.not_parked" },
  });
  const reason = "a trial";
  expect(await owner("projection.skip", { projection: "asked", position, reason })).toMatchObject({
    status: "completed",
    result: { projection: "asked", skipped: position },
  });
  await t.time.advance(5_000);
  expect(await checkOf(t)).toMatchObject({ status: "ok" });
  const [skipped] = await t.events("projection.event_skipped");
  expect(skipped?.data).toMatchObject({ position, reason, by: expect.stringMatching(/./) });
  expect(await owner("projection.rebuild", { projection: "asked" })).toMatchObject({ result: { generation: 2 } });
  await t.time.advance(10_000);
  // What is left out of one generation is not left out of the next.
  expect((await list(t)).find(({ generation }) => generation === 2)).toMatchObject({ parked: { position } });
});

test("who may not do what has a high risk neither skips an event nor has a projection built anew", async () => {
  await using t = await startTestSystem(system(asked()));
  await t.time.advance(5_000);
  const web = await t.connect("web");
  const skip = { projection: "asked", position: "1", reason: "a trial" };
  for (const [command, args] of [
    ["projection.skip", skip],
    ["projection.rebuild", { projection: "asked" }],
  ] as const)
    await expect(web.run(command, args)).rejects.toMatchObject({ code: "security.denied" });
});

test("a raised version is judged by what keeps it, not by the one before, which nobody keeps any more", async () => {
  const store = createMemoryStore();
  const time = simulateTime();
  {
    await using t = await startTestSystem(system(asked("work")), { store, time });
    await t.time.advance(5_000);
    await (await t.connect("cli")).run("work", { nr: 1 });
    await t.time.advance(10_000);
    expect(await checkOf(t)).toMatchObject({ status: "degraded" });
  }
  await using t = await startTestSystem(system({ ...asked(), version: 2 }), { store, time });
  await t.time.advance(10_000);
  expect(await list(t)).toMatchObject([
    { version: 1, isKept: false, parked: {} },
    { version: 2, isKept: true, state: "live" },
  ]);
  expect(await checkOf(t)).toMatchObject({ status: "ok", detail: "1 kept" });
  const metrics = await metricsOf(t);
  expect(metrics).toContain('viable_projection_parked{projection="asked",generation="2"} 0');
  expect(metrics).not.toContain('generation="1"');
});

test("a reaction does something for each event that comes", async () => {
  const told: string[] = [];
  const telling = reaction({
    name: "telling",
    filter: { types: ["execution.completed"] },
    react: async ({ stream }) => void told.push(stream),
  });
  await using t = await startTestSystem(system(telling));
  await t.time.advance(5_000);
  const client = await t.connect("cli");
  const { executionId } = await client.run("work", { nr: 1 });
  await t.time.advance(5_000);
  expect(told).toEqual([`execution:${executionId}`]);
});

test("a projection that cannot be kept is refused with the config", () => {
  expect(() => system({ ...asked(), name: "Asked" })).toThrow("no projection");
  expect(() => system(asked(), asked())).toThrow("two projections");
  expect(() => system({ name: "x", version: 1 } as never)).toThrow("projections.0");
});
