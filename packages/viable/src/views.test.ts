// What the system's views show to a session, and what only to whoever may read the tenant as a whole (W11).
import { discovery, memoryPage } from "@viable/protocol";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "./index.ts";

const echo = agent({
  name: "echo",
  capability: "echo",
  description: "Gives back what it gets.",
  input: z.strictObject({ text: z.string() }),
  handle: (_ctx, { text }) => text,
});
const recall = agent({
  name: "recall",
  capability: "recall",
  description: "Gives back what was remembered, after remembering it where nothing was.",
  input: z.strictObject({}),
  handle: async (ctx) => {
    await ctx.memory.set("it", "this", { expected: 0, metadata: { by: ctx.agent } });
    return (await ctx.memory.get("it"))?.value ?? null;
  },
});
const definition = defineSystem({
  name: "shown",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [echo, recall] })],
});

test("a session sees what the system can do and how it is, and of the log only its own part", async () => {
  await using t = await startTestSystem(definition);
  const [mine, other] = [await t.connect("web"), await t.connect("api")];
  await mine.run("echo", { text: "mine" });
  await other.run("echo", { text: "theirs" });
  const { api } = mine;
  const { commands } = await t.settled(api.commands());
  expect(commands.map(({ command }) => command)).toContain("echo");
  const { swarms } = await t.settled(api.swarms());
  expect(swarms.map(({ service }) => service)).toContain("work");
  expect((await t.settled(api.discover("echo"))).swarms).toHaveLength(1);
  const { events } = await t.settled(api.events({ limit: 100 }));
  expect(events.map(({ type }) => type)).toEqual([
    "session.created",
    "execution.accepted",
    "execution.completed",
    "session.activated",
  ]);
  expect(new Set(events.map(({ sessionId }) => sessionId))).toEqual(new Set([mine.sessionId]));
});

test("swarms are found by version, subsystem and tags, of the caller's own tenant (W11)", async () => {
  const known = { description: "Works.", port: 0, agents: [echo] };
  await using t = await startTestSystem(
    defineSystem({
      name: "shown",
      services: [
        service({ ...known, name: "old", version: "1.4.2", tags: ["cpu"] }),
        service({ ...known, name: "new", version: "2.0.0", tags: ["gpu", "region:eu"], subsystem: "ai" }),
        service({ ...known, name: "secret", version: "2.0.0", tags: ["gpu"], tenants: ["acme"] }),
      ],
    }),
  );
  const ask = async (query: string) => {
    const headers = { authorization: `Bearer ${t.system.ownerToken}` };
    const url = `http://test.invalid/v1/registry/discover?${query}`;
    const asked = t.system.fetch(new Request(url, { headers }));
    return await t.settled(Promise.resolve(asked).then(async (response) => await response.json()));
  };
  const found = async (query: string) => discovery.parse(await ask(query)).swarms.map(({ service: name }) => name);
  expect(await found("capability=echo")).toEqual(["old", "new"]);
  expect(await found("capability=echo&version=%5E1")).toEqual(["old"]);
  expect(await found("capability=echo&subsystem=ai&version=2.x&tag=gpu,region:eu&tenant=default")).toEqual(["new"]);
  expect(await found("tag=gpu")).toEqual(["new"]);
  const refused = { status: 422, code: "registry.invalid_query" };
  for (const query of ["", "version=1", "capability=echo&version=newest", "capability=echo&tenant=acme"])
    expect(await ask(query), query).toMatchObject(refused);
});

test("memory is the tenant's as a whole: a session does not read it", async () => {
  await using t = await startTestSystem(definition);
  const { api } = await t.connect("web");
  await expect(t.settled(api.memory({}))).rejects.toMatchObject({ problem: { status: 403 } });
});

test("an entry shows its age and how often it was read, over a restart too; a list is no read", async () => {
  const read = async (t: TestSystem, query: string) => {
    const headers = { authorization: `Bearer ${t.system.ownerToken}` };
    const asked = t.system.fetch(new Request(`http://test.invalid/v1/memory?service=work${query}`, { headers }));
    const page = memoryPage.parse(await (await t.settled(Promise.resolve(asked))).json());
    return page.entries[0];
  };
  await using first = await startTestSystem(definition);
  const createdAt = new Date(first.time.now()).toISOString();
  const { run } = await first.connect();
  await run("recall");
  await first.time.advance(60_000);
  await run("recall");
  const lastAccessAt = new Date(first.time.now()).toISOString();
  const entry = { metadata: { by: "recall" }, version: 1, createdAt, updatedAt: createdAt };
  expect(await read(first, "")).toMatchObject({ ...entry, accessCount: 2, lastAccessAt });
  await first.stop();
  await using second = await startTestSystem(definition, { store: first.store, time: first.time });
  expect(await read(second, "")).toMatchObject({ ...entry, accessCount: 2, lastAccessAt });
  await read(second, "&key=it");
  expect(await read(second, "")).toMatchObject({ accessCount: 3 });
});
