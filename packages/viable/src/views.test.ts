// What the system's views show to a session, and what only to whoever may read the tenant as a whole (W11).
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
const definition = defineSystem({
  name: "shown",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [echo] })],
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
  expect(events.map(({ type }) => type)).toEqual(["session.created", "execution.accepted", "execution.completed"]);
  expect(new Set(events.map(({ sessionId }) => sessionId))).toEqual(new Set([mine.sessionId]));
});

test("memory is the tenant's as a whole: a session does not read it", async () => {
  await using t = await startTestSystem(definition);
  const { api } = await t.connect("web");
  await expect(t.settled(api.memory({}))).rejects.toMatchObject({ problem: { status: 403 } });
});
