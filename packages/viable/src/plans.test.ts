// Plans as a config says them, in a whole system: several agents for one task, and what each came to.
import type { JsonValue } from "@viable/kernel";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, firstSuccess, parallel, quorum, sequence, service, settleBy } from "./index.ts";

const input = z.strictObject({ text: z.string() });
const labeller = (name: string, label: (text: string) => JsonValue) =>
  service({
    name,
    description: "Labels texts.",
    port: 0,
    agents: [
      agent({
        name: "labeller",
        capability: "label",
        description: "Labels a text.",
        input,
        handle: (_ctx, { text }) => label(text),
      }),
    ],
  });
const failing = agent({
  name: "small",
  capability: "small_model",
  description: "Is not there.",
  input,
  handle: () => {
    throw new Error("no such model");
  },
});
const large = agent({
  name: "large",
  capability: "large_model",
  description: "Answers.",
  input,
  handle: (_ctx, { text }) => ({ text: text.toUpperCase() }),
});
const about = { description: "Has others do it.", input };
const everyone = ["one", "two", "three"].map((name) => ({ capability: "label", service: name }));

const desk = service({
  name: "desk",
  description: "Has others work.",
  port: 0,
  // A waiting plan holds no worker: one is enough for plans over agents of their own service.
  workers: 1,
  agents: [
    failing,
    large,
    firstSuccess({
      ...about,
      name: "answer",
      capability: "answer",
      members: [{ capability: "small_model" }, { capability: "large_model" }],
    }),
    parallel({
      ...about,
      name: "review",
      capability: "review",
      require: "some",
      members: [{ capability: "small_model" }, { capability: "large_model" }],
    }),
    sequence({
      ...about,
      name: "shout",
      capability: "shout",
      members: [{ capability: "large_model" }, { capability: "large_model" }],
    }),
    quorum({ ...about, name: "classify", capability: "classify", members: everyone, atLeast: 2 }),
    quorum({
      ...about,
      name: "judge",
      capability: "judge",
      members: everyone,
      atLeast: 3,
      onConflict: settleBy({ kind: "vote" }),
    }),
  ],
});
const system = defineSystem({
  name: "s",
  services: [
    labeller("one", (text) => text.length),
    labeller("two", (text) => text.length),
    labeller("three", (text) => text.length + (text === "odd" ? 1 : 0)),
    desk,
  ],
});

test("plans end as their kinds say, and tell what each member came to", async () => {
  await using t = await startTestSystem(system);
  const client = await t.connect();
  const run = (command: string, text: string) => client.run(command, { text });
  expect(await run("answer", "a")).toMatchObject({
    result: { value: { text: "A" }, members: [{ status: "failed" }, { status: "completed" }] },
  });
  expect(await run("review", "a")).toMatchObject({
    result: { members: [{ status: "failed", error: { message: "no such model" } }, { status: "completed" }] },
  });
  expect(await run("shout", "a")).toMatchObject({ result: { value: { text: "A" } } });
  expect(await run("classify", "odd")).toMatchObject({ result: { value: 3 } });
  expect(await run("judge", "odd")).toMatchObject({
    result: { value: 3, conflict: expect.objectContaining({ policy: "vote", winner: "one" }) },
  });
});

test("a plan shows among the commands as any other, with the shape that it takes", async () => {
  await using t = await startTestSystem(system);
  const { commands } = await t.settled((await t.connect()).api.commands());
  expect(commands.find(({ command }) => command === "judge")).toMatchObject({ services: ["desk"], available: true });
});
