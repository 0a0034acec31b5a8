// Proves what a membership promises, to the millisecond, under simulated time. Each process has a clock of its own on the one
// simulated time: its wall clock can be moved, the process can be paused (its timers wait, time goes on), and its way to the database
// can be slow, cut, or lose the answer of a write that happened.
import { codeOf, ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ProcessLife } from "./lease.ts";
import { leaseKey } from "./lease.ts";
import { readEnd, recordEnd } from "./process-end.ts";
import type { SimulatedProcess as Process } from "./testing/simulated-processes.ts";
import { leaseMs, pollMs, SimulatedProcesses as World } from "./testing/simulated-processes.ts";

const lifeOf = ({ membership }: Process): ProcessLife => ({ id: membership.processId, epoch: membership.epoch });
const seesGone = (observer: Process, { id, epoch }: ProcessLife) => observer.membership.isGone(id, epoch);

describe("a process that crashed", () => {
  test("is gone for another when leaseMs have passed on the other's clock since it saw the last renewal, not before", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(5 * leaseMs);
    const life = lifeOf(two);
    const lastVersion = async () => (await one.log.getRecord(one.ctx, leaseKey(life.id)))?.version;
    two.clock.paused = true;
    const crashedMs = world.time.now();
    const version = await lastVersion();

    await world.time.until(() => seesGone(one, life), 60_000);
    const tookMs = world.time.now() - crashedMs;
    // The last renewal was at most a third of a lease before the crash, and was seen at most one poll after it was written.
    expect(tookMs).toBeGreaterThanOrEqual((leaseMs * 2) / 3);
    expect(tookMs).toBeLessThanOrEqual(leaseMs + pollMs);
    expect(version).toBeDefined();
    await world.time.settle();
    expect(one.gone).toEqual([life]);
    expect(one.membership.members().map(({ id }) => id)).toEqual([one.membership.processId]);
    // Its lease is deleted by whoever found it gone.
    expect(await lastVersion()).toBeUndefined();
  });

  test("is gone for every other at once where somebody has seen its end, and how it ended is known", async () => {
    const world = new World();
    const [one, two, three] = [await world.join(), await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    const life = lifeOf(three);
    three.clock.paused = true;
    expect(await readEnd(two.ctx, two.log, life.id)).toBeUndefined();
    await recordEnd(one.ctx, one.log, life.id, "ended with status 3");
    await world.time.advance(pollMs);
    expect([one.gone, two.gone]).toEqual([[life], [life]]);
    expect(await readEnd(two.ctx, two.log, life.id)).toBe("ended with status 3");
    expect(await readEnd(two.ctx, two.log, two.membership.processId)).toBeUndefined();
  });

  test("is shown as late before it is gone", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    two.clock.paused = true;
    await world.time.advance(leaseMs * 0.75);
    expect(one.membership.members().find(({ id }) => id === two.membership.processId)?.state).toBe("late");
  });

  test("is found gone by every other, each by its own clock, and announced once", async () => {
    const world = new World();
    const [one, two, three] = [await world.join(), await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    const life = lifeOf(three);
    three.clock.paused = true;
    await world.time.advance(2 * leaseMs);
    expect([one.gone, two.gone]).toEqual([[life], [life]]);
  });

  test("that nobody lived to see die is gone for a later one, after a lease", async () => {
    const world = new World();
    const first = await world.join();
    await world.time.advance(100);
    first.clock.paused = true;
    await world.time.advance(100 * leaseMs);
    const later = await world.join();
    // Its lease is there, and how old it is cannot be known: no clock of its writer is believed.
    expect(seesGone(later, lifeOf(first))).toBe(false);
    await world.time.advance(leaseMs + 1);
    expect(seesGone(later, lifeOf(first))).toBe(true);
    expect(await world.leases()).toEqual([leaseKey(later.membership.processId)]);
  });
});

describe("a zombie", () => {
  test("that wakes after its lease ran out knows at once that it may claim nothing, and comes back with a new epoch", async () => {
    const world = new World();
    const [one, zombie] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    const before = lifeOf(zombie);
    zombie.clock.paused = true;
    await world.time.advance(3 * leaseMs);
    expect(seesGone(one, before)).toBe(true);
    // Before any of its timers has fired.
    zombie.clock.paused = false;
    expect(zombie.membership).toMatchObject({ canClaim: false, state: "lost" });
    await zombie.clock.resume();
    await world.time.advance(pollMs);
    expect(zombie.losses.map(({ epoch }) => epoch)).toEqual([before.epoch]);
    expect(zombie.membership).toMatchObject({ state: "member", canClaim: true });
    expect(zombie.membership.epoch).toBeGreaterThan(before.epoch);
    expect(seesGone(one, before)).toBe(true);
    expect(seesGone(one, lifeOf(zombie))).toBe(false);
    expect(seesGone(zombie, before)).toBe(true);
    expect(zombie.gone).toEqual([before]);
    expect(one.gone).toEqual([before]);
  });

  test("does not renew a lease that ran out while it slept, though nobody has taken it", async () => {
    const world = new World();
    const only = await world.join();
    await world.time.advance(leaseMs);
    const versionNow = async () => (await only.log.getRecord(only.ctx, leaseKey(lifeOf(only).id)))?.version as number;
    const [version, { epoch }] = [await versionNow(), lifeOf(only)];
    only.clock.paused = true;
    await world.time.advance(2 * leaseMs);
    await only.clock.resume();
    expect(only.losses).toEqual([{ epoch, reason: "expired" }]);
    expect(await versionNow()).toBe(version + 1);
    expect(only.membership.epoch).toBe(epoch + 1);
  });

  test("that was paused for less than its lease goes on as it was", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    const life = lifeOf(two);
    two.clock.paused = true;
    await world.time.advance(leaseMs * 0.6);
    await two.clock.resume();
    await world.time.advance(3 * leaseMs);
    expect(seesGone(one, life)).toBe(false);
    expect(lifeOf(two)).toEqual(life);
    expect([one.losses, two.losses, one.gone]).toEqual([[], [], []]);
  });

  test("that was wrongly held for gone and still renews is told so: once gone, a life stays gone", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    const life = lifeOf(two);
    // What a clock that runs slower than ours would do: its lease is deleted while it believes in it.
    await one.log.append(one.ctx, { records: [{ key: leaseKey(life.id), value: null, expected: "any" }] });
    await world.time.settle();
    expect(seesGone(one, life)).toBe(true);
    // The same life's lease is written again, as by a renewal that overtook the deletion.
    const value = { epoch: life.epoch, hosts: ["orders"], address: null };
    await two.log.append(two.ctx, { records: [{ key: leaseKey(life.id), value, expected: "any" }] });
    await world.time.advance(2 * leaseMs);
    expect(seesGone(one, life)).toBe(true);
    expect(two.losses).toEqual([{ epoch: life.epoch, reason: "taken" }]);
    expect(seesGone(one, lifeOf(two))).toBe(false);
    expect(one.gone).toEqual([life]);
  });
});

describe("an observer", () => {
  test("that was itself paused looks again before it holds anybody for gone", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    one.clock.paused = true;
    await world.time.advance(5 * leaseMs);
    await one.clock.resume();
    await world.time.advance(2 * leaseMs);
    expect(one.gone.map(({ id }) => id)).toEqual([one.membership.processId]);
    expect(seesGone(one, lifeOf(two))).toBe(false);
    expect(two.losses).toEqual([]);
  });

  test("that cannot read the log holds nobody for gone", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    one.link.up = false;
    await world.time.advance(5 * leaseMs);
    expect(seesGone(one, lifeOf(two))).toBe(false);
    one.link.up = true;
    await world.time.advance(2 * leaseMs);
    expect(seesGone(one, lifeOf(two))).toBe(false);
    expect(two.losses).toEqual([]);
  });

  test("that could not read the log when a lease ran out finds its process gone once it can", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    const life = lifeOf(two);
    two.clock.paused = true;
    const { listRecords } = one.log;
    Object.assign(one.log, { listRecords: () => Promise.reject(new ViableError("log.unavailable", "Away.")) });
    await world.time.advance(3 * leaseMs);
    expect(seesGone(one, life)).toBe(false);
    Object.assign(one.log, { listRecords });
    await world.time.advance(leaseMs / 3);
    expect(seesGone(one, life)).toBe(true);
  });

  test("whose look is overtaken by a join does not take the newcomer for gone", async () => {
    const world = new World();
    const one = await world.join();
    const { getRecord } = one.log;
    let two: Process | undefined;
    Object.assign(one.log, {
      // Somebody joins just before the last epoch is read.
      getRecord: async (...args: Parameters<Log["getRecord"]>) => {
        two ??= await world.join();
        return await getRecord(...args);
      },
    });
    expect(one.membership.isGone("prc_never", 2)).toBe(false);
    await world.time.advance(260);
    expect(two?.membership.epoch).toBe(2);
    expect(seesGone(one, lifeOf(two as unknown as Process))).toBe(false);
  });

  test("whose others renew reads nothing to make sure", async () => {
    const world = new World();
    const [one] = [await world.join(), await world.join(), await world.join()];
    await world.time.advance(2 * leaseMs);
    let listings = 0;
    const { listRecords } = one.log;
    Object.assign(one.log, {
      listRecords: (...args: Parameters<Log["listRecords"]>) => {
        listings += 1;
        return listRecords(...args);
      },
    });
    await world.time.advance(10 * leaseMs);
    expect(listings).toBe(0);
  });

  test("does not take a life newer than its last look for gone, and looks", async () => {
    const world = new World();
    const one = await world.join();
    const two = await world.join();
    expect(seesGone(one, lifeOf(two))).toBe(false);
    expect(one.membership.isGone("prc_never", 2)).toBe(false);
    await world.time.advance(300);
    expect(one.membership.isGone("prc_never", 2)).toBe(true);
    expect(seesGone(one, lifeOf(two))).toBe(false);
    expect(one.membership.members()).toHaveLength(2);
  });

  test("knows nothing before its start", () => {
    const world = new World();
    expect(world.make().membership.isGone("prc_never", 1)).toBe(false);
    expect(world.time.pending).toBe(0);
  });
});

describe("a process cut off from the database", () => {
  test("goes on claiming until its lease runs out by its own clock, then not a millisecond longer, and the others see it later", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    const life = lifeOf(two);
    // Just after a renewal.
    await world.time.until(() => two.membership.members()[0] !== undefined && two.log.stats().waitingAppends === 0);
    two.link.up = false;
    let lastClaimMs = 0;
    let goneMs = 0;
    for (let ms = 0; ms < 2 * leaseMs; ms += 50) {
      await world.time.advance(50);
      if (two.membership.canClaim) lastClaimMs = ms;
      if (goneMs === 0 && seesGone(one, life)) goneMs = ms;
    }
    expect(two.membership.state).toBe("lost");
    expect(two.losses).toEqual([{ epoch: life.epoch, reason: "expired" }]);
    expect(lastClaimMs).toBeGreaterThanOrEqual((leaseMs * 2) / 3 - 50);
    expect(lastClaimMs).toBeLessThan(leaseMs);
    expect(goneMs).toBeGreaterThan(lastClaimMs);

    two.link.up = true;
    // The log itself tries a flush again for up to ten seconds, with pauses of up to one.
    await world.time.until(() => two.membership.canClaim, 20_000);
    expect(two.membership.epoch).toBeGreaterThan(life.epoch);
  });

  test("for less than its lease keeps it, and says that renewal is failing", async () => {
    const world = new World();
    const two = await world.join();
    await world.time.advance(leaseMs);
    const life = lifeOf(two);
    const { append } = two.log;
    Object.assign(two.log, { append: () => Promise.reject(new ViableError("log.unavailable", "Away.")) });
    await world.time.advance(leaseMs / 2);
    expect(two.membership).toMatchObject({ state: "failing", canClaim: true });
    Object.assign(two.log, { append });
    await world.time.advance(leaseMs / 3);
    expect(two.membership).toMatchObject({ state: "member", canClaim: true });
    expect(lifeOf(two)).toEqual(life);
    expect(two.losses).toEqual([]);
  });

  test("a renewal that arrived though its answer did not is not taken for another's", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    const life = lifeOf(two);
    for (let time = 0; time < 5; time++) {
      two.link.loseAnswers = 1;
      await world.time.advance(leaseMs);
    }
    expect(two.losses).toEqual([]);
    expect(lifeOf(two)).toEqual(life);
    expect(seesGone(one, life)).toBe(false);
  });

  test("an answer that comes after the lease ran out does not bring it back", async () => {
    const world = new World();
    const two = await world.join();
    const life = lifeOf(two);
    const answer = Promise.withResolvers<Awaited<ReturnType<Log["append"]>>>();
    const { append } = two.log;
    Object.assign(two.log, { append: () => answer.promise });
    await world.time.advance(leaseMs * 0.9);
    // The renewal was sent after a third of the lease, so counted from then there would be some left.
    two.clock.paused = true;
    await world.time.advance(leaseMs * 0.2);
    two.clock.paused = false;
    answer.resolve({
      ok: true,
      position: undefined,
      versions: [],
      recordVersions: [2],
      time: undefined,
      repeated: false,
    });
    await world.time.settle();
    expect(two.membership).toMatchObject({ state: "lost", canClaim: false });
    Object.assign(two.log, { append });
    await two.clock.resume();
    await world.time.advance(pollMs);
    expect(two.losses).toEqual([{ epoch: life.epoch, reason: "expired" }]);
    expect(two.membership.epoch).toBeGreaterThan(life.epoch);
  });

  test("an overloaded log delays a renewal and does not end a lease", async () => {
    const world = new World();
    const two = await world.join();
    const { append } = two.log;
    let refused = 0;
    Object.assign(two.log, {
      append: async (...args: Parameters<Log["append"]>) =>
        refused++ % 2 === 0 ? { ok: false, reason: "overloaded", waiting: 10_000, retryAfterMs: 100 } : append(...args),
    });
    await world.time.advance(5 * leaseMs);
    expect(refused).toBeGreaterThan(10);
    expect(two.losses).toEqual([]);
  });
});

describe("clocks", () => {
  test("wall clocks that jump by hours and differ by days change nothing", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    const lives = [lifeOf(one), lifeOf(two)];
    const day = 86_400_000;
    one.clock.wallOffsetMs = 3 * day;
    for (const offsetMs of [-day, 3_600_000, -3_600_000, 30 * day, 0]) {
      two.clock.wallOffsetMs = offsetMs;
      await world.time.advance(2 * leaseMs);
    }
    expect([lifeOf(one), lifeOf(two)]).toEqual(lives);
    expect([one.losses, two.losses, one.gone, two.gone]).toEqual([[], [], [], []]);

    two.clock.paused = true;
    one.clock.wallOffsetMs = -30 * day;
    await world.time.advance(leaseMs + pollMs);
    expect(one.gone).toEqual([lives[1]]);
  });
});

describe("changes", () => {
  test("are told of when somebody comes, is found gone, or our own lease is lost and found; not on renewals", async () => {
    const world = new World();
    const one = await world.join();
    let told = 0;
    const stopTelling = one.membership.onChange(() => {
      told += 1;
    });
    const since = async (ms: number) => {
      const before = told;
      await world.time.advance(ms);
      return told - before;
    };
    await world.time.settle();
    const two = await world.join();
    expect(await since(pollMs)).toBe(1);
    expect(await since(3 * leaseMs)).toBe(0);
    await two.membership.stop(two.ctx);
    expect(await since(pollMs)).toBe(1);
    one.link.up = false;
    await world.time.until(() => one.losses.length === 1, 2 * leaseMs);
    await world.time.settle();
    expect(one.membership.leaseEndsMs).toBe(Number.NEGATIVE_INFINITY);
    const atLoss = told;
    one.link.up = true;
    await world.time.until(() => one.membership.canClaim, 20_000);
    await world.time.settle();
    expect(told).toBeGreaterThan(atLoss);
    expect(one.membership.leaseEndsMs).toBeGreaterThan(one.clock.monotonicMs());
    const atReturn = told;
    stopTelling();
    await one.membership.stop(one.ctx);
    await world.time.settle();
    expect(told).toBe(atReturn);
  });

  test("are told of when a process may claim for the first time", async () => {
    const world = new World();
    const only = world.make({ exclusive: true });
    const claims: boolean[] = [];
    only.membership.onChange(() => claims.push(only.membership.canClaim));
    await only.log.start(only.ctx);
    await only.membership.start(only.ctx);
    expect(claims).toEqual([true]);
  });

  test("are told of in the moment in which a lease is lost", async () => {
    const world = new World();
    const one = await world.join();
    const states: string[] = [];
    one.membership.onChange(() => states.push(one.membership.state));
    one.link.up = false;
    await world.time.until(() => states.includes("lost"), 2 * leaseMs);
    expect(one.losses).toHaveLength(1);
  });
});

describe("epochs", () => {
  test("are given to twenty that join at the same moment, each its own, without gaps", async () => {
    const world = new World();
    const processes = Array.from({ length: 20 }, () => world.make());
    for (const process of processes) {
      process.link.latencyMs = () => process.runtime.random.next() * 20;
      await process.log.start(process.ctx);
    }
    const starting = Promise.all(processes.map(({ membership, ctx }) => membership.start(ctx)));
    let done = false;
    void starting.then(() => {
      done = true;
    });
    await world.time.until(() => done, 60_000);
    await starting;
    const epochs = processes.map(({ membership }) => membership.epoch).sort((a, b) => a - b);
    expect(epochs).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    await world.time.advance(leaseMs);
    expect(processes.every(({ membership }) => membership.members().length === 20)).toBe(true);
  });

  test("a join whose answer was lost uses its epoch up: the next is higher, and the first counts as gone", async () => {
    const world = new World();
    const one = await world.join();
    const two = world.make();
    await two.log.start(two.ctx);
    two.link.loseAnswers = 1;
    const starting = two.membership.start(two.ctx);
    await world.time.advance(2_000);
    await starting;
    expect(two.membership.epoch).toBe(3);
    expect(one.membership.isGone(two.membership.processId, 2)).toBe(true);
    expect(seesGone(one, lifeOf(two))).toBe(false);
  });

  test("a counter that cannot be read refuses to start rather than give an epoch twice", async () => {
    const world = new World();
    const process = world.make();
    await process.log.start(process.ctx);
    await process.log.append(process.ctx, {
      records: [{ key: "cluster/epoch", value: { epoch: "seven" }, expected: "any" }],
    });
    const outcome = process.membership.start(process.ctx).catch((error) => [codeOf(error), codeOf(error.cause)]);
    await world.time.advance(60_000);
    expect(await outcome).toEqual(["cluster.join_failed", "invariant.broken"]);
  });
});

describe("stopping", () => {
  test("deletes the lease, also while a renewal is on its way", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    two.link.latencyMs = () => 40;
    const life = lifeOf(two);
    const { append } = two.log;
    let renewing = false;
    Object.assign(two.log, {
      append: (...args: Parameters<Log["append"]>) => {
        renewing = true;
        return append(...args);
      },
    });
    await world.time.until(() => renewing, leaseMs);
    const stopping = two.membership.stop(two.ctx);
    await world.time.advance(pollMs + 200);
    await stopping;
    expect(await world.leases()).toEqual([leaseKey(one.membership.processId)]);
    expect(seesGone(one, life)).toBe(true);
    expect(two.losses).toEqual([]);
  });

  test("ends within a lease when the database is away, and the others find out by themselves", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    const life = lifeOf(two);
    two.link.up = false;
    let stopped = false;
    void two.membership.stop(two.ctx).then(() => {
      stopped = true;
    });
    await world.time.until(() => stopped, leaseMs);
    await world.time.until(() => seesGone(one, life), leaseMs + pollMs);
  });

  test("leaves no timer behind", async () => {
    const world = new World();
    const [one, two] = [await world.join(), await world.join()];
    await world.time.advance(leaseMs);
    for (const { membership, log, ctx } of [one, two]) {
      await membership.stop(ctx);
      await log.stop(ctx);
    }
    expect(world.time.pending).toBe(0);
  });

  test("while joining, the join does not come back to life", async () => {
    const world = new World();
    const one = world.make();
    await one.log.start(one.ctx);
    one.link.latencyMs = () => 100;
    const outcome = one.membership.start(one.ctx).catch(codeOf);
    await world.time.advance(450);
    await one.membership.stop(one.ctx);
    await world.time.advance(2_000);
    expect(await outcome).toBeTypeOf("string");
    expect(one.membership).toMatchObject({ state: "left", canClaim: false });
    expect(await world.leases()).toEqual([]);
  });
});

test("a stop while it rejoins does not bring it back to life either", async () => {
  const world = new World();
  const [one, two] = [await world.join(), await world.join()];
  const { append } = two.log;
  const gate = Promise.withResolvers<void>();
  let joins = 0;
  Object.assign(two.log, {
    append: async (...args: Parameters<Log["append"]>) => {
      const outcome = await append(...args);
      // A join writes its lease together with the epoch; the answer is held up.
      if (args[1].records?.length === 2) {
        joins += 1;
        await gate.promise;
      }
      return outcome;
    },
  });
  await one.log.append(one.ctx, { records: [{ key: leaseKey(lifeOf(two).id), value: null, expected: "any" }] });
  await world.time.until(() => joins > 0);
  await two.membership.stop(two.ctx);
  gate.resolve();
  await world.time.advance(2 * leaseMs);
  expect(two.membership).toMatchObject({ state: "left", canClaim: false });
  expect(await world.leases()).toEqual([leaseKey(one.membership.processId)]);
});

describe("exclusive", () => {
  test("all that were before are gone at once, and their leases deleted", async () => {
    const world = new World();
    const [first, second] = [await world.join(), await world.join()];
    await world.time.advance(100);
    first.clock.paused = true;
    second.clock.paused = true;
    const only = await world.join({ exclusive: true });
    await world.time.settle();
    expect(seesGone(only, lifeOf(first))).toBe(true);
    expect([...only.gone].sort((a, b) => a.epoch - b.epoch)).toEqual([lifeOf(first), lifeOf(second)]);
    expect(await world.leases()).toEqual([leaseKey(only.membership.processId)]);
    expect(only.membership.epoch).toBe(3);
  });

  test("needs no renewal and is never lost, so an idle system writes nothing", async () => {
    const world = new World();
    const only = await world.join({ exclusive: true });
    const { change } = await world.store.head();
    only.clock.paused = true;
    await world.time.advance(100 * leaseMs);
    await only.clock.resume();
    await world.time.advance(leaseMs);
    expect(only.membership).toMatchObject({ canClaim: true, state: "member", epoch: 1 });
    expect(only.membership.members()).toMatchObject([{ state: "member" }]);
    expect((await world.store.head()).change).toBe(change);
  });
});

test("whatever fails: no epoch twice, nobody is gone for another while it may claim, and once all is well again all agree", async () => {
  let verdicts = 0;
  let lost = 0;
  const fault = fc.record({
    what: fc.constantFrom("pause", "resume", "cut", "heal", "slow", "fast", "loseAnswer", "join", "wall"),
    at: fc.nat({ max: 3 }),
    thenMs: fc.constantFrom(0, 100, 1_300, 3_400, 7_000, 11_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1 }), fc.array(fault, { minLength: 5, maxLength: 14 }), async (seed, faults) => {
      const world = new World(seed);
      for (let number = 0; number < 3; number++) await world.join();
      const joining: Promise<unknown>[] = [];
      const owners = new Map<number, string>();
      const check = () => {
        for (const { membership } of world.processes) {
          if (membership.epoch === 0) continue;
          const owner = owners.get(membership.epoch) ?? membership.processId;
          expect(owner).toBe(membership.processId);
          owners.set(membership.epoch, owner);
        }
        for (const observer of world.processes) {
          for (const { membership } of world.processes) {
            if (!membership.canClaim) continue;
            expect(observer.membership.isGone(membership.processId, membership.epoch)).toBe(false);
          }
        }
      };
      const pass = async (ms: number) => {
        for (let left = ms; left > 0; left -= 250) {
          await world.time.advance(Math.min(250, left));
          check();
        }
      };
      for (const { what, at, thenMs } of faults) {
        const process = world.processes[at % world.processes.length] as Process;
        if (what === "pause") process.clock.paused = true;
        else if (what === "resume") await process.clock.resume();
        else if (what === "cut") process.link.up = false;
        else if (what === "heal") process.link.up = true;
        else if (what === "slow") process.link.latencyMs = () => process.runtime.random.next() * 4_000;
        else if (what === "fast") process.link.latencyMs = () => 0;
        else if (what === "loseAnswer") process.link.loseAnswers = 1;
        else if (what === "wall") process.clock.wallOffsetMs += 3_600_000;
        else if (world.processes.length < 5) {
          const another = world.make();
          const started = another.log.start(another.ctx).then(() => another.membership.start(another.ctx));
          // One that was cut off for longer than it tries is not there, and must have left nothing behind.
          joining.push(started.catch(() => world.processes.splice(world.processes.indexOf(another), 1)));
        }
        await pass(thenMs);
      }
      for (const { clock, link } of world.processes) {
        link.up = true;
        link.latencyMs = () => 0;
        await clock.resume();
      }
      await pass(4 * leaseMs);
      await Promise.all(joining);
      const present = world.processes.map(lifeOf);
      for (const { membership, losses, gone } of world.processes) {
        expect(membership).toMatchObject({ state: "member", canClaim: true });
        expect(membership.members().map(({ id, epoch }) => ({ id, epoch }))).toEqual(
          [...present].sort((a, b) => (a.id < b.id ? -1 : 1)),
        );
        for (const [epoch, id] of owners) {
          const isPresent = present.some((life) => life.id === id && life.epoch === epoch);
          expect(membership.isGone(id, epoch)).toBe(!isPresent);
        }
        expect(new Set(gone.map(({ id, epoch }) => `${id} ${epoch}`)).size).toBe(gone.length);
        verdicts += gone.length;
        lost += losses.length;
      }
    }),
    { numRuns: 60 },
  );
  // Otherwise the faults did not bite and the above shows nothing.
  expect(verdicts).toBeGreaterThan(60);
  expect(lost).toBeGreaterThan(30);
}, 120_000);
