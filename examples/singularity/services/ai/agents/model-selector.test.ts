/**
 * Choosing by declared prices and sizes (the catalogue) and by what was measured before (the memory): each wish, what does not
 * fit, what is not known, and that nothing configured is an honest answer.
 */
import { createMemory } from "@viable/swarm";
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { recordCall } from "../call-history.ts";
import { type Health, writeHealth } from "../provider-health.ts";
import { createModelSelector, modelSelector } from "./model-selector.ts";

const both = { OPENAI_API_KEY: "x", ANTHROPIC_API_KEY: "y" };
const memoryOf = (bench: AgentBench) => createMemory(bench.log, bench.ctx, "bench");
const chosenOf = (result: JsonObject): unknown => (result.chosen as JsonObject | undefined)?.model;

followsInput(modelSelector, "cheap for a summary, the largest for reasoning", async (bench) => {
  const selector = createModelSelector({ OPENAI_API_KEY: "x" });
  const summary = await bench.run(selector, { task: "summarize", wish: "cost" });
  expect(summary).toMatchObject({
    origin: "rules",
    chosen: { provider: "openai", model: "gpt-6-luna" },
    excluded: [],
    prices: expect.stringContaining("noted on 2026-"),
  });
  const reasoning = await bench.run(selector, { task: "reason", wish: "cost" });
  expect(reasoning).toMatchObject({
    chosen: { provider: "openai", model: "gpt-6.1-sol" },
    excluded: [
      { model: "gpt-6-luna", reason: expect.stringContaining('"reason" wants its large one') },
      { model: "gpt-6.1-terra" },
    ],
  });
  return [summary, reasoning];
});

test("nothing configured is said, with what to set", async () => {
  await using bench = await openBench();
  expect(await bench.run(createModelSelector({}), { task: "chat" })).toMatchObject({
    origin: "rules",
    reason: "No model is configured.",
    next: expect.stringContaining("OPENAI_API_KEY"),
    candidates: [],
  });
});

test("what it costs is the catalogue's price times the tokens, those for thinking too, and the long price for a long prompt", async () => {
  await using bench = await openBench();
  const selector = createModelSelector({ OPENAI_API_KEY: "x" });
  const costOf = async (inputTokens: number): Promise<unknown> => {
    const result = await bench.run(selector, { task: "reason", inputTokens, maxTokens: 10_000 });
    return (result.candidates as JsonObject[])[0]?.costUsd;
  };
  // 2 dollars in and 10 out for a million; past 272,000 tokens of prompt 4 and 15. It always thinks, and is given 2,048 tokens for it.
  expect(await costOf(200_000)).toBe(0.5205);
  expect(await costOf(300_000)).toBe(1.381);
});

test("quality takes the largest; what does not fit is left out with the reason", async () => {
  await using bench = await openBench();
  const selector = createModelSelector(both);
  expect(chosenOf(await bench.run(selector, { wish: "quality" }))).toBe("gpt-6.1-sol");
  const long = await bench.run(selector, { wish: "quality", inputTokens: 1_020_000 });
  expect(long.excluded).toContainEqual({
    provider: "anthropic",
    model: "claude-opus-5-5",
    reason: "it holds 1000000 tokens; 1023048 are wanted",
  });
  expect(await bench.run(selector, { maxTokens: 200_000 })).toMatchObject({
    reason: "None of the configured models fits this task.",
    candidates: [],
  });
});

test("what was measured decides between equals: the faster one, and not the one that failed", async () => {
  await using bench = await openBench();
  const memory = memoryOf(bench);
  const selector = createModelSelector(both);
  const record = async (key: string, ms: number, ok = true): Promise<void> =>
    await recordCall(memory, key, { at: bench.ctx.runtime.clock.now(), ms, ok });
  for (const ms of [900, 1_000, 1_100]) await record("anthropic/claude-haiku-5-5", ms);
  for (const ms of [300, 400, 9_000]) await record("openai/gpt-6-luna", ms);
  const fast = await bench.run(selector, { wish: "latency" });
  expect(fast).toMatchObject({
    chosen: { model: "gpt-6-luna" },
    reasons: expect.arrayContaining(["400 ms in the middle of 3 calls"]),
  });
  for (let count = 0; count < 20; count++) await record("openai/gpt-6-luna", 10, false);
  const sure = await bench.run(selector, { wish: "latency" });
  expect(chosenOf(sure)).toBe("claude-haiku-5-5");
  expect((sure.candidates as JsonObject[]).find((each) => each.model === "gpt-6-luna")).toMatchObject({
    calls: 23,
    failures: 20,
    medianMs: 400,
  });
});

test("of a model the last fifty calls are remembered", async () => {
  await using bench = await openBench();
  const memory = memoryOf(bench);
  for (let ms = 1; ms <= 60; ms++) await recordCall(memory, "openai/gpt-6-luna", { at: ms, ms, ok: true });
  const { candidates } = await bench.run(createModelSelector({ OPENAI_API_KEY: "x" }), {});
  expect((candidates as JsonObject[])[0]).toMatchObject({ model: "gpt-6-luna", calls: 50, medianMs: 36 });
});

test("who was down a moment ago is the last resort; who lists its models is asked only for those", async () => {
  await using bench = await openBench();
  const memory = memoryOf(bench);
  const now = bench.ctx.runtime.clock.now();
  const health = (parts: Partial<Health>, address = "https://api.openai.com/v1"): Health => ({
    state: "up",
    address,
    checkedAt: now,
    since: now,
    ms: 1,
    models: [],
    listsAll: true,
    ...parts,
  });
  const selector = createModelSelector(both);
  await writeHealth(memory, "openai", health({ state: "unreachable" }));
  const listed = ["claude-opus-5-5-20260922", "claude-sonnet-5-5"];
  const anthropic = (parts: Partial<Health>): Health => health(parts, "https://api.anthropic.com/v1");
  await writeHealth(memory, "anthropic", anthropic({ models: listed }));
  const result = await bench.run(selector, { wish: "cost" });
  expect(chosenOf(result)).toBe("claude-sonnet-5-5");
  expect(result.excluded).toEqual([
    {
      provider: "anthropic",
      model: "claude-haiku-5-5",
      reason: "the provider did not list it when last looked at",
    },
  ]);
  expect((result.candidates as JsonObject[]).slice(2).map((each) => each.provider)).toEqual([
    "openai",
    "openai",
    "openai",
  ]);
  expect((result.candidates as JsonObject[]).at(-1)?.reasons).toContain(
    "openai could not be reached when last looked at",
  );
  await writeHealth(memory, "openai", health({ state: "no-models", listsAll: false }));
  expect(chosenOf(await bench.run(selector, { wish: "cost" }))).toBe("gpt-6-luna");
  await writeHealth(memory, "openai", health({ state: "unreachable", checkedAt: now - 10 * 60_000 }));
  expect(chosenOf(await bench.run(selector, { wish: "cost" }))).toBe("gpt-6-luna");
  // A list grows old as well: what it lacked may have come since.
  await writeHealth(memory, "anthropic", anthropic({ models: listed, checkedAt: now - 10 * 60_000 }));
  expect((await bench.run(selector, { wish: "cost" })).excluded).toEqual([]);
});

test("a compatible server has the model it is given, of which nothing is known", async () => {
  await using bench = await openBench();
  const environment = { OPENAI_COMPATIBLE_URL: "http://127.0.0.1:1/v1", OPENAI_COMPATIBLE_MODEL: "own" };
  expect(await bench.run(createModelSelector(environment), { task: "reason" })).toMatchObject({
    chosen: { provider: "openai-compatible", model: "own" },
    reasons: ["its price is not known", "its size is not known", "its time is not measured yet"],
  });
  const nameless = createModelSelector({ OPENAI_COMPATIBLE_URL: "http://127.0.0.1:1/v1" });
  expect(await bench.run(nameless, {})).toMatchObject({
    reason: "No model is configured.",
    problems: [{ provider: "openai-compatible" }],
  });
});

test("a server's list counts for where it was looked at, and may name a model with its tag", async () => {
  await using bench = await openBench();
  const memory = memoryOf(bench);
  const now = bench.ctx.runtime.clock.now();
  const select = async (port: number): Promise<JsonObject> =>
    await bench.run(
      createModelSelector({
        OPENAI_COMPATIBLE_URL: `http://127.0.0.1:${port}/v1`,
        OPENAI_COMPATIBLE_MODEL: "own",
      }),
      {},
    );
  const health = { state: "up", checkedAt: now, since: now, ms: 1, listsAll: true } as const;
  const look = async (...models: string[]): Promise<void> =>
    await writeHealth(memory, "openai-compatible", { ...health, address: "http://127.0.0.1:1/v1", models });
  await look("another");
  expect(chosenOf(await select(1))).toBeUndefined();
  expect(chosenOf(await select(2))).toBe("own");
  await look("own:latest");
  expect(chosenOf(await select(1))).toBe("own");
  await look("own:70b");
  expect(chosenOf(await select(1))).toBeUndefined();
});

test("what is no task is refused", async () => {
  await using bench = await openBench();
  await expect(bench.run(modelSelector, { wish: "beauty" })).rejects.toThrow(/wish/);
  await expect(bench.run(modelSelector, { maxTokens: 0 })).rejects.toThrow(/maxTokens/);
});
