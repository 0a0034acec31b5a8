/**
 * Summaries by rules, held against the facts sentence by sentence; and by a model on the wire, at a server on this machine, with
 * what was sent, and what becomes of a model that fails or invents.
 */
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { createCache, refuse } from "../testing/create-cache.ts";
import { chatCompletion, sendJson, serveModel } from "../testing/serve-model.ts";
import { createSummarizer, summarizer } from "./summarizer.ts";

const byRules = createSummarizer({});
const poor = {
  modules: 120,
  edges: 1_300,
  cycles: 3,
  runtimeCycles: 1,
  upwardImports: 4,
  lines: 20_430,
  languages: ["TypeScript", "JSON"],
  duplicates: 2,
  duplicatedLines: 60,
  deadExports: 0,
  secrets: 1,
  risks: 0,
  dependencies: 40,
  unknownLicences: 5,
  deniedLicences: 0,
  mostComplex: [
    { file: "src/a.ts", name: "parse", line: 10, complexity: 42 },
    { file: "src/b.ts", name: "small", line: 1, complexity: 3 },
  ],
  syntaxErrors: 0,
  missing: ["risk_ranking"],
};

followsInput(summarizer, "each fact has its sentence, and another fact another one", async (bench) => {
  const first = await bench.run(byRules, {
    path: "/code/house",
    facts: poor,
    decision: { verdict: "no-go", reasons: ["1 circle of imports at run time.", "1 secret"] },
  });
  expect(first).toEqual({
    origin: "rules",
    text: [
      "house has 20,430 lines of TypeScript and JSON, 120 modules with 1,300 imports between them and 40 dependencies.",
      "",
      "Decision: no-go, since 1 circle of imports at run time; 1 secret.",
      "",
      "To look at, the gravest first:",
      "- 1 secret is written into files.",
      "- 1 circle of imports stands at run time.",
      "- 4 imports go against the direction of the layers.",
      "- 2 circles of imports close only through types.",
      "- The licence of 5 dependencies is not known.",
      "- 2 pieces of code stand in two places, 60 lines in all.",
      "",
      "Hardest to follow: parse (src/a.ts:10, complexity 42).",
      "",
      "There are no risky calls, denied licences or unused exports.",
      "",
      "Missing from this: risk ranking.",
    ].join("\n"),
  });
  const second = await bench.run(byRules, { path: "/code/house", facts: { modules: 1, edges: 0, secrets: 0 } });
  expect(second).toEqual({
    origin: "rules",
    text: "house has 1 module with 0 imports between them.\n\nThere are no secrets.",
  });
  return [first, second];
});

test("no denied licences are claimed where nobody judged them", async () => {
  await using bench = await openBench();
  const { text } = await bench.run(byRules, { facts: { secrets: 0, deniedLicences: 0, missing: ["compliance"] } });
  expect(text).toContain("There are no secrets.");
});

test("of many reasons the first are told, and how many more there are", async () => {
  await using bench = await openBench();
  const reasons = Array.from({ length: 12 }, (_, index) => `reason ${index + 1}`);
  const { text } = await bench.run(byRules, { facts: {}, decision: { verdict: "no-go", reasons } });
  expect(text).toContain("reason 9; reason 10; and 2 more.");
});

test("no facts, no sentence about them", async () => {
  await using bench = await openBench();
  expect(await bench.run(byRules, { facts: { missing: ["graph", "sizes"] } })).toEqual({
    origin: "rules",
    text: "Nothing is known of its size.\n\nMissing from this: graph and sizes.",
  });
});

test("names from the code are text: no line breaks, no terminal codes, no endless names", async () => {
  await using bench = await openBench();
  const name = `f\u001b[31m\n\n# Heading\u202e${"x".repeat(500)}`;
  const { text } = await bench.run(byRules, {
    facts: { mostComplex: [{ file: "a\nb.ts", name, line: 1, complexity: 99 }] },
  });
  expect(text).toContain("Hardest to follow: f [31m # Heading xxx");
  expect(text).toContain("… (a b.ts:1, complexity 99)");
  expect((text as string).length).toBeLessThan(300);
});

test("what are no facts is refused", async () => {
  await using bench = await openBench();
  await expect(bench.run(byRules, {})).rejects.toThrow(/facts/);
  await expect(bench.run(byRules, { facts: { modules: "many" } })).rejects.toThrow(/modules/);
});

const good = "house has 120 modules and 1,300 imports. Begin with the 1 secret, then parse in src/a.ts:10.";

test("a model is given the facts as data, and its summary stands with its name; equal facts are asked once", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) => sendJson(response, 200, chatCompletion(good)));
  const agent = createSummarizer({ OPENAI_API_KEY: "x", OPENAI_BASE_URL: server.url });
  const { delegate } = createCache(() => bench.ctx.runtime.clock.now());
  const run = async (facts: JsonObject): Promise<JsonObject> =>
    await bench.run(agent, { path: "/code/house", facts }, { delegate });
  expect(await run(poor)).toEqual({ text: good, origin: "openai:gpt-6-luna", isFromCache: false });
  expect(await run(poor)).toEqual({ text: good, origin: "openai:gpt-6-luna", isFromCache: true });
  expect(server.seen.length).toBe(1);
  const { messages, ...settings } = (server.seen[0]?.body ?? {}) as { messages: { role: string; content: string }[] };
  expect(settings).toMatchObject({ model: "gpt-6-luna", temperature: 0, max_completion_tokens: 500 });
  expect(messages[0]).toMatchObject({ role: "developer", content: expect.stringContaining("never instructions") });
  expect(JSON.parse(messages[1]?.content as string)).toEqual({ name: "house", facts: poor });
});

test("a model that fails leaves the summary to the rules, and the origin says why", async () => {
  await using bench = await openBench();
  const expected = await bench.run(byRules, { path: "/code/house", facts: poor });
  await using server = await serveModel((_, response) => sendJson(response, 401, {}));
  const agent = createSummarizer({
    OPENAI_API_KEY: "x",
    OPENAI_BASE_URL: server.url,
    ANTHROPIC_API_KEY: "y",
    ANTHROPIC_BASE_URL: server.url,
  });
  const args = { path: "/code/house", facts: poor };
  expect(await bench.run(agent, args, { delegate: refuse })).toEqual({
    text: expected.text,
    origin: "rules (anthropic failed: it refused the key (401); openai failed: it refused the key (401))",
  });
});

test("a number that stands in no fact leaves the summary to the rules", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) =>
    sendJson(
      response,
      200,
      chatCompletion("house has 120 modules, 17 of them untested, in 1,300 files of 2 languages."),
    ),
  );
  const agent = createSummarizer({ OPENAI_API_KEY: "x", OPENAI_BASE_URL: server.url });
  const result = await bench.run(agent, { path: "/code/house", facts: poor }, { delegate: refuse });
  expect(result.origin).toBe("rules (openai:gpt-6-luna named 17, which stands in no fact)");
});

test("what a model writes is text as well: no terminal codes, no turned directions", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) =>
    sendJson(response, 200, chatCompletion("house\u001b[31m has \u202e120 modules.\u0000\n\n- Look\rat \uD800it.")),
  );
  const agent = createSummarizer({ OPENAI_API_KEY: "x", OPENAI_BASE_URL: server.url });
  const facts = { ...poor, modules: 120, risks: 31 };
  expect(await bench.run(agent, { path: "/code/house", facts }, { delegate: refuse })).toMatchObject({
    text: "house [31m has  120 modules.\n\n- Look at \uFFFDit.",
    origin: "openai:gpt-6-luna",
  });
});

test("a summary that was cut off ends at its last whole sentence", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) =>
    sendJson(response, 200, chatCompletion("house has 120 modules. Look at the 1 secr", "length")),
  );
  const agent = createSummarizer({ OPENAI_API_KEY: "x", OPENAI_BASE_URL: server.url });
  const result = await bench.run(agent, { path: "/code/house", facts: poor }, { delegate: refuse });
  expect(result).toMatchObject({ text: "house has 120 modules.", origin: "openai:gpt-6-luna" });
});

test("a compatible server without a model is not asked", async () => {
  await using bench = await openBench();
  const agent = createSummarizer({ OPENAI_COMPATIBLE_URL: "http://127.0.0.1:1/v1" });
  expect(await bench.run(agent, { facts: { modules: 2 } })).toMatchObject({ origin: "rules" });
});

test("a task that is stopped gives no summary", async () => {
  await using bench = await openBench();
  const stop = new AbortController();
  await using server = await serveModel(() => stop.abort(new Error("stopped")));
  const agent = createSummarizer({ OPENAI_API_KEY: "x", OPENAI_BASE_URL: server.url });
  await expect(bench.run(agent, { facts: poor }, { delegate: refuse, signal: stop.signal })).rejects.toThrow("stopped");
});
