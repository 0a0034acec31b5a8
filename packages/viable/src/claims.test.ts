// S5 in a whole system: what a task claims it holds until it ends, however it ends, and everybody can see who has what.
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "./index.ts";

const printer = agent({
  name: "printer",
  capability: "print",
  description: "Claims the press for as long as it prints.",
  input: z.strictObject({ ms: z.number(), fails: z.boolean().default(false), twice: z.boolean().default(false) }),
  handle: async (ctx, { ms, fails, twice }) => {
    const claimed = await ctx.claim("press", { policy: { kind: "lock" } });
    if (!claimed.ok) return { refused: claimed.because };
    if (twice) return { again: (await ctx.claim("press", { policy: { kind: "lock" } })).ok };
    await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, ms));
    if (fails) throw new Error("no paper");
    return { token: claimed.token };
  },
});
const system = defineSystem({
  name: "s",
  services: [service({ name: "works", description: "Prints.", port: 0, agents: [printer] })],
});

async function setup() {
  const t = await startTestSystem(system);
  const client = await t.connect("api");
  const claims = async () => {
    const request = new Request("http://test.invalid/v1/registry/claims", {
      headers: { authorization: `Bearer ${t.system.ownerToken}` },
    });
    const response = await t.settled(Promise.resolve(t.system.fetch(request)));
    return ((await response.json()) as { claims: { resource: string; by: string }[] }).claims;
  };
  return { t, client, claims };
}

test("one of two tasks has it, and whoever asks sees which", async () => {
  const { t, client, claims } = await setup();
  const first = await client.begin("print", { ms: 1_000 });
  await t.time.advance(10);
  expect(await client.run("print", { ms: 1 })).toMatchObject({ result: { refused: "held" } });
  expect(await claims()).toMatchObject([{ resource: "press", by: `works/printer ${first}/1`, token: 1 }]);
  expect(await client.outcome(first)).toMatchObject({ status: "completed", result: { token: 1 } });
  await t.stop();
});

test.each([
  ["completed", { ms: 100 }],
  ["failed", { ms: 100, fails: true }],
] as const)("it is let go when its task has %s", async (status, args) => {
  const { t, client, claims } = await setup();
  expect(await client.run("print", args)).toMatchObject({ status });
  await t.time.advance(10);
  expect(await claims()).toEqual([]);
  expect(await client.run("print", { ms: 1 })).toMatchObject({ result: { token: 2 } });
  await t.stop();
});

test("it is let go when its task is cancelled, or its worker is killed: then the next attempt claims it anew", async () => {
  const { t, client, claims } = await setup();
  const cancelled = await client.begin("print", { ms: 60_000 });
  await t.time.advance(10);
  await t.settled(client.api.cancel(cancelled));
  await t.time.advance(10);
  expect(await claims()).toEqual([]);
  const killed = await client.begin("print", { ms: 1_000 });
  await t.time.advance(10);
  for (const { id } of t.system.swarms.get("works")?.status().workers ?? [])
    t.system.swarms.get("works")?.kill(id, "by a test");
  expect(await client.outcome(killed)).toMatchObject({ status: "completed", result: { token: expect.any(Number) } });
  await t.stop();
});

test("claimed twice by one task it is the same claim", async () => {
  const { t, client } = await setup();
  expect(await client.run("print", { ms: 1, twice: true })).toMatchObject({ result: { again: true } });
  await t.stop();
});
