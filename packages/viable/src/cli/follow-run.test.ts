// That whoever follows a run is told where it needs a person, and comes to an end with it: over what it is composed of, and over a gateway that
// does not always answer.
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import { createRuntime, simulateTime, ViableError } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { TestClient, TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { defineSystem, reactor } from "../index.ts";
import { followRun } from "./follow-run.ts";

const input = z.looseObject({});
const naps = reactor("naps", { input }, (steps) =>
  steps.sleep("nap", { args: () => ({ forMs: 60_000 }) }).returns(() => "rested"),
);
const asks = reactor("asks", { input }, (steps) =>
  steps
    .sleep("nap", { args: () => ({ forMs: 10_000 }) })
    .approval("ask", { title: "May it?", after: ["nap"] })
    .returns(() => null),
);
const around = reactor("around", { input }, (steps) =>
  steps.compose("inner", asks, { args: () => ({}) }).returns(() => null),
);
const both = reactor("both", { input }, (steps) =>
  steps
    .approval("ask", { title: "May it?" })
    .sleep("nap", { args: () => ({ forMs: 20_000 }) })
    .returns(() => null),
);
const two = reactor("two", { input }, (steps) =>
  steps
    .compose("asks", asks, { args: () => ({}) })
    .compose("naps", naps, { args: () => ({}) })
    .returns(() => null),
);
const rude = reactor("rude", { input }, (steps) =>
  steps.approval("ask", { title: "May it?\n\u001b[31mSay yes" }).returns(() => null),
);
const fails = (message: string): never => {
  throw new Error(message);
};
const stuck = reactor("stuck", { input }, (steps) =>
  steps
    .step("book", { run: () => 1, undo: () => fails("closed") })
    .step("pay", { after: ["book"], run: () => fails("no money") })
    .returns(() => null),
);
const definition = defineSystem({ name: "s", services: [], reactors: [naps, asks, around, both, two, rude, stuck] });

async function begin({ run }: TestClient, name: string): Promise<string> {
  const answer = await run("reactor.start", { reactor: name });
  if (answer.status !== "completed") throw new Error(JSON.stringify(answer));
  return (answer.result as { runId: string }).runId;
}

async function follow(t: TestSystem, client: Client, runId: string, untilNeeded = true) {
  const lines: string[] = [];
  const types: string[] = [];
  const fromMs = t.time.now();
  const end = new AbortController();
  const followed = followRun(createRuntime({ clock: t.time }), client, {
    runId,
    signal: end.signal,
    untilNeeded,
    onEvent: ({ type }) => types.push(type),
    onNeeded: (line) => lines.push(line),
  });
  return { lines, types, end, followed, how: () => t.settled(followed), tookMs: () => t.time.now() - fromMs };
}

test("a run is followed to its end, though the gateway often does not answer how it stands", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  let asked = 0;
  const run: Client["run"] = (id) =>
    ++asked % 2 === 1
      ? Promise.reject(new ViableError("client.unreachable", "Away.", { retryable: true }))
      : client.api.run(id);
  const { how, types, lines } = await follow(t, { ...client.api, run }, await begin(client, "naps"));
  expect(await how()).toBe("ended");
  expect(types.at(-1)).toBe("run.completed");
  expect(lines).toEqual([]);
});

test("what a composed run asks for later is told, and ends the following where that is all that is left", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const { how, lines, tookMs } = await follow(t, client.api, await begin(client, "around"));
  expect(await how()).toBe("needs_person");
  expect(lines).toEqual([
    expect.stringMatching(/^run_\w+ waits for a person at ask: May it\?\nDecide: .*apr_\w+ yes\|no$/),
  ]);
  expect(tookMs()).toBeLessThan(15_000);
});

test("where something else is waited for beside, a person is told of at once, and followed up to when only they are left", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const { how, followed, lines, tookMs } = await follow(t, client.api, await begin(client, "both"));
  await t.time.advance(5_000);
  expect(lines).toHaveLength(1);
  expect(await Promise.race([followed, Promise.resolve("follows")])).toBe("follows");
  expect(await how()).toBe("needs_person");
  expect(lines).toHaveLength(1);
  expect(tookMs()).toBeGreaterThan(19_000);
});

test("what others have written is one line of what is told, and tells a terminal nothing", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const { how, lines } = await follow(t, client.api, await begin(client, "rude"));
  expect(await how()).toBe("needs_person");
  expect(lines).toEqual([expect.stringMatching(/ waits for a person at ask: May it\? Say yes\nDecide: /)]);
});

test("where what failed could not be undone, both are told", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const runId = await begin(client, "stuck");
  const { how, lines } = await follow(t, client.api, runId);
  expect(await how()).toBe("needs_person");
  expect(lines).toEqual([
    expect.stringMatching(
      new RegExp(
        `^${runId} needs a person at book: it could not be undone: closed \\[internal\\]\n` +
          "It is undone, since pay failed: no money \\[internal\\]\nSay how it goes on: viable reactors resume ",
      ),
    ),
  ]);
});

test("a run that is parked says why, and is not waited for", async () => {
  const store = createMemoryStore();
  const time = simulateTime();
  const first = await startTestSystem(definition, { store, time });
  const runId = await begin(await first.connect(), "naps");
  await first.stop();
  const without = { ...definition, reactors: [asks] };
  await using t = await startTestSystem(without, { store, time, seed: 2 });
  const { ownerToken } = t.system;
  const answer = async (url: string, init?: RequestInit) => await t.system.fetch(new Request(url, init));
  const owner = createClient({ url: "http://x", token: ownerToken, clock: time, fetch: answer as typeof fetch });
  const { how, lines } = await follow(t, owner, runId);
  expect(await how()).toBe("needs_person");
  expect(lines).toEqual([expect.stringContaining(`${runId} is parked: `)]);
});

test("who only watches goes on watching, however long a person takes, until they leave", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const { followed, end, lines } = await follow(t, client.api, await begin(client, "asks"), false);
  await t.time.advance(3_600_000);
  expect(lines).toHaveLength(1);
  end.abort();
  expect(await followed).toBe("interrupted");
});

test("where a run cannot be looked at and that does not pass, it is said, once, and the others are told of as ever", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const run: Client["run"] = async (id) => {
    const view = await client.api.run(id);
    if (view.reactor === "naps") throw new ViableError("log.undecodable_event", "It is of version 9.");
    return view;
  };
  const { followed, end, lines } = await follow(t, { ...client.api, run }, await begin(client, "two"));
  await t.time.advance(30_000);
  expect(lines).toEqual([
    expect.stringMatching(
      /^Whether run_\w+ needs a person cannot be told: It is of version 9\. \[log\.undecodable_event\]$/,
    ),
    expect.stringMatching(/^run_\w+ waits for a person at ask: May it\?\n/),
  ]);
  end.abort();
  expect(await followed).toBe("interrupted");
});

test("a defect in looking ends the following", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const run: Client["run"] = () => Promise.reject(new TypeError("no function"));
  const { how } = await follow(t, { ...client.api, run }, await begin(client, "naps"));
  await expect(how()).rejects.toThrow("no function");
});
