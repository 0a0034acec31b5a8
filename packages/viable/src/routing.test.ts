// Proves in a whole system where tasks go: away from a swarm that fails, and back to it.
import { createClient } from "@viable/client";
import type { ExecutionEventData, RouteDecision } from "@viable/protocol";
import type { AgentContext } from "@viable/swarm";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { explainExecution } from "./cli/explain-execution.ts";
import { agent, defineSystem, service } from "./index.ts";

const worker = (handle: (ctx: AgentContext) => Promise<string> | string) =>
  agent({ name: "worker", capability: "work", description: "Works.", input: z.strictObject({}), handle });
const until = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
const serviceOf = (name: string, handle: (ctx: AgentContext) => Promise<string> | string) =>
  service({ name, description: "Serves.", port: 0, agents: [worker(handle)] });

/** The newest decision on where a task went. */
async function lastRoute(t: TestSystem): Promise<RouteDecision> {
  const data = (await t.events("execution.accepted")).at(-1)
    ?.data as unknown as ExecutionEventData<"execution.accepted">;
  return data.route;
}

test("a swarm whose tasks end in nothing is left out, tried, and taken back; the events tell why (S6, X5)", async () => {
  let hangs = true;
  const definition = defineSystem({
    name: "failing",
    services: [serviceOf("bad", (ctx) => (hangs ? until(ctx.signal) : "bad")), serviceOf("good", () => "good")],
  });
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const work = async () => {
    const { status } = await client.run("work", {}, { deadlineMs: 2_000 });
    return { status, route: await lastRoute(t) };
  };
  const statuses: string[] = [];
  for (let task = 0; task < 40 && statuses.filter((status) => status === "timed_out").length < 5; task++)
    statuses.push((await work()).status);
  const { status, route } = await work();
  expect([status, route.chosen.service]).toEqual(["completed", "good"]);
  expect(route.leftOut).toMatchObject([
    { service: "bad", reason: expect.stringMatching(/^ejected: \d+ of \d+ tasks/) },
  ]);
  const found = (await t.settled(client.api.discover("work"))).swarms;
  expect(found.find((each) => each.service === "bad")?.outlier).toMatchObject({ state: "ejected" });

  hangs = false;
  await t.time.advance(30_000);
  const probe = await work();
  expect(probe).toMatchObject({ status: "completed", route: { chosen: { service: "bad" }, probe: true } });
  const back = (await t.settled(client.api.discover("work"))).swarms.find((each) => each.service === "bad");
  expect(back?.outlier).toMatchObject({ state: "recovering" });
  await t.time.advance(30_000);
  expect((await work()).route).not.toHaveProperty("leftOut");
});

test("an agent that throws is no reason to leave its swarm out", async () => {
  const throws = () => {
    throw new Error("as asked");
  };
  const definition = defineSystem({
    name: "throwing",
    services: [serviceOf("one", throws), serviceOf("two", throws)],
  });
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  for (let task = 0; task < 30; task++) expect(await client.run("work")).toMatchObject({ status: "failed" });
  expect(await lastRoute(t)).not.toHaveProperty("leftOut");
});

test("a task goes where the config's rules say, and the explanation names the rule and who was left out (X5)", async () => {
  const known = { description: "Serves.", port: 0, agents: [worker(() => "done")] };
  const definition = defineSystem({
    name: "ruled",
    services: [
      service({ ...known, name: "old", version: "1.0.0" }),
      service({ ...known, name: "new", version: "2.0.0" }),
    ],
    routing: [{ name: "grown-up", when: { capability: "work" }, to: { version: "^2" } }],
  });
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  for (let task = 0; task < 5; task++) {
    const executionId = await client.begin("work");
    expect(await client.outcome(executionId)).toMatchObject({ status: "completed", service: "new" });
    const { route } = await t.settled(explainExecution(client.api, executionId));
    expect(route).toMatchObject({
      rule: "grown-up",
      leftOut: [{ service: "old", reason: "rule grown-up: its version 1.0.0 is not within ^2" }],
    });
  }
  const found = await t.settled(client.api.discover("work", { version: "^1" }));
  expect(found.swarms.map((each) => each.service)).toEqual(["old"]);
});

test("a rule's weights part tasks between a service and its legacy one", async () => {
  const known = { description: "Serves.", port: 0, agents: [worker(() => "done")] };
  const definition = defineSystem({
    name: "ruled",
    services: [service({ ...known, name: "new" }), service({ ...known, name: "old", legacy: true })],
    routing: [{ name: "canary", when: { capability: "work" }, policy: "weighted", weights: { new: 1, old: 99 } }],
  });
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const served: (string | undefined)[] = [];
  for (let task = 0; task < 20; task++) served.push((await client.outcome(await client.begin("work"))).service);
  expect(served.filter((name) => name === "old").length).toBeGreaterThan(15);
  expect((await lastRoute(t)).reason).toMatch(/^rule canary: its key draws /);
});

test("a task that a rule refuses is refused with the rule's reason, and is a dead letter", async () => {
  const definition = defineSystem({
    name: "ruled",
    services: [serviceOf("one", () => "done")],
    routing: [{ name: "frozen", when: { capability: "work" }, refuse: "No work before Monday." }],
  });
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  await expect(client.run("work")).rejects.toMatchObject({ problem: { status: 403, code: "registry.refused" } });
  await t.time.advance(10);
  const owner = createClient({
    url: "http://test.invalid",
    token: t.system.ownerToken,
    fetch: (async (url: string, init?: RequestInit) => await t.system.fetch(new Request(url, init))) as typeof fetch,
    clock: t.time,
  });
  const { deadLetters } = await t.settled(owner.deadLetters());
  expect(deadLetters).toMatchObject([
    { kind: "unroutable", code: "registry.refused", reason: expect.stringMatching(/No work before Monday/) },
  ]);
});
