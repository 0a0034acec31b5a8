// Proves in a whole system where tasks go: away from a swarm that fails, and back to it.
import type { ExecutionEventData } from "@viable/protocol";
import type { RoutingDecision } from "@viable/registry";
import type { AgentContext } from "@viable/swarm";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
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
async function lastRoute(t: TestSystem): Promise<RoutingDecision> {
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
