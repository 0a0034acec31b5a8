/** Texts made to fit: what says nothing goes first, whole sentences after it, and what went is named. */
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { estimateTokens } from "../estimate-tokens.ts";
import { responseOptimizer } from "./response-optimizer.ts";

const paragraph = "The gateway accepts a command only when the log has it on disk.";

followsInput(responseOptimizer, "a repeated paragraph goes; a long text ends at a sentence", async (bench) => {
  const repeated = await bench.run(responseOptimizer, {
    text: `${paragraph}   \n\n\n\nA second one.\n\n${paragraph.replace(" ", "  ")}\n`,
    maxTokens: 1_000,
  });
  expect(repeated).toMatchObject({
    text: `${paragraph}\n\nA second one.`,
    isCut: false,
    removed: [
      { what: "white space" },
      { what: "repeated paragraph", count: 1, examples: [paragraph.replace(" ", "  ")] },
    ],
  });
  const cut = await bench.run(responseOptimizer, {
    text: "One is here. Two is here too. Three is never reached.",
    maxTokens: 10,
  });
  expect(cut).toMatchObject({
    text: "One is here. Two is here too.",
    isCut: true,
    estimatedTokens: 9,
    removed: [{ what: "end", count: 1, chars: 23, examples: ["Three is never reached."] }],
  });
  return [repeated, cut];
});

test("an answer loses the sentences by which answers begin and end, and only there", async () => {
  await using bench = await openBench();
  const run = async (text: string): Promise<JsonObject> =>
    await bench.run(responseOptimizer, { text, maxTokens: 1_000 });
  expect(
    await run(
      "Certainly! Here is the list: it is short.\n\nOf course this stays.\n\nThe end is near. I hope this helps! Let me know if you have questions.",
    ),
  ).toMatchObject({
    text: "Here is the list: it is short.\n\nOf course this stays.\n\nThe end is near.",
    removed: [{ what: "boilerplate", count: 3, examples: ["Certainly!", expect.any(String), expect.any(String)] }],
  });
  expect(await run("As an AI language model, I cannot see files. The file is empty.")).toMatchObject({
    text: "The file is empty.",
  });
  // Of what is nothing else something must be left.
  expect(await run("Certainly!")).toMatchObject({ text: "Certainly!", removed: [] });
  for (const text of [
    "Sure, that fails.",
    "Absolutely nothing works.",
    "Here is the log, as it was.",
    "Let me know.",
  ]) {
    expect(await run(`${text} More.`), text).toMatchObject({ removed: [] });
  }
});

test("code between fences is left as it is, or left out as a whole", async () => {
  await using bench = await openBench();
  const code = "```ts\nconst a = 1;   \n\n\nconst b = 2;\n```";
  const text = `Before.\n\n${code}\n\nAfter.`;
  expect(await bench.run(responseOptimizer, { text, maxTokens: 1_000 })).toMatchObject({ text, removed: [] });
  expect(await bench.run(responseOptimizer, { text, maxTokens: 8 })).toMatchObject({
    text: "Before.",
    removed: [{ what: "end", count: 2, examples: [code.slice(0, 79) + (code.length > 80 ? "…" : ""), "After."] }],
  });
  const open = "~~~\nnever closed   \n\n\nstill code";
  expect(await bench.run(responseOptimizer, { text: open, maxTokens: 1_000 })).toMatchObject({ text: open });
});

test("where not even a sentence fits, words are kept; where no word fits, nothing", async () => {
  await using bench = await openBench();
  const run = async (text: string, maxTokens: number): Promise<unknown> =>
    (await bench.run(responseOptimizer, { text, maxTokens })).text;
  expect(await run("a sentence that is far too long for this", 3)).toBe("a sentence");
  expect(await run("internationalization", 1)).toBe("");
  expect(await run("界界界界", 2)).toBe("界界");
  expect(await run("一。二。三。", 4)).toBe("一。");
});

test("what fits is never more than was asked for, whatever the text", async () => {
  await using bench = await openBench();
  const texts = [
    "word ".repeat(500),
    `${"A sentence of some length stands here. ".repeat(40)}\n\n${"Another, 12345 times. ".repeat(40)}`,
    "emoji 👩‍👩‍👧 and 漢字 and кириллица и ещё. ".repeat(60),
    "no-end ".repeat(300).replaceAll(" ", "\n\n"),
    `lone half \uD800 of a character. ${"x".repeat(3_000)}`,
    "{}();[]<>!?.,:".repeat(200),
  ];
  for (const text of texts) {
    for (const maxTokens of [1, 7, 50, 200]) {
      const result = await bench.run(responseOptimizer, { text, maxTokens });
      expect(result.estimatedTokens).toBeLessThanOrEqual(maxTokens);
      expect(result.text).toBe((result.text as string).toWellFormed());
    }
  }
});

test("tokens are estimated, and the answer says how", async () => {
  await using bench = await openBench();
  // Ten by the tokenizers of current models; 12345 is two by three digits each.
  expect(estimateTokens("The quick brown fox jumps over the lazy dog.")).toBe(10);
  expect(estimateTokens("12345")).toBe(2);
  expect(estimateTokens("漢字")).toBe(2);
  expect(estimateTokens("")).toBe(0);
  expect(await bench.run(responseOptimizer, { text: "hi", maxTokens: 5 })).toMatchObject({
    estimatedTokens: 1,
    estimation: expect.stringContaining("estimated without a tokenizer"),
  });
});

test("no text, or no room for any, is refused", async () => {
  await using bench = await openBench();
  await expect(bench.run(responseOptimizer, { text: "", maxTokens: 5 })).rejects.toThrow(/text/);
  await expect(bench.run(responseOptimizer, { text: "x", maxTokens: 0 })).rejects.toThrow(/maxTokens/);
});
