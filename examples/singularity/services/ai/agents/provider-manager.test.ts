/** Real requests to a server on this machine: what is sent, what is made of each answer, and that no key is ever shown. */
import { systemClock } from "@viable/kernel";
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { probeProvider } from "../probe-provider.ts";
import { sendJson, serveModel } from "../testing/serve-model.ts";
import { createProviderManager, providerManager } from "./provider-manager.ts";

// Put together at run time: written out it would be found by every scan of this repository, rightly.
const key = ["sk", "test", "a1B2c3".repeat(4)].join("-");

followsInput(providerManager, "a provider that answers and one that refuses the key", async (bench) => {
  await using server = await serveModel((request, response) => {
    if (request.headers["x-api-key"] !== undefined) return sendJson(response, 401, { error: key });
    sendJson(response, 200, { object: "list", data: [{ id: "gpt-b" }, { id: "gpt-a" }] });
  });
  const manager = createProviderManager({
    OPENAI_API_KEY: key,
    OPENAI_BASE_URL: server.url,
    ANTHROPIC_API_KEY: key,
    ANTHROPIC_BASE_URL: `${server.url}/`,
  });
  const openai = await bench.run(manager, { provider: "openai" });
  expect(openai).toMatchObject({
    configured: 1,
    up: 1,
    providers: [
      {
        provider: "openai",
        isConfigured: true,
        isKeySet: true,
        address: server.url,
        state: "up",
        models: ["gpt-a", "gpt-b"],
        listsAll: true,
      },
    ],
  });
  const anthropic = await bench.run(manager, { provider: "anthropic" });
  expect(anthropic).toMatchObject({
    configured: 1,
    up: 0,
    providers: [{ provider: "anthropic", state: "refused", reason: "It answered 401." }],
  });
  expect(server.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "GET /v1/models",
    "GET /v1/models?limit=1000",
  ]);
  expect(server.seen[0]?.headers.authorization).toBe(`Bearer ${key}`);
  expect(server.seen[1]?.headers).toMatchObject({ "x-api-key": key, "anthropic-version": "2023-06-01" });
  return [openai, anthropic];
});

test("nothing configured: each provider says what to set", async () => {
  await using bench = await openBench();
  expect(await bench.run(createProviderManager({ OPENAI_API_KEY: "" }), {})).toEqual({
    origin: "probe",
    configured: 0,
    up: 0,
    providers: [
      { provider: "openai", isConfigured: false, next: "Set OPENAI_API_KEY." },
      { provider: "anthropic", isConfigured: false, next: "Set ANTHROPIC_API_KEY." },
      {
        provider: "openai-compatible",
        isConfigured: false,
        next: "Set OPENAI_COMPATIBLE_URL and OPENAI_COMPATIBLE_MODEL, and OPENAI_COMPATIBLE_KEY where the server wants one.",
      },
    ],
    problems: [],
    truncated: {},
  });
});

test("no answer shows a key: not of one that works, nor of one that is refused, nor of one inside an address", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) => sendJson(response, 403, { error: `your key ${key} is bad` }));
  const environments = [
    { OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url },
    { OPENAI_COMPATIBLE_URL: server.url, OPENAI_COMPATIBLE_KEY: key, OPENAI_COMPATIBLE_MODEL: "m" },
    { OPENAI_API_KEY: "x", OPENAI_BASE_URL: `https://user:${key}@example.org/v1` },
    { OPENAI_API_KEY: "x", OPENAI_BASE_URL: `https://example.org/v1?key=${key}` },
    { OPENAI_API_KEY: key, OPENAI_BASE_URL: "ftp://example.org" },
  ];
  for (const environment of environments) {
    expect(JSON.stringify(await bench.run(createProviderManager(environment), {}))).not.toContain(key);
  }
});

test("a key that cannot be one is said to be so and never sent; a line break after one is left off", async () => {
  await using bench = await openBench();
  await using server = await serveModel((_, response) => sendJson(response, 200, { data: [] }));
  const look = async (written: string): Promise<JsonObject> =>
    await bench.run(createProviderManager({ OPENAI_API_KEY: written, OPENAI_BASE_URL: server.url }), {
      provider: "openai",
    });
  for (const written of [`${key}…`, `${key} ${key}`]) {
    const result = await look(written);
    expect(result).toMatchObject({
      configured: 0,
      problems: [{ provider: "openai", reason: expect.stringContaining("OPENAI_API_KEY holds characters") }],
    });
    expect(JSON.stringify(result)).not.toContain(key);
  }
  expect(server.seen).toEqual([]);
  expect(await look(` ${key}\n`)).toMatchObject({ up: 1 });
  expect(server.seen[0]?.headers.authorization).toBe(`Bearer ${key}`);
});

test("a list of names that nobody could read is an answer as well", async () => {
  await using bench = await openBench();
  const names = Array.from({ length: 1_500 }, (_, index) => ({ id: `${index}${"\u0001".repeat(190)}` }));
  const data = [...names, { id: "\uD800" }, { id: "a\u202eb" }, { id: "sound" }];
  await using server = await serveModel((_, response) => sendJson(response, 200, { data }));
  const manager = createProviderManager({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
  expect(await bench.run(manager, { provider: "openai" })).toMatchObject({
    providers: [{ state: "up", models: ["sound"], listsAll: false }],
  });
});

test("what each answer is taken for", async () => {
  await using bench = await openBench();
  const answers: { [path: string]: [number, unknown] } = {
    "/v1/limited/models": [429, {}],
    "/v1/failing/models": [503, {}],
    "/v1/garbage/models": [200, "<html>"],
    "/v1/listless/models": [404, {}],
    "/v1/moved/models": [301, {}],
  };
  await using server = await serveModel((request, response) => {
    const [status, body] = answers[request.path] as [number, unknown];
    sendJson(response, status, body, status === 301 ? { location: `${server.url}/limited/models` } : {});
  });
  const look = async (url: string): Promise<JsonObject> => {
    const manager = createProviderManager({ OPENAI_COMPATIBLE_URL: url, OPENAI_COMPATIBLE_MODEL: "m" });
    const { providers } = await bench.run(manager, { provider: "openai-compatible" });
    return (providers as JsonObject[])[0] as JsonObject;
  };
  expect(await look(`${server.url}/limited`)).toMatchObject({ state: "limited", isKeySet: false, model: "m" });
  expect(await look(`${server.url}/failing`)).toMatchObject({ state: "failing", reason: "It answered 503." });
  expect(await look(`${server.url}/garbage`)).toMatchObject({ state: "no-models" });
  expect(await look(`${server.url}/listless`)).toMatchObject({ state: "no-models", reason: "It answered 404." });
  // Following it would carry the key to wherever it leads.
  expect(await look(`${server.url}/moved`)).toMatchObject({ state: "failing", reason: "It answered 301." });
  expect(server.seen.filter(({ path }) => path === "/v1/limited/models").length).toBe(1);
});

test("a server that is gone is unreachable, with the system's own reason, and since when is remembered", async () => {
  await using bench = await openBench();
  const gone = await serveModel(() => undefined);
  await gone[Symbol.asyncDispose]();
  const manager = createProviderManager({ OPENAI_COMPATIBLE_URL: gone.url });
  const first = await bench.run(manager, { provider: "openai-compatible" });
  expect(first).toMatchObject({
    providers: [{ state: "unreachable", reason: "It cannot be reached (ECONNREFUSED)." }],
    problems: [
      { provider: "openai-compatible", reason: expect.stringContaining("OPENAI_COMPATIBLE_MODEL is not set") },
    ],
  });
  const since = (result: JsonObject): unknown => (result.providers as JsonObject[])[0]?.since;
  expect(since(await bench.run(manager, { provider: "openai-compatible" }))).toBe(since(first));
});

test("a server that never answers is unreachable after five seconds", async () => {
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
  expect(await probeProvider(ctx, provider)).toMatchObject({
    state: "unreachable",
    reason: "No answer within 5 seconds.",
  });
  expect(timers.map(({ delayMs }) => delayMs)).toEqual([5_000]);
});

test("a task that is stopped stops looking", async () => {
  await using bench = await openBench();
  const stop = new AbortController();
  await using server = await serveModel(() => stop.abort(new Error("stopped")));
  const manager = createProviderManager({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url });
  await expect(bench.run(manager, {}, { signal: stop.signal })).rejects.toThrow("stopped");
});
