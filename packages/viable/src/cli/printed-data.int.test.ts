// What every verb that only reads prints, for programs; and that an execution is done once more, over a real socket.
import { expect, onTestFinished, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { agent, defineSystem, reactor, service } from "../index.ts";
import { createProgram } from "./program.ts";
import { commandLine } from "./testing/command-line.ts";
import { writtenShell } from "./testing/written-shell.ts";

const counts = agent({
  name: "counter",
  capability: "count",
  description: "Counts.",
  input: z.strictObject({ text: z.string(), loud: z.boolean().default(false) }),
  handle: (_ctx, { text, loud }) => ({ letters: text.length, loud }),
});
const steps = reactor("steps", { input: z.looseObject({}) }, (each) =>
  each
    .step("first", { run: () => 1 })
    .step("second", { after: ["first"], run: () => 2 })
    .returns(({ input }) => ({ begun: input })),
);
const definition = defineSystem({
  name: "printed",
  services: [service({ name: "desk", description: "Works.", port: 0, agents: [counts] })],
  reactors: [steps],
});

/** They do something, go on until somebody ends them, need a system on this machine's disk, or one of several words. */
const others = [
  ...["dev", "start", "login", "logout", "backup", "completion", "complete", "capability mint"],
  ...["memory watch", "exec", "ask", "registry discover", "doctor", "config check", "config show", "events verify"],
];

const readers = createProgram(writtenShell().shell)
  .commands.flatMap((group) => [
    { words: [group.name()], command: group },
    ...group.commands.map((command) => ({ words: [group.name(), command.name()], command })),
  ])
  .filter(({ words, command }) => {
    const isGroup = command.commands.length > 0 && words[0] !== "events";
    return (
      !isGroup && !command.registeredArguments.some(({ required }) => required) && !others.includes(words.join(" "))
    );
  })
  .map(({ words }) => words);

test("what verbs print is JSON and YAML of the same shape, alone on stdout, and a table without a control character", {
  timeout: 120_000,
}, async () => {
  const { viable } = await commandLine(onTestFinished, definition);
  expect(await viable("exec", "count", "--text", "abc\u009b2J")).toMatchObject({ status: 0 });
  expect(await viable("reactors", "start", "steps", "--wait")).toMatchObject({ status: 0 });
  expect(await viable("user", "create", "anna", "viewer")).toMatchObject({ status: 0 });
  expect(readers.map((words) => words.join(" "))).toEqual(
    expect.arrayContaining([
      "executions list",
      "sessions list",
      "approvals list",
      "capability list",
      "capability inspect",
    ]),
  );
  const [{ executionId, sessionId }] = JSON.parse(
    (await viable("executions", "list", "--output", "json")).out,
  ).executions;
  const [{ runId }] = JSON.parse((await viable("reactors", "runs", "--output", "json")).out).runs;
  await viable("memory", "set", "colour", "blue");
  const named = [
    ...["show", "watch", "replay"].map((verb) => ["executions", verb, executionId]),
    ["registry", "explain", executionId],
    ["registry", "discover", "count"],
    ["sessions", "show", sessionId],
    ["reactors", "graph", "steps"],
    ["reactors", "show", runId],
    ...["show", "history"].map((verb) => ["swarms", verb, "desk"]),
    ["memory", "get", "colour"],
    ["user", "keys", "anna"],
  ];
  const shapeOf = (value: unknown): unknown =>
    Array.isArray(value)
      ? "list"
      : typeof value === "object" && value !== null
        ? Object.keys(value).sort()
        : typeof value;
  for (const words of [...readers, ...named]) {
    const [json, yaml, table] = await Promise.all(
      ["json", "yaml", "table"].map((format) => viable(...words, "--output", format)),
    );
    const verb = words.join(" ");
    expect([json?.status, yaml?.status, table?.status], verb + json?.err).toEqual([0, 0, 0]);
    const parsed = JSON.parse(json?.out ?? "") as unknown;
    expect(shapeOf(parseYaml(yaml?.out ?? "")), verb).toEqual(shapeOf(parsed));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(table?.out, verb).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  }
});

test("a fork does the same once more, or with other arguments, as an execution whose session says of which", async () => {
  const { viable } = await commandLine(onTestFinished, definition);
  const list = async (kind: string) => JSON.parse((await viable(kind, "list", "--output", "json")).out)[kind];
  await viable("exec", "count", "--text", "abc", "--loud");
  const [first] = await list("executions");
  expect(JSON.parse((await viable("executions", "fork", first.executionId)).out)).toEqual({ letters: 3, loud: true });
  const other = await viable("executions", "fork", first.executionId, "--text", "a", "--no-loud");
  expect(JSON.parse(other.out)).toEqual({ letters: 1, loud: false });
  const json = await viable("executions", "fork", first.executionId, "--json", '{"text": "ab"}', "--output", "yaml");
  expect(parseYaml(json.out)).toEqual({ letters: 2, loud: true });
  const begun = JSON.parse((await viable("executions", "fork", first.executionId, "--async", "--output", "json")).out);
  expect(begun.executionId).not.toBe(first.executionId);
  const [{ purpose }] = await list("sessions");
  expect(purpose).toBe(`viable executions fork ${first.executionId}`);
  expect(await list("executions")).toHaveLength(5);
  const wrong = await viable("executions", "fork", first.executionId, "--txt", "a");
  expect(wrong).toMatchObject({ status: 2, err: expect.stringContaining("Did you mean --text?") });
  const step = await viable("executions", "fork", first.executionId, "--from", "second");
  expect(step).toMatchObject({ status: 2, err: expect.stringContaining("began no run") });
  expect(await list("executions")).toHaveLength(5);
});

test("of an execution that began a run, --from repeats the run from a step on", async () => {
  const { viable } = await commandLine(onTestFinished, definition);
  await viable("reactors", "start", "steps", "--input", '{"a": 1}', "--wait");
  const [start] = JSON.parse((await viable("executions", "list", "--output", "json")).out).executions;
  const forked = JSON.parse((await viable("executions", "fork", start.executionId, "--from", "second")).out);
  const followed = await viable("reactors", "watch", forked.runId);
  expect(followed.status).toBe(0);
  const run = JSON.parse((await viable("reactors", "show", forked.runId, "--output", "json")).out);
  expect(run).toMatchObject({ status: "completed", result: { begun: { a: 1 } } });
  expect(run.steps[0]).toMatchObject({ step: "first", by: "fork" });
});
