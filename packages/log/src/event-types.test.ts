// Types of events: what is written fits its type, what is read has the shape of today, and what cannot be brought there is never
// passed over in silence.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { createLog } from "./create-log.ts";
import type { EventType } from "./event-type.ts";
import { eventType } from "./event-type.ts";
import type { StoredEvent } from "./events.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { News, Word } from "./news.ts";

const money = z.object({ amount: z.number(), currency: z.string().length(3) });
const paidFirst = eventType("order.paid", z.object({ cents: z.number().int() }));
const paidThen = eventType("order.paid", z.object({ amount: z.number() }), [
  ({ cents }) => ({ amount: (cents as number) / 100 }),
]);
const paidToday = eventType("order.paid", money, [
  ...paidThen.upcasts,
  (data) => {
    if (data.amount === 13) throw new Error("nobody pays that");
    return { ...data, currency: "EUR" };
  },
]);

async function setup() {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = new Map<News, (word?: Word) => void>();
  /** A process of a release that knows these types. What it writes it tells the others, who then need not read it. */
  const release = async (...types: EventType[]) => {
    const news: News = {
      apartMs: 0,
      listen: (onNews) => void hub.set(news, onNews),
      announce(word) {
        for (const [each, onNews] of hub) if (each !== news) onNews(word);
      },
      stop: async () => void hub.delete(news),
    };
    const log = createLog(store, runtime, { types, news });
    await log.start(ctx);
    const pay = (data: Record<string, unknown>) =>
      log.append(ctx, {
        streams: [{ stream: "order:1", expected: "any", events: [{ type: "order.paid", data: data as never }] }],
      });
    return { log, pay };
  };
  return { time, ctx, release };
}

test("what fits no type is refused with the place and the reason, and nothing is written", async () => {
  const { ctx, release } = await setup();
  const { log, pay } = await release(paidToday);
  await expect(pay({ amount: 1, currency: "euro" })).rejects.toMatchObject({
    code: "log.invalid_event",
    details: { path: "order.paid.data.currency" },
  });
  const events = [{ type: "order.payed", data: {} }];
  await expect(log.append(ctx, { streams: [{ stream: "order:1", expected: 0, events }] })).rejects.toMatchObject({
    code: "log.invalid_event",
    details: { path: "type", reason: expect.stringContaining("order.paid") },
  });
  expect(await log.head(ctx)).toBe("0");
});

test("what will be stored is judged: a member that is undefined is left out of it", async () => {
  const { ctx, release } = await setup();
  const failed = eventType("order.paid", z.object({ details: z.record(z.string(), z.json()) }));
  const { log, pay } = await release(failed);
  expect(await pay({ details: { until: undefined, at: 1 } })).toMatchObject({ ok: true });
  expect(await log.readStream(ctx, "order:1")).toMatchObject([{ data: { details: { at: 1 } } }]);
  await expect(pay({ details: undefined })).rejects.toMatchObject({ code: "log.invalid_event" });
});

test("an event of any version is read in the shape of today, and stays as it was written", async () => {
  const { ctx, release } = await setup();
  await (await release(paidFirst)).pay({ cents: 1250 });
  await (await release(paidThen)).pay({ amount: 3 });
  const { log, pay } = await release(paidToday);
  await pay({ amount: 4, currency: "USD" });
  const read = await log.readStream(ctx, "order:1");
  expect(read.map(({ data }) => data)).toEqual([
    { amount: 12.5, currency: "EUR" },
    { amount: 3, currency: "EUR" },
    { amount: 4, currency: "USD" },
  ]);
  expect(read.map(({ metadata }) => metadata.schemaVersion)).toEqual([3, 3, 3]);
  const stored = await log.readAll(ctx, { decoding: "none" });
  expect(stored.map(({ data, metadata }) => [data, metadata.schemaVersion])).toEqual([
    [{ cents: 1250 }, undefined],
    [{ amount: 3 }, 2],
    [{ amount: 4, currency: "USD" }, 3],
  ]);
});

test("an event that cannot be brought there is told of, parks who needs it, and is shown as it is stored", async () => {
  const { ctx, release } = await setup();
  const old = await release(paidThen);
  await old.pay({ amount: 1 });
  await old.pay({ amount: 13 });
  await old.pay({ amount: 2 });
  const { log } = await release(paidToday);
  const undecodable = {
    code: "log.undecodable_event",
    details: { position: "2", reason: "its data could not be made version 3: nobody pays that" },
  };
  await expect(log.readStream(ctx, "order:1")).rejects.toMatchObject(undecodable);
  await expect(log.readAll(ctx)).rejects.toMatchObject(undecodable);
  const from = [{ stream: "order:1", fromVersion: 1 }];
  await expect(log.readStreams(ctx, from)).rejects.toMatchObject(undecodable);
  const shown = await log.readAll(ctx, { decoding: "lenient" });
  expect(await log.readStreams(ctx, from, { decoding: "lenient" })).toEqual([{ events: shown, isEnd: true }]);
  expect(shown.map(({ data, undecodable: reason }) => [data, reason])).toEqual([
    [{ amount: 1, currency: "EUR" }, undefined],
    [{ amount: 13 }, "its data could not be made version 3: nobody pays that"],
    [{ amount: 2, currency: "EUR" }, undefined],
  ]);

  const handled: StoredEvent[] = [];
  const handle = (event: StoredEvent) => {
    handled.push(event);
  };
  const { promise: parked, resolve: onParked } = Promise.withResolvers<unknown>();
  const subscription = log.subscribe(ctx, { name: "totals", after: "0", handle, onParked });
  expect(await parked).toMatchObject(undecodable);
  expect(subscription.position).toBe("1");
  expect(handled.map(({ data }) => data)).toEqual([{ amount: 1, currency: "EUR" }]);
});

test("what a word carries of an earlier release comes in the shape of today, and what it carries of this one as it is", async () => {
  const { time, ctx, release } = await setup();
  const earlier = await release(paidThen);
  const same = await release(paidToday);
  const own = await release(paidToday);
  const seen: unknown[] = [];
  own.log.subscribe(ctx, { name: "orders", after: "now", handle: ({ data }) => void seen.push(data) });
  await same.pay({ amount: 1, currency: "EUR" });
  await time.advance(20);
  await earlier.pay({ amount: 2 });
  await same.pay({ amount: 3, currency: "USD" });
  // Nobody has read for these.
  await time.settle();
  expect(seen).toEqual([
    { amount: 1, currency: "EUR" },
    { amount: 2, currency: "EUR" },
    { amount: 3, currency: "USD" },
  ]);
});

test("a live subscription parks before what a later release writes; one that only shows does not", async () => {
  const { ctx, release } = await setup();
  const { log } = await release(paidFirst);
  const shown: StoredEvent[] = [];
  const parked: unknown[] = [];
  const subscription = log.subscribe(ctx, {
    name: "totals",
    after: "now",
    handle: () => {},
    onParked: (error) => parked.push(error),
  });
  log.subscribe(ctx, { name: "feed", after: "now", decoding: "lenient", handle: (event) => void shown.push(event) });
  await (await release(paidToday)).pay({ amount: 1, currency: "EUR" });
  log.wake();
  await expect.poll(() => subscription.state).toBe("parked");
  expect(parked).toMatchObject([
    {
      code: "log.undecodable_event",
      details: { reason: "it is of version 3, and this release knows versions up to 1" },
    },
  ]);
  expect(shown).toMatchObject([
    { data: { amount: 1, currency: "EUR" }, undecodable: expect.stringContaining("version 3") },
  ]);
});

test("W8: a type that is defined twice is a defect, since two folds would differ", () => {
  const runtime = createRuntime({ clock: simulateTime() });
  expect(() => createLog(createMemoryStore(), runtime, { types: [paidFirst, paidToday] })).toThrow("order.paid");
});
