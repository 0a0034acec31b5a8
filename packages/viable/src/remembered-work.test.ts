// S9: what was done is not done again for as long as its agent lets the result be remembered, and every task has an outcome of its own all the same.
import { seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { TestClient } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { explain } from "./cli/explain-execution.ts";
import { agent, defineSystem, service } from "./index.ts";

const rememberMs = 60_000;
const tellsHowOften = (capability: string, answer: (times: number, args: { of: string }) => null | number | string) => {
  let times = 0;
  return agent({
    name: capability.replace(".", "-"),
    capability,
    description: "Says how often it was asked.",
    input: z.strictObject({ of: z.string() }),
    joinable: true,
    rememberMs,
    handle: (_ctx, args) => answer(++times, args),
  });
};

/** Answers with the result, or with how the task ended. */
const askerOf = (client: TestClient) => async (capability: string, of: string) => {
  const answer = await client.run(capability, { of });
  return answer.status === "completed" ? answer.result : answer.status;
};

async function start() {
  const time = simulateTime({ random: seededRandom(4) });
  const store = { ...createMemoryStore(), exclusive: false };
  const failing = tellsHowOften("count.failing", (times) => {
    if (times === 1) throw new Error("The first fails.");
    return times;
  });
  const system = defineSystem({
    name: "remembering",
    services: [
      service({
        name: "count",
        description: "Counts.",
        port: 0,
        workers: 1,
        maxQueued: 1,
        agents: [
          tellsHowOften("count.times", (times) => times),
          tellsHowOften("count.large", (times) => `${times}${"x".repeat(1_100_000)}`),
          failing,
        ],
      }),
    ],
  });
  const one = await startTestSystem(system, { seed: 1, store, time });
  const client = await one.connect();
  return { time, store, system, one, client, ask: askerOf(client) };
}

test("an equal task is answered by the last result, recorded as an outcome of its own, and says whose it is", async () => {
  const { time, one, client, ask } = await start();
  const first = await client.run("count.times", { of: "a" });
  await time.advance(rememberMs / 2);
  const again = await client.run("count.times", { of: "a" });
  expect([first, again]).toMatchObject([{ result: 1 }, { result: 1 }]);
  expect(again.executionId).not.toBe(first.executionId);
  const view = await client.outcome(again.executionId);
  expect(view).toMatchObject({ status: "completed", joinedTo: first.executionId, attempts: 0 });
  const events = await one.settled(one.system.log.readStream(one.ctx, `execution:${again.executionId}`));
  expect(events.map(({ type }) => type)).toEqual(["execution.accepted", "execution.completed"]);
  const views = events.map((event) => ({ ...event, time: new Date(event.time).toISOString() }));
  expect(explain(view, views as never, []).joined).toMatchObject([
    { executionId: first.executionId, reason: "the same task was done before, and its result is remembered" },
  ]);
  expect(await ask("count.times", "b")).toBe(2);
  await one.stop();
});

test("it is done again when the time is over, which begins with the end of the task and not with its use", async () => {
  const { time, one, ask } = await start();
  expect(await ask("count.times", "a")).toBe(1);
  await time.advance(rememberMs - 1_000);
  expect(await ask("count.times", "a")).toBe(1);
  await time.advance(1_001);
  expect(await ask("count.times", "a")).toBe(2);
  expect(await ask("count.times", "a")).toBe(2);
  await one.stop();
});

test("a failure is not remembered, nor what is too large to be recorded with any task", async () => {
  const { one, client, ask } = await start();
  expect(await client.run("count.failing", { of: "a" })).toMatchObject({ status: "failed" });
  expect(await client.run("count.failing", { of: "a" })).toMatchObject({ status: "completed", result: 2 });
  for (const times of [1, 2]) expect(String(await ask("count.large", "a"))[0]).toBe(`${times}`);
  await one.stop();
});

test("another process remembers it too, and a full queue keeps nobody from it", async () => {
  const { time, store, system, one, ask: askFirst } = await start();
  expect(await askFirst("count.times", "a")).toBe(1);
  await one.stop();
  const other = await startTestSystem(system, { seed: 2, store, time });
  const later = await other.connect();
  const ask = askerOf(later);
  const all = await Promise.all(Array.from({ length: 10 }, () => ask("count.times", "a")));
  expect(all).toEqual(all.map(() => 1));
  await other.stop();
});
