// A failover to a standby that lacks our last commits: whoever was handed what is lost is told, and what takes the same positions again is
// passed over by nobody.
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import { expect, test } from "vitest";
import { createLog } from "./create-log.ts";
import type { Log } from "./log.ts";
import { maxPageBytes } from "./log-page.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { News, Word } from "./news.ts";
import type { Projection } from "./projection.ts";
import { createProjections } from "./projections.ts";
import type { Store } from "./store.ts";

async function setup() {
  const clock = simulateTime();
  let seed = 0;
  let current = createMemoryStore();
  let beforeRead: (() => Promise<void>) | undefined;
  const readAll: Store["readAll"] = async (...args) => {
    if (args[3].types?.includes("named")) {
      const act = beforeRead;
      beforeRead = undefined;
      await act?.();
    }
    return current.readAll(...args);
  };
  const own: Partial<Store> = { exclusive: false, readAll };
  const store = new Proxy(current, { get: (_, name) => Reflect.get(name in own ? own : current, name) });
  const startProcess = async (over: Store = store, news?: News) => {
    const ctx = rootContext(createRuntime({ clock, random: seededRandom(++seed) }));
    const log = createLog(over, ctx.runtime, news && { news });
    await log.start(ctx);
    return {
      ctx,
      log,
      append: (type: string, ...names: string[]) =>
        log.append(ctx, {
          streams: [{ stream: "s", expected: "any", events: names.map((name) => ({ type, data: { name } })) }],
        }),
      put: (key: string, value: string) => log.append(ctx, { records: [{ key, value, expected: "any" }] }),
    };
  };
  return {
    clock,
    store,
    startProcess,
    /** Answers how to let what was committed by now take the place of all that is. */
    replicate: async () => {
      const standby = createMemoryStore();
      await standby.restore(current.snapshot());
      return () => {
        current = standby;
      };
    },
    /** Does something once, just before a projection reads its events. */
    beforeNextRead: (act: () => Promise<void>) => {
      beforeRead = act;
    },
  };
}

/** What a subscription was handed, and what it was told when it was parked. */
function subscribe({ ctx, log }: { ctx: Parameters<Log["subscribe"]>[0]; log: Log }) {
  const seen: unknown[] = [];
  const parked: unknown[] = [];
  const handle = ({ data }: { data: { name?: unknown } }) => void seen.push(data.name);
  const begin = (after: string) =>
    log.subscribe(ctx, { name: "all", after, handle, onParked: (error, at) => parked.push([error, at]) });
  begin("now");
  return { seen, parked, begin };
}

const wentBackFrom = (position: string) => [
  expect.objectContaining({ code: "log.went_back", details: { seen: position } }),
  position,
];

/** Word between the processes of a test, which may be cut off. */
function createPaths() {
  const listeners = new Map<News, (word?: Word) => void>();
  const paths = { areCut: false, told: [] as Word[] };
  const join = (): News => {
    const news: News = {
      apartMs: 1,
      listen: (onNews) => void listeners.set(news, onNews),
      announce(word) {
        if (paths.areCut) return;
        paths.told.push(word);
        for (const [each, onNews] of listeners) if (each !== news) onNews(word);
      },
      stop: async () => void listeners.delete(news),
    };
    return news;
  };
  return { paths, join };
}

test("a word that goes on from another event than the last seen, at the same position, is not believed but looked after", async () => {
  const { clock, store, startProcess, replicate } = await setup();
  const { paths, join } = createPaths();
  const one = await startProcess(store, join());
  const { seen, parked } = subscribe(one);
  await one.append("t", "a");
  const failOver = await replicate();
  await one.append("t", "b", "c");
  failOver();
  const other = await startProcess(store, join());
  await clock.advance(20);
  paths.areCut = true;
  await other.append("t", "d", "e");
  await clock.advance(20);
  paths.areCut = false;
  await other.append("t", "f");
  await clock.advance(20);
  expect(paths.told.at(-1)?.events).toMatchObject({ from: 4, events: [{ stream: "s", version: 4 }] });
  expect([seen, parked]).toEqual([["a", "b", "c"], [wentBackFrom("3")]]);
});

test("a log that has become shorter parks who was handed what is lost, at the next poll; begun again it gets what comes", async () => {
  const { clock, startProcess, replicate } = await setup();
  const [one, other] = [await startProcess(), await startProcess()];
  const { seen, parked, begin } = subscribe(one);
  await one.append("t", "a");
  const failOver = await replicate();
  await one.append("t", "b", "c");
  failOver();
  await clock.advance(1_000);
  expect([seen, parked]).toEqual([["a", "b", "c"], [wentBackFrom("3")]]);
  begin("1");
  await other.append("t", "d");
  await clock.advance(1_000);
  await one.append("t", "e");
  await clock.settle();
  expect(seen.slice(3)).toEqual(["d", "e"]);
  expect(parked).toHaveLength(1);
  expect(one.log.stats().unreadEvents).toBe(0);
});

test("other events in the place of those that are lost are noticed, however many they are", async () => {
  for (const names of [["d"], ["d", "e"], ["d", "e", "f"]]) {
    const { clock, startProcess, replicate } = await setup();
    const [one, other] = [await startProcess(), await startProcess()];
    const { parked } = subscribe(one);
    await one.append("t", "a");
    const failOver = await replicate();
    await one.append("t", "b", "c");
    failOver();
    await other.append("t", ...names);
    await clock.advance(1_000);
    expect(parked).toEqual([wentBackFrom("3")]);
  }
});

test("it is noticed too where it happens between two readings, the last event that was seen being as large as a page", async () => {
  const { clock, startProcess, replicate, store } = await setup();
  let betweenReadings: (() => Promise<void>) | undefined;
  const readAll: Store["readAll"] = async (...args) => {
    const page = await store.readAll(...args);
    const act = page.events.length === 1 && !page.isEnd ? betweenReadings : undefined;
    if (act !== undefined) betweenReadings = undefined;
    await act?.();
    return page;
  };
  const over = new Proxy(store, { get: (target, name) => (name === "readAll" ? readAll : Reflect.get(target, name)) });
  const [one, other] = [await startProcess(over), await startProcess()];
  const { seen, parked } = subscribe(one);
  const failOver = await replicate();
  const large = "é".repeat(maxPageBytes / 2);
  await one.append("t", large);
  await other.append("t", "b");
  betweenReadings = async () => {
    failOver();
    await other.append("t", "c", "d");
  };
  await clock.advance(1_000);
  expect(parked).toEqual([wentBackFrom("1")]);
  expect(seen.map((name) => name === large)).toEqual([true]);
});

test("an own append that is given a position again tells it at once", async () => {
  const { clock, startProcess, replicate } = await setup();
  const one = await startProcess();
  const { seen, parked } = subscribe(one);
  await one.append("t", "a");
  const failOver = await replicate();
  await one.append("t", "b", "c");
  failOver();
  await one.append("t", "d");
  await clock.settle();
  expect([seen, parked]).toEqual([["a", "b", "c"], [wentBackFrom("3")]]);
});

test("a subscription that is parked while its handler is at work is told once", async () => {
  const { clock, startProcess, replicate } = await setup();
  const one = await startProcess();
  const parked: unknown[] = [];
  const { promise: held, reject: fail } = Promise.withResolvers<void>();
  const failOver = await replicate();
  one.log.subscribe(one.ctx, {
    name: "slow",
    after: "now",
    handle: () => held,
    onParked: (error) => parked.push(error),
  });
  await one.append("t", "a");
  failOver();
  await clock.advance(1_000);
  fail(new Error("too late"));
  await clock.settle();
  expect(parked).toMatchObject([{ code: "log.went_back" }]);
});

test.each(["by a poll", "by an own change"])("watchers are shown once more what there is: noticed %s", async (how) => {
  const { clock, startProcess, replicate } = await setup();
  const one = await startProcess();
  const seen: string[] = [];
  await one.log.watchRecords(one.ctx, "k/", ({ key, value }) => seen.push(`${key}=${value}`));
  await one.put("k/1", "old");
  const failOver = await replicate();
  await one.put("k/1", "lost");
  await one.put("else", "x");
  failOver();
  if (how === "by a poll") await clock.advance(1_000);
  else await one.put("k/2", "own");
  await clock.settle();
  expect(seen.slice(0, 3)).toEqual(["k/1=old", "k/1=lost", "k/1=old"]);
  await one.put("k/1", "new");
  await clock.advance(1_000);
  expect(seen.at(-1)).toBe("k/1=new");
  expect(seen.includes("k/2=own")).toBe(how === "by an own change");
});

/** Keeps the names that it was told of. */
const names = (log: Log): Projection => ({
  name: "names",
  version: 1,
  filter: { types: ["named"] },
  async project(events, target, ctx) {
    const kept = ((await log.getRecord(ctx, target.key("acme", "names")))?.value ?? []) as string[];
    const value = [...kept, ...events.map(({ data }) => String(data.name))];
    return { records: [{ key: target.key("acme", "names"), value, expected: "any" }] };
  },
});

test.each(["eventual", "immediate"] as const)(
  "a projection that had passed the positions that are lost does the events that take them: %s",
  async (consistency) => {
    for (const written of [0, 6_000]) {
      const { clock, startProcess, replicate } = await setup();
      const [one, other] = [await startProcess(), await startProcess()];
      const immediate = (): Projection => ({
        ...names(one.log),
        consistency,
        project: (events, { key }) => ({
          records: events.map(({ position, data }) => ({
            key: key("acme", position),
            value: data.name ?? null,
            expected: 0,
          })),
        }),
      });
      const projections = createProjections(one.log, [consistency === "eventual" ? names(one.log) : immediate()]);
      await projections.start(one.ctx);
      await one.append("named", "a");
      await clock.advance(6_000);
      const failOver = await replicate();
      // Nothing of it concerns the projection, which passes it, and may write that down.
      await one.append("else", "b", "c", "d");
      await clock.advance(4_000 + written);
      failOver();
      await other.append("named", "e", "f", "g");
      await other.append("named", "h");
      await clock.advance(15_000);
      const kept = await one.log.listRecords(one.ctx, "projected/names/");
      expect(kept.records.flatMap(({ value }) => value)).toEqual(["a", "e", "f", "g", "h"]);
      expect(await projections.status(one.ctx)).toMatchObject([
        { position: await one.log.head(one.ctx), lagEvents: 0 },
      ]);
      await projections.stop(one.ctx);
    }
  },
);

test("a projection that reads before anybody has noticed passes over nothing", async () => {
  const { clock, startProcess, replicate, beforeNextRead } = await setup();
  const [one, other] = [await startProcess(), await startProcess()];
  const projections = createProjections(one.log, [names(one.log)]);
  await projections.start(one.ctx);
  await one.append("named", "a");
  await clock.advance(6_000);
  const failOver = await replicate();
  await one.append("else", "b", "c", "d");
  await clock.advance(4_000);
  beforeNextRead(async () => {
    failOver();
    await other.append("named", "e", "f", "g", "h");
  });
  await clock.advance(15_000);
  expect(await one.log.getRecord(one.ctx, "projected/names/1/acme/names")).toMatchObject({
    value: ["a", "e", "f", "g", "h"],
  });
  await projections.stop(one.ctx);
});

test("a generation that was begun in what is lost is begun again", async () => {
  const { clock, startProcess, replicate } = await setup();
  const one = await startProcess();
  const projections = createProjections(one.log, [names(one.log)]);
  await projections.start(one.ctx);
  await one.append("named", "a");
  await clock.advance(2_000);
  const failOver = await replicate();
  expect(await projections.rebuild(one.ctx, "names")).toBe(2);
  await clock.advance(2_000);
  expect(projections.target("names")?.generation).toBe(2);
  failOver();
  await clock.advance(15_000);
  expect(projections.target("names")?.generation).toBe(1);
  expect((await projections.status(one.ctx)).map(({ generation }) => generation)).toEqual([1]);
  await one.append("named", "b");
  expect(await projections.rebuild(one.ctx, "names")).toBe(2);
  await clock.advance(2_000);
  expect(await one.log.getRecord(one.ctx, "projected/names/2/acme/names")).toMatchObject({ value: ["a", "b"] });
  await projections.stop(one.ctx);
});
