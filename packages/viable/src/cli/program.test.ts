// How the command line is read: help, mistakes and what is suggested for them. Nothing is asked of a system here.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "./program.ts";
import { runWords, writtenShell } from "./testing/written-shell.ts";

const run = (...words: string[]) => runWords(words);

const single = [
  "dev",
  "start",
  "exec",
  "ask",
  "health",
  "status",
  "doctor",
  "events",
  "backup",
  "restore",
  "login",
  "logout",
  "completion",
];
const groups = {
  executions: ["list", "show", "watch", "replay", "fork", "cancel"],
  sessions: ["list", "show", "share", "join", "end", "suspend", "resume", "export"],
  reactors: ["list", "graph", "runs", "show", "watch", "start", "resume", "undo", "cancel", "fork", "send"],
  approvals: ["list", "decide"],
  capability: ["mint", "attenuate", "inspect", "revoke", "list"],
  swarms: ["list", "show", "history", "scale", "drain", "restart"],
  registry: ["discover", "explain", "dead-letters"],
  user: ["list", "create", "invite", "password", "disable", "enable", "roles", "keys", "create-key", "revoke-key"],
  credentials: ["list", "set", "remove"],
  memory: ["get", "set", "list", "watch"],
  projections: ["list", "skip", "rebuild"],
  webhooks: ["list", "replay"],
  config: ["check", "show"],
};

/** Every verb that there is, with what leads to it. */
const all = (function walk(command: Command, path: readonly string[]): { command: Command; path: readonly string[] }[] {
  return command.commands.flatMap((each) => {
    const here = [...path, each.name()];
    return [{ command: each, path: here }, ...walk(each, here)];
  });
})(createProgram(writtenShell().shell), []);
const verbs = all.map(({ command, path }) => ({ verb: path.join(" "), command, path }));
const leaves = verbs.filter(({ command }) => command.commands.length === 0 || command.name() === "events");

test("these verbs there are, and no others", () => {
  const named = [
    "complete",
    "events verify",
    ...single,
    ...Object.entries(groups).flatMap(([group, names]) => [group, ...names.map((name) => `${group} ${name}`)]),
  ];
  expect(verbs.map(({ verb }) => verb).sort()).toEqual(named.sort());
});

/** The words of a line, as a shell makes them. */
const toWords = (line: string) =>
  Array.from(line.matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g), ([word]) => word.replace(/['"]/g, ""));

/** What is wrong with an example, by what the verb takes; undefined where nothing is. */
function faultOf(words: readonly string[]): string | undefined {
  const path = words.slice(0, verbs.some(({ verb }) => verb === words.slice(0, 2).join(" ")) ? 2 : 1);
  const command = verbs.find(({ verb }) => verb === path.join(" "))?.command;
  if (command === undefined) return `There is no verb ${path.join(" ")}.`;
  const takesAny = ["exec", "ask", "executions fork"].includes(path.join(" "));
  let given = 0;
  const rest = words.slice(path.length);
  for (let word = rest.shift(); word !== undefined && word !== "--"; word = rest.shift()) {
    if (!word.startsWith("-")) {
      given += 1;
      continue;
    }
    const option = command.options.find(({ long, short }) => [long, short].includes(word as string));
    if (option === undefined && takesAny) rest.shift();
    else if (option === undefined) return `It has no ${word}.`;
    else if (option.required) {
      const value = rest.shift() ?? "";
      if (option.argChoices?.includes(value) === false) return `${word} cannot be "${value}".`;
    }
  }
  const args = command.registeredArguments;
  const [least, most] = [args.filter(({ required }) => required).length, args.at(-1)?.variadic ? 99 : args.length];
  if (command.commands.length > 0 && command.registeredArguments.length === 0 && command.name() !== "events")
    return "It is a group of verbs.";
  return given >= least && given <= most ? undefined : `It takes ${least} to ${most} words, not ${given}.`;
}

test.each(verbs)("$verb has help with an example of it, which is one that it takes", async ({ verb, path }) => {
  const help = await run(...path, "--help");
  expect(help).toMatchObject({ status: 0, err: "" });
  const [, examples = ""] = help.out.split(/^Examples?:$/m);
  const lines = examples.split("\n").filter((line) => line.startsWith("  $ "));
  expect(lines).not.toEqual([]);
  const calls = lines.flatMap((line) =>
    line
      .slice(4)
      .replace(/ [<>] \S+$/, "")
      .split(" && "),
  );
  const words = calls.map((call) => toWords(/(?:^|[ (])viable (.*?)\)?$/.exec(call)?.[1] ?? call));
  expect(words.map((each) => [each.join(" "), faultOf(each)])).toEqual(
    words.map((each) => [each.join(" "), undefined]),
  );
  expect(words.every((each) => each.join(" ").startsWith(verb))).toBe(true);
});

test("an example that a verb does not take is found", () => {
  expect(faultOf(["exec", "a", "--odd", "1"])).toBeUndefined();
  expect(faultOf(["executions", "list", "--odd"])).toBe("It has no --odd.");
  expect(faultOf(["executions", "show"])).toBe("It takes 1 to 1 words, not 0.");
  expect(faultOf(["health", "--output", "xml"])).toBe('--output cannot be "xml".');
  expect(faultOf(["nonsense"])).toBe("There is no verb nonsense.");
  expect(faultOf(["executions"])).toBe("It is a group of verbs.");
});

test("every verb that prints data prints it for people, as JSON and as YAML", () => {
  const prints = (command: Command) =>
    command.options.find(({ long }) => long === "--output")?.argChoices?.join() === "table,json,yaml";
  expect(leaves.filter(({ command }) => !prints(command)).map(({ verb }) => verb)).toEqual(
    [
      // Nothing comes of them but that it is done, and the exit status says so.
      "dev",
      "logout",
      "credentials set",
      "credentials remove",
      // Texts in forms of their own.
      "sessions export",
      "completion",
      "complete",
    ].sort((a, b) => leaves.findIndex(({ verb }) => verb === a) - leaves.findIndex(({ verb }) => verb === b)),
  );
});

test("the help names every verb and the exit statuses", async () => {
  const { out } = await run("--help");
  for (const verb of [...single, ...Object.keys(groups)]) expect(out).toContain(`  ${verb} `);
  expect(out).toContain("Exit status: 0 done");
  expect(await run("--version")).toMatchObject({ status: 0 });
});

test("unknown verbs and options suggest the nearest, say nothing on stdout and end with 2", async () => {
  expect(await run("strat")).toMatchObject({ status: 2, out: "", err: expect.stringContaining("Did you mean start?") });
  expect((await run("executions", "lits")).err).toContain("Did you mean list?");
  expect(await run("health", "--ouput", "json")).toMatchObject({
    status: 2,
    err: expect.stringContaining("Did you mean --output?"),
  });
});

test("a wrong value, a missing argument, one too many and no verb end with 2", async () => {
  expect((await run("health", "--output", "xml")).status).toBe(2);
  expect((await run("executions", "show")).status).toBe(2);
  expect((await run("executions", "show", "one", "two")).status).toBe(2);
  expect((await run()).status).toBe(2);
  expect((await run("exec", "x", "--timeout", "never")).status).toBe(2);
  expect((await run("exec", "x", "--json", "{")).status).toBe(2);
  expect((await run("reactors", "start", "x", "--input", "{")).status).toBe(2);
  expect((await run("reactors", "runs", "--status", "odd")).status).toBe(2);
  expect((await run("reactors", "resume", "x")).status).toBe(2);
  expect((await run("approvals", "decide", "x", "perhaps")).status).toBe(2);
});

test("an option before a verb under another is refused and not left unheeded", async () => {
  expect(await run("events", "--config", "other", "verify")).toMatchObject({
    status: 2,
    out: "",
    err: expect.stringContaining("--config stands before verify"),
  });
  expect((await run("events", "--type", "x", "verify")).err).toContain("--type stands before verify");
  expect((await run("events", "verify", "--config", "/nowhere/other")).err).toContain("/nowhere/other");
});

test("a config that is right is told with how many there are of what it has", async () => {
  const folder = mkdtempSync(join(tmpdir(), "viable-config-"));
  try {
    const file = join(folder, "viable.config.ts");
    writeFileSync(
      file,
      `import { agent, defineSystem, processManager, reactor, schedule, service } from ${JSON.stringify(new URL("../index.ts", import.meta.url).href)};
       import { z } from ${JSON.stringify(import.meta.resolve("zod"))};
       const input = z.looseObject({});
       const one = agent({ name: "one", capability: "one", description: "One.", input, handle: () => 1 });
       const done = reactor("done", { input }, (steps) => steps.step("do", { pool: "p", run: () => 1 }).returns(() => 1));
       export default defineSystem({
         name: "counted",
         services: [service({ name: "s", description: "S.", port: 0, agents: [one] })],
         reactors: [done],
         pools: { p: 2 },
         schedules: [schedule({ name: "nightly", cron: "@daily", reactor: done, input: () => ({}) })],
         projections: [
           { name: "totals", version: 1, filter: { types: ["sold"] }, project: () => ({}) },
           processManager({ name: "m", reactor: done, on: [{ type: "sold", key: () => "k", starts: () => ({}) }] }),
         ],
       });`,
    );
    const checked = await run("config", "check", file);
    const counts = "1 service, 1 agent, 1 reactor, 1 schedule, 1 projection, 1 process manager, 1 pool";
    expect(checked).toEqual({ status: 0, out: `${file} is ok: counted, ${counts}\n`, err: "" });
    expect(JSON.parse((await run("config", "check", file, "--output", "json")).out)).toEqual({
      ok: true,
      file,
      system: "counted",
      services: 1,
      agents: 1,
      reactors: 1,
      schedules: 1,
      projections: 1,
      processManagers: 1,
      pools: 1,
      notes: [],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what a config says is shown with the projections it has kept", async () => {
  const folder = mkdtempSync(join(tmpdir(), "viable-config-"));
  try {
    const file = join(folder, "viable.config.ts");
    writeFileSync(
      file,
      `import { defineSystem } from ${JSON.stringify(new URL("../index.ts", import.meta.url).href)};
       const totals = { name: "totals", version: 3, filter: { types: ["sold"] }, project: () => ({}) };
       export default defineSystem({ name: "shown", services: [], projections: [totals] });`,
    );
    const shown = JSON.parse((await run("config", "show", "--config", file, "--output", "json")).out);
    expect(shown.projections).toEqual([
      {
        name: "totals",
        version: 3,
        filter: { types: ["sold"] },
        consistency: "eventual",
        begins: "start",
        isReaction: false,
      },
    ]);
    expect((await run("config", "show", "--config", file)).out).toMatch(/PROJECTION .*\ntotals +3 +eventual +start/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("without a config and an address it says how to give one", async () => {
  expect(await run("health")).toMatchObject({ status: 2, out: "", err: expect.stringContaining("--url") });
  expect(await run("health", "--url", "somewhere")).toMatchObject({ status: 2 });
});
