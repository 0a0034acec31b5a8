// Proves when a message is tried again and when no more, over days, and how long an address that is gone is left alone. Its log is real, in memory
// and simulated time; executions and receivers are the test's. Whole systems, and those that die, are in the tests of the room `viable`.
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError, withContext } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { openWebhooks } from "@viable/swarm";
import { expect, test } from "vitest";
import type { EgressAnswer } from "../egress/create-egress.ts";
import { gatewayEventTypes } from "../event-types.ts";
import { Deliverer } from "./deliverer.ts";
import { deliveryIdFor, readDelivery } from "./delivery.ts";
import { listDeliveries } from "./list-deliveries.ts";
import { replayDelivery } from "./replay-delivery.ts";
import { WebhookIndex } from "./webhook-index.ts";

const hourMs = 3_600_000;
const url = "https://receiver.example/hook";
const failed = (status: number): EgressAnswer => ({ ok: true, status, retryAfter: undefined });

async function world(answer: () => EgressAnswer | Promise<EgressAnswer>) {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time, random: seededRandom(1) });
  const ctx = rootContext(runtime);
  const log = createLog(createMemoryStore(), runtime, { types: gatewayEventTypes });
  await log.start(ctx);
  const index = new WebhookIndex();
  await index.watch(ctx, log);
  const sentAt: number[] = [];
  const problems: string[] = [];
  /** What cannot be told of an execution. */
  const unreadable: { error?: Error } = {};
  const executions = {
    isOpen: () => false,
    onSettled: () => () => {},
    get: async (_ctx: unknown, executionId: string) => {
      if (unreadable.error !== undefined) throw unreadable.error;
      const accepted = { webhookUrl: url, authority: { principal: "owner" }, deadline: 0, args: {} };
      const state = {
        executionId,
        tenant: "default",
        session: "ses_1",
        status: "completed",
        version: 2,
        acceptedAt: 0,
      };
      return { ...state, accepted, attempts: 1, correlation: executionId, result: 1 };
    },
  };
  const deliverer = new Deliverer({
    log,
    index,
    executions: executions as never,
    egress: {
      post: async () => {
        sentAt.push(time.now());
        return await answer();
      },
    },
    secretOf: () => "whsec_AAAA",
    onProblem: (message) => problems.push(message),
  });
  const ending = new AbortController();
  const running = deliverer.run(withContext(ctx, { signal: ending.signal }));
  const accept = async (executionId: string) => {
    const note = { key: openWebhooks + executionId, value: { tenant: "default" }, expected: "any" as const };
    await log.append(ctx, { records: [note] });
    await time.advance(1);
    return deliveryIdFor(executionId);
  };
  const read = async (deliveryId: string) =>
    (await readDelivery(ctx, log, deliveryId)) as never as NonNullable<Awaited<ReturnType<typeof readDelivery>>>;
  return {
    time,
    ctx,
    log,
    index,
    sentAt,
    problems,
    unreadable,
    accept,
    read,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await running;
    },
  };
}

test("twelve tries take about a day, and then the message is a dead letter with its reasons", async () => {
  await using w = await world(() => failed(500));
  const id = await w.accept("exe_1");
  expect(await w.read(id)).toMatchObject({ status: "pending", attempts: 1 });
  await w.time.advance(48 * hourMs);
  expect(w.sentAt).toHaveLength(12);
  const waits = w.sentAt.slice(1).map((at, index) => at - (w.sentAt[index] ?? 0));
  for (const [index, waitMs] of waits.entries()) {
    const planned = Math.min(5_000 * 3 ** index, 8 * hourMs);
    expect(waitMs / planned).toBeGreaterThanOrEqual(0.8);
    expect(waitMs / planned).toBeLessThanOrEqual(1.21);
  }
  expect(new Set(waits.map((waitMs, index) => waitMs / 3 ** index)).size).toBeGreaterThan(8);
  expect(waits.reduce((sum, ms) => sum + ms, 0) / hourMs).toBeGreaterThan(22);
  expect(waits.reduce((sum, ms) => sum + ms, 0) / hourMs).toBeLessThan(35);
  const { status, attempts, dead, tries } = await w.read(id);
  expect([status, attempts, dead?.code]).toEqual(["dead", 12, "webhook.undeliverable"]);
  expect(tries.map(({ status: code, code: why }) => [code, why])).toEqual(Array(12).fill([500, "webhook.status"]));
  expect([w.index.due.size, w.index.open.size, w.index.waitingOf("default")]).toEqual([0, 0, 0]);
  expect(w.problems).toEqual([]);
});

test("what is replayed as often as may be is read whole, and shows its last tries", async () => {
  await using w = await world(() => failed(500));
  const id = await w.accept("exe_1");
  for (let times = 0; times < 10; times++) {
    await w.time.advance(48 * hourMs);
    await replayDelivery(w.ctx, w.log, id, undefined);
  }
  await w.time.advance(48 * hourMs);
  const { status, attempts, tries } = await w.read(id);
  expect([status, attempts, tries.length, tries.at(-1)?.attempt]).toEqual(["dead", 132, 20, 132]);
  expect(
    (await listDeliveries(w.ctx, w.log, { limit: 10, before: undefined, session: undefined })).webhooks,
  ).toHaveLength(1);
});

test("an address that is gone is left alone for a week, and then tried again", async () => {
  let status = 410;
  await using w = await world(() => failed(status));
  await w.accept("exe_1");
  expect(w.index.isGone("default", url, w.time.now())).toBe(true);
  expect(w.index.isGone("other", url, w.time.now())).toBe(false);
  status = 200;
  const second = await w.accept("exe_2");
  expect((await w.read(second)).dead?.code).toBe("webhook.gone");
  expect(w.sentAt).toHaveLength(1);
  await w.time.advance(7 * 24 * hourMs);
  const third = await w.accept("exe_3");
  expect((await w.read(third)).status).toBe("delivered");
});

test("a try that throws counts as one, so that it is not made for ever; one that the log keeps from being made does not", async () => {
  await using w = await world(() => Promise.reject(new ViableError("a.defect", "Not an answer.")));
  const id = await w.accept("exe_1");
  expect((await w.read(id)).tries).toMatchObject([{ attempt: 1, code: "a.defect" }]);
  w.unreadable.error = new ViableError("log.unavailable", "away", { retryable: true });
  await w.time.advance(60_000);
  expect((await w.read(id)).attempts).toBe(1);
  expect(w.problems).toEqual(["Webhooks wait: away (log.unavailable)"]);
  w.unreadable.error = new ViableError("log.undecodable_event", "of another release");
  await w.time.advance(11_000);
  expect((await w.read(id)).tries[1]?.code).toBe("log.undecodable_event");
});

test("an outcome that is noted once more is told once: its message has the id that it had", async () => {
  await using w = await world(() => failed(200));
  for (let times = 0; times < 3; times++) {
    await w.accept("exe_1");
    await w.time.advance(10_000);
  }
  expect([w.sentAt.length, w.index.open.size, w.index.due.size]).toEqual([1, 0, 0]);
});

test("what was sent is written down once the log takes it again, however long that is, and not sent again meanwhile", async () => {
  await using w = await world(() => failed(200));
  const { append } = w.log;
  let isAway = false;
  Object.assign(w.log, {
    append: async (...args: Parameters<typeof append>) => {
      const [event] = args[1].streams?.[0]?.events ?? [];
      if (isAway && event?.type === "webhook.delivered")
        throw new ViableError("log.unavailable", "away", { retryable: true });
      return await append(...args);
    },
  });
  isAway = true;
  const id = await w.accept("exe_1");
  await w.time.advance(hourMs);
  expect([(await w.read(id)).status, w.sentAt.length]).toEqual(["pending", 1]);
  isAway = false;
  await w.time.advance(2_000);
  expect([(await w.read(id)).status, w.sentAt.length]).toEqual(["delivered", 1]);
});

test("what was heard of a message is not believed where the log says otherwise (W2)", async () => {
  await using w = await world(() => failed(500));
  const id = await w.accept("exe_1");
  const { nextAt } = await w.read(id);
  w.index.due.set(id, { tenant: "default", host: "receiver.example", nextAt: 0 });
  // Wakes it.
  await w.accept("exe_2");
  await w.time.advance(3_000);
  expect(nextAt).toBeGreaterThan(w.time.now());
  expect(w.sentAt).toHaveLength(2);
});

test("while nothing waits, no timer is set", async () => {
  await using w = await world(() => failed(200));
  const before = w.time.pending;
  await w.accept("exe_1");
  await w.time.advance(10_000);
  expect(w.sentAt).toHaveLength(1);
  expect(w.time.pending).toBeLessThanOrEqual(before);
});
