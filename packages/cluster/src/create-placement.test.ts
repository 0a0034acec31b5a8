// Proves what a placement promises under simulated time: that parts are spread, moved only as much as must be and a few at a time, given
// back before they are taken, adopted at once where their owner is gone, and explained.
import { codeOf, sleep } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import type { PlacementOptions } from "./create-placement.ts";
import { createPlacement } from "./create-placement.ts";
import { offerPrefix } from "./ownership.ts";
import type { EndReason, Holding } from "./part-keeper.ts";
import type { SimulatedProcess } from "./testing/simulated-processes.ts";
import { leaseMs, pollMs, SimulatedProcesses } from "./testing/simulated-processes.ts";

const parts = Array.from({ length: 12 }, (_, index) => `p${String(index).padStart(2, "0")}`);
const settleMs = 10_000;

async function placeIn(process: SimulatedProcess, options: Partial<PlacementOptions> = {}) {
  const { log, membership, runtime, ctx } = process;
  const news: string[] = [];
  const problems: string[] = [];
  const placement = createPlacement({
    log,
    membership,
    runtime,
    service: "orders",
    parts,
    onGained: (_partCtx, { part }) => void news.push(`+${part}`),
    onLost: ({ part }, reason: EndReason) => void news.push(`-${part} ${reason}`),
    onProblem: ({ code }) => problems.push(code),
    ...options,
  });
  await placement.start(ctx);
  return { ...process, placement, news, problems };
}
type Worker = Awaited<ReturnType<typeof placeIn>>;

const owned = ({ placement }: Worker) => placement.owned().map(({ part }) => part);
const counts = (workers: readonly Worker[]) => workers.map((worker) => owned(worker).length);

async function world(count: number, options: Partial<PlacementOptions> = {}) {
  const simulated = new SimulatedProcesses();
  const workers: Worker[] = [];
  for (let number = 0; number < count; number++) workers.push(await placeIn(await simulated.join(), options));
  await simulated.time.advance(2 * pollMs);
  const join = async (own: Partial<PlacementOptions> = {}) => {
    const worker = await placeIn(await simulated.join(), { ...options, ...own });
    workers.push(worker);
    return worker;
  };
  return { simulated, time: simulated.time, workers, join };
}

describe("parts are spread", () => {
  test("evenly over processes that start together, at the first go: nothing moves", async () => {
    const { workers, time } = await world(3);
    expect(counts(workers)).toEqual([4, 4, 4]);
    expect(workers.flatMap(owned).sort()).toEqual(parts);
    await time.advance(3 * settleMs);
    expect(workers.flatMap(({ news }) => news).sort()).toEqual(parts.map((part) => `+${part}`));
    expect(workers.flatMap(({ placement }) => placement.owned()).every(({ token }) => token === 1)).toBe(true);
  });

  test("by weight", async () => {
    const { workers, join, time } = await world(1);
    await join({ weight: 3 });
    await time.advance(6 * settleMs);
    expect(counts(workers)).toEqual([3, 9]);
  });

  test("only over processes that host the service; others see where they are", async () => {
    const { workers, join, time } = await world(1, { service: "orders" });
    const other = await join({ service: "billing" });
    await time.advance(3 * settleMs);
    expect(owned(other)).toEqual([]);
    expect(other.placement.explain("p00")).toMatchObject({ planned: undefined, reason: "nobody", owner: undefined });
    expect(counts(workers)).toEqual([12, 0]);
  });
});

describe("when a process joins", () => {
  test("parts move to it once all has settled, four at a time, and only as many as it is to have", async () => {
    const { workers, join, time } = await world(3);
    const before = workers.map(owned);
    const joined = await join({ maxMovesAtOnce: 1 });
    await time.advance(settleMs - pollMs);
    expect(counts(workers)).toEqual([4, 4, 4, 0]);
    await time.advance(10 * pollMs);
    expect(counts(workers)).toEqual([3, 3, 3, 3]);
    for (const [index, had] of before.entries()) {
      const worker = workers[index] as Worker;
      expect(had).toEqual(expect.arrayContaining(owned(worker)));
      expect(worker.news.filter((entry) => entry.endsWith(" moved"))).toHaveLength(1);
    }
    expect(joined.placement.owned().map(({ token }) => token)).toEqual([3, 3, 3]);
  });

  test("no more than maxMovesAtOnce are on their way from one process", async () => {
    const { workers, join, time } = await world(1, { maxMovesAtOnce: 2 });
    await time.advance(settleMs);
    const [one] = workers as [Worker];
    const two = await join({ maxMovesAtOnce: 2 });
    let most = 0;
    const from = time.now();
    while (owned(two).length < 6) {
      if (time.now() - from > 60_000) throw new Error("Not reached.");
      await time.advance(50);
      most = Math.max(most, 12 - counts(workers).reduce((sum, count) => sum + count, 0));
    }
    expect(most).toBe(2);
    expect(owned(one)).toHaveLength(6);
  });

  test("a part is given back before it is taken, however long that takes within giveBackMs", async () => {
    const { workers, join, time } = await world(1, {
      giveBackMs: 5_000,
      onLost: async (_holding: Holding) => await sleep(ctxOf(), 3_000),
    });
    const [one] = workers as [Worker];
    function ctxOf() {
      return (workers[0] as Worker).ctx;
    }
    const two = await join();
    await time.until(() => one.placement.explain("p00").members.length === 2);
    await time.until(() => owned(one).length < 12);
    const [moving] = parts.filter((part) => !owned(one).includes(part)) as [string];
    await time.advance(2_900);
    expect(one.placement.explain(moving)).toMatchObject({ here: "ending", owner: { token: 1 } });
    expect(owned(two)).toEqual([]);
    await time.advance(100 + pollMs);
    expect(owned(two)).toContain(moving);
  });
});

describe("when a process leaves", () => {
  test("that stops, its parts are taken at once by those who are to have them, and no others move", async () => {
    const { workers, time } = await world(3);
    const [one, two, three] = workers as [Worker, Worker, Worker];
    const [had, kept, keptToo] = [owned(one), owned(two), owned(three)];
    await one.placement.stop(one.ctx);
    expect(one.news.filter((entry) => entry.endsWith(" stopped")).sort()).toEqual(
      had.map((part) => `-${part} stopped`),
    );
    await time.advance(2 * pollMs);
    expect(counts([two, three])).toEqual([6, 6]);
    expect(owned(two)).toEqual(expect.arrayContaining(kept));
    expect(owned(three)).toEqual(expect.arrayContaining(keptToo));
    expect([...two.news, ...three.news].filter((entry) => entry.startsWith("-"))).toEqual([]);
    // It is still a member, and takes none.
    expect(one.membership.canClaim).toBe(true);
  });

  test("that crashes, its parts are adopted as soon as it is gone, without settling; its offer is taken away", async () => {
    const { workers, time, simulated } = await world(3, { settleMs: 1_000_000 });
    const [one, two, three] = workers as [Worker, Worker, Worker];
    one.clock.paused = true;
    await time.until(() => two.gone.length > 0, 2 * leaseMs);
    await time.advance(2 * pollMs);
    expect(counts([two, three])).toEqual([6, 6]);
    const offers = await simulated.store.listRecords(offerPrefix("orders"), "", 10, 0);
    expect(offers.records).toHaveLength(2);
  });

  test("that was only paused, it comes back, has lost what it had, and is given its share again", async () => {
    const { workers, time } = await world(3);
    const [one] = workers as [Worker];
    const [held] = one.placement.owned() as [Holding];
    one.clock.paused = true;
    await time.advance(2 * leaseMs);
    one.clock.paused = false;
    const late = held.append(one.ctx, { records: [{ key: "late", value: 1, expected: "any" }] });
    await one.clock.resume();
    expect(await late).toMatchObject({ ok: false, reason: "superseded" });
    expect(one.news.filter((entry) => entry.startsWith("-"))).toHaveLength(4);
    await time.advance(settleMs + 8 * pollMs);
    expect(counts(workers)).toEqual([4, 4, 4]);
  });

  test("one after the other in a rolling restart, each part moves with its process and hardly again", async () => {
    const { workers, time, join } = await world(4);
    for (const old of [...workers]) {
      await old.placement.stop(old.ctx);
      await old.membership.stop(old.ctx);
      await time.advance(2_000);
      await join();
      await time.advance(4_000);
    }
    await time.advance(settleMs + 20 * pollMs);
    expect(counts(workers.slice(4))).toEqual([3, 3, 3, 3]);
    const moved = workers.flatMap(({ news }) => news).filter((entry) => entry.endsWith(" moved"));
    // Nothing moved while it went on: what moved is what the last that joined is to have.
    expect(moved.length).toBeLessThanOrEqual(3);
  });
});

describe("a part that fails", () => {
  test("where it is to be is taken by another after a while, and stays there for a while", async () => {
    const failing = (_ctx: unknown, { part }: Holding) => {
      if (part === "p00") throw new Error("no disk");
    };
    const { workers, time } = await world(2);
    const owner = workers.find((worker) => owned(worker).includes("p00")) as Worker;
    const other = workers.find((worker) => worker !== owner) as Worker;
    await owner.placement.stop(owner.ctx);
    const again = await placeIn(owner, { onGained: failing });
    await time.advance(2 * settleMs);
    await time.until(() => owned(other).includes("p00"), 60_000);
    expect([...again.problems, ...other.problems].every((code) => code === "cluster.part_ended")).toBe(true);
    await time.advance(20_000);
    expect(owned(other)).toContain("p00");
  });
});

test("alone on an embedded database all parts are taken at once", async () => {
  const simulated = new SimulatedProcesses();
  const only = await placeIn(await simulated.join({ exclusive: true }));
  await simulated.time.settle();
  expect(owned(only)).toEqual(parts);
});

test("it says who has a part, who is to have it, and what it waits for", async () => {
  const { workers, time, join } = await world(1);
  const [one] = workers as [Worker];
  const two = await join();
  await time.advance(2 * pollMs);
  const moving = parts.find((part) => one.placement.explain(part).reason === "moved") as string;
  const { processId, epoch } = one.membership;
  const explained = one.placement.explain(moving);
  expect(explained).toMatchObject({
    owner: { processId, epoch, token: 1 },
    planned: two.membership.processId,
    reason: "moved",
    waitsFor: "the members to settle",
    here: "held",
  });
  expect(explained.members.map(({ id, has, quota }) => [id, has, quota]).sort()).toEqual(
    [
      [processId, 12, 6],
      [two.membership.processId, 0, 6],
    ].sort(),
  );
  await time.advance(2 * settleMs);
  expect(one.placement.explain(moving)).toMatchObject({ reason: "kept", waitsFor: undefined, here: "none" });
  const refusal = (part: string) => {
    try {
      return one.placement.explain(part);
    } catch (error) {
      return codeOf(error);
    }
  };
  expect(refusal("nowhere")).toBe("cluster.invalid_placement");
});

test("stopping leaves no timer behind, and an idle placement writes nothing", async () => {
  const { workers, time, simulated } = await world(2);
  await time.advance(3 * settleMs);
  const keysOf = async () =>
    (await simulated.store.listRecords("cluster/placement/", "", 100, 0)).records.map(({ key, version }) => [
      key,
      version,
    ]);
  const before = await keysOf();
  await time.advance(10 * settleMs);
  expect(await keysOf()).toEqual(before);
  for (const { placement, membership, log, ctx } of workers) {
    await placement.stop(ctx);
    await membership.stop(ctx);
    await log.stop(ctx);
  }
  expect(time.pending).toBe(0);
});
