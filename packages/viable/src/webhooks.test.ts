// Proves that receivers are told what became of commands that named them: signed, at least once, under one id, whoever dies meanwhile; when it is
// tried again, and when no more; that one process sends at a time; and who may name what. In simulated time, with receivers that are a function.
import { createMemoryHub } from "@viable/bus";
import { createEgress, type Egress } from "@viable/gateway";
import { seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type {
  CommandAnswer,
  Problem,
  SessionCreated,
  WebhookMessage,
  WebhookPage,
  WebhookView,
} from "@viable/protocol";
import type { TestSystem, TestSystemOptions } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, reactor } from "./index.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const say = agent({
  name: "sayer",
  capability: "say",
  description: "Says as many letters as it is asked for, after a while, or fails.",
  joinable: true,
  input: z.strictObject({
    letters: z.number().default(3),
    ms: z.number().default(0),
    fails: z.boolean().default(false),
  }),
  handle: async (ctx, { letters, ms, fails }) => {
    if (ms > 0) await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, ms));
    if (fails) throw new Error("as asked");
    return "x".repeat(letters);
  },
});
const definition = defineSystem({ name: "telling", services: [], commands: [say] });

type Post = Parameters<Egress["post"]>[1];
type Answer = Awaited<ReturnType<Egress["post"]>>;
interface Sent extends Post {
  readonly id: string;
  readonly at: number;
  readonly message: WebhookMessage;
}

const status = (code: number, retryAfter?: string): Answer => ({ ok: true, status: code, retryAfter });
const never = new Promise<never>(() => {});

/** A network of receivers that answer as they are told, 200 unless told. What may be called is judged as ever. */
function network(answer: (post: Sent) => Answer | Promise<Answer> = () => status(200)) {
  const sent: Sent[] = [];
  const answers = { answer };
  const egress: Egress = {
    ...createEgress(),
    async post(ctx, post) {
      const one = {
        ...post,
        id: post.headers["webhook-id"] ?? "",
        at: ctx.runtime.clock.now(),
        message: JSON.parse(post.body),
      };
      sent.push(one);
      // A call ends with its context, as it does over the network.
      const broken = new Promise<never>((_, reject) =>
        ctx.signal.addEventListener("abort", () => reject(new Error("broken off"))),
      );
      return await Promise.race([answers.answer(one), broken]);
    },
  };
  return { sent, egress, answers };
}

/** What is answered to a command: an outcome, where to look, or a problem. */
type Answered = Pick<CommandAnswer, "executionId"> & Pick<Problem, "code" | "errors">;

/** A session over HTTP, as a client has it. */
async function openSession(t: TestSystem) {
  const ask = async <T>(token: string, method: string, path: string, body?: unknown) => {
    const request = new Request(`http://test.invalid${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const response = await t.settled(Promise.resolve(t.system.fetch(request)));
    return { status: response.status, headers: response.headers, body: (await response.json()) as T };
  };
  const { body: session } = await ask<SessionCreated>(t.system.ownerToken, "POST", "/v1/sessions", {
    clientType: "api",
  });
  const commands = `/v1/sessions/${session.sessionId}/commands`;
  return {
    ...session,
    send: (body: object) => ask<Answered>(session.token, "POST", commands, { mode: "async", ...body }),
    webhooks: async (query = "") => (await ask<WebhookPage>(session.token, "GET", `/v1/webhooks${query}`)).body,
    replay: (deliveryId: string) =>
      ask<CommandAnswer>(session.token, "POST", commands, {
        command: "webhook.replay",
        args: { deliveryId },
        mode: "sync",
      }),
  };
}

const url = "https://receiver.example/hook";
const start = (egress: Egress, options: TestSystemOptions = {}) => startTestSystem(definition, { egress, ...options });
const only = <T>(list: readonly T[]): T => {
  expect(list).toHaveLength(1);
  return list[0] as T;
};

describe("the receiver that a command names", () => {
  test.each([
    [{}, {}, "execution.completed"],
    [{ fails: true }, {}, "execution.failed"],
    [{ ms: hourMs }, { deadlineMs: 1_000 }, "execution.timed_out"],
  ])("is told its outcome, once and signed: %j", async (args, options, type) => {
    const { sent, egress } = network();
    await using t = await start(egress);
    const session = await openSession(t);
    const { body, status: code } = await session.send({ command: "say", args, webhookUrl: url, ...options });
    expect(code).toBe(202);
    await t.time.advance(minuteMs);
    const { id, headers, message, body: text, ...post } = only(sent);
    expect(post.url).toBe(url);
    expect(message).toMatchObject({
      type,
      data: {
        executionId: body.executionId,
        sessionId: session.sessionId,
        pollUrl: `/v1/executions/${body.executionId}`,
      },
    });
    expect(headers["content-type"]).toBe("application/json");
    const at = new Date(Number(headers["webhook-timestamp"]) * 1_000);
    expect(headers["webhook-signature"]).toBe(new Webhook(session.webhookSecret).sign(id, at, text));
    const { deliveryId, attempts, tries } = only((await session.webhooks()).webhooks);
    expect([deliveryId, attempts, tries[0]?.status]).toEqual([id, 1, 200]);
  });

  test("has a secret of 32 bytes that no other session has, and that a repeat of the opening is given again", async () => {
    await using t = await start(network().egress);
    const [one, other] = [await openSession(t), await openSession(t)];
    expect(one.webhookSecret).toMatch(/^whsec_/);
    expect(Buffer.from(one.webhookSecret.slice("whsec_".length), "base64")).toHaveLength(32);
    expect(other.webhookSecret).not.toBe(one.webhookSecret);
    const stored = JSON.stringify(await t.events());
    expect(stored).not.toContain(one.webhookSecret.slice("whsec_".length));
  });

  test("is told in the moment in which there is an outcome, not at the next look", async () => {
    const { sent, egress } = network();
    await using t = await start(egress);
    const session = await openSession(t);
    const { body } = await session.send({ command: "say", args: { ms: 2_500 }, webhookUrl: url });
    await t.settled(t.system.executions.whenSettled(t.ctx, body.executionId));
    const endedAt = t.time.now();
    await t.time.advance(100);
    expect(only(sent).at - endedAt).toBeLessThan(10);
  });

  test("is told of what others did for it, and is not told where nobody asked for that", async () => {
    const { sent, egress } = network();
    await using t = await start(egress);
    const session = await openSession(t);
    const joined = { command: "say", args: { ms: 1_000 }, webhookUrl: url };
    const ids = [await session.send(joined), await session.send(joined)].map(({ body }) => body.executionId);
    await session.send({ command: "say", args: { letters: 1 } });
    await t.time.advance(minuteMs);
    expect(sent.map(({ message }) => message.data.executionId).sort()).toEqual(ids.sort());
  });

  test("gets less than 20 KB, and is told what was left out and where it is", async () => {
    const { sent, egress } = network();
    await using t = await start(egress);
    const session = await openSession(t);
    const { body } = await session.send({ command: "say", args: { letters: 50_000 }, webhookUrl: url });
    await t.time.advance(minuteMs);
    const { body: text, message } = only(sent);
    expect(text.length).toBeLessThan(20_000);
    expect(message.data.omitted).toContain("result");
    expect([message.data.result, message.data.pollUrl]).toEqual([undefined, `/v1/executions/${body.executionId}`]);
  });

  test("is told that a person is waited for, and then the outcome", async () => {
    const asking = reactor("asking", { input: z.strictObject({}) }, (steps) =>
      steps.approval("leave", { title: "May I?" }).returns(({ results }) => results.leave.decision),
    );
    const { sent, egress } = network();
    await using t = await startTestSystem(defineSystem({ name: "telling", services: [], reactors: [asking] }), {
      egress,
    });
    const session = await openSession(t);
    const args = { reactor: "asking", wait: true };
    await session.send({ command: "reactor.start", args, webhookUrl: url, deadlineMs: hourMs });
    await t.time.advance(10_000);
    const { message, id } = only(sent);
    expect(message).toMatchObject({
      type: "execution.waiting",
      data: { status: "running", approval: { title: "May I?" } },
    });
    const approvalId = message.data.approval?.approvalId;
    await session.send({ command: "approval.decide", args: { approvalId, decision: "approved" } });
    await t.time.advance(minuteMs);
    expect(sent.map((each) => each.message.type)).toEqual(["execution.waiting", "execution.completed"]);
    expect(sent[1]?.id).not.toBe(id);
  });
});

test("of a command that a person is to approve the receiver is told, and then what became of it", async () => {
  const { sent, egress } = network();
  const policies = { "command/say": { mode: "ask" as const } };
  await using t = await startTestSystem(defineSystem({ name: "telling", services: [], commands: [say], policies }), {
    egress,
  });
  const session = await openSession(t);
  const { body } = await session.send({ command: "say", webhookUrl: url });
  await t.time.advance(10_000);
  const { message } = only(sent);
  const { executionId } = body;
  expect(message).toMatchObject({ type: "execution.waiting", data: { status: "waiting", approval: { executionId } } });
  const owner = await t.settled(t.client().openSession({ clientType: "cli" }));
  const args = { approvalId: message.data.approval?.approvalId ?? "", decision: "rejected" };
  await t.settled(t.client().send(owner.sessionId, { command: "approval.decide", args, mode: "sync" }));
  await t.time.advance(10_000);
  expect(sent[1]?.message).toMatchObject({
    type: "execution.failed",
    data: { error: { code: "approval.rejected" }, approval: { decision: "rejected", by: "owner" } },
  });
});

describe("a receiver that does not take it", () => {
  test("and answers with a redirect, or not at all, is tried again", async () => {
    const answers: Answer[] = [status(302), { ok: false, code: "egress.timed_out", reason: "" }, status(204)];
    const { sent, egress } = network(() => answers.shift() ?? status(200));
    await using t = await start(egress);
    const session = await openSession(t);
    await session.send({ command: "say", webhookUrl: url });
    await t.time.advance(minuteMs);
    expect(sent).toHaveLength(3);
    const { status: how, tries } = only((await session.webhooks()).webhooks);
    expect(how).toBe("delivered");
    expect(tries.map(({ code }) => code)).toEqual(["webhook.redirected", "egress.timed_out", undefined]);
  });

  test("and asks to be left alone, is", async () => {
    const answers = [status(429, "3600"), status(503, "99999999"), status(200)];
    const { sent, egress } = network(() => answers.shift() ?? status(200));
    await using t = await start(egress);
    const session = await openSession(t);
    await session.send({ command: "say", webhookUrl: url });
    await t.time.advance(12 * hourMs);
    expect(sent).toHaveLength(3);
    const [first, second, third] = sent as [Sent, Sent, Sent];
    expect((second.at - first.at) / hourMs).toBeCloseTo(1, 2);
    expect((third.at - second.at) / hourMs).toBeCloseTo(8, 2);
  });

  test("and says that it is gone, is sent nothing more by its tenant: neither what waits nor what is new", async () => {
    const answers = [status(500), status(410)];
    const { sent, egress } = network(() => answers.shift() ?? status(200));
    await using t = await start(egress);
    const session = await openSession(t);
    await session.send({ command: "say", args: { letters: 1 }, webhookUrl: url });
    await t.time.advance(1_000);
    await session.send({ command: "say", args: { letters: 2 }, webhookUrl: url });
    await t.time.advance(hourMs);
    expect(sent).toHaveLength(2);
    const { webhooks } = await session.webhooks();
    expect(webhooks.map(({ status: how, dead }) => [how, dead?.code])).toEqual(Array(2).fill(["dead", "webhook.gone"]));
    const refused = await session.send({ command: "say", webhookUrl: url });
    expect([refused.status, refused.body.code]).toEqual([422, "gateway.webhook_refused"]);
    expect((await session.send({ command: "say", webhookUrl: `${url}/other` })).status).toBe(202);
  });

  test("however slow it is, holds up nobody else, under whatever names it has", async () => {
    const { sent, egress, answers } = network();
    answers.answer = ({ url: to }) => (to.includes("slow") ? never : status(200));
    await using t = await start(egress);
    const session = await openSession(t);
    for (let index = 0; index < 40; index++)
      await session.send({ command: "say", args: { letters: index }, webhookUrl: "https://slow.example/" });
    for (let index = 0; index < 10; index++)
      await session.send({ command: "say", args: { letters: index }, webhookUrl: `https://slow${index}.example/` });
    await session.send({ command: "say", args: { letters: 99 }, webhookUrl: url });
    await t.time.advance(2_000);
    expect(sent.filter(({ url: to }) => to === "https://slow.example/")).toHaveLength(4);
    expect(sent.filter(({ url: to }) => to === url)).toHaveLength(1);
    for (let index = 10; index < 40; index++)
      await session.send({ command: "say", args: { letters: index }, webhookUrl: `https://slow${index}.example/` });
    await t.time.advance(2_000);
    // Half of what may be under way in all, so that another tenant's are sent.
    expect(sent.filter(({ url: to }) => to !== url)).toHaveLength(32);
  });
});

describe("by hand", () => {
  test("what is dead is sent again, under its id and as often as what is new, also where the receiver was gone", async () => {
    const { sent, egress, answers } = network(() => status(410));
    await using t = await start(egress);
    const session = await openSession(t);
    await session.send({ command: "say", webhookUrl: url });
    await t.time.advance(1_000);
    const { deliveryId } = only((await session.webhooks()).webhooks);
    answers.answer = () => status(sent.length < 4 ? 500 : 200);
    expect((await session.replay(deliveryId)).body).toMatchObject({ status: "completed", result: { deliveryId, url } });
    await t.time.advance(hourMs);
    expect(sent.map(({ id }) => id)).toEqual(Array(4).fill(deliveryId));
    const { status: how, attempts, dead } = only((await session.webhooks()).webhooks);
    expect([how, attempts, dead]).toEqual(["delivered", 4, undefined]);
    expect((await session.send({ command: "say", args: { letters: 4 }, webhookUrl: url })).status).toBe(202);
  });

  test("what is still tried is not, nor what is another session's, nor without end", async () => {
    const { egress, answers } = network(() => status(500));
    await using t = await start(egress);
    const [session, other] = [await openSession(t), await openSession(t)];
    await session.send({ command: "say", webhookUrl: url });
    await t.time.advance(1_000);
    const { deliveryId } = only((await session.webhooks()).webhooks);
    const codeOf = (answer: CommandAnswer) => ("error" in answer ? answer.error.code : answer.status);
    expect(codeOf((await session.replay(deliveryId)).body)).toBe("webhook.pending");
    answers.answer = () => status(200);
    await t.time.advance(hourMs);
    expect(codeOf((await other.replay(deliveryId)).body)).toBe("webhook.not_found");
    expect((await other.webhooks()).webhooks).toEqual([]);
    for (let times = 0; times < 10; times++) {
      expect(codeOf((await session.replay(deliveryId)).body)).toBe("completed");
      await t.time.advance(minuteMs);
    }
    expect(codeOf((await session.replay(deliveryId)).body)).toBe("webhook.too_many_replays");
    expect(only((await session.webhooks()).webhooks)).toMatchObject({ status: "delivered", attempts: 12 });
  });
});

describe("where processes die", () => {
  test("what was sent and not written down is sent again by the next, under the same id; what waits comes when it was planned", async () => {
    const store = createMemoryStore();
    const { sent, egress, answers } = network(() => status(500));
    const first = await start(egress, { store });
    const session = await openSession(first);
    await session.send({ command: "say", args: { letters: 1 }, webhookUrl: `${url}/waits` });
    await first.time.advance(1_000);
    const { nextAt = "" } = only((await session.webhooks()).webhooks);
    answers.answer = () => never;
    await session.send({ command: "say", args: { letters: 2 }, webhookUrl: url });
    await session.send({ command: "say", args: { ms: 500 }, webhookUrl: `${url}/outcome` });
    await first.time.advance(100);
    const cut = sent.at(-1) as Sent;
    expect(cut.url).toBe(url);
    // Nobody is told: its time stands still from here on.
    sent.length = 0;
    answers.answer = () => status(200);
    await using second = await start(egress, { store, seed: 2, time: simulateTime({ startMs: first.time.now() }) });
    await second.time.advance(minuteMs);
    const again = sent.find((each) => each.url === url) as Sent;
    expect([again.id, again.body]).toEqual([cut.id, cut.body]);
    const waited = only(sent.filter((each) => each.url === `${url}/waits`));
    expect(Math.abs(waited.at - Date.parse(nextAt))).toBeLessThan(10);
    // Its agent was begun again; its receiver was named with its acceptance (W1).
    expect(only(sent.filter((each) => each.url === `${url}/outcome`)).message.type).toBe("execution.completed");
    expect(sent).toHaveLength(3);
  });
});

describe("of two processes", () => {
  const shared = () => ({ store: { ...createMemoryStore(), exclusive: false }, hub: createMemoryHub() });

  test("one sends, whichever accepted, and the other goes on where it stops", async () => {
    const time = simulateTime({ random: seededRandom(1) });
    const where = { ...shared(), time };
    const [here, there] = [network(), network()];
    const one = await start(here.egress, { ...where, seed: 1 });
    await using other = await start(there.egress, { ...where, seed: 2 });
    const sessions = [await openSession(one), await openSession(other)];
    for (let index = 0; index < 6; index++)
      await sessions[index % 2]?.send({ command: "say", args: { letters: index }, webhookUrl: url });
    await time.advance(minuteMs);
    expect([here.sent.length, there.sent.length]).toEqual([6, 0]);
    here.answers.answer = () => never;
    await sessions[1]?.send({ command: "say", args: { letters: 7 }, webhookUrl: url });
    await time.advance(2_000);
    const cut = here.sent.at(-1) as Sent;
    await one.stop();
    await time.advance(minuteMs);
    expect(there.sent.map(({ id }) => id)).toEqual([cut.id]);
  });

  test("the other takes over within its lease where one dies", async () => {
    const { store } = shared();
    const [here, there] = [network(() => never), network()];
    const one = await start(here.egress, { store, seed: 1 });
    const session = await openSession(one);
    await session.send({ command: "say", webhookUrl: url });
    await one.time.advance(2_000);
    expect(here.sent).toHaveLength(1);
    // Nobody is told: its time stands still from here on.
    await using other = await start(there.egress, { store, seed: 2, time: simulateTime({ startMs: one.time.now() }) });
    await other.time.advance(2_000);
    expect(there.sent).toEqual([]);
    await other.time.advance(5_000);
    expect(there.sent.map(({ id }) => id)).toEqual(here.sent.map(({ id }) => id));
  });
});

describe("at the door", () => {
  test.each([
    ["http://127.0.0.1:8080/", "egress.refused_address"],
    ["http://[::ffff:169.254.169.254]/latest", "egress.refused_address"],
    ["http://localhost/", "egress.refused_address"],
    ["https://example.com:22/", "egress.refused_port"],
    ["ftp://example.com/", "egress.invalid_url"],
    ["https://a:b@example.com/", "egress.invalid_url"],
    ["hook", "egress.invalid_url"],
  ])("%s is refused with the reason, and nothing is recorded", async (webhookUrl, code) => {
    await using t = await start(network().egress);
    const session = await openSession(t);
    const before = (await t.events()).length;
    const { status: answered, body } = await session.send({ command: "say", webhookUrl });
    expect([answered, body.code]).toEqual([422, "gateway.webhook_refused"]);
    expect(body.errors?.[0]).toMatchObject({ path: "body.webhookUrl", reason: expect.stringContaining(code) });
    expect((await t.events()).length).toBe(before);
  });

  test("who must name a webhook may send without waiting where one is named, and not where it is refused", async () => {
    await using t = await start(network().egress);
    const { token, ...session } = await openSession(t);
    const bearer = t.system.capabilities.attenuate(token, { requireWebhook: true }).token;
    const send = async (body: object) => {
      const request = new Request(`http://test.invalid/v1/sessions/${session.sessionId}/commands`, {
        method: "POST",
        headers: { authorization: `Bearer ${bearer}` },
        body: JSON.stringify({ command: "say", mode: "async", ...body }),
      });
      return (await t.settled(Promise.resolve(t.system.fetch(request)))).status;
    };
    expect([await send({}), await send({ webhookUrl: url })]).toEqual([403, 202]);
    expect(await send({ webhookUrl: "http://10.0.0.1/" })).toBe(422);
  });

  test("a repeat finds the first, whose receiver is told once; with another receiver it is refused", async () => {
    const { sent, egress } = network();
    await using t = await start(egress);
    const client = await t.connect("api");
    const options = { idempotencyKey: "one", webhookUrl: url };
    const first = await client.begin("say", {}, options);
    expect(await client.begin("say", {}, options)).toBe(first);
    await t.time.advance(minuteMs);
    expect(await client.begin("say", {}, options)).toBe(first);
    await t.time.advance(minuteMs);
    expect(sent).toHaveLength(1);
    for (const other of [{ webhookUrl: `${url}/2` }, {}])
      await expect(client.begin("say", {}, { idempotencyKey: "one", ...other })).rejects.toMatchObject({
        code: "intake.idempotency_mismatch",
      });
  });

  test("a tenant for whom 10,000 messages wait is refused one more, until some are sent", async () => {
    await using t = await start(network().egress);
    const session = await openSession(t);
    const inAYear = t.time.now() + 365 * 24 * hourMs;
    const keys = Array.from({ length: 10_000 }, (_, index) => `webhooks/due/msg_${index}`);
    const write = (some: readonly string[], value: object | null) =>
      t.settled(
        t.system.log.append(t.ctx, {
          records: some.map((key) => ({ key, value: value as never, expected: "any" as const })),
        }),
      );
    for (let at = 0; at < keys.length; at += 2_000)
      await write(keys.slice(at, at + 2_000), { tenant: "default", url, nextAt: inAYear });
    const refused = await session.send({ command: "say", webhookUrl: url });
    expect([refused.status, refused.body.code]).toEqual([429, "gateway.webhooks_full"]);
    expect(refused.headers.get("retry-after")).toBe("60");
    expect((await session.send({ command: "say" })).status).toBe(202);
    await write(keys.slice(0, 1), null);
    expect((await session.send({ command: "say", webhookUrl: url })).status).toBe(202);
  });
});

test("deliveries are listed the newest first, in pages", async () => {
  await using t = await start(network().egress);
  const session = await openSession(t);
  for (let index = 0; index < 5; index++) {
    await session.send({ command: "say", args: { letters: index }, webhookUrl: url });
    await t.time.advance(1_000);
  }
  const all = (await session.webhooks()).webhooks;
  expect(all.map(({ dueAt }) => dueAt)).toEqual(
    all
      .map(({ dueAt }) => dueAt)
      .sort()
      .reverse(),
  );
  const pages: WebhookView[] = [];
  let next: string | undefined;
  do {
    const page = await session.webhooks(`?limit=2${next === undefined ? "" : `&before=${next}`}`);
    expect(page.webhooks.length).toBeLessThanOrEqual(2);
    pages.push(...page.webhooks);
    next = page.next;
  } while (next !== undefined);
  expect(pages).toEqual(all);
});
