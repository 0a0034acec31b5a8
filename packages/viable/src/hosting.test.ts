// What of a system a process runs: how it is asked for, and that processes which run a part each make one system.
import { createMemoryHub } from "@viable/bus";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { hostAll, isPart, noteHosting, readHosting } from "./hosting.ts";
import { agent, defineSystem, query, reactor, service } from "./index.ts";

const named = (name: string) =>
  service({
    name,
    description: "Says who it is.",
    port: 0,
    agents: [
      agent({
        name: "teller",
        capability: `${name}.tell`,
        description: "Says who it is, or what another does.",
        input: z.strictObject({ ask: z.string().optional() }),
        handle: async (ctx, { ask }) => {
          if (ask === undefined) return { service: ctx.service };
          const outcome = await ctx.delegate(`${ask}.tell`, {});
          return outcome.ok ? { service: ctx.service, asked: outcome.result } : { refused: outcome.error.code };
        },
      }),
    ],
  });

const idle = query({ name: "idle", description: "Nothing.", input: z.strictObject({}), answer: () => null });

const greeting = reactor("greeting", { input: z.unknown() }, (steps) =>
  steps.step("greet", { run: () => "hello" }).returns(({ results }) => results.greet),
);

const system = defineSystem({ name: "parts", services: [named("ai"), named("storage")], reactors: [greeting] });
const flags = { only: "--only", roles: "--roles" };

describe("what is asked of a process", () => {
  test("is everything where nothing is said", () => {
    expect(readHosting(system, {}, flags)).toEqual(hostAll(system));
    expect(isPart(system, hostAll(system))).toBe(false);
  });

  test("is some services, in the config's order, or some roles", () => {
    expect(readHosting(system, { only: " storage , ai" }, flags)).toEqual(hostAll(system));
    const storage = readHosting(system, { only: "storage", roles: "swarm" }, flags);
    expect(storage).toEqual({ roles: ["swarm"], services: ["storage"], apart: [] });
    expect(isPart(system, storage)).toBe(true);
    expect(readHosting(system, { roles: "gateway" }, flags)).toEqual({ roles: ["gateway"], services: [], apart: [] });
  });

  test("leaves services apart that ask for it, unless they are asked for by name", () => {
    const apart = service({
      name: "heavy",
      description: "",
      port: 0,
      agents: [],
      queries: [idle],
      isolation: "process",
    });
    const two = defineSystem({ name: "two", services: [named("ai"), apart] });
    expect(readHosting(two, {}, flags).apart).toEqual(["heavy"]);
    expect(readHosting(two, { only: "heavy" }, flags)).toEqual({ ...hostAll(two), services: ["heavy"], apart: [] });
    expect(noteHosting(two, {})).toEqual([expect.stringContaining("heavy runs with the others")]);
    expect(noteHosting(system, {})).toEqual([]);
  });

  test("says whose queries cannot be asked without NATS: of services that run in another process", () => {
    const asked = (name: string, more: object = {}) =>
      service({ name, description: "", port: 0, agents: [], queries: [idle], ...more });
    const three = defineSystem({
      name: "three",
      services: [asked("ai"), asked("heavy", { isolation: "process" }), asked("once", { singleton: true })],
    });
    const databaseUrl = "postgres://h/d";
    const only = readHosting(three, { only: "once" }, flags);
    const note = (names: string) => [expect.stringContaining(`queries of ${names} cannot be asked`)];
    expect(noteHosting(three, { databaseUrl })).toEqual(note("heavy, once"));
    expect(noteHosting(three, { databaseUrl, hosting: only })).toEqual(note("ai, heavy, once"));
    expect(noteHosting(three, { databaseUrl, natsUrl: "nats://h" })).toEqual([]);
    expect(noteHosting(system, { databaseUrl })).toEqual([]);
  });

  test.each([
    [{ only: "storrage" }, '"storrage" is no service', "Did you mean storage?"],
    [{ only: "nothing-like-it" }, '"nothing-like-it" is no service', "There are ai, storage."],
    [{ only: " , " }, "--only names no service", "Name some of ai, storage."],
    [{ roles: "gatewya" }, '"gatewya" is no role', "Did you mean gateway?"],
    [{ only: "ai", roles: "gateway" }, "--only names services", "add swarm to the roles"],
  ])("is refused where it makes no sense: %j", (asked, message, next) => {
    expect(() => readHosting(system, asked, flags)).toThrow(
      expect.objectContaining({
        code: "config.invalid",
        message: expect.stringContaining(message),
        next: expect.stringContaining(next),
      }),
    );
  });
});

describe("processes that run a part each", () => {
  const start = async (...parts: ReturnType<typeof hostAll>[]) => {
    const random = seededRandom(7);
    const time = simulateTime({ random });
    const store = { ...createMemoryStore(), exclusive: false };
    const all: TestSystem[] = [];
    for (const [index, hosting] of parts.entries())
      all.push(await startTestSystem(system, { seed: index + 1, store, time, hosting }));
    // Each hears of the others' swarms by its next look at the log.
    await time.advance(2_000);
    return { all, ctx: rootContext(createRuntime({ clock: time, random })), time };
  };
  const part = (services: string, roles = "gateway,swarm") => readHosting(system, { only: services, roles }, flags);

  test("have only those swarms, and do what the others are asked for", async () => {
    const { all } = await start(part("ai"), part("storage"));
    const [ai, storage] = all as [TestSystem, TestSystem];
    expect([...ai.system.swarms.keys()].sort()).toEqual(["ai", "system"]);
    const client = await ai.connect();
    expect(await client.run("storage.tell")).toMatchObject({ status: "completed", result: { service: "storage" } });
    expect(await client.run("ai.tell", { ask: "storage" })).toMatchObject({
      result: { service: "ai", asked: { service: "storage" } },
    });
    const back = await storage.connect();
    expect(await back.run("storage.tell", { ask: "ai" })).toMatchObject({
      result: { service: "storage", asked: { service: "ai" } },
    });
    for (const each of all) await each.stop();
  });

  test("say which service nobody runs, and go on when somebody does", async () => {
    const { all, time } = await start(part("ai"));
    const [ai] = all as [TestSystem];
    const client = await ai.connect();
    await expect(client.run("storage.tell")).rejects.toMatchObject({ code: "registry.no_swarm" });
    const later = await startTestSystem(system, { seed: 9, store: ai.store, time, hosting: part("storage") });
    await time.advance(2_000);
    expect(await client.run("storage.tell")).toMatchObject({ status: "completed" });
    for (const each of [later, ai]) await each.stop();
  });

  test("find who joins within a fifth of a second, and ask who leaves for nothing more", async () => {
    const time = simulateTime({ random: seededRandom(11) });
    const store = { ...createMemoryStore(), exclusive: false };
    const hub = createMemoryHub();
    const ai = await startTestSystem(system, { seed: 1, store, time, hub, hosting: part("ai") });
    await time.advance(5_000);
    const found = () => ai.system.registry.discover("storage.tell").swarms.length;
    const storage = await startTestSystem(system, { seed: 2, store, time, hub, hosting: part("storage") });
    await time.advance(200);
    expect(found()).toBe(1);
    await storage.stop();
    await time.advance(200);
    expect(found()).toBe(0);
    await ai.stop();
  });

  test("a gateway alone takes commands, carries nothing out, and begins runs that others carry on", async () => {
    const { all } = await start(readHosting(system, { roles: "gateway" }, flags), part("ai", "swarm"));
    const [gateway, ai] = all as [TestSystem, TestSystem];
    expect(gateway.system.swarms.size).toBe(0);
    const client = await gateway.connect();
    expect(await client.run("ai.tell")).toMatchObject({ result: { service: "ai" } });
    const begun = await gateway.settled(gateway.system.reactors.begin(gateway.ctx, "greeting", null));
    expect(begun.ok).toBe(true);
    if (!begun.ok) return;
    const ended = await gateway.settled(gateway.system.reactors.whenEnded(gateway.ctx, begun.runId));
    expect(ended).toMatchObject({ type: "run.completed", data: { result: "hello" } });
    const claims = await gateway.events("run.started", "run.claimed");
    expect(claims.map(({ data }) => data.claim ?? data.processId)).toEqual([undefined, ai.system.membership.processId]);
    for (const each of all) await each.stop();
  });
});
