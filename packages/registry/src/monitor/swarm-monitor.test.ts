// Proves what the swarm monitor writes and shows: one, two and three processes on one store in memory, under simulated time.
import { joinCluster } from "@viable/cluster";
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { AppendRequest, Log, Store } from "@viable/log";
import { createLog, createMemoryStore, maxAppendChars, maxAppendItems, storeUnavailable } from "@viable/log";
import { controlStore, everyEvent } from "@viable/log/testing";
import type { SwarmHealthChangeData, SwarmView } from "@viable/protocol";
import { swarmHistory, swarmReportList } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { swarmHealthEventTypes } from "./health-event.ts";
import type { SwarmMonitorSettings } from "./swarm-monitor.ts";
import { createSwarmMonitor } from "./swarm-monitor.ts";

type Status = SwarmView["status"];

/** What a swarm says of itself; a test may change it. */
interface Swarm {
  state: Status;
  reasons: string[];
  measurement: SwarmView["measurement"];
}

const shared = (): Store => ({ ...createMemoryStore(), exclusive: false });
const away = () => Object.assign(new Error("The database is away."), { code: storeUnavailable });

/** One process with its monitor, on a store that others may share. */
async function startProcess(
  store: Store,
  time: SimulatedTime,
  seed: number,
  services: readonly string[],
  everyMs = 30_000,
) {
  const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime, { types: swarmHealthEventTypes });
  const membership = joinCluster({ log, runtime, hosts: [], leaseMs: 10_000, exclusive: store.exclusive });
  const appends: AppendRequest[] = [];
  const problems: string[] = [];
  const swarms = new Map<string, { status(): SwarmView }>();
  const states = new Map<string, Swarm>();
  const add = (service: string) => {
    const measurement = { workers: 4, running: 1, queued: 2, completed: 0, failed: 0, latencyMs: 0 };
    const swarm: Swarm = { state: "healthy", reasons: [], measurement };
    states.set(service, swarm);
    swarms.set(service, {
      status: () => ({
        service,
        description: "Works.",
        processId: membership.processId,
        status: swarm.state,
        reasons: swarm.reasons,
        capabilities: [service],
        agents: [{ name: "worker", capability: service, isolation: "inline" }],
        measurement: swarm.measurement,
        parts: ["queen", "memory", "meta-client", "health-monitor"].map((id) => ({
          id,
          state: "running",
          restarts: 0,
        })),
        workers: [1, 2, 3, 4].map((number) => ({ id: `worker-${number}`, state: "running", restarts: 0 })),
      }),
    });
  };
  for (const service of services) add(service);
  // What the monitor alone is kept from, where its process's membership is not.
  const kept = { away: Promise.resolve(), isBlind: false };
  const recording: Log = {
    ...log,
    append: async (appendCtx, request) => {
      appends.push(request);
      await kept.away;
      return await log.append(appendCtx, request);
    },
  };
  const member: SwarmMonitorSettings["membership"] = {
    processId: membership.processId,
    get epoch() {
      return membership.epoch;
    },
    get canClaim() {
      return membership.canClaim && !kept.isBlind;
    },
    members: () => membership.members(),
    isGone: (id, epoch) => membership.isGone(id, epoch),
    onGone: (callback) => membership.onGone(callback),
  };
  const monitor = createSwarmMonitor({
    log: recording,
    membership: member,
    runtime,
    swarms,
    everyMs,
    onProblem: (message) => problems.push(message),
  });
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const end = () => {
      done = true;
    };
    promise.then(end, end);
    await time.until(() => done);
    return await promise;
  };
  for (const part of [log, membership, monitor]) await settled(part.start(ctx));
  await time.settle();
  return {
    ctx,
    log,
    monitor,
    membership,
    appends,
    problems,
    swarms,
    settled,
    add,
    kept,
    set(service: string, state: Status, ...reasons: string[]) {
      Object.assign(states.get(service) as Swarm, { state, reasons });
    },
    measure(service: string, measurement: Partial<SwarmView["measurement"]>) {
      const swarm = states.get(service) as Swarm;
      swarm.measurement = { ...swarm.measurement, ...measurement };
    },
    /** The services of all swarms that it shows, with how they are and whether they are its own. */
    seen: () =>
      swarmReportList
        .parse(monitor.all())
        .swarms.map(
          ({ service, status, processId }) =>
            `${service} ${status}${processId === membership.processId ? " here" : ""}`,
        ),
    async history(service: string, query = {}) {
      const history = await settled(monitor.history(ctx, service, query));
      return history === undefined ? undefined : swarmHistory.parse(history);
    },
    /** It ends as it should. */
    async leave() {
      for (const part of [monitor, membership, log]) await settled(part.stop(ctx));
    },
    /** It dies without a word: nothing of it reaches the database any more. */
    async die() {
      await settled(log.stop(ctx));
      await settled(monitor.stop(ctx));
    },
  };
}

/** What the log says of the health of swarms, in order. */
const changesIn = async (store: Store): Promise<SwarmHealthChangeData[]> =>
  (await everyEvent(store))
    .filter(({ type }) => type === "swarm.health_changed")
    .map(({ data }) => data as unknown as SwarmHealthChangeData);
const steps = async (store: Store) =>
  (await changesIn(store)).map(({ service, from, to }) => `${service}: ${from} ${to}`);

describe("the swarms of all processes", () => {
  test("are shown in each of them, by service and process, with how old that is", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["ai", "storage"]);
    const two = await startProcess(store, time, 2, ["ai"]);
    const gateway = await startProcess(store, time, 3, []);
    await time.advance(12_000);
    expect(one.seen()).toEqual(["ai healthy here", "ai healthy", "storage healthy here"]);
    expect(two.seen()).toHaveLength(3);
    expect(gateway.seen()).toEqual(["ai healthy", "ai healthy", "storage healthy"]);
    const ages = (of: typeof one) => of.monitor.all().swarms.map(({ ageMs }) => ageMs);
    // The second told of itself while the first listened, which reads each second what others write; the first had done so before the others
    // listened, and they do not know when.
    expect(ages(one)).toEqual([0, 11_000, 0]);
    expect(ages(gateway)).toEqual([undefined, undefined, undefined]);
    await time.advance(20_000);
    for (const age of ages(gateway)) expect(age).toBeGreaterThanOrEqual(1_000);
    for (const age of ages(gateway)) expect(age).toBeLessThanOrEqual(3_000);
    expect(one.monitor.all().swarms[0]).toMatchObject({ measuredAt: "2026-01-01T00:00:32.000Z" });
  });

  test("are written in one append at each interval, and within a second where a status changes", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a", "b", "c"]);
    const two = await startProcess(store, time, 2, []);
    await time.advance(29_000);
    expect(one.appends.map(({ records }) => records?.length)).toEqual([3]);
    await time.advance(60_000);
    expect(one.appends.map(({ records }) => records?.length)).toEqual([3, 3, 3]);
    await time.advance(10_000);
    one.set("b", "degraded", "the queue is 90 of 100");
    await time.advance(1_000);
    expect(one.appends.slice(4).map(({ records }) => records?.map(({ key }) => key.split("/")[1]))).toEqual([["b"]]);
    await time.advance(1_000);
    expect(two.seen()).toEqual(["a healthy", "b degraded", "c healthy"]);
    expect(two.monitor.all().swarms[1]?.reasons).toEqual(["the queue is 90 of 100"]);
  });

  test("that change at each look are written no more often than each five seconds, and never as an event", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a"]);
    for (let second = 0; second < 120; second++) {
      one.set("a", second % 2 === 0 ? "degraded" : "healthy");
      await time.advance(1_000);
    }
    expect(one.appends.length).toBeLessThanOrEqual(25);
    expect(await changesIn(store)).toEqual([]);
  });

  test("are shown no more when they leave, or their process does, and nothing is said to be lost", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a", "b"]);
    const two = await startProcess(store, time, 2, ["a"]);
    await time.advance(2_000);
    one.swarms.delete("b");
    await time.advance(3_000);
    expect(two.seen()).toEqual(["a healthy", "a healthy here"]);
    one.add("b");
    await time.advance(3_000);
    expect(two.seen()).toHaveLength(3);
    await one.leave();
    await time.advance(2_000);
    expect(two.seen()).toEqual(["a healthy here"]);
    await time.advance(120_000);
    expect(await changesIn(store)).toEqual([]);
    const history = await two.history("a");
    expect(history?.processes.map(({ status }) => status).sort()).toEqual(["healthy", "stopped"]);
  });

  test("that come to their end while their process stops are no news, and leave when it says so", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a"]);
    const two = await startProcess(store, time, 2, []);
    await time.advance(31_000);
    one.monitor.pause();
    one.set("a", "stopped", "not registered");
    await time.advance(20_000);
    expect(two.seen()).toEqual(["a healthy"]);
    await one.leave();
    await time.advance(2_000);
    expect(two.seen()).toEqual([]);
    await time.advance(60_000);
    expect(await changesIn(store)).toEqual([]);
  });

  test("are forgotten by each process where they are no longer told of, and by the log when their records expire", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a"]);
    const two = await startProcess(store, time, 2, []);
    await time.advance(2_000);
    await one.leave();
    await time.advance(29 * 60_000);
    expect((await two.history("a"))?.processes).toHaveLength(1);
    await time.advance(2 * 60_000);
    expect(await two.history("a")).toBeUndefined();
  });
});

describe("a swarm whose process lives", () => {
  test("and tells nothing of it for half an hour is shown no more, until it does", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a"]);
    const two = await startProcess(store, time, 2, []);
    await time.advance(31_000);
    const { promise, resolve } = Promise.withResolvers<void>();
    one.kept.away = promise;
    await time.advance(29 * 60_000);
    expect(two.seen()).toEqual(["a healthy"]);
    expect(two.monitor.all().swarms[0]?.ageMs).toBeGreaterThan(28 * 60_000);
    await time.advance(2 * 60_000);
    expect(two.seen()).toEqual([]);
    resolve();
    await time.advance(3_000);
    expect(two.seen()).toEqual(["a healthy"]);
    expect(await changesIn(store)).toEqual([]);
  });

  test("is as old as it is, where the log shows once more what there is", async () => {
    const base = shared();
    const time = simulateTime();
    let goesBack = false;
    const store: Store = {
      ...base,
      async readChanges(...asked) {
        const page = await base.readChanges(...asked);
        if (!goesBack) return page;
        goesBack = false;
        return { changes: [], isEnd: true, lastChange: 0 };
      },
    };
    await startProcess(base, time, 1, ["a"]);
    const two = await startProcess(store, time, 2, []);
    await time.advance(33_000);
    const before = two.monitor.all().swarms[0]?.ageMs ?? 0;
    goesBack = true;
    await time.advance(10_000);
    expect(goesBack).toBe(false);
    expect(two.monitor.all().swarms[0]?.ageMs).toBe(before + 10_000);
  });
});

describe("a change that holds", () => {
  test("is an event with its reasons and what was measured, once, and so is its end (S8)", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a"]);
    const two = await startProcess(store, time, 2, ["a"]);
    await time.advance(10_000);
    one.measure("a", { queued: 90, latencyMs: 12 });
    one.set("a", "degraded", "the queue is 90 of 100");
    await time.advance(60_000);
    one.set("a", "healthy");
    await time.advance(60_000);
    const { processId, epoch } = one.membership;
    const changes = await changesIn(store);
    expect(changes).toMatchObject([
      {
        service: "a",
        processId,
        epoch,
        from: "healthy",
        to: "degraded",
        reasons: ["the queue is 90 of 100"],
        measurement: { queued: 90, latencyMs: 12 },
      },
      { from: "degraded", to: "healthy", reasons: [] },
    ]);
    expect((changes[0]?.measuredAt ?? 0) - Date.UTC(2026, 0, 1)).toBe(16_000);
    const history = await two.history("a");
    expect(history?.changes.map(({ number, from, to }) => [number, from, to])).toEqual([
      [2, "degraded", "healthy"],
      [1, "healthy", "degraded"],
    ]);
    expect(history?.next).toBeUndefined();
  });

  test("is read page by page, the newest first, and the samples with the first", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a"]);
    for (let round = 0; round < 5; round++) {
      one.set("a", round % 2 === 0 ? "degraded" : "healthy");
      await time.advance(150_000);
    }
    const first = await one.history("a", { limit: 2 });
    expect(first?.changes.map(({ number }) => number)).toEqual([5, 4]);
    expect(first?.processes[0]?.samples).toHaveLength(2);
    const second = await one.history("a", { limit: 2, from: first?.next });
    expect(second).toMatchObject({ changes: [{ number: 3 }, { number: 2 }], processes: [], next: 1 });
    const third = await one.history("a", { limit: 2, from: second?.next });
    expect([third?.changes.map(({ number }) => number), third?.next]).toEqual([[1], undefined]);
    expect(await one.history("nobody")).toBeUndefined();
  });

  test("is sampled at each interval: as many as half an hour has, and of what was measured alone (W12)", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a"]);
    await time.advance(30_000);
    one.measure("a", { workers: 0, running: 0, completed: 5, latencyMs: 12.34 });
    await time.advance(30_000);
    const samples = (await one.history("a"))?.processes[0]?.samples;
    expect(samples).toEqual([
      { at: "2026-01-01T00:00:00.000Z", status: "healthy", utilisation: 0.25, queued: 2, completed: 0, failed: 0 },
      { at: "2026-01-01T00:00:30.000Z", status: "healthy", utilisation: 0.25, queued: 2, completed: 0, failed: 0 },
      { at: "2026-01-01T00:01:00.000Z", status: "healthy", queued: 2, completed: 5, failed: 0, latencyMs: 12.3 },
    ]);
    await time.advance(2 * 3_600_000);
    const later = (await one.history("a"))?.processes[0]?.samples;
    expect(later).toHaveLength(60);
    expect(later?.at(-1)?.at).toBe("2026-01-01T02:01:00.000Z");
  });
});

describe("a process that is gone", () => {
  test("has its swarms told lost, each once, by one of those that see it, and shown as alive by nobody", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a", "b"]);
    const others = [await startProcess(store, time, 2, ["a"]), await startProcess(store, time, 3, [])];
    await time.advance(31_000);
    await one.die();
    await time.advance(14_000);
    for (const other of others) expect(other.monitor.all().swarms.map(({ service }) => service)).toEqual(["a"]);
    await time.advance(600_000);
    expect((await steps(store)).sort()).toEqual(["a: healthy lost", "b: healthy lost"]);
    const [change] = await changesIn(store);
    expect(change).toMatchObject({ processId: one.membership.processId, measurement: { workers: 4 } });
    expect(others.map(({ membership }) => `its process is gone, as ${membership.processId} has found`)).toContain(
      change?.reasons[0],
    );
    const history = await others[0]?.history("b");
    expect(history?.processes).toMatchObject([{ status: "lost", samples: [{}, {}] }]);
  });

  test("is not shown by one that has no lease itself, which judges nobody and tells of nothing", async () => {
    const store = shared();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a"]);
    const two = await startProcess(store, time, 2, ["b"]);
    await time.advance(31_000);
    two.kept.isBlind = true;
    two.set("b", "degraded", "no worker is running");
    await one.die();
    await time.advance(60_000);
    expect(two.seen()).toEqual(["b degraded here"]);
    expect(await steps(store)).toEqual([]);
    two.kept.isBlind = false;
    await time.advance(2_000);
    expect((await steps(store)).sort()).toEqual(["a: healthy lost", "b: healthy degraded"]);
  });

  test("is told of by the next that begins, where nobody was left", async () => {
    const store = createMemoryStore();
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a"]);
    await time.advance(31_000);
    await one.die();
    await time.advance(60_000);
    const two = await startProcess(store, time, 2, ["a"]);
    await time.advance(2_000);
    expect(two.seen()).toEqual(["a healthy here"]);
    expect(await steps(store)).toEqual(["a: healthy lost"]);
  });

  test("and comes back after a pause says how it is now, once, and is shown again", async () => {
    const base = shared();
    const time = simulateTime();
    const paused = controlStore(base, away);
    const one = await startProcess(paused, time, 1, ["a", "b"]);
    const two = await startProcess(base, time, 2, []);
    await time.advance(31_000);
    // Nothing of it gets through for longer than its lease, and all of it does when it wakes.
    const wake = paused.hold();
    one.set("b", "degraded", "a worker is not running");
    await time.advance(20_000);
    expect(two.seen()).toEqual([]);
    expect((await steps(base)).sort()).toEqual(["a: healthy lost", "b: healthy lost"]);
    wake();
    await time.advance(60_000);
    expect(two.seen()).toEqual(["a healthy", "b degraded"]);
    expect((await steps(base)).slice(2).sort()).toEqual(["a: lost healthy", "b: lost degraded"]);
    // What it would have told of while nobody heard it is counted.
    const back = (await changesIn(base)).slice(2);
    expect(back.map(({ service, unrecorded }) => [service, unrecorded]).sort()).toEqual([
      ["a", undefined],
      ["b", 1],
    ]);
    expect(back.map(({ epoch }) => epoch)).toEqual([one.membership.epoch, one.membership.epoch]);
    await time.advance(600_000);
    expect(await changesIn(base)).toHaveLength(4);
  });

  test("for a moment only, and has written before anybody could say so, is not told lost", async () => {
    const base = shared();
    const time = simulateTime();
    const one = await startProcess(base, time, 1, ["a"]);
    const slow = controlStore(base, away);
    const two = await startProcess(slow, time, 2, []);
    await time.advance(2_000);
    const before = one.membership.epoch;
    const go = slow.hold();
    // Somebody takes its lease, and it joins again by itself.
    const taken = { key: `cluster/process/${one.membership.processId}`, value: null, expected: "any" } as const;
    await one.settled(one.log.append(one.ctx, { records: [taken] }));
    await time.until(() => one.membership.epoch > before && one.membership.canClaim);
    await time.advance(2_000);
    go();
    await time.advance(40_000);
    expect(two.appends.flatMap(({ records }) => records?.map(({ key }) => key))).toEqual([
      `swarm-health/a/${one.membership.processId}`,
    ]);
    expect(await steps(base)).toEqual([]);
    expect(two.seen()).toEqual(["a healthy"]);
  });

  test("of which a new life is known is not told lost, though nothing was heard of its swarms yet", async () => {
    const base = shared();
    const time = simulateTime();
    const one = await startProcess(base, time, 1, ["a"]);
    let isAway = false;
    const two = await startProcess(
      { ...base, readChanges: (...asked) => (isAway ? Promise.reject(away()) : base.readChanges(...asked)) },
      time,
      2,
      [],
    );
    await time.advance(2_000);
    const before = one.membership.epoch;
    const { promise, resolve } = Promise.withResolvers<void>();
    one.kept.away = promise;
    isAway = true;
    const taken = { key: `cluster/process/${one.membership.processId}`, value: null, expected: "any" } as const;
    await one.settled(one.log.append(one.ctx, { records: [taken] }));
    await time.until(() => one.membership.epoch > before && one.membership.canClaim);
    isAway = false;
    await time.advance(5_000);
    expect(two.membership.isGone(one.membership.processId, before)).toBe(true);
    expect(two.seen()).toEqual([]);
    resolve();
    await time.advance(5_000);
    expect(two.seen()).toEqual(["a healthy"]);
    expect(await steps(base)).toEqual([]);
  });

  test.each([1, 2, 3, 4, 5, 6])("is told so once, whatever the order in which others look (seed %i)", async (seed) => {
    const store = shared();
    const random = seededRandom(seed);
    const time = simulateTime({ random });
    const slow = async () => await new Promise<void>((resolve) => time.setTimer(resolve, random.next() * 300));
    const slowStore = (): Store => ({
      ...store,
      commit: (...batch) => slow().then(() => store.commit(...batch)),
      getRecords: (...asked) => slow().then(() => store.getRecords(...asked)),
    });
    const all = [];
    for (let each = 0; each < 4; each++)
      all.push(await startProcess(slowStore(), time, seed * 10 + each, ["a", "b", "c"]));
    await time.advance(40_000);
    await Promise.all([all[0]?.die(), all[1]?.die()]);
    await time.advance(60_000);
    expect((await steps(store)).sort()).toEqual(["a", "a", "b", "b", "c", "c"].map((name) => `${name}: healthy lost`));
    const told = (await changesIn(store)).map(({ service, processId }) => `${service} ${processId}`);
    expect(new Set(told).size).toBe(6);
    for (const living of all.slice(2)) expect(living.monitor.all().swarms).toHaveLength(6);
  });
});

describe("a log that is away", () => {
  test("gets what has changed meanwhile when it is back, each change once, and the problem is told once (W10)", async () => {
    const base = createMemoryStore();
    let isAway = false;
    const store: Store = { ...base, commit: (...batch) => (isAway ? Promise.reject(away()) : base.commit(...batch)) };
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a", "b"]);
    await time.advance(31_000);
    isAway = true;
    one.set("a", "degraded", "the queue is 90 of 100");
    await time.advance(20_000);
    one.set("a", "healthy");
    one.set("b", "degraded", "no worker is running");
    await time.advance(40_000);
    expect(await changesIn(store)).toEqual([]);
    isAway = false;
    await time.advance(30_000);
    expect((await steps(store)).sort()).toEqual(["a: degraded healthy", "a: healthy degraded", "b: healthy degraded"]);
    expect(one.problems).toEqual([
      "The health of swarms cannot be written at present (log.store_unavailable).",
      "The health of swarms is written again.",
    ]);
  });

  test.each([1, 2, 3, 4])(
    "from all of a system for a minute leaves nothing lost, twice or open (seed %i)",
    async (seed) => {
      const base = shared();
      const time = simulateTime({ random: seededRandom(seed) });
      let isAway = false;
      const store: Store = {
        ...base,
        commit: (...batch) => (isAway ? Promise.reject(away()) : base.commit(...batch)),
        getRecords: (...asked) => (isAway ? Promise.reject(away()) : base.getRecords(...asked)),
        listRecords: (...asked) => (isAway ? Promise.reject(away()) : base.listRecords(...asked)),
        readChanges: (...asked) => (isAway ? Promise.reject(away()) : base.readChanges(...asked)),
      };
      const all = [];
      for (let each = 0; each < 3; each++) all.push(await startProcess(store, time, seed * 10 + each, ["a"]));
      await time.advance(40_000);
      isAway = true;
      all[0]?.set("a", "degraded", "no worker is running");
      await time.advance(60_000);
      isAway = false;
      await time.advance(120_000);
      // Its lease ran out, so each may have been told lost; who was came back, and each tells of one process what follows from before.
      const changes = await changesIn(base);
      for (const { membership } of all) {
        const own = changes.filter(({ processId }) => processId === membership.processId);
        const [first, ...rest] = own;
        if (first !== undefined) expect(first.from).toBe("healthy");
        for (const [index, change] of rest.entries()) expect(change.from).toBe(own[index]?.to);
        expect(own.at(-1)?.to ?? "healthy").toBe(membership === all[0]?.membership ? "degraded" : "healthy");
        expect(own.filter(({ to }) => to === "lost").length).toBeLessThanOrEqual(1);
        expect(own.filter(({ to }) => to === "degraded")).toHaveLength(membership === all[0]?.membership ? 1 : 0);
      }
      for (const each of all) expect(each.seen().filter((seen) => seen.startsWith("a degraded"))).toHaveLength(1);
      for (const each of all) expect(each.seen()).toHaveLength(3);
    },
  );

  test("and has lost its answers has nothing twice", async () => {
    const base = createMemoryStore();
    let losesAnswers = false;
    const store: Store = {
      ...base,
      async commit(...batch) {
        const result = await base.commit(...batch);
        if (losesAnswers) throw away();
        return result;
      },
    };
    const time = simulateTime();
    const one = await startProcess(store, time, 1, ["a", "b"]);
    await time.advance(32_000);
    for (const state of ["degraded", "healthy", "degraded"] as const) {
      // What was taken is answered by nobody for longer than the log tries, and more is to be told meanwhile.
      losesAnswers = true;
      one.set("a", state);
      await time.advance(10_000);
      one.set("b", state);
      await time.advance(15_000);
      losesAnswers = false;
      await time.advance(15_000);
    }
    expect(one.problems).toHaveLength(6);
    const told = await steps(base);
    for (const service of ["a", "b"])
      expect(told.filter((step) => step.startsWith(service))).toEqual(
        ["healthy degraded", "degraded healthy", "healthy degraded"].map((step) => `${service}: ${step}`),
      );
  });
});

test("a thousand swarms are written in a few appends, none of which is near its bounds (W10)", async () => {
  const store = shared();
  const time = simulateTime();
  const services = Array.from({ length: 1_000 }, (_, index) => `service-${index}`);
  const one = await startProcess(store, time, 1, services, 2_000);
  const two = await startProcess(store, time, 2, [], 2_000);
  await time.advance(3_000);
  expect(two.monitor.all().swarms).toHaveLength(1_000);
  await time.advance(6_000);
  const before = one.appends.length;
  for (const service of services) one.set(service, "degraded", "x".repeat(5_000));
  await time.advance(8_000);
  const appends = one.appends.slice(before);
  const events = appends.flatMap(({ streams = [] }) => streams.flatMap((each) => each.events));
  expect(events).toHaveLength(1_000);
  for (const { streams = [], records = [] } of appends) {
    const items = records.length + streams.reduce((sum, each) => sum + 1 + each.events.length, 0);
    expect(items).toBeLessThanOrEqual(maxAppendItems / 2);
    expect(JSON.stringify({ streams, records }).length).toBeLessThanOrEqual(maxAppendChars / 6);
  }
  // At an interval, when the status has changed and when it has held.
  expect(appends.length).toBeLessThanOrEqual(30);
  await one.die();
  await time.advance(20_000);
  expect(two.seen()).toEqual([]);
  expect((await changesIn(store)).filter(({ to }) => to === "lost")).toHaveLength(1_000);
});
