// Proves what a service that is not open to a tenant is for it: its commands and queries are unknown, suggested nowhere and listed nowhere (W11).
import { createClient } from "@viable/client";
import { rootContext } from "@viable/kernel";
import { mintOwnerToken } from "@viable/security";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, query, service } from "./index.ts";

const offering = (capability: string) =>
  agent({
    name: capability,
    capability,
    description: `Does ${capability}.`,
    input: z.strictObject({}),
    risk: "low",
    handle: (ctx) => ctx.service,
  });
const answering = (name: string) =>
  query({ name, description: `Answers ${name}.`, input: z.strictObject({}), answer: () => name });
const known = { description: "Works.", port: 0 };
/** Asks one service by name, which no client can. */
const asker = agent({
  name: "asker",
  capability: "ask",
  description: "Asks the closed one.",
  input: z.strictObject({}),
  risk: "low",
  handle: async (ctx) => {
    const outcome = await ctx.delegate("scan", {}, { service: "closed" });
    return outcome.ok ? outcome.result : `${outcome.error.code} ${outcome.error.message}`;
  },
});
const open = service({
  ...known,
  name: "open",
  agents: [offering("scan"), asker],
  queries: [answering("count")],
});
const closed = service({
  ...known,
  name: "closed",
  tenants: ["acme", "beta"],
  agents: [offering("scan"), offering("scan_vault")],
  queries: [answering("count_vault")],
});
const heard = service({
  ...known,
  name: "talker",
  agents: [
    agent({
      name: "talker",
      capability: "conversation",
      description: "Says what it was told may be done.",
      input: z.looseObject({ commands: z.array(z.object({ capability: z.string() })) }),
      risk: "low",
      handle: (_ctx, { commands }) => ({ reply: commands.map((each) => each.capability).join(" "), origin: "test" }),
    }),
  ],
});
const definition = defineSystem({ name: "shared", services: [open, closed, heard] });

/** A session of a tenant, and what it comes to when that sends a command. */
async function sessionOf(t: TestSystem, tenant: string) {
  const { system, time } = t;
  const ctx = rootContext(t.ctx.runtime, { tenant });
  const fetch = (async (url: string, init?: RequestInit) =>
    await system.fetch(new Request(url, init))) as typeof globalThis.fetch;
  const withToken = (token: string) => createClient({ url: "http://test.invalid", token, fetch, clock: time });
  const owner = withToken(mintOwnerToken(ctx, system.capabilities).token);
  const { sessionId, token } = await t.settled(owner.openSession({ clientType: "web" }));
  const api = withToken(token);
  const run = (command: string, args = {}) => t.settled(api.send(sessionId, { command, args, mode: "sync" }));
  const ask = (name: string) => t.settled(api.ask(sessionId, { query: name, args: {} }));
  const resultOf = async (command: string, args = {}) => {
    const answer = await run(command, args);
    if (answer.status !== "completed") throw new Error(JSON.stringify(answer));
    return answer.result;
  };
  return { api, run, ask, resultOf, settled: t.settled };
}

test("a command that only services closed to a tenant offer is unknown to it, and no name is suggested that it may not use (W11)", async () => {
  await using t = await startTestSystem(definition);
  const [other, acme] = [await sessionOf(t, "other"), await sessionOf(t, "acme")];
  await expect(other.run("scan_vault")).rejects.toMatchObject({
    code: "intake.unknown_command",
    problem: { reasons: ["Did you mean scan?"] },
  });
  await expect(other.run("scan_vaul")).rejects.toMatchObject({ problem: { reasons: ["Did you mean scan?"] } });
  await expect(acme.run("scan_vaul")).rejects.toMatchObject({
    problem: { reasons: ["Did you mean scan, scan_vault?"] },
  });
  expect(await acme.resultOf("scan_vault")).toBe("closed");
});

test("a command that others offer too is done by those, and the closed service is not among those that are named (W11)", async () => {
  await using t = await startTestSystem(definition);
  const other = await sessionOf(t, "other");
  for (let count = 0; count < 5; count++) expect(await other.resultOf("scan")).toBe("open");
  expect(await other.resultOf("ask")).toBe('intake.unknown_service closed does not offer "scan". These do: open.');
  expect(await (await sessionOf(t, "acme")).resultOf("ask")).toBe("closed");
});

test("a query that only services closed to a tenant answer is unknown to it, and is not suggested (W11)", async () => {
  await using t = await startTestSystem(definition);
  const [other, acme] = [await sessionOf(t, "other"), await sessionOf(t, "acme")];
  await expect(other.ask("count_vault")).rejects.toMatchObject({ code: "query.unknown" });
  await expect(other.ask("count_vaul")).rejects.toMatchObject({
    problem: { reasons: ["Did you mean count?"] },
  });
  await expect(acme.ask("count_vaul")).rejects.toMatchObject({
    problem: { reasons: ["Did you mean count, count_vault?"] },
  });
});

test("commands and queries of a service that is closed to a tenant are in none of its lists, of help and of chat neither (W11)", async () => {
  await using t = await startTestSystem(definition);
  const listsOf = async ({ api, settled, resultOf }: Awaited<ReturnType<typeof sessionOf>>) => {
    const { commands } = await settled(api.commands());
    const { queries } = await settled(api.queries());
    const help = (await resultOf("help", { all: true })) as { commands: { command: string }[] };
    const near = (await resultOf("help", { about: "scan_volt" })) as { near?: string[] };
    const { reply } = (await resultOf("chat", { message: "What may I do?" })) as { reply: string };
    const named = (names: readonly string[]) => names.filter((name) => /scan|vault|^count/.test(name));
    return {
      commands: named(commands.map(({ command }) => command)),
      servicesOfScan: commands.find(({ command }) => command === "scan")?.services,
      queries: named(queries.map((each) => each.query)),
      help: named(help.commands.map(({ command }) => command)),
      near: near.near,
      chat: named(reply.split(" ")),
    };
  };
  expect(await listsOf(await sessionOf(t, "other"))).toEqual({
    commands: ["scan"],
    servicesOfScan: ["open"],
    queries: ["count"],
    help: ["scan"],
    near: ["scan"],
    chat: ["scan"],
  });
  expect(await listsOf(await sessionOf(t, "acme"))).toEqual({
    commands: ["scan", "scan_vault"],
    servicesOfScan: ["open", "closed"],
    queries: ["count", "count_vault"],
    help: ["scan", "scan_vault"],
    near: ["scan", "scan_vault"],
    chat: ["scan", "scan_vault"],
  });
});

test("a swarm that is closed to a tenant is shown to it nowhere, and to a tenant that may use it without who else may (W11)", async () => {
  await using t = await startTestSystem(definition);
  const shownTo = async ({ api, settled, resultOf }: Awaited<ReturnType<typeof sessionOf>>) => {
    const one = settled(api.swarm("closed")).then(
      ({ processes }) => processes,
      ({ code }: { code: string }) => code,
    );
    const all = [
      (await settled(api.swarms())).swarms,
      (await settled(api.discover("scan"))).swarms,
      ((await resultOf("system.swarms")) as { swarms: { service: string; tenants?: string[] }[] }).swarms,
    ];
    const found = all.map((swarms) => swarms.find((each) => each.service === "closed"));
    return { one: await one, found: found.map((swarm) => swarm && (swarm.tenants ?? "all")) };
  };
  expect(await shownTo(await sessionOf(t, "other"))).toEqual({
    one: "gateway.not_found",
    found: [undefined, undefined, undefined],
  });
  expect(await shownTo(await sessionOf(t, "acme"))).toEqual({
    one: [expect.objectContaining({ service: "closed", tenants: ["acme"] })],
    found: [["acme"], ["acme"], ["acme"]],
  });
});

test("a migration tells a tenant of no service that is closed to it, and compares nothing with one (W11)", async () => {
  const old = service({ ...known, name: "old", tenants: ["acme"], legacy: true, agents: [offering("scan")] });
  await using t = await startTestSystem(defineSystem({ name: "moving", services: [open, closed, old] }));
  for (const name of ["open", "closed"])
    await t.settled(t.system.registry.setMigration(t.ctx, name, { percent: 100, compare: false }));
  const statusOf = async ({ resultOf }: Awaited<ReturnType<typeof sessionOf>>) => {
    const status = (await resultOf("migration.status")) as {
      migrations: { service: string; capabilities: { capability: string; legacy: string[] }[] }[];
      legacy: { service: string }[];
    };
    return {
      rules: status.migrations.map(({ service: name, capabilities }) => [
        name,
        capabilities.map((each) => each.legacy),
      ]),
      legacy: status.legacy.map((each) => each.service),
    };
  };
  const [other, acme] = [await sessionOf(t, "other"), await sessionOf(t, "acme")];
  expect(await statusOf(other)).toEqual({ rules: [["open", []]], legacy: [] });
  expect(await statusOf(acme)).toEqual({
    rules: [
      ["closed", [["old"]]],
      ["open", [["old"]]],
    ],
    legacy: ["old"],
  });
  const { executionId } = await other.run("scan");
  expect(await other.run("migration.compare", { executionId })).toMatchObject({
    status: "failed",
    error: { message: 'No legacy service offers "scan".' },
  });
});
