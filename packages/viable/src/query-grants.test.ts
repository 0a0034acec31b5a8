// Questions to another process carry the grant that they are asked under once, then what it was signed with: nobody is known by less.
import { createMemoryBus, createMemoryHub } from "@viable/bus";
import type { JsonObject } from "@viable/kernel";
import { rootContext, seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { Grant } from "@viable/security";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { readHosting } from "./hosting.ts";
import { defineSystem, query, service } from "./index.ts";

const grantOf = (number: number): Grant => ({
  tokenId: `tok_${number}`,
  tenant: "default",
  principal: `session:${number}`,
  clientType: "api",
  operations: ["read"],
  sessionId: undefined,
  commandsPerHour: 1,
  maxConcurrent: undefined,
  expiresAt: null,
});

/** Grants of others that a process knows by their signature at once. */
const maxHeard = 10_000;

async function startPair() {
  const who = query({
    name: "who",
    description: "Says who asks.",
    input: z.strictObject({}),
    answer: ({ principal }) => principal,
  });
  const definition = defineSystem({
    name: "s",
    services: [service({ name: "asked", description: "Answers.", port: 0, agents: [], queries: [who] })],
  });
  const time = simulateTime({ random: seededRandom(5) });
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const start = (seed: number, roles: string) =>
    startTestSystem(definition, {
      seed,
      store,
      time,
      hub,
      hosting: readHosting(definition, { roles }, { only: "--only", roles: "--roles" }),
    });
  const gateway = await start(1, "gateway");
  const answering = await start(2, "swarm");
  await time.advance(2_000);
  const stranger = createMemoryBus(gateway.ctx.runtime, { hub });
  await stranger.start(gateway.ctx);
  const heard: JsonObject[] = [];
  stranger.subscribe("queries.>", { maxWaiting: 50_000, maxConcurrent: 1_000 }, (_ctx, message) => {
    heard.push(message);
  });
  return {
    heard,
    ask: (grant: Grant) =>
      gateway.settled(gateway.system.queries.ask(rootContext(gateway.ctx.runtime), { grant, query: "who", args: {} })),
    send: (message: JsonObject) =>
      gateway.settled(stranger.request(gateway.ctx, `queries.${answering.system.membership.processId}`, message)),
    async stop() {
      for (const each of [answering, gateway]) await each.stop();
    },
  };
}

test("a grant is sent once to each process, then its signature stands for it (W4)", async () => {
  const { ask, send, heard, stop } = await startPair();
  const grant = grantOf(1);
  for (let times = 0; times < 3; times++) expect(await ask(grant)).toMatchObject({ ok: true, result: "session:1" });
  const [first, ...later] = heard;
  const signature = String(first?.grant).split(".").at(-1);
  expect(later).toEqual([
    { query: "who", args: {}, hops: 0, service: "asked", signature },
    { query: "who", args: {}, hops: 0, service: "asked", signature },
  ]);
  // Another's signature is none, however near it is.
  for (const made of [`${signature}A`, "", "A".repeat(43), String(first?.grant)])
    expect(await send({ query: "who", args: {}, hops: 0, service: "asked", signature: made })).toMatchObject({
      ok: false,
      kind: "denied",
      error: { code: "query.unknown_signature" },
    });
  await stop();
});

test("a process that has forgotten a grant is told it once more, and the caller notices nothing (W10)", {
  timeout: 60_000,
}, async () => {
  const { ask, heard, stop } = await startPair();
  const grant = grantOf(0);
  await ask(grant);
  for (let number = 1; number <= maxHeard; number++) await ask(grantOf(number));
  heard.length = 0;
  expect(await ask(grant)).toMatchObject({ ok: true, result: "session:0" });
  expect(heard.map((message) => Object.keys(message).at(-1))).toEqual(["signature", "grant"]);
  await stop();
});
