/**
 * Asking models on the wire, at a server on this machine, through a cache that answers as Storage's does: what is sent, what comes back,
 * what is asked once only, and what becomes of servers that answer errors, garbage, too much or never.
 */
import { systemClock, toWire } from "@viable/kernel";
import { type JsonObject, service } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { startServices } from "../../../testing/start-services.ts";
import { askModel } from "../ask-model.ts";
import { createCache, refuse } from "../testing/create-cache.ts";
import { anthropicMessage, chatCompletion, type SeenRequest, sendJson, serveModel } from "../testing/serve-model.ts";
import { caching, createCaching } from "./caching.ts";
import { createModelSelector } from "./model-selector.ts";

// Put together at run time: written out it would be found by every scan of this repository, rightly.
const key = ["sk", "test", "a1B2c3".repeat(4)].join("-");
/** The wait before the next try that a server may ask for, so that tests do not wait two seconds. */
const soon = { "retry-after-ms": "1" };

const openCache = (bench: AgentBench) => createCache(() => bench.ctx.runtime.clock.now());

const lastPrompt = ({ body }: SeenRequest): unknown => (body.messages as { content: unknown }[]).at(-1)?.content;

followsInput(caching, "each question has its own answer, and is asked once", async (bench) => {
  await using server = await serveModel((request, response) =>
    sendJson(response, 200, chatCompletion(`You asked: ${lastPrompt(request)}`)),
  );
  const agent = createCaching({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
  const { delegate } = openCache(bench);
  const first = await bench.run(agent, { prompt: "one?", system: "Be brief.", maxTokens: 50 }, { delegate });
  expect(first).toMatchObject({
    text: "You asked: one?",
    origin: "openai:gpt-6-luna",
    hit: false,
    isCut: false,
    inputTokens: 11,
    outputTokens: 7,
    failed: [],
  });
  const again = await bench.run(agent, { prompt: "one?", system: "Be brief.", maxTokens: 50 }, { delegate });
  expect(again).toMatchObject({ text: "You asked: one?", origin: "openai:gpt-6-luna", hit: true, key: first.key });
  const second = await bench.run(agent, { prompt: "two?" }, { delegate });
  expect(second).toMatchObject({ text: "You asked: two?", hit: false });
  expect(server.seen.length).toBe(2);
  expect(server.seen[0]).toMatchObject({
    method: "POST",
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key}` },
    body: {
      model: "gpt-6-luna",
      temperature: 0,
      reasoning_effort: "none",
      max_completion_tokens: 50,
      messages: [
        { role: "developer", content: "Be brief." },
        { role: "user", content: "one?" },
      ],
    },
  });
  return [first, second];
});

test("Anthropic is spoken to in its own format", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) =>
    sendJson(response, 200, anthropicMessage("Hello.", "max_tokens")),
  );
  const agent = createCaching({ ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: server.url });
  const result = await bench.run(
    agent,
    { prompt: "hi", system: "Be kind.", maxTokens: 20 },
    { delegate: openCache(bench).delegate },
  );
  expect(result).toMatchObject({ text: "Hello.", origin: "anthropic:claude-haiku-5-5", isCut: true });
  expect(server.seen[0]).toMatchObject({
    path: "/v1/messages",
    headers: { "x-api-key": key, "anthropic-version": "2023-06-01" },
    body: {
      model: "claude-haiku-5-5",
      max_tokens: 20,
      system: [{ type: "text", text: "Be kind." }],
      messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
    },
  });
  expect(server.seen[0]?.headers.authorization).toBeUndefined();
});

test("a compatible server gets its own model, and no authorization where there is no key", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) => sendJson(response, 200, chatCompletion("ok")));
  const environment = { OPENAI_COMPATIBLE_URL: server.url, OPENAI_COMPATIBLE_MODEL: "own-7b" };
  const { delegate } = openCache(bench);
  const result = await bench.run(createCaching(environment), { prompt: "hi", temperature: 0.5 }, { delegate });
  expect(result).toMatchObject({ text: "ok", origin: "openai-compatible:own-7b" });
  expect(server.seen[0]?.body).toMatchObject({ model: "own-7b", temperature: 0.5, max_tokens: 1_000 });
  expect(server.seen[0]?.headers.authorization).toBeUndefined();
  await bench.run(createCaching({ ...environment, OPENAI_COMPATIBLE_KEY: key }), { prompt: "ho" }, { delegate });
  expect(server.seen[1]?.headers.authorization).toBe(`Bearer ${key}`);
});

test("a model that always thinks gets tokens for it on top", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) => sendJson(response, 200, chatCompletion("ok")));
  const agent = createCaching({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
  const { delegate } = openCache(bench);
  expect(await bench.run(agent, { prompt: "why?", task: "reason", maxTokens: 100 }, { delegate })).toMatchObject({
    origin: "openai:gpt-6.1-sol",
  });
  expect(server.seen[0]?.body).toMatchObject({ reasoning_effort: "low", max_completion_tokens: 2_148 });
  expect(server.seen[0]?.body.temperature).toBeUndefined();
});

test("without any provider the refusal says what to set", async () => {
  await using bench = await openBench();
  await expect(bench.run(createCaching({}), { prompt: "hi" })).rejects.toMatchObject({
    code: "ai.no_model",
    next: expect.stringContaining("Set OPENAI_API_KEY, ANTHROPIC_API_KEY, or OPENAI_COMPATIBLE_URL"),
  });
  await expect(
    bench.run(createCaching({ OPENAI_API_KEY: key, OPENAI_COMPATIBLE_URL: "http://127.0.0.1:1" }), {
      prompt: "hi",
      model: "claude-opus-5-5",
    }),
  ).rejects.toMatchObject({
    code: "ai.no_model",
    message: "claude-opus-5-5 is not configured here.",
    next: "Set ANTHROPIC_API_KEY.",
  });
  await expect(
    bench.run(createCaching({ OPENAI_COMPATIBLE_URL: "http://127.0.0.1:1" }), { prompt: "hi" }),
  ).rejects.toMatchObject({
    code: "ai.no_model",
    message: expect.stringContaining("OPENAI_COMPATIBLE_MODEL is not set"),
  });
});

test("another tenant, model, setting or address is another key; and what is refreshed is asked for again", async () => {
  await using bench = await openBench();
  let count = 0;
  await using server = await serveModel((_, response) => sendJson(response, 200, chatCompletion(`answer ${++count}`)));
  const agent = createCaching({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
  const { delegate, values } = openCache(bench);
  const ask = async (args: JsonObject, tenant = "default"): Promise<JsonObject> =>
    await bench.run(agent, { prompt: "hi", ...args }, { delegate, tenant });
  const keys = new Set<unknown>();
  for (const args of [{}, { maxTokens: 9 }, { temperature: 1 }, { system: "s" }, { model: "gpt-6.1-terra" }]) {
    const { hit, key: cached } = await ask(args);
    expect(hit).toBe(false);
    keys.add(cached);
  }
  // This cache is the same whoever asks, so only the key tells tenants apart.
  keys.add((await ask({}, "other")).key);
  expect(keys.size).toBe(6);
  expect(await ask({})).toMatchObject({ text: "answer 1", hit: true });
  expect(await ask({ refresh: true })).toMatchObject({ text: "answer 7", hit: false });
  expect(await ask({})).toMatchObject({ text: "answer 7", hit: true });
  const short = await ask({ prompt: "short", expiresInMs: 5_000 });
  expect((values.get(short.key as string)?.expiresAt ?? 0) - bench.ctx.runtime.clock.now()).toBeLessThanOrEqual(5_000);
});

test("an answer that somebody else put into the cache is none: not under its own key, and not under another's", async () => {
  await using bench = await openBench();
  await using server = await serveModel((request, response) =>
    sendJson(response, 200, chatCompletion(`You asked: ${lastPrompt(request)}`)),
  );
  const agent = createCaching({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
  const { delegate, values } = openCache(bench);
  const ask = async (prompt: string): Promise<JsonObject> => await bench.run(agent, { prompt }, { delegate });
  const [one, two] = [await ask("one?"), await ask("two?")];
  const lying = values.get(one.key as string) as { value: { answer: object }; expiresAt: number };
  const forged = { ...lying.value, answer: { ...lying.value.answer, text: "forged" } };
  values.set(one.key as string, { ...lying, value: forged });
  expect(await ask("one?")).toMatchObject({ text: "You asked: one?", hit: false });
  values.set(two.key as string, values.get(one.key as string) as never);
  expect(await ask("two?")).toMatchObject({ text: "You asked: two?", hit: false });
  expect(await ask("two?")).toMatchObject({ text: "You asked: two?", hit: true });
});

test("a question that is being asked right now is asked once", async () => {
  const waiting: (() => void)[] = [];
  await using server = await serveModel((_, response) => {
    waiting.push(() => sendJson(response, 200, chatCompletion("ok")));
  });
  const agents = [createCaching({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url })];
  await using running = await startServices([service({ name: "ai", description: "Asks models.", port: 0, agents })]);
  const ask = () => running.run("response_cache", { prompt: "hi" });
  const answers = [ask(), ask()];
  await expect.poll(async () => (await running.get("/executions")).executions).toHaveLength(2);
  await expect.poll(() => waiting.length).toBe(1);
  waiting[0]?.();
  for (const answer of await Promise.all(answers)) {
    expect(answer).toMatchObject({ status: "completed", result: { text: "ok" } });
  }
  expect(server.seen.length).toBe(1);
});

test("a model is asked where it stands: by name at the server that was given it, and nowhere on a guess", async () => {
  await using bench = await openBench();
  await using openai = await serveModel((_, response) => sendJson(response, 200, chatCompletion("from OpenAI")));
  await using own = await serveModel((_, response) => sendJson(response, 200, chatCompletion("from here")));
  const agent = createCaching({
    OPENAI_API_KEY: key,
    OPENAI_BASE_URL: openai.url,
    OPENAI_COMPATIBLE_URL: own.url,
    OPENAI_COMPATIBLE_MODEL: "own-7b",
  });
  const ask = async (args: JsonObject): Promise<JsonObject> =>
    await bench.run(agent, { prompt: "private", ...args }, { delegate: refuse });
  expect(await ask({ model: "own-7b" })).toMatchObject({ text: "from here", origin: "openai-compatible:own-7b" });
  await expect(ask({ model: "own-70b" })).rejects.toMatchObject({
    code: "ai.whose_model",
    message: "own-70b may be a model of openai or openai-compatible.",
  });
  expect(openai.seen).toEqual([]);
  expect(await ask({ model: "own-70b", provider: "openai" })).toMatchObject({ origin: "openai:own-70b" });
});

test("a prompt that fits no model is told so, with what each holds", async () => {
  await using bench = await openBench();
  const agent = createCaching({ ANTHROPIC_API_KEY: key });
  await expect(bench.run(agent, { prompt: "界".repeat(1_000_000) })).rejects.toMatchObject({
    code: "ai.no_model",
    message: expect.stringContaining("anthropic:claude-haiku-5-5: it holds 1000000 tokens; 1001001 are wanted"),
    next: expect.stringContaining("Ask for less"),
  });
});

test("an answer that the provider broke off is cut", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) =>
    sendJson(response, 200, chatCompletion("Half of", "content_filter")),
  );
  const agent = createCaching({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
  expect(await bench.run(agent, { prompt: "hi" }, { delegate: refuse })).toMatchObject({
    text: "Half of",
    isCut: true,
  });
});

test("without a cache each question is asked, and the answer says why", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) => sendJson(response, 200, chatCompletion("ok")));
  const agent = createCaching({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
  for (let count = 0; count < 2; count++) {
    expect(await bench.run(agent, { prompt: "hi" }, { delegate: refuse })).toMatchObject({
      text: "ok",
      hit: false,
      notCached: "refused: No swarm offers data_persistence.cache.",
    });
  }
  expect(server.seen.length).toBe(2);
});

test("what lies in the cache and is no answer is a miss", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) => sendJson(response, 200, chatCompletion("ok")));
  const agent = createCaching({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
  const { delegate, values } = openCache(bench);
  const { key: cached } = await bench.run(agent, { prompt: "hi" }, { delegate });
  values.set(cached as string, { value: "nonsense", expiresAt: Number.POSITIVE_INFINITY });
  expect(await bench.run(agent, { prompt: "hi" }, { delegate })).toMatchObject({ text: "ok", hit: false });
});

test("when a provider fails the next one is asked, and the failure is told and measured", async () => {
  await using bench = await openBench();
  await using broken = await serveModel((_, response) => sendJson(response, 500, { error: { message: key } }, soon));
  await using sound = await serveModel((_, response) => sendJson(response, 200, chatCompletion("from the other")));
  const environment = {
    ANTHROPIC_API_KEY: key,
    ANTHROPIC_BASE_URL: broken.url,
    OPENAI_API_KEY: key,
    OPENAI_BASE_URL: sound.url,
  };
  const result = await bench.run(createCaching(environment), { prompt: "hi" }, { delegate: openCache(bench).delegate });
  expect(result).toMatchObject({
    text: "from the other",
    origin: "openai:gpt-6-luna",
    failed: [{ provider: "anthropic", model: "claude-haiku-5-5", reason: "it answered 500, 3 times" }],
  });
  expect(broken.seen.length).toBe(3);
  const { candidates } = await bench.run(createModelSelector(environment), {});
  expect(candidates).toContainEqual(expect.objectContaining({ model: "claude-haiku-5-5", calls: 1, failures: 1 }));
  expect(candidates).toContainEqual(expect.objectContaining({ model: "gpt-6-luna", calls: 1, failures: 0 }));
});

test.for([
  ["errors", "it answered 500, 3 times"],
  ["limits", "it takes no more requests now (429), 3 times"],
  ["key", "it refused the key (401)"],
  ["model", "it has no such model or address (404)"],
  ["moved", "it answered 302"],
  ["garbage", "it gave an answer that is none"],
  ["silence", "it answered without any text"],
  ["river", "it answered more than 500000 characters"],
  ["flood", "the answer has more than 4194304 bytes"],
] as const)(
  "a server that answers %s fails with the reason and without the key or the prompt",
  async ([what, reason]) => {
    await using bench = await openBench();
    await using server = await serveModel((request, response) => {
      const echo = { error: { message: `${key} ${JSON.stringify(request.body)}` } };
      switch (what) {
        case "errors":
          return sendJson(response, 500, echo, soon);
        case "limits":
          return sendJson(response, 429, echo, soon);
        case "key":
          return sendJson(response, 401, echo);
        case "model":
          return sendJson(response, 404, echo);
        case "moved":
          return sendJson(response, 302, echo, { location: `${server.url}/elsewhere` });
        case "garbage":
          return response.end(`<html>${key}</html>`);
        case "silence":
          return sendJson(response, 200, chatCompletion("  "));
        case "river":
          return sendJson(response, 200, chatCompletion("x".repeat(600_000)));
        case "flood":
          return sendJson(response, 200, chatCompletion("x".repeat(5_000_000)));
      }
    });
    const agent = createCaching({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
    const error = await bench
      .run(agent, { prompt: "my secret plan" }, { delegate: openCache(bench).delegate })
      .catch(toWire);
    expect(error).toMatchObject({ code: "ai.all_failed", message: `openai failed: ${reason}.` });
    expect(JSON.stringify(error)).not.toContain(key);
    expect(JSON.stringify(error)).not.toContain("my secret plan");
  },
);

test("a server that never answers is given thirty seconds", async () => {
  await using bench = await openBench();
  const timers: { fire: () => void; delayMs: number }[] = [];
  await using server = await serveModel(() => timers[0]?.fire());
  const clock = {
    ...systemClock,
    setTimer(fire: () => void, delayMs: number) {
      timers.push({ fire, delayMs });
      return { cancel: () => undefined };
    },
  };
  const provider = { name: "openai", baseUrl: server.url, key, model: undefined } as const;
  const ctx = { signal: new AbortController().signal, runtime: { ...bench.ctx.runtime, clock } };
  const question = { prompt: "hi", maxTokens: 10, temperature: 0 };
  await expect(askModel(ctx, provider, "gpt-6-luna", question)).rejects.toMatchObject({
    code: "ai.call_failed",
    message: "no answer within 30 seconds",
    retryable: true,
  });
  expect(timers.map(({ delayMs }) => delayMs)).toEqual([30_000]);
  expect(server.seen.length).toBe(1);
});

test("a task that is stopped stops asking, and nobody else is asked", async () => {
  await using bench = await openBench();
  const stop = new AbortController();
  await using server = await serveModel(() => stop.abort(new Error("stopped")));
  const agent = createCaching({
    OPENAI_API_KEY: key,
    OPENAI_BASE_URL: server.url,
    ANTHROPIC_API_KEY: key,
    ANTHROPIC_BASE_URL: server.url,
  });
  const { delegate } = openCache(bench);
  await expect(bench.run(agent, { prompt: "hi" }, { delegate, signal: stop.signal })).rejects.toThrow("stopped");
  expect(server.seen.length).toBe(1);
});

test("what is no question is refused", async () => {
  await using bench = await openBench();
  await expect(bench.run(caching, { prompt: "" })).rejects.toThrow(/prompt/);
  await expect(bench.run(caching, { prompt: "hi", temperature: 3 })).rejects.toThrow(/temperature/);
  await expect(bench.run(caching, { prompt: "hi", maxTokens: 1_000_000 })).rejects.toThrow(/maxTokens/);
});
