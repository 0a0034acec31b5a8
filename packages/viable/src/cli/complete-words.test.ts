// What a word of the command line could become: the verbs, their options, and what a system tells of itself, which is not trusted.
import { createClient } from "@viable/client";
import { simulateTime } from "@viable/kernel";
import { expect, test } from "vitest";
import type { Candidate, Known, Wanted } from "./complete-words.ts";
import { completeWords } from "./complete-words.ts";
import { askKnown } from "./known-words.ts";
import { createProgram } from "./program.ts";
import { writtenShell } from "./testing/written-shell.ts";

const program = createProgram(writtenShell().shell);
const nothing: Known = { words: async () => [], input: async () => undefined };

/** What the last of these words, with `|` for none, could become. */
async function complete(line: string, known: Known = nothing): Promise<string[] | string> {
  const found = await completeWords(
    program,
    line.split(" ").map((word) => (word === "|" ? "" : word)),
    known,
  );
  return found.kind === "words" ? found.candidates.map(({ word }) => word) : found.kind;
}

test("verbs, verbs under others, options and their values, each where it can stand", async () => {
  expect(await complete("ex")).toEqual(["exec", "executions"]);
  expect(await complete("|")).not.toContain("complete");
  expect(await complete("executions |")).toEqual(["list", "show", "watch", "replay", "fork", "cancel"]);
  expect(await complete("executions list --s")).toEqual(["--session"]);
  expect(await complete("events |")).toEqual(["verify"]);
  expect(await complete("events --ou")).toEqual(["--output"]);
  expect(await complete("health --output |")).toEqual(["table", "json", "yaml"]);
  expect(await complete("health --output y")).toEqual(["yaml"]);
  expect(await complete("health --output json --ou")).toEqual([]);
  expect(await complete("approvals decide apr_1 |")).toEqual(["yes", "no"]);
  expect(await complete("completion |")).toEqual(["bash", "zsh", "fish"]);
  expect(await complete("nonsense |")).toEqual([]);
});

test("a value behind an equals sign, as one word or as the three that bash makes of it", async () => {
  expect(await complete("health --output=y")).toEqual(["--output=yaml"]);
  expect(await complete("health --output = y")).toEqual(["yaml"]);
  expect(await complete("health --output =")).toEqual(["table", "json", "yaml"]);
  expect(await complete("health --output = json --ou")).toEqual([]);
});

test("where a file or a folder is meant the shell is told so", async () => {
  expect(await complete("start --config |")).toBe("files");
  expect(await complete("events verify --seals=x")).toBe("files");
  expect(await complete("config check |")).toBe("files");
  expect(await complete("restore x --into |")).toBe("folders");
});

test("a system is asked by what is meant, of the gateway that the words name", async () => {
  const asked: Wanted[] = [];
  const known: Known = {
    input: async () => undefined,
    words: async (wanted) => {
      asked.push(wanted);
      return [{ word: `${wanted.what}-1`, about: "the first" }];
    },
  };
  expect(await complete("executions show --url http://127.0.0.1:1 |", known)).toEqual(["execution-1"]);
  expect(await complete("events --session |", known)).toEqual(["session-1"]);
  expect(await complete("swarms restart text |", known)).toEqual(["part-1"]);
  expect(await complete("exec --async |", known)).toEqual(["command-1"]);
  expect(await complete("exec text.words |", known)).toEqual([]);
  expect(asked.map(({ verb, what, words, options }) => [verb, what, words, options])).toEqual([
    ["executions show", "execution", [], { url: "http://127.0.0.1:1" }],
    ["events", "session", [], {}],
    ["swarms restart", "part", ["text"], {}],
    ["exec", "command", [], {}],
  ]);
});

test("arguments of a command are those of its schema, and what is given already is not offered again", async () => {
  const input = {
    properties: {
      text: { type: "string" },
      maxWords: { type: "integer" },
      loud: { type: "boolean" },
      how: { enum: ["a", "b"] },
      path: { type: "string" },
    },
  };
  const known: Known = { words: async () => [], input: async (_, name) => (name === "count" ? input : undefined) };
  expect(await complete("exec count --m", known)).toEqual(["--max-words"]);
  expect(await complete("exec count --text x --max-words 3 --how a --", known)).toEqual(
    expect.arrayContaining(["--loud", "--path", "--async"]),
  );
  expect(await complete("exec count --text x --te", known)).toEqual([]);
  expect(await complete("exec count --how |", known)).toEqual(["a", "b"]);
  expect(await complete("exec count --how=b", known)).toEqual(["--how=b"]);
  expect(await complete("exec count --path |", known)).toBe("files");
  expect(await complete("exec count -- --j", known)).toEqual([]);
});

test("of what a system answers no more is offered than somebody reads, and nothing that a shell would have to quote", async () => {
  const answer: Candidate[] = [
    { word: "$(touch owned)" },
    { word: "a b" },
    { word: "`id`" },
    { word: "x;y" },
    { word: "\u001b[2J" },
    ...Array.from({ length: 1_000 }, (_, index) => ({ word: `exe_${index}` })),
  ];
  const found = await complete("executions show |", { words: async () => answer, input: async () => undefined });
  expect(found).toHaveLength(200);
  expect(found).toContain("exe_0");
});

test("a gateway that does not answer, or that there is none of, is waited for half a second and told of to nobody", async () => {
  const time = simulateTime();
  const silent = () => createClient({ url: "http://127.0.0.1:1", token: "", fetch: () => new Promise(() => {}) });
  const asked = complete("executions show |", askKnown(time, silent));
  await time.advance(500);
  expect(await asked).toEqual([]);
  const none = askKnown(time, () => {
    throw new Error("There is none.");
  });
  expect(await complete("exec |", none)).toEqual([]);
  expect(await complete("exec count --", none)).toContain("--async");
});
