// W3: word of what was written goes by the bus while that is connected, by the database where it is not, and never by both.
import type { Bus, MemoryHub } from "@viable/bus";
import { createMemoryBus, createMemoryHub } from "@viable/bus";
import type { Context, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { News } from "@viable/log";
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
  const log = createLog(store, runtime, { news: createBusNews(runtime, bus, () => database.news) });
  await log.start(ctx);
  await bus.start(ctx);
  const heard: string[] = [];
  log.subscribe(ctx, { name: "ears", after: "0", handle: ({ stream }) => void heard.push(stream) });
  const append = (stream: string) =>
    log.append(ctx, { streams: [{ stream, expected: 0, events: [{ type: "t", data: {} }] }] });
  return { bus, log, ctx, heard, append, told: database.told };
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
  }) as [BusEnd, BusEnd];
  for (const each of [one, two]) {
    await each.bus.start(each.ctx);
    each.news.listen(() => void each.heard++);
  }
  two.news.announce();
  for (let word = 0; word < 10; word++) one.news.announce();
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

test("by the bus a word of one event is told a millisecond after the last, since a command waits for three of them, and one of many later; by the database as far apart as it asks", async () => {
  const time = simulateTime();
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const [one, two] = [await startProcess(time, hub, store, 1), await startProcess(time, hub, store, 2)];
  for (const stream of ["a", "b", "c"]) {
    await one.append(stream);
    await time.settle();
  }
  await time.advance(1);
  expect(two.heard).toEqual(["a", "b", "c"]);
  await time.advance(2);
  const burst = ["f", "g", "h", "i", "j", "k"];
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
