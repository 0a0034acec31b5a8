/**
 * Events as CloudEvents over the gateway: asked for by `Accept`, read page by page with the CloudEvents SDK as a program elsewhere
 * would, and the same ones that are given otherwise.
 */
import { createClient } from "@viable/client";
import type { CloudEventV1 } from "cloudevents";
import { HTTP } from "cloudevents";
import { agent, defineSystem, service } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

const batch = "application/cloudevents-batch+json";

const echo = agent({
  name: "echo",
  capability: "echo",
  description: "Says it again.",
  input: z.strictObject({ text: z.string() }),
  handle: (_ctx, { text }) => text,
});
const definition = defineSystem({
  name: "letters",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [echo] })],
});

async function setup() {
  const t = await startTestSystem(definition);
  const read = async (address: string, { accept = batch, token = t.system.ownerToken } = {}) => {
    const request = new Request(address, { headers: { authorization: `Bearer ${token}`, accept } });
    const response = await t.settled(Promise.resolve(t.system.fetch(request)));
    return { response, type: response.headers.get("content-type"), body: await response.text() };
  };
  return { t, read };
}

/** Reads as the SDK does, which refuses whatever is no CloudEvent, and goes on by the links. */
async function readPages(read: Awaited<ReturnType<typeof setup>>["read"], first: string) {
  const events: CloudEventV1<unknown>[] = [];
  for (let address: string | undefined = first; address !== undefined; ) {
    const { response, type, body } = await read(address);
    expect(type).toBe(batch);
    const page = HTTP.toEvent({ headers: { "content-type": type ?? "" }, body }) as CloudEventV1<unknown>[];
    events.push(...page);
    const next = /<([^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    address = next === undefined || page.length === 0 ? undefined : new URL(next, address).href;
  }
  return events;
}

test("the whole log is read page by page over the links, each event once and in order", async () => {
  const { t, read } = await setup();
  const client = await t.connect();
  for (const text of ["a", "b", "c"]) await client.run("echo", { text });
  const stored = await t.events("execution.*");
  const first = `http://test.invalid/v1/events?after=0&limit=4&type=${encodeURIComponent("execution.*")}`;
  const events = await readPages(read, first);
  expect(events.map(({ id, type, subject, source }) => ({ id, type, subject, source }))).toEqual(
    stored.map(({ id, type, stream }) => ({ id, type, subject: stream, source: "/systems/letters" })),
  );
  expect(events.at(-1)?.data).toEqual({ result: "c" });
  await t.stop();
});

test("the events of one execution come the same way, and the last page has no link", async () => {
  const { t, read } = await setup();
  const { executionId } = await (await t.connect()).run("echo", { text: "a" });
  const first = `http://test.invalid/v1/executions/${executionId}/events?limit=1`;
  expect((await readPages(read, first)).map(({ type, streamversion }) => [type, streamversion])).toEqual([
    ["execution.accepted", 1],
    ["execution.completed", 2],
  ]);
  expect((await read(`${first}&after=${(await t.events()).at(-1)?.position}`)).response.headers.has("link")).toBe(
    false,
  );
  await t.stop();
});

test.each([
  ["*/*"],
  ["application/json"],
  ["application/*"],
  ["text/html"],
  [`application/json, ${batch};q=0.9`],
  [`${batch};q=0`],
])("whoever accepts %s is given our own form", async (accept) => {
  const { t, read } = await setup();
  const { type, body, response } = await read("http://test.invalid/v1/events", { accept });
  expect(type).toBe("application/json");
  expect(response.headers.get("vary")).toBe("Accept");
  expect(JSON.parse(body)).toHaveProperty("events");
  await t.stop();
});

test("W11: a session's token is given its own events in this form too, and no others", async () => {
  const { t, read } = await setup();
  const [mine, other] = [await t.connect("web"), await t.connect("api")];
  await mine.run("echo", { text: "mine" });
  const { executionId } = await other.run("echo", { text: "theirs" });
  const { api } = mine;
  const { events, next } = await t.settled(api.cloudEvents({ after: "0" }));
  expect(new Set(events.map(({ sessionid }) => sessionid))).toEqual(new Set([mine.sessionId]));
  expect(events.map(({ type }) => type)).toEqual([
    "session.created",
    "execution.accepted",
    "execution.completed",
    "session.activated",
  ]);
  expect(await t.settled(api.cloudEvents({ after: next }))).toEqual({ events: [], next });
  const opened = await t.settled(
    createClient({
      url: "http://test.invalid",
      token: t.system.ownerToken,
      clock: t.time,
      fetch: (async (url: string, init?: RequestInit) => await t.system.fetch(new Request(url, init))) as typeof fetch,
    }).openSession({ clientType: "web" }),
  );
  const refused = await read(`http://test.invalid/v1/executions/${executionId}/events`, { token: opened.token });
  expect(refused.response.status).toBe(404);
  await t.stop();
});
