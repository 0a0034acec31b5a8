/**
 * Talking about commands: which one a sentence asks for and with what, what is proposed, what is run and what came of it; with a
 * model where rules are not sure, and without one when it fails.
 */
import type { DelegateOutcome, JsonObject, JsonValue } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { conversation } from "./conversation.ts";

const commands = [
  { capability: "component_analysis.cycles", description: "Circles of imports in TypeScript and JavaScript" },
  {
    capability: "code_analysis.duplicates",
    description: "Pieces of TypeScript and JavaScript that stand in more than one place",
  },
  {
    capability: "code_analysis.complexity",
    description: "Cyclomatic complexity of every file and the most complex functions",
  },
  { capability: "code_analysis.sizes", description: "Files, lines and bytes, by file and by language" },
  { capability: "secret_scan", description: "Credentials written into files: place and kind, never the secret itself" },
  { capability: "backup", description: "Writes all kept documents into a file of JSON lines with checksums" },
  { capability: "backup.restore", description: "Brings back the documents of a backup that are missing or damaged" },
];

const ask = async (bench: AgentBench, message: string, more: JsonObject = {}): Promise<JsonObject> =>
  await bench.run(conversation, { message, commands, ...more });

followsInput(conversation, "another sentence asks for another command, with other arguments", async (bench) => {
  const cycles = await ask(bench, "Are there any cycles in ./packages/kernel?");
  expect(cycles).toMatchObject({
    origin: "rules",
    capability: "component_analysis.cycles",
    args: { path: "./packages/kernel" },
    command: "viable exec component_analysis.cycles --path ./packages/kernel",
    isRun: false,
  });
  const duplicates = await ask(bench, "please find duplicated code in src/app with min-tokens=80");
  expect(duplicates).toMatchObject({
    capability: "code_analysis.duplicates",
    args: { path: "src/app", minTokens: 80 },
    command: "viable exec code_analysis.duplicates --path src/app --min-tokens 80",
  });
  return [cycles, duplicates];
});

test.for([
  ["scan for secrets in .", "secret_scan", { path: "." }],
  ["how complex are my functions?", "code_analysis.complexity", {}],
  ["code_analysis.sizes --path '/my code/x'", "code_analysis.sizes", { path: "/my code/x" }],
  ["restore the backup file=./b.jsonl", "backup.restore", { file: "./b.jsonl" }],
  ["backup file=/tmp/b.jsonl overwrite=true", "backup", { file: "/tmp/b.jsonl", overwrite: true }],
  ["any credentials in ../web/main.ts?", "secret_scan", { path: "../web/main.ts" }],
  ["find cycles and/or circles in ./src", "component_analysis.cycles", { path: "./src" }],
  ["find cycles in src/app or rather in ../app", "component_analysis.cycles", { path: "../app" }],
  ["how large is ../.. ?", "code_analysis.sizes", { path: "../.." }],
  ["any credential in x=1, y=2?", "secret_scan", { x: 1, y: 2 }],
  ["count lines by language --path=~/x --verbose", "code_analysis.sizes", { path: "~/x", verbose: true }],
] as const)("%s", async ([message, capability, args]) => {
  await using bench = await openBench();
  expect(await ask(bench, message)).toMatchObject({ capability, args });
});

test("what is asked before is meant when only the place changes", async () => {
  await using bench = await openBench();
  const history = [
    { role: "user", text: "find cycles in ./a" },
    { role: "assistant", text: "That is backup" },
  ];
  expect(await ask(bench, "and in ./b?", { history })).toMatchObject({
    capability: "component_analysis.cycles",
    args: { path: "./b" },
  });
});

test("run: what was asked before is done again only where nothing else is said than an argument", async () => {
  await using bench = await openBench();
  const history = [{ role: "user", text: "backup file=/tmp/a.jsonl" }];
  const delegate = async (): Promise<DelegateOutcome> => ({ ok: true, executionId: "exe_9", result: {} });
  const say = async (message: string): Promise<JsonObject> =>
    await bench.run(conversation, { message, commands, history, run: true }, { delegate });
  expect(await say("and in file=/tmp/b.jsonl")).toMatchObject({ capability: "backup", isRun: true });
  expect(await say("thanks, that was good in ./b")).toMatchObject({ capability: "backup", isRun: false });
  expect(await say("thanks, 10/10")).toMatchObject({ isRun: false });
});

test("where two commands fit, both are offered and neither is run; where none fits, some are named", async () => {
  await using bench = await openBench();
  const two = await ask(bench, "TypeScript and JavaScript", { run: true });
  expect(two).toMatchObject({
    reply: "That could be code_analysis.duplicates or component_analysis.cycles. Which one?",
    alternatives: ["code_analysis.duplicates", "component_analysis.cycles"],
    isRun: false,
  });
  expect(two).not.toHaveProperty("capability");
  // Like a word that is told about a command, and another word.
  expect(await ask(bench, "call the importer")).not.toHaveProperty("capability");
  expect(await ask(bench, "good morning", { run: true })).toMatchObject({
    reply: expect.stringContaining("No command fits that. There are component_analysis.cycles,"),
    isRun: false,
  });
  expect(await bench.run(conversation, { message: "find cycles" })).toMatchObject({
    reply: "No commands are offered here, so there is nothing to run.",
  });
});

test("run: what came of it is told, with the result", async () => {
  await using bench = await openBench();
  const asked: [string, JsonValue][] = [];
  const delegate = async (capability: string, args: JsonValue): Promise<DelegateOutcome> => {
    asked.push([capability, args]);
    return { ok: true, executionId: "exe_9", result: { runtime: 1, cycles: [{}, {}], truncated: {} } };
  };
  const args = { message: "find cycles in ./a", commands, run: true };
  expect(await bench.run(conversation, args, { delegate })).toMatchObject({
    reply: "component_analysis.cycles is done: runtime: 1, cycles: 2 entries.",
    isRun: true,
    outcome: { status: "completed", executionId: "exe_9", result: { runtime: 1 } },
  });
  expect(asked).toEqual([["component_analysis.cycles", { path: "./a" }]]);

  const large = async (): Promise<DelegateOutcome> => ({ ok: true, executionId: "exe_9", result: "x".repeat(200_000) });
  const { outcome } = await bench.run(conversation, args, { delegate: large });
  expect(outcome).toEqual({ status: "completed", executionId: "exe_9", omittedChars: 200_002 });
});

test("run: what is only told about a command is not enough to run it", async () => {
  await using bench = await openBench();
  expect(await ask(bench, "any credentials in ./a?", { run: true })).toMatchObject({
    reply: "Did you mean viable exec secret_scan --path ./a? Say its name to have it run.",
    capability: "secret_scan",
    isRun: false,
  });
});

test("run: a refusal and a failure are told with what to do", async () => {
  await using bench = await openBench();
  const answer = async (status: "refused" | "timed_out"): Promise<JsonObject> => {
    const error = { code: "x", message: "It did not work.", next: "Try later.", retryable: true };
    const delegate = async (): Promise<DelegateOutcome> => ({ ok: false, status, executionId: undefined, error });
    return await bench.run(conversation, { message: "find cycles", commands, run: true }, { delegate });
  };
  expect(await answer("refused")).toMatchObject({
    reply: "component_analysis.cycles was refused: It did not work. Try later.",
    isRun: true,
    outcome: { status: "refused", error: { code: "x" } },
  });
  expect(await answer("timed_out")).toMatchObject({ reply: expect.stringContaining("timed out: It did not work.") });
});

const withModel = [...commands, { capability: "response_cache", description: "Asks a model through a cache" }];

/** A model that says this. */
const saying =
  (text: string, asked: [string, JsonValue][] = []) =>
  async (capability: string, args: JsonValue): Promise<DelegateOutcome> => {
    asked.push([capability, args]);
    return { ok: true, executionId: "exe_1", result: { text, origin: "openai:gpt-6-luna" } };
  };

test("where rules are not sure a model is asked, and what it picks is proposed and never run", async () => {
  await using bench = await openBench();
  const asked: [string, JsonValue][] = [];
  const json = { capability: "code_analysis.sizes", args: { path: "./x" }, reply: "I can count\nthe lines." };
  const args = { message: "wie viele Zeilen hat das?", commands: withModel, run: true };
  const result = await bench.run(conversation, args, {
    delegate: saying(`\`\`\`json\n${JSON.stringify(json)}\n\`\`\``, asked),
  });
  expect(result).toMatchObject({
    reply: "I can count the lines. (Nothing was run.)",
    origin: "openai:gpt-6-luna",
    capability: "code_analysis.sizes",
    command: "viable exec code_analysis.sizes --path ./x",
    isRun: false,
  });
  expect(asked.map(([capability]) => capability)).toEqual(["response_cache"]);
  const [, sent] = asked[0] as [string, { prompt: string }];
  expect(JSON.parse(sent.prompt)).toMatchObject({
    message: args.message,
    earlier: [],
  });
});

test("what a model proposes is one line of text", async () => {
  await using bench = await openBench();
  const json = { capability: "secret_scan", args: { "pa\u001bth": "./x\u202e\nrm" }, reply: "Here\u001b[2J." };
  const args = { message: "wie viele Zeilen hat das?", commands: withModel };
  expect(await bench.run(conversation, args, { delegate: saying(JSON.stringify(json)) })).toMatchObject({
    reply: "Here [2J. (Nothing was run.)",
    command: "viable exec secret_scan '--pa th' './x rm'",
  });
});

test("where rules are sure no model is asked", async () => {
  await using bench = await openBench();
  expect(await bench.run(conversation, { message: "find cycles", commands: withModel })).toMatchObject({
    origin: "rules",
  });
});

test("a model that fails, talks or names what is not offered leaves it to the rules, and the origin says so", async () => {
  await using bench = await openBench();
  const args = { message: "good morning", commands: withModel };
  const run = async (delegate: ReturnType<typeof saying>): Promise<JsonObject> =>
    await bench.run(conversation, args, { delegate });
  const error = { code: "ai.no_model", message: "No model is configured.", retryable: false };
  expect(await run(async () => ({ ok: false, status: "failed", executionId: "exe_1", error }))).toMatchObject({
    reply: expect.stringContaining("No command fits that."),
    origin: "rules (response_cache failed: No model is configured)",
  });
  expect(await run(saying("Good morning to you!"))).toMatchObject({
    origin: "rules (response_cache by openai:gpt-6-luna was not the JSON it was asked for)",
  });
  const unknown = JSON.stringify({ capability: "rm", args: {}, reply: "Done." });
  expect(await run(saying(unknown))).toMatchObject({
    reply: expect.stringContaining("No command fits that."),
    origin: "rules (response_cache by openai:gpt-6-luna named a command that is not offered)",
  });
  const polite = JSON.stringify({ capability: null, reply: "Good morning!" });
  expect(await run(saying(polite))).toMatchObject({
    reply: "Good morning! (Nothing was run.)",
    origin: "openai:gpt-6-luna",
    isRun: false,
  });
});

test("a proposed command is one command, whatever its values hold", async () => {
  await using bench = await openBench();
  const { command, args } = await ask(bench, `find cycles in "./a; rm -rf 'x' $(y)" note=--force`);
  expect(args).toEqual({ path: "./a; rm -rf 'x' $(y)", note: "--force" });
  expect(command).toBe(`viable exec component_analysis.cycles --path './a; rm -rf '\\''x'\\'' $(y)' --note=--force`);
  expect(await ask(bench, "find cycles __proto__=1 constructor=2")).toMatchObject({ args: { constructor: 2 } });
});

test("it does not ask itself, and what is no message is refused", async () => {
  await using bench = await openBench();
  const itself = [{ capability: "conversation", description: "Understands which command a sentence asks for" }];
  expect(await bench.run(conversation, { message: "conversation", commands: itself, run: true })).toMatchObject({
    isRun: false,
  });
  await expect(bench.run(conversation, { message: "" })).rejects.toThrow(/message/);
});
