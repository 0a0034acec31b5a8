/**
 * The way of a task from swarm to swarm: AI needs an answer kept, the registry names who can, Storage's queen gives it to her cache
 * manager. A real model server on the wire, real swarms, nothing told beforehand about who does what.
 */
import { expect, test } from "vitest";
import { createCaching } from "./services/ai/agents/caching.ts";
import { ai } from "./services/ai/index.ts";
import { chatCompletion, sendJson, serveModel } from "./services/ai/testing/serve-model.ts";
import { storage } from "./services/storage/index.ts";
import { startServices } from "./testing/start-services.ts";

/** AI with a model of its own, which numbers its answers. */
async function aiWithModel() {
  const model = await serveModel((_request, response) =>
    sendJson(response, 200, chatCompletion(`Answer ${model.seen.length}`)),
  );
  const environment = { OPENAI_COMPATIBLE_URL: model.url, OPENAI_COMPATIBLE_MODEL: "small" };
  const agents = ai.agents.map((each) => (each.name === "caching" ? createCaching(environment) : each));
  return { model, ai: { ...ai, agents }, [Symbol.asyncDispose]: () => model[Symbol.asyncDispose]() };
}

test("AI needs an answer kept: registry, Storage's queen, cache manager; the second time nobody is asked", async () => {
  await using started = await aiWithModel();
  await using running = await startServices([started.ai, storage]);

  const first = await running.run("response_cache", { prompt: "Why?" });
  expect(first).toMatchObject({ status: "completed", result: { hit: false, text: "Answer 1" } });
  const second = await running.run("response_cache", { prompt: "Why?" });
  expect(second).toMatchObject({ status: "completed", result: { hit: true, text: "Answer 1" } });
  expect(started.model.seen).toHaveLength(1);

  const { executions } = (await running.get("/executions")) as { executions: Record<string, unknown>[] };
  const kept = executions.find(
    ({ command, parentId }) => command === "data_persistence.cache" && parentId === first.executionId,
  );
  expect(kept).toMatchObject({ status: "completed", service: "storage", agent: "cache" });
  // Why it went there rides in the event.
  const { events } = (await running.get(`/executions/${kept?.executionId}/events`)) as {
    events: { type: string; data: object }[];
  };
  expect(events[0]).toMatchObject({
    type: "execution.accepted",
    data: {
      route: {
        capability: "data_persistence.cache",
        chosen: { service: "storage" },
        reason: "the only swarm that offers it",
      },
      parentId: first.executionId,
    },
  });
});

test("without Storage AI does without, and says so", async () => {
  await using started = await aiWithModel();
  await using running = await startServices([started.ai]);
  for (const n of [1, 2]) {
    expect(await running.run("response_cache", { prompt: "Why?" })).toMatchObject({
      status: "completed",
      result: { hit: false, text: `Answer ${n}`, notCached: expect.stringContaining("data_persistence.cache") },
    });
  }
});
