// Proves over real sockets what receivers get and what they cannot do: they verify with the specification's own library, and are slow, gone,
// elsewhere or without end. Receivers are on loopback addresses, of which the config allows one. Time is the test's, and begins now, since
// receivers look at their own clock.
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { seededRandom, simulateTime } from "@viable/kernel";
import type { SessionCreated, WebhookView } from "@viable/protocol";
import { webhookMessage } from "@viable/protocol";
import { startTestSystem } from "@viable/testing";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem } from "./index.ts";

const allowed = "127.0.0.1";
const refused = "127.0.0.2";

const say = agent({
  name: "sayer",
  capability: "say",
  description: "Says the word.",
  input: z.strictObject({}),
  handle: () => "word",
});
const definition = defineSystem({ name: "telling", services: [], commands: [say], egress: { allow: [allowed] } });

interface Arrived {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
type Answer = (response: ServerResponse) => void;

/** A receiver that answers in turn as it is told, and 204 after that. */
async function receiver(answers: Answer[], host = allowed) {
  const arrived: Arrived[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = answers.shift() ?? ((last) => last.writeHead(204).end());
    arrived.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    arrived,
    url: `http://${host}:${(server.address() as AddressInfo).port}/hook`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A system, and a command of a session in it that names the receiver. */
async function tell(url: string) {
  const t = await startTestSystem(definition, {
    time: simulateTime({ startMs: Date.now(), random: seededRandom(1) }),
  });
  const ask = async <T>(token: string, method: string, path: string, body?: object): Promise<T> => {
    const headers = { authorization: `Bearer ${token}` };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const request = new Request(`http://test.invalid${path}`, { method, headers, ...sent });
    return (await (await t.settled(Promise.resolve(t.system.fetch(request)))).json()) as T;
  };
  const session = await ask<SessionCreated>(t.system.ownerToken, "POST", "/v1/sessions", { clientType: "api" });
  const command = { command: "say", mode: "async", webhookUrl: url };
  await ask(session.token, "POST", `/v1/sessions/${session.sessionId}/commands`, command);
  const delivery = async (): Promise<WebhookView | undefined> =>
    (await ask<{ webhooks: WebhookView[] }>(session.token, "GET", "/v1/webhooks")).webhooks[0];
  return {
    t,
    delivery,
    verify: ({ body, headers }: Arrived) =>
      webhookMessage.parse(new Webhook(session.webhookSecret).verify(body, headers as Record<string, string>)),
    /** Lets the sockets do what they do, until it holds. Moves no time. */
    async until(holds: () => Promise<boolean> | boolean) {
      for (let turns = 0; turns < 20_000; turns++) {
        if (await holds()) return;
        await t.time.settle();
      }
      throw new Error("It does not come to hold.");
    },
    [Symbol.asyncDispose]: () => t.stop(),
  };
}

test("an outcome is verified by the specification's library; what was answered 500 comes again under its id, and is verified again", async () => {
  await using there = await receiver([(response) => response.writeHead(500).end("no")]);
  await using told = await tell(there.url);
  await told.until(async () => (await told.delivery())?.attempts === 1);
  await told.t.time.advance(6_500);
  await told.until(async () => (await told.delivery())?.status === "delivered");
  expect(there.arrived).toHaveLength(2);
  const [first, second] = there.arrived as [Arrived, Arrived];
  for (const each of [first, second])
    expect(told.verify(each)).toMatchObject({
      type: "execution.completed",
      data: { result: "word", status: "completed" },
    });
  expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
  expect(second.headers["webhook-timestamp"]).not.toBe(first.headers["webhook-timestamp"]);
  const forged = { ...first, body: first.body.replace("word", "lie") };
  expect(() => told.verify(forged)).toThrow("No matching signature");
  const swapped = { ...first, headers: { ...first.headers, "webhook-id": "msg_other" } };
  expect(() => told.verify(swapped)).toThrow("No matching signature");
});

test("a redirect to a private address is not followed, and is no receipt", async () => {
  await using trap = await receiver([], refused);
  await using there = await receiver([(response) => response.writeHead(307, { location: trap.url }).end()]);
  await using told = await tell(there.url);
  await told.until(async () => (await told.delivery())?.attempts === 1);
  expect((await told.delivery())?.tries).toMatchObject([{ status: 307, code: "webhook.redirected" }]);
  await told.t.time.advance(6_500);
  await told.until(async () => (await told.delivery())?.status === "delivered");
  expect([there.arrived.length, trap.arrived.length]).toEqual([2, 0]);
});

test("who never answers is left after 15 s, and tried again", async () => {
  await using there = await receiver([() => {}]);
  await using told = await tell(there.url);
  await told.until(() => there.arrived.length === 1);
  await told.t.time.advance(15_000);
  await told.until(async () => (await told.delivery())?.attempts === 1);
  expect((await told.delivery())?.tries).toMatchObject([{ code: "egress.timed_out" }]);
  await told.t.time.advance(6_500);
  await told.until(async () => (await told.delivery())?.status === "delivered");
});

test("an answer without end is cut off, and nothing of it is kept", async () => {
  const closed = Promise.withResolvers<void>();
  await using there = await receiver([
    (response) => {
      response.writeHead(200).once("close", closed.resolve);
      const more = () => {
        while (!response.destroyed && response.write("secret ".repeat(4_096)));
      };
      response.on("drain", more);
      more();
    },
  ]);
  await using told = await tell(there.url);
  await told.until(async () => (await told.delivery())?.status === "delivered");
  await closed.promise;
  expect(JSON.stringify(await told.t.events())).not.toContain("secret ");
});

test("who is stopped in the middle breaks the call off, and does not wait for it", async () => {
  await using there = await receiver([() => {}]);
  const told = await tell(there.url);
  await told.until(() => there.arrived.length === 1);
  const before = told.t.time.now();
  await told.t.stop();
  expect(told.t.time.now() - before).toBeLessThan(5_000);
});
