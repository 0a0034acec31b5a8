// Commands that every system has: what one may do, a conversation with the agents, and the state of the whole for agents.
import type { JsonObject } from "@viable/kernel";
import type { CommandAnswer } from "@viable/protocol";
import { healthView, registryMetrics, swarmView } from "@viable/protocol";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parseCommandArguments } from "./cli/command-arguments.ts";
import { systemCapabilities } from "./define-system.ts";
import { agent, defineSystem, service } from "./index.ts";

const greeter = service({
  name: "greeter",
  description: "Greets.",
  port: 0,
  agents: [
    agent({
      name: "greet",
      capability: "greet",
      description: "Greets whom it is told to.",
      input: z.strictObject({ name: z.string() }),
      risk: "low",
      handle: (_ctx, { name }) => `Hello, ${name}`,
    }),
    agent({
      name: "wipe",
      capability: "wipe",
      description: "Forgets every greeting.",
      input: z.strictObject({}),
      risk: "high",
      handle: () => null,
    }),
  ],
});

/** Somebody to talk with: repeats what was said, how much came before it, and what it was told may be done. */
const talker = service({
  name: "talker",
  description: "Talks.",
  port: 0,
  agents: [
    agent({
      name: "conversation",
      capability: "conversation",
      description: "Says what it has heard.",
      input: z.strictObject({
        message: z.string(),
        history: z.array(z.object({ role: z.enum(["user", "assistant"]), text: z.string().max(10_000) })).max(50),
        commands: z.array(z.object({ capability: z.string(), description: z.string() })),
        run: z.boolean(),
      }),
      risk: "low",
      handle: (_ctx, { message, history, commands, run }) => ({
        reply: `${message} after ${history.length}`,
        origin: "test",
        told: commands.map(({ capability }) => capability),
        run,
      }),
    }),
  ],
});

const system = (...services: (typeof greeter)[]) => defineSystem({ name: "s", services });
const resultOf = async (answered: Promise<CommandAnswer>): Promise<unknown> => {
  const answer = await answered;
  if (answer.status !== "completed") throw new Error(JSON.stringify(answer));
  return answer.result;
};
type Listed = { command: string; allowed: boolean; reasons?: string[] };

describe("help", () => {
  test("lists what the caller may do, and with all also what not and why", async () => {
    await using t = await startTestSystem(system(greeter));
    const [cli, web] = [await t.connect("cli"), await t.connect("web")];
    const listed = async (client: typeof cli, args: object) => {
      const result = await resultOf(client.run("help", args as never));
      return (result as { commands: Listed[] }).commands;
    };
    expect((await listed(cli, {})).map(({ command }) => command)).toEqual(
      expect.arrayContaining(["greet", "wipe", "help"]),
    );
    const forWeb = (await listed(web, {})).map(({ command }) => command);
    expect(forWeb).toContain("greet");
    expect(forWeb).not.toContain("wipe");
    expect((await listed(web, { all: true })).find(({ command }) => command === "wipe")).toMatchObject({
      allowed: false,
      reasons: [expect.stringContaining("execute")],
    });
    // What help says is what happens.
    expect(await web.run("greet", { name: "you" })).toMatchObject({ result: "Hello, you" });
    await expect(web.run("wipe", {})).rejects.toMatchObject({ code: "security.denied" });
  });

  test("tells all about one command, finds by a word, and names what is near", async () => {
    await using t = await startTestSystem(system(greeter));
    const client = await t.connect("cli");
    expect(await resultOf(client.run("help", { about: "greet" }))).toMatchObject({
      command: "greet",
      services: ["greeter"],
      allowed: true,
      available: true,
      input: { properties: { name: { type: "string" } } },
    });
    expect(await resultOf(client.run("help", { about: "forgets" }))).toMatchObject({ commands: [{ command: "wipe" }] });
    expect(await resultOf(client.run("help", { about: "gret" }))).toMatchObject({ commands: [], near: ["greet"] });
    // What the caller may not do is not what it was looking for.
    const web = await t.connect("web");
    expect(await resultOf(client.run("help", { about: "wip" }))).toMatchObject({ commands: [{ command: "wipe" }] });
    expect(await resultOf(web.run("help", { about: "wipr" }))).toMatchObject({ commands: [], near: [] });
    expect(await resultOf(web.run("help", { about: "wipr", all: true }))).toMatchObject({ near: ["wipe"] });
    expect(await resultOf(web.run("help", { about: "wipe" }))).toMatchObject({ command: "wipe", allowed: false });
  });
});

describe("chat", () => {
  test("goes on under its id, tells whoever answers what the caller may have done, and is the caller's own", async () => {
    await using t = await startTestSystem(system(greeter, talker));
    const client = await t.connect("web");
    const first = (await resultOf(client.run("chat", { message: "one" }))) as { conversation: string; told: string[] };
    expect(first).toMatchObject({ reply: "one after 0", origin: "test", turns: 1 });
    expect(first.told).toContain("greet");
    expect(first.told).not.toContain("wipe");
    const { conversation } = first;
    expect(await resultOf(client.run("chat", { message: "two", conversation }))).toMatchObject({
      reply: "two after 2",
      turns: 2,
    });
    for (let turn = 3; turn <= 30; turn++) await client.run("chat", { message: "more", conversation });
    expect(await resultOf(client.run("chat", { message: "last", conversation }))).toMatchObject({
      reply: "last after 50",
    });
    expect(await client.run("chat", { message: "x", conversation: "another's" })).toMatchObject({
      status: "failed",
      error: { code: "chat.unknown_conversation" },
    });
  });

  test("is the caller's own: who acts in its name does not know of it", async () => {
    const meddler = service({
      name: "meddler",
      description: "Meddles.",
      port: 0,
      agents: [
        agent({
          name: "meddle",
          capability: "meddle",
          description: "Goes on with somebody else's conversation.",
          input: z.strictObject({ conversation: z.string() }),
          handle: async (ctx, input) => {
            const outcome = await ctx.delegate("chat", { message: "and?", ...input });
            return outcome.ok ? "told" : outcome.error.code;
          },
        }),
      ],
    });
    await using t = await startTestSystem(system(talker, meddler));
    const client = await t.connect("cli");
    const { conversation } = (await resultOf(client.run("chat", { message: "one" }))) as { conversation: string };
    expect(await resultOf(client.run("meddle", { conversation }))).toBe("chat.unknown_conversation");
  });

  test("goes on after replies that are longer than whoever answers may be told, and after very long conversations", async () => {
    await using t = await startTestSystem(system(talker));
    const client = await t.connect("cli");
    const message = "\u0001".repeat(10_000);
    let conversation: string | undefined;
    let turns = 0;
    for (let turn = 1; turn <= 12; turn++) {
      const said = (await resultOf(client.run("chat", { message, ...(conversation && { conversation }) }))) as {
        conversation: string;
        reply: string;
        turns: number;
      };
      expect(said.reply.length).toBeGreaterThan(10_000);
      ({ conversation, turns } = said);
    }
    // As JSON each turn has 120,000 characters: what is older than the last few is forgotten.
    expect(turns).toBeGreaterThanOrEqual(3);
    expect(turns).toBeLessThan(12);
  });

  test("keeps turns that are said at the same moment", async () => {
    await using t = await startTestSystem(system(talker));
    const client = await t.connect("cli");
    const { conversation } = (await resultOf(client.run("chat", { message: "one" }))) as { conversation: string };
    await Promise.all(["two", "three", "four"].map((message) => client.run("chat", { message, conversation })));
    expect(await resultOf(client.run("chat", { message: "last", conversation }))).toMatchObject({
      reply: "last after 8",
      turns: 5,
    });
  });

  test("waits for what takes long, and says so when an answer is none", async () => {
    const minutes = 10;
    const slow = service({
      name: "slow",
      description: "Thinks.",
      port: 0,
      agents: [
        agent({
          name: "conversation",
          capability: "conversation",
          description: "Thinks for long. ".repeat(100),
          input: z.looseObject({
            message: z.string(),
            commands: z.array(z.object({ capability: z.string(), description: z.string().max(1_000) })),
          }),
          timeoutMs: 2 * minutes * 60_000,
          handle: async (ctx, { message, commands }) => {
            await new Promise((resolve) => ctx.runtime.clock.setTimer(() => resolve(null), minutes * 60_000));
            return message === "nothing" ? {} : { reply: `${commands.length > 0}`, origin: "test" };
          },
        }),
        agent({
          name: "wordy",
          capability: "wordy",
          description: "Is told of at length. ".repeat(100),
          input: z.strictObject({}),
          handle: () => null,
        }),
      ],
    });
    await using t = await startTestSystem(system(slow));
    const client = await t.connect("cli");
    const say = async (message: string) => await client.outcome(await client.begin("chat", { message }));
    expect(await say("think")).toMatchObject({ status: "completed", result: { reply: "true" } });
    expect(await say("nothing")).toMatchObject({
      status: "failed",
      error: { code: "chat.no_answer", next: expect.stringContaining("executions show exe_") },
    });
  });

  test("says who is missing where nobody can talk", async () => {
    await using t = await startTestSystem(system(greeter));
    const client = await t.connect("cli");
    expect(await client.run("chat", { message: "hello" })).toMatchObject({
      status: "failed",
      error: { code: "chat.nobody_answers", next: expect.stringContaining("conversation") },
    });
  });
});

test("what help and chat ask for by a word alone is a flag to the command line", async () => {
  await using t = await startTestSystem(system(greeter));
  const client = await t.connect("cli");
  const read = async (command: string, words: string[]) => {
    const { input } = (await resultOf(client.run("help", { about: command }))) as { input: JsonObject };
    return parseCommandArguments(command, words, input);
  };
  expect(await read("help", ["--all"])).toEqual({ all: true });
  expect(await read("chat", ["--run", "--message", "true"])).toEqual({ run: true, message: "true" });
  expect(await read("chat", ["--message", "m", "--run", "false"])).toEqual({ run: false, message: "m" });
});

test("the commands that no config may offer are exactly these", async () => {
  await using t = await startTestSystem(system());
  const swarm = t.system.swarms.get("system");
  expect(swarm?.service.capabilities.toSorted()).toEqual(systemCapabilities);
});

test("agents learn the state of the whole as clients do", async () => {
  await using t = await startTestSystem(system(greeter));
  const client = await t.connect("cli");
  const health = healthView.parse(await resultOf(client.run("system.health", {})));
  expect(health).toMatchObject({
    status: "ok",
    checks: expect.arrayContaining([expect.objectContaining({ name: "swarm greeter" })]),
  });
  const { swarms } = z.object({ swarms: z.array(swarmView) }).parse(await resultOf(client.run("system.swarms", {})));
  expect(swarms.map(({ service }) => service).sort()).toEqual(["greeter", "system"]);
  t.system.swarms.get("greeter")?.kill("queen", "to see it");
  await t.time.advance(1_000);
  const after = (await resultOf(client.run("system.swarms", {}))) as {
    swarms: { service: string; parts: { restarts: number }[] }[];
  };
  expect(after.swarms.find(({ service }) => service === "greeter")?.parts.some(({ restarts }) => restarts === 1)).toBe(
    true,
  );
});

test("the registry's metrics tell what was decided and what went from swarm to swarm", async () => {
  const asker = service({
    name: "asker",
    description: "Asks.",
    port: 0,
    agents: [
      agent({
        name: "ask",
        capability: "ask",
        description: "Has somebody greeted, or asks for what nobody can.",
        input: z.strictObject({ capability: z.string() }),
        handle: async (ctx, { capability }) => (await ctx.delegate(capability, { name: "you" })).ok,
      }),
    ],
  });
  await using t = await startTestSystem(system(greeter, asker));
  const client = await t.connect("cli");
  await client.run("ask", { capability: "greet" });
  await client.run("ask", { capability: "fly" });
  const response = await t.system.fetch(
    new Request("http://test.invalid/v1/registry/metrics", {
      headers: { authorization: `Bearer ${t.system.ownerToken}` },
    }),
  );
  expect(registryMetrics.parse(await response.json())).toMatchObject({
    registry: { entries: 3, routed: 3, refused: 0, local: 3 },
    traffic: [
      { from: "asker", to: "greeter", completed: 1, failed: 0, refused: 0 },
      { from: "asker", to: "nobody", completed: 0, failed: 0, refused: 1 },
    ],
    successRate: 0.5,
  });
});
