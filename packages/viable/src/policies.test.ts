// What the system's owner lays down for commands, on a whole system: nobody's token is above it.
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "./index.ts";

const input = z.looseObject({});
const settings = {
  name: "policies",
  services: [
    service({
      name: "work",
      description: "Works.",
      port: 0,
      agents: [
        agent({ name: "echo", capability: "echo", description: "Echoes.", input, handle: () => "echo" }),
        agent({ name: "drop", capability: "store.drop", description: "Drops.", input, handle: () => "dropped" }),
        agent({
          name: "asks",
          capability: "asks",
          description: "Has it dropped.",
          input,
          handle: async (ctx) => {
            const outcome = await ctx.delegate("store.drop", {});
            return outcome.ok ? "dropped" : outcome.error.code;
          },
        }),
      ],
    }),
  ],
};

describe("a policy", () => {
  test("that blocks a command blocks it for everybody, also where it is done for another", async () => {
    const policies = { "command/store.*": { mode: "block" as const } };
    await using t = await startTestSystem(defineSystem({ ...settings, policies }));
    const client = await t.connect();
    await expect(client.run("store.drop")).rejects.toMatchObject({ code: "security.blocked" });
    expect(await client.run("asks")).toMatchObject({ result: "security.blocked" });
    const listed = await client.run("help", { about: "store.drop" });
    expect(listed).toMatchObject({ result: { allowed: false, reasons: [expect.stringContaining("command/store.*")] } });
    expect(await client.run("echo")).toMatchObject({ result: "echo" });
  });

  test("that raises a command's risk keeps it from those who may not do what has a high risk", async () => {
    const policies = { "command/echo": { risk: "high" as const } };
    await using t = await startTestSystem(defineSystem({ ...settings, policies }));
    const [cli, web] = [await t.connect("cli"), await t.connect("web")];
    await expect(web.run("echo")).rejects.toMatchObject({ code: "security.denied" });
    expect(await cli.run("echo")).toMatchObject({ result: "echo" });
    const { commands } = await t.settled(web.api.commands());
    expect(commands.find(({ command }) => command === "echo")?.risk).toBe("high");
  });

  test("that limits commands counts all that it means, by principal and not by token, and none that were denied", async () => {
    const policies = { "command/*": { commandsPerHour: 2 }, "command/store.*": { mode: "block" as const } };
    await using t = await startTestSystem(defineSystem({ ...settings, policies }));
    const [one, two] = [await t.connect(), await t.connect("api")];
    await expect(one.run("store.drop")).rejects.toMatchObject({ code: "security.blocked" });
    expect([await one.run("echo"), await two.run("echo")]).toMatchObject([{ result: "echo" }, { result: "echo" }]);
    await expect(one.run("echo")).rejects.toMatchObject({ code: "intake.rate_limited" });
    await expect(two.run("echo")).rejects.toMatchObject({ code: "intake.rate_limited" });
    await t.time.advance(30 * 60_000);
    expect(await two.run("echo")).toMatchObject({ result: "echo" });
  });

  test.each([
    ["command/ech", "near it are command/echo"],
    ["query/echo", "means no command"],
    ["command/*/x", "policies"],
  ])("for %s, which means no command or is no pattern, is a mistake in the config", (pattern, why) => {
    expect(() => defineSystem({ ...settings, policies: { [pattern]: { mode: "block" } } })).toThrow(why);
  });
});
