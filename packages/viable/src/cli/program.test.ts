// How the command line is read: help, mistakes and what is suggested for them. Nothing is asked of a system here.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runWords } from "./testing/written-shell.ts";

const run = (...words: string[]) => runWords(words);

const single = ["dev", "start", "exec", "health", "status", "doctor", "events", "backup", "restore", "login", "logout"];
const groups = {
  executions: ["list", "show", "watch", "replay", "cancel"],
  reactors: ["list", "graph", "runs", "show", "watch", "start", "resume", "undo", "cancel", "send"],
  approvals: ["list", "decide"],
  swarms: ["list", "show", "history", "scale", "restart"],
  registry: ["discover", "explain"],
  user: ["list", "create", "invite", "password", "disable", "enable", "roles", "keys", "create-key", "revoke-key"],
  credentials: ["list", "set", "remove"],
  memory: ["get", "set", "list", "watch"],
  projections: ["list", "skip", "rebuild"],
  webhooks: ["list", "replay"],
  config: ["check", "show"],
};
const verbs = [
  ["events", "verify"],
  ...single.map((verb) => [verb]),
  ...Object.entries(groups).flatMap(([group, names]) => [[group], ...names.map((name) => [group, name])]),
];

test.each(verbs)("%s %s has help with an example", async (...words) => {
  const help = await run(...words.filter((word) => word !== undefined), "--help");
  expect(help).toMatchObject({ status: 0, err: "" });
  expect(help.out).toMatch(/Examples?:\n {2}\$ /);
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
