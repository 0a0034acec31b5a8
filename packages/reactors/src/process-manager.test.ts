// Proves that events of the log drive runs that are correlated by a key: orders that go on beside each other, events that come before
// anybody waits, tenants apart, and each event counted once though a process is killed before and after every write it makes. On the
// memory store, under simulated time; a process can be cut off from the database at any write.
import { joinCluster } from "@viable/cluster";
import type { Context, JsonObject, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Log, Projections, Store, StoredEvent } from "@viable/log";
import {
  createLog,
  createMemoryStore,
  createProjections,
  eventType,
  logEventTypes,
  storeUnavailable,
} from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { reactorEventTypes } from "./event-types.ts";
import type { ProcessManager, ProcessManagerSettings } from "./process-manager.ts";
import { processManager } from "./process-manager.ts";
import { reactionOf } from "./reaction-of.ts";
import { reactor } from "./reactor.ts";
import type { Reactors } from "./reactors.ts";
import { createReactors } from "./reactors.ts";

const order = z.strictObject({ order: z.string(), item: z.string() });
const fulfilment = reactor("fulfilment", { input: order }, (steps) =>
  steps
    .waitFor("paid", {
      event: "order.paid",
      args: ({ input }) => ({ key: input.order }),
      payload: z.object({ amount: z.number() }),
    })
    .step("pack", {
      args: ({ input, results }) => ({ item: input.item, amount: results.paid.amount }),
      run: (_ctx, { item, amount }) => `${item} for ${amount}`,
    })
    .waitFor("shipped", {
      event: "order.shipped",
      args: ({ input }) => ({ key: input.order }),
      after: ["pack"],
      payload: z.object({ by: z.string() }),
    })
    .returns(({ input, results }) => ({ order: input.order, packed: results.pack, by: results.shipped.by })),
);
/** Takes two payments, and then there is a third. */
const instalments = reactor("instalments", { input: order }, (steps) =>
  steps
    .waitFor("first", { event: "order.paid", args: ({ input }) => ({ key: input.order }) })
    .waitFor("second", { event: "order.paid", args: ({ input }) => ({ key: input.order }), after: ["first"] })
    .returns(({ results }) => ({ first: results.first, second: results.second })),
);

/** Does nothing, and has no tasks. */
const counts = reactor("counts", { input: z.strictObject({ nr: z.number() }) }, (steps) =>
  steps.returns(({ input }) => ({ nr: input.nr })),
);

const orderOf = ({ data }: StoredEvent) => data.order as string;
const orders = (settings: Partial<ProcessManagerSettings<z.infer<typeof order>>> = {}): ProcessManager =>
  processManager({
    name: "orders",
    reactor: fulfilment,
    on: [
      {
        type: "shop.order_placed",
        key: orderOf,
        starts: ({ data }) => ({ order: data.order as string, item: data.item as string }),
      },
      { type: "shop.order_paid", key: orderOf, sends: "order.paid" },
      { type: "parcels.*", key: ({ data }) => (data.order as string | undefined) ?? undefined, sends: "order.shipped" },
    ],
    ...settings,
  });

const shopTypes = [
  "shop.order_placed",
  "shop.order_paid",
  "parcels.handed_over",
  "parcels.lost",
  "execution.accepted",
].map((type) => eventType(type, z.record(z.string(), z.json())));

interface Process {
  readonly ctx: Context;
  readonly log: Log;
  readonly reactors: Reactors;
  readonly projections: Projections;
  kill(): void;
}

class World {
  readonly time: SimulatedTime = simulateTime();
  readonly store: Store = { ...createMemoryStore(), exclusive: false };
  #processes = 0;

  /** `commit` comes between each write and the store. */
  async start(
    managers: readonly ProcessManager[],
    commit: (write: () => Promise<void>, what: string) => Promise<void> = (write) => write(),
  ): Promise<Process> {
    let isKilled = false;
    const mayPass = () => {
      if (isKilled) throw new ViableError(storeUnavailable, "Killed.", { retryable: true });
    };
    const store: Store = {
      ...this.store,
      commit: async (...batch) => {
        mayPass();
        let result: Awaited<ReturnType<Store["commit"]>> | undefined;
        await commit(async () => {
          result = await this.store.commit(...batch);
        }, JSON.stringify(batch[0]));
        mayPass();
        return result as Awaited<ReturnType<Store["commit"]>>;
      },
      readAll: async (...query) => {
        mayPass();
        return await this.store.readAll(...query);
      },
    };
    const runtime = createRuntime({ clock: this.time, random: seededRandom(++this.#processes) });
    const ctx = rootContext(runtime);
    const log = createLog(store, runtime, { types: [...reactorEventTypes, ...logEventTypes, ...shopTypes] });
    const membership = joinCluster({ log, runtime, hosts: ["shop"] });
    const reactors = createReactors({ log, runtime, membership, definitions: [fulfilment, instalments, counts] });
    const projections = createProjections(
      log,
      managers.map((manager) => reactionOf(manager, reactors)),
    );
    for (const part of [log, membership, reactors, projections]) await part.start(ctx);
    await this.time.advance(100);
    return {
      ctx,
      log,
      reactors,
      projections,
      kill: () => {
        isKilled = true;
      },
    };
  }

  async tell({ ctx, log }: Process, type: string, data: JsonObject, tenant = "default"): Promise<void> {
    const shop = { ...ctx, tenant };
    await log.append(shop, { streams: [{ stream: `${tenant}:shop`, expected: "any", events: [{ type, data }] }] });
  }

  events(type: string): Promise<StoredEvent[]> {
    return everyEvent(this.store, { types: [type] });
  }

  async results(tenant?: string): Promise<unknown[]> {
    const completed = await this.events("run.completed");
    return completed
      .filter(({ metadata }) => (tenant ?? metadata.tenant) === metadata.tenant)
      .map(({ data }) => data.result);
  }

  async parked({ projections, ctx }: Process) {
    return (await projections.status(ctx)).map(({ parked }) => parked?.message);
  }
}

const placed = (nr: number) => ["shop.order_placed", { order: `o-${nr}`, item: `book ${nr}` }] as const;
const paid = (nr: number) => ["shop.order_paid", { order: `o-${nr}`, amount: nr }] as const;
const shipped = (nr: number) => ["parcels.handed_over", { order: `o-${nr}`, by: `van ${nr}` }] as const;
const result = (nr: number) => ({ order: `o-${nr}`, packed: `book ${nr} for ${nr}`, by: `van ${nr}` });

describe("events drive runs", () => {
  test("several orders beside each other, each by its own events, over two processes", async () => {
    const world = new World();
    const one = await world.start([orders()]);
    await world.start([orders()]);
    const told = [placed(1), placed(2), paid(2), placed(3), shipped(2), paid(1), paid(3), shipped(3), shipped(1)];
    for (const [type, data] of told) {
      await world.tell(one, type, data);
      await world.time.advance(1_000);
    }
    expect(await world.results()).toEqual([result(2), result(3), result(1)]);
    const [started] = await world.events("run.started");
    expect(started).toMatchObject({ data: { key: "process:orders:o-1" }, metadata: { actor: "projection:orders" } });
  });

  test("all at once, in any order: what comes before the run waits, or before the run at all, counts", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World();
      const one = await world.start([orders()]);
      const random = seededRandom(seed);
      const told = [1, 2, 3, 4, 5].flatMap((nr) => [placed(nr), paid(nr), shipped(nr)]);
      while (told.length > 0) {
        const [[type, data]] = told.splice(Math.floor(random.next() * told.length), 1) as [(typeof told)[number]];
        await world.tell(one, type, data);
        if (random.next() < 0.3) await world.time.advance(500);
      }
      await world.time.advance(5_000);
      const results = (await world.results()) as { order: string }[];
      expect([seed, results.toSorted((a, b) => a.order.localeCompare(b.order))]).toEqual([
        seed,
        [1, 2, 3, 4, 5].map(result),
      ]);
    }
  });

  test("an event is handed over as it is, with where it came from; one that concerns nobody is not", async () => {
    const world = new World();
    const one = await world.start([orders()]);
    await world.tell(one, "parcels.lost", { parcel: "p-9" });
    await world.tell(one, ...paid(1));
    await world.time.advance(1_000);
    const [source] = await world.events("shop.order_paid");
    expect((await world.events("event.received")).map(({ data }) => data)).toEqual([
      { event: "order.paid", key: "o-1", payload: { order: "o-1", amount: 1 }, source: source?.id },
    ]);
    expect(await world.parked(one)).toEqual([undefined]);
  });

  test("it begins with what comes, or with all there is where it is told to", async () => {
    const world = new World();
    const one = await world.start([]);
    await world.tell(one, ...placed(1));
    await world.start([orders(), orders({ name: "all_orders", begins: "start" })]);
    await world.tell(one, ...placed(2));
    await world.time.advance(5_000);
    const keys = (await world.events("run.started")).map(({ data }) => data.key);
    expect(keys.toSorted()).toEqual(["process:all_orders:o-1", "process:all_orders:o-2", "process:orders:o-2"]);
  });
});

describe("each event counts once", () => {
  test.each([
    ["one after the other, each of them is two writes", 1_500, 14],
    ["at once, how far it has come is written once", 0, 10],
  ])(
    "also where the process is killed before or after any write, and another goes on: %s",
    async (_what, gapMs, all) => {
      let kills = 0;
      for (const moment of ["before", "after"] as const) {
        for (let nth = 1; ; nth++) {
          const world = new World();
          let writes = 0;
          let killed = false;
          let isTold = false;
          const first: Process = await world.start([orders()], async (write, what) => {
            // What the manager writes: runs it begins, what it hands over, and how far it has come.
            const counts = isTold && /run\.started|event\.received|projections\/orders\/1\/at/.test(what);
            if (counts) writes += 1;
            const dies = counts && writes === nth;
            if (!dies || moment === "after") await write();
            if (!dies) return;
            killed = true;
            first.kill();
            throw new ViableError(storeUnavailable, "Killed.", { retryable: true });
          });
          const second = await world.start([orders({ begins: "start" })]);
          isTold = true;
          for (const [type, data] of [placed(1), paid(1), shipped(1)]) {
            await world.tell(second, type, data);
            await world.time.advance(gapMs);
          }
          await world.time.advance(60_000);
          if (killed) kills += 1;
          const received = (await world.events("event.received")).map(({ data }) => data.event);
          expect([moment, nth, await world.results()]).toEqual([moment, nth, [result(1)]]);
          expect([moment, nth, ...received.toSorted()]).toEqual([moment, nth, "order.paid", "order.shipped"]);
          expect(await world.events("run.started")).toHaveLength(1);
          if (!killed) break;
        }
      }
      // Before and after; the last write is that nothing more has come.
      expect(kills).toBe(all);
    },
    60_000,
  );

  test("two payments are two, one payment done twice is one, and two managers hand it over once", async () => {
    const world = new World();
    const on = orders().on as ProcessManagerSettings<z.infer<typeof order>>["on"];
    const paying = orders({ name: "instalments", reactor: instalments, on });
    const one = await world.start([orders(), paying]);
    await world.tell(one, ...placed(1));
    await world.tell(one, ...paid(1));
    const react = reactionOf(paying, one.reactors);
    const again = await world.events("shop.order_paid");
    await react.project(again, {} as never, one.ctx);
    await world.time.advance(5_000);
    expect(await world.events("event.received")).toHaveLength(1);
    expect(await world.results()).toEqual([]);
    await world.tell(one, "shop.order_paid", { order: "o-1", amount: 2 });
    await world.time.advance(5_000);
    expect(await world.results()).toEqual([
      { first: { order: "o-1", amount: 1 }, second: { order: "o-1", amount: 2 } },
    ]);
  });

  test("a key whose run has ended begins no other, with the same input or a different one", async () => {
    const world = new World();
    const one = await world.start([orders()]);
    for (const [type, data] of [placed(1), paid(1), shipped(1)]) await world.tell(one, type, data);
    await world.time.advance(5_000);
    expect(await world.results()).toEqual([result(1)]);
    await world.tell(one, ...placed(1));
    await world.tell(one, "shop.order_placed", { order: "o-1", item: "another" });
    await world.tell(one, ...placed(2));
    await world.time.advance(5_000);
    expect((await world.events("run.started")).map(({ data }) => data.key)).toEqual([
      "process:orders:o-1",
      "process:orders:o-2",
    ]);
    expect(await world.parked(one)).toEqual([undefined]);
  });
});

test("a run follows from the event that it was begun by", async () => {
  const world = new World();
  const one = await world.start([orders()]);
  await world.tell(one, ...placed(1));
  await world.time.advance(1_000);
  const [[event], [started]] = await Promise.all([world.events("shop.order_placed"), world.events("run.started")]);
  expect(started?.metadata.causation).toBe(event?.id);
});

describe("a run that follows from a run", () => {
  /** Begins the next after each that has completed, up to a last one. */
  const next = (last: number) =>
    processManager({
      name: "next",
      reactor: counts,
      on: [
        {
          type: "run.completed",
          key: ({ data, stream }) => ((data.result as { nr: number }).nr < last ? stream : undefined),
          starts: ({ data }) => ({ nr: (data.result as { nr: number }).nr + 1 }),
        },
      ],
    });

  test("begins over sixteen hops, and no further: a circle parks its manager before the event, and is told of once", async () => {
    const world = new World();
    const one = await world.start([next(1_000)]);
    await one.reactors.begin(one.ctx, "counts", { nr: 0 });
    await world.time.advance(60_000);
    const numbers = async () => (await world.results()).map((result) => (result as { nr: number }).nr);
    expect(await numbers()).toEqual(Array.from({ length: 17 }, (_, nr) => nr));
    const [status] = await one.projections.status(one.ctx);
    const last = (await world.events("run.completed")).at(-1);
    expect(status?.parked).toMatchObject({ code: "reactor.too_deep", position: last?.position });
    expect(status?.parked?.message).toMatch(/"counts" .* more than 16 hops/);
    expect(await world.events("projection.parked")).toHaveLength(1);

    // Where a person has it go on without that event, it does what else there is.
    await one.projections.skip(one.ctx, "next", last?.position as string, "known");
    await one.reactors.begin(one.ctx, "counts", { nr: 999 });
    await world.time.advance(5_000);
    expect((await numbers()).slice(17)).toEqual([999, 1_000]);
    expect(await world.events("projection.parked")).toHaveLength(1);
  });

  test("begins where the chain comes to its end, however often it begins anew", async () => {
    const world = new World();
    const one = await world.start([next(16)]);
    for (let nr = 0; nr < 3; nr++) await one.reactors.begin(one.ctx, "counts", { nr: 0 });
    await world.time.advance(60_000);
    expect(await world.results()).toHaveLength(3 * 17);
    expect(await world.parked(one)).toEqual([undefined]);
  });

  test("is counted also where the events between them stand elsewhere and say what they follow from", async () => {
    const world = new World();
    const places = processManager({
      name: "places",
      reactor: counts,
      on: [{ type: "shop.order_placed", key: ({ id }) => id, starts: () => ({ nr: 0 }) }],
    });
    const one = await world.start([places]);
    await world.tell(one, ...placed(1));
    for (let nr = 1; nr <= 20; nr++) {
      await world.time.advance(1_000);
      const causation = (await world.events("run.completed")).at(-1)?.metadata.correlation;
      const [type, data] = placed(nr);
      await one.log.append(one.ctx, {
        streams: [{ stream: "shop", expected: "any", events: [{ type, data }], causation }],
      });
    }
    expect(await world.results()).toHaveLength(17);
    expect(await world.parked(one)).toEqual([expect.stringMatching(/more than 16 hops/)]);
  });

  test("begins over fewer where what its chain follows from came over some itself", async () => {
    const world = new World();
    const one = await world.start([next(1_000)]);
    const executionId = one.ctx.runtime.ids.next("exe");
    const accepted = { type: "execution.accepted", data: { depth: 9 } };
    const streams = [{ stream: `execution:${executionId}`, expected: 0, events: [accepted] }];
    expect(await one.log.append(one.ctx, { streams })).toMatchObject({ ok: true });
    await one.reactors.begin(one.ctx, "counts", { nr: 0 }, { causation: executionId });
    await world.time.advance(60_000);
    // The first comes over ten hops.
    expect(await world.results()).toHaveLength(7);
  });
});

test("a key under which somebody else has begun a run parks it before the event, and says by whom it was taken", async () => {
  const world = new World();
  const one = await world.start([orders()]);
  const eve = { ...one.ctx, principal: "eve" };
  await one.reactors.begin(eve, "fulfilment", { order: "o-1", item: "nothing" }, { key: "process:orders:o-1" });
  await world.tell(one, ...placed(1));
  await world.time.advance(20_000);
  expect(await world.parked(one)).toEqual([expect.stringMatching(/process:orders:o-1 stands for .* which eve began/)]);
});

test("W11: the same key in two tenants is two runs, each driven by its own tenant's events", async () => {
  const world = new World();
  const one = await world.start([orders()]);
  for (const tenant of ["acme", "globex"]) await world.tell(one, ...placed(1), tenant);
  await world.tell(one, ...paid(1), "acme");
  await world.tell(one, ...shipped(1), "acme");
  await world.tell(one, ...shipped(1), "globex");
  await world.time.advance(5_000);
  expect([await world.results("acme"), await world.results("globex")]).toEqual([[result(1)], []]);
  await world.tell(one, ...paid(1), "globex");
  await world.time.advance(5_000);
  expect(await world.results("globex")).toEqual([result(1)]);
  for (const type of ["run.started", "event.received", "run.completed"]) {
    const tenants = new Set((await world.events(type)).map(({ metadata }) => metadata.tenant));
    expect([type, [...tenants].toSorted()]).toEqual([type, ["acme", "globex"]]);
  }
});

describe("what it cannot do", () => {
  test.each([
    [
      "a key that throws",
      {
        key: () => {
          throw new Error("no such member");
        },
        sends: "order.paid",
      },
      "no such member",
    ],
    [
      "a key that is no text",
      { key: () => 7 as never, sends: "order.paid" },
      /"orders", on\.0\.key: it is no text of 1 to 150/,
    ],
    ["a key that is too long", { key: () => "k".repeat(151), sends: "order.paid" }, /it is no text of 1 to 150/],
    [
      "an input that throws",
      {
        key: orderOf,
        starts: () => {
          throw new Error("no item");
        },
      },
      "no item",
    ],
    [
      "an input that does not fit",
      { key: orderOf, starts: () => ({ order: 7 }) as never },
      /reactor "fulfilment", input\.order/,
    ],
  ])(
    "%s parks it before the event with the reason, and it goes on where it is told to",
    async (_what, doing, reason) => {
      const world = new World();
      const broken = { ...doing, type: "shop.order_paid" };
      const one = await world.start([orders({ on: [broken, ...orders().on.slice(0, 1)] as never })]);
      await world.tell(one, ...paid(1));
      await world.tell(one, ...placed(2));
      await world.time.advance(20_000);
      const [status] = await one.projections.status(one.ctx);
      expect(status?.parked).toMatchObject({ type: "shop.order_paid", message: expect.stringMatching(reason) });
      expect(await world.events("run.started")).toEqual([]);
      await one.projections.skip(one.ctx, "orders", status?.parked?.position as string, "known");
      await world.time.advance(5_000);
      expect(await world.events("run.started")).toHaveLength(1);
    },
  );

  test("an overloaded log or too many runs cost time, and park nothing", async () => {
    const world = new World();
    const one = await world.start([]);
    let overloaded = 2;
    const busy: Pick<Reactors, "begin" | "send" | "definitions"> = {
      definitions: one.reactors.definitions,
      send: (...args) => one.reactors.send(...args),
      begin: async (...args) =>
        overloaded-- > 0
          ? { ok: false, reason: "overloaded", message: "1000000 runs are open." }
          : await one.reactors.begin(...args),
    };
    const projections = createProjections(one.log, [reactionOf(orders(), busy)]);
    await projections.start(one.ctx);
    await world.time.advance(100);
    await world.tell(one, ...placed(1));
    await world.time.advance(10_000);
    expect(await world.events("run.started")).toHaveLength(1);
    expect(await world.events("projection.parked")).toEqual([]);
  });
});

describe("a definition", () => {
  test("is frozen data", () => {
    const made = orders();
    expect(made).toMatchObject({ kind: "process_manager", name: "orders", begins: "now" });
    expect([Object.isFrozen(made), Object.isFrozen(made.on), Object.isFrozen(made.on[0])]).toEqual([true, true, true]);
  });
  const key = orderOf;
  test.each([
    [
      "a name that cannot stand among projections",
      { name: "My orders" },
      "log.invalid_projection",
      /no projection "My orders"/,
    ],
    ["no events", { on: [] }, "reactor.invalid_process_manager", /"orders", on: it hears of no event/],
    [
      "events that come to nothing",
      { on: [{ type: "a", key }] },
      "reactor.invalid_process_manager",
      /on\.0: it neither/,
    ],
    ["no type", { on: [{ type: "", key, sends: "a" }] }, "reactor.invalid_process_manager", /on\.0\.type: it names no/],
    ["no key", { on: [{ type: "a", sends: "a" }] }, "reactor.invalid_process_manager", /on\.0\.key: it is no function/],
    [
      "what it writes itself",
      { on: [{ type: "event.*", key, sends: "a" }] },
      "reactor.invalid_process_manager",
      /on\.0\.type: event\.\* is also of event\.received/,
    ],
    [
      "all there is",
      { on: [{ type: "*", key, sends: "a" }] },
      "reactor.invalid_process_manager",
      /on\.0\.type: \* is also of/,
    ],
    [
      "a name that no step can wait for",
      { on: [{ type: "a", key, sends: "Paid now" }] },
      "reactor.invalid_process_manager",
      /on\.0\.sends/,
    ],
    ["no reactor", { reactor: undefined }, "reactor.invalid_process_manager", /reactor: it is no definition/],
  ])("with %s is refused, with the place", (_what, settings, code, message) => {
    expect(() => orders(settings as never)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
  test.each([
    ["a reactor that is not here", [instalments], "reactor.unknown"],
    [
      "an older version than runs would begin with",
      [reactor("fulfilment", { version: 2, input: order }, (steps) => steps.returns(() => ({}))), fulfilment],
      "reactor.not_newest",
    ],
  ])("that names %s drives nothing", (_what, definitions, code) => {
    expect(() => reactionOf(orders(), { definitions } as never)).toThrow(expect.objectContaining({ code }));
  });
});
