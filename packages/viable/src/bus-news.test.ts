// W3: word of what was written goes by the bus while that is connected, by the database where it is not, and never by both.
import type { Bus, MemoryHub } from "@viable/bus";
import { createMemoryBus, createMemoryHub } from "@viable/bus";
import type { Context, JsonObject, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { News, Store, Word } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { expect, test } from "vitest";
import { createBusNews } from "./bus-news.ts";

/** What the database has for it: counted. */
function ofDatabase() {
  const told = { announced: 0, stopped: 0 };
  const news: News = {
    listen: () => {},
    announce: () => void told.announced++,
    apartMs: 10,
    stop: async () => void told.stopped++,
  };
  return { told, news };
}

interface BusEnd {
  readonly bus: Bus;
  readonly ctx: Context;
  readonly news: News;
  heard: number;
}

async function startProcess(
  time: SimulatedTime,
  hub: MemoryHub,
  store: ReturnType<typeof createMemoryStore>,
  seed: number,
) {
  const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
  const ctx = rootContext(runtime);
  const bus = createMemoryBus(runtime, { hub });
  const database = ofDatabase();
  const news = createBusNews(runtime, bus, () => database.news);
  const log = createLog(store, runtime, { news });
  await log.start(ctx);
  await bus.start(ctx);
  const heard: string[] = [];
  log.subscribe(ctx, { name: "ears", after: "0", handle: ({ stream }) => void heard.push(stream) });
  const append = (stream: string) =>
    log.append(ctx, { streams: [{ stream, expected: 0, events: [{ type: "t", data: {} }] }] });
  return { bus, log, ctx, heard, append, told: database.told, open: () => news.open(ctx, log) };
}

test("what one process writes the other hears of by the bus, without its next look; and by the database once that is gone", async () => {
  const time = simulateTime();
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const [one, two] = [await startProcess(time, hub, store, 1), await startProcess(time, hub, store, 2)];
  const fromMs = time.now();
  await one.append("a");
  await time.settle();
  expect(two.heard).toEqual(["a"]);
  expect(time.now()).toBe(fromMs);
  expect([one.told.announced, two.told.announced]).toEqual([0, 0]);
  await one.bus.stop(one.ctx);
  await time.advance(10);
  await one.append("b");
  await time.settle();
  expect(one.told.announced).toBe(1);
  // Nobody told it: it looks within a second.
  expect(two.heard).toEqual(["a"]);
  await time.advance(1_000);
  expect(two.heard).toEqual(["a", "b"]);
  await one.log.stop(one.ctx);
  expect(one.told.stopped).toBe(1);
  await two.log.stop(two.ctx);
});

test("another's word is not lost among one's own that come right after it", async () => {
  const time = simulateTime();
  const hub = createMemoryHub();
  const [one, two] = [1, 2].map((seed) => {
    const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
    const bus = createMemoryBus(runtime, { hub });
    return { bus, ctx: rootContext(runtime), news: createBusNews(runtime, bus, () => undefined), heard: 0 };
  }) as unknown as [BusEnd, BusEnd];
  for (const each of [one, two]) {
    await each.bus.start(each.ctx);
    each.news.listen(() => void each.heard++);
  }
  const word: Word = { events: "many", records: false };
  two.news.announce(word);
  for (let told = 0; told < 10; told++) one.news.announce(word);
  await time.settle();
  expect(one.heard).toBe(1);
  expect(two.heard).toBeGreaterThan(0);
  for (const { bus, ctx } of [one, two]) await bus.stop(ctx);
});

test("one's own word wakes nobody here", async () => {
  const time = simulateTime();
  const memory = createMemoryStore();
  let reads = 0;
  const readAll: typeof memory.readAll = (...query) => {
    reads += 1;
    return memory.readAll(...query);
  };
  const store = { ...memory, exclusive: false, readAll };
  const one = await startProcess(time, createMemoryHub(), store, 1);
  await time.settle();
  const before = reads;
  await one.append("a");
  await time.settle();
  expect(one.heard).toEqual(["a"]);
  expect(reads).toBe(before);
  await one.log.stop(one.ctx);
});

test("by the bus a word is told at once after one that carried its events, and later after one that others had to read for; by the database as far apart as it asks", async () => {
  const time = simulateTime();
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const [one, two] = [await startProcess(time, hub, store, 1), await startProcess(time, hub, store, 2)];
  // What stands before the first one nobody knows.
  await one.append("a");
  await time.advance(1);
  for (const stream of ["b", "c"]) {
    await one.append(stream);
    await time.settle();
    expect(two.heard).toContain(stream);
  }
  // More than a word carries.
  const burst = Array.from({ length: 300 }, (_, nr) => `burst-${nr}`);
  await Promise.all(burst.map(one.append));
  await one.append("l");
  await time.settle();
  await time.advance(4);
  expect(two.heard).not.toContain("l");
  await time.advance(8);
  expect(two.heard).toEqual(["a", "b", "c", ...burst, "l"]);
  await one.bus.stop(one.ctx);
  await time.advance(10);
  for (const stream of ["d", "e"]) {
    await one.append(stream);
    await time.settle();
  }
  expect(one.told.announced).toBe(1);
  await time.advance(9);
  expect(one.told.announced).toBe(1);
  await time.advance(1);
  expect(one.told.announced).toBe(2);
  await one.log.stop(one.ctx);
  await two.log.stop(two.ctx);
  await two.bus.stop(two.ctx);
});

/** A store that counts how often its events are read on from where somebody stands. */
function countReads(): Store & { reads: number } {
  const memory = createMemoryStore();
  const store = {
    ...memory,
    exclusive: false,
    reads: 0,
    readAll: (...query: Parameters<Store["readAll"]>) => {
      store.reads += 1;
      return memory.readAll(...query);
    },
  };
  return store;
}

/** Two processes that have heard of each other's first event, and know what words are signed with. */
async function startPair() {
  const time = simulateTime();
  const store = countReads();
  const hub = createMemoryHub();
  const [one, two] = [await startProcess(time, hub, store, 1), await startProcess(time, hub, store, 2)];
  for (const each of [one, two]) await each.open();
  await one.append("first");
  await time.advance(20);
  expect(two.heard).toEqual(["first"]);
  store.reads = 0;
  const stop = async () => {
    for (const { log, bus, ctx } of [one, two]) {
      await log.stop(ctx);
      await bus.stop(ctx);
    }
  };
  return { time, store, one, two, stop };
}

test("a word of few events carries them: who hears it reads nothing, and sees what stands in the log", async () => {
  const { time, store, one, two, stop } = await startPair();
  const seen: unknown[] = [];
  two.log.subscribe(two.ctx, { name: "eyes", after: "now", handle: (event) => void seen.push(event) });
  for (const [process, stream] of [
    [one, "a"],
    [two, "b"],
    [one, "c"],
  ] as const) {
    await process.append(stream);
    await time.advance(20);
  }
  expect(two.heard).toEqual(["first", "a", "b", "c"]);
  expect(one.heard).toEqual(two.heard);
  expect(store.reads).toBe(0);
  const stored = await two.log.readAll(two.ctx, {});
  expect(seen).toEqual(stored.filter(({ stream }) => stream !== "first"));
  await stop();
});

test("where another has written in between, or more than a word carries, who hears of it looks", async () => {
  const { time, store, one, two, stop } = await startPair();
  // At one moment: neither knows what stands before its own.
  await Promise.all([one.append("a"), two.append("b")]);
  await time.advance(20);
  expect(two.heard.toSorted()).toEqual(["a", "b", "first"]);
  expect(one.heard).toEqual(two.heard);
  expect(store.reads).toBeGreaterThan(0);
  store.reads = 0;
  await Promise.all(Array.from({ length: 300 }, (_, nr) => one.append(`many-${nr}`)));
  await time.advance(20);
  expect(two.heard).toEqual(one.heard);
  expect(two.heard.length).toBe(3 + 300);
  expect(store.reads).toBeGreaterThan(0);
  await stop();
});

test("W4: who may speak on the bus and not write to the log tells of nothing that is not there", async () => {
  const { time, store, one, two, stop } = await startPair();
  const told: JsonObject[] = [];
  one.bus.subscribe("log.written", {}, (_ctx, message) => void told.push(message));
  await two.append("a");
  await time.advance(20);
  const real = told[0] as { events: string; signature: string };
  const [from, , [parts]] = JSON.parse(real.events) as [number, string, [string, ...unknown[]]];
  const id = (parts as unknown as string[])[2];
  const forged = JSON.stringify([from + 1, id, [["forged", 1, ...parts.slice(2)]]]);
  for (const word of [
    { from: "x", records: false, events: forged, signature: real.signature },
    { from: "x", records: false, events: forged },
    { from: "x", records: false, events: 7, signature: "?" },
    { from: "x" },
    // What was said before is nothing new.
    { ...real, from: "x", records: false },
  ])
    one.bus.publish(one.ctx, "log.written", word);
  await time.advance(20);
  expect(two.heard).toEqual(["first", "a"]);
  expect(one.heard).toEqual(["first", "a"]);
  expect(store.reads).toBeGreaterThan(0);
  await stop();
});

test("what the largest events of a word take as a message is sent", async () => {
  const { time, store, one, two, stop } = await startPair();
  // Each character takes seven when it is written as JSON twice.
  const stream = "\u0001".repeat(250);
  const write = { stream, expected: 0, events: [{ type: "t", data: { text: '"'.repeat(15_000) } }] };
  await one.log.append(one.ctx, { streams: [write] });
  await time.advance(20);
  expect(two.heard).toEqual(["first", stream]);
  expect(store.reads).toBe(0);
  await stop();
});

test("where the broker has less room than the bus asks for, a word says that there is something, and no more", async () => {
  const { time, store, one, two, stop } = await startPair();
  const { publish } = one.bus;
  one.bus.publish = (ctx, subject, message) => {
    if (JSON.stringify(message).length > 150) throw new ViableError("bus.invalid_message", "Too long.");
    publish(ctx, subject, message);
  };
  await one.append("a");
  await time.advance(20);
  expect(two.heard).toEqual(["first", "a"]);
  expect(store.reads).toBeGreaterThan(0);
  await stop();
});
