// Proves what singletons promise, to the millisecond, under simulated time: who runs, who waits and why, when what runs is told to end, and
// that the writes of whoever is not the holder any more are refused.
import type { Context } from "@viable/kernel";
import { codeOf, sleep, ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import { describe, expect, test } from "vitest";
import type { SingletonOffer, SingletonsOptions } from "./create-singletons.ts";
import { createSingletons } from "./create-singletons.ts";
import { leaseKey } from "./lease.ts";
import { singletonKeys } from "./ownership.ts";
import type { Holding } from "./part-keeper.ts";
import type { SimulatedProcess } from "./testing/simulated-processes.ts";
import { leaseMs, pollMs, SimulatedProcesses } from "./testing/simulated-processes.ts";

const untilAborted = (ctx: Context) =>
  new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve(), { once: true }));

interface Setting extends Partial<SingletonsOptions> {
  readonly start?: (ctx: Context, holding: Holding) => Promise<void>;
}

async function offerIn(process: SimulatedProcess, { start = untilAborted, ...options }: Setting = {}) {
  const { log, membership, runtime, ctx } = process;
  const singletons = createSingletons({ log, membership, runtime, ...options });
  await singletons.start(ctx);
  const problems: string[] = [];
  const holdings: Holding[] = [];
  const endedMs: number[] = [];
  const begin = async (runCtx: Context, holding: Holding) => {
    holdings.push(holding);
    runCtx.signal.addEventListener("abort", () => endedMs.push(runtime.clock.monotonicMs()));
    await start(runCtx, holding);
  };
  const offer = singletons.run(ctx, "sealer", { start: begin, onProblem: ({ code }) => problems.push(code) });
  return { ...process, singletons, offer, holdings, endedMs, problems };
}

async function world(...settings: Setting[]) {
  const simulated = new SimulatedProcesses();
  const workers = [];
  for (const setting of settings) workers.push(await offerIn(await simulated.join(), setting));
  await simulated.time.settle();
  return { time: simulated.time, simulated, workers };
}
type Worker = Awaited<ReturnType<typeof offerIn>>;
const stateOf = ({ offer }: { offer: SingletonOffer }) => offer.status().state;
const write = (worker: Worker, at = 0) =>
  (worker.holdings[at] as Holding).append(worker.ctx, {
    streams: [{ stream: "seals", expected: "any", events: [{ type: "seal", data: {} }] }],
  });

describe("of all that offer it", () => {
  test("one runs, and the others wait and say for whom", async () => {
    const { workers, time } = await world({}, {}, {});
    await time.advance(3 * leaseMs);
    expect(workers.map(stateOf)).toEqual(["running", "waiting", "waiting"]);
    const { processId, epoch } = (workers[0] as Worker).membership;
    for (const { offer } of workers) expect(offer.status().holder).toEqual({ processId, epoch, token: 1 });
    expect(workers[1]?.offer.status().reason).toContain(processId);
    expect(workers.map(({ holdings }) => holdings.length)).toEqual([1, 0, 0]);
  });

  test("one that comes later does not even try", async () => {
    const { simulated, time } = await world({});
    const late = await simulated.join();
    const { append } = late.log;
    const claims: unknown[] = [];
    Object.assign(late.log, {
      append: (...args: Parameters<Log["append"]>) => {
        claims.push(...(args[1].records ?? []).filter(({ key }) => key === singletonKeys("sealer").ownerKey));
        return append(...args);
      },
    });
    await offerIn(late);
    await time.advance(leaseMs);
    expect(claims).toEqual([]);
  });

  test("that claim at the same moment, one wins and the others know", async () => {
    const simulated = new SimulatedProcesses();
    const processes = [await simulated.join(), await simulated.join(), await simulated.join()];
    for (const { link } of processes) link.latencyMs = () => 50;
    const starting = Promise.all(processes.map((process) => offerIn(process)));
    await simulated.time.advance(5_000);
    const workers = await starting;
    expect(workers.map(stateOf).sort()).toEqual(["running", "waiting", "waiting"]);
    expect(workers.flatMap(({ problems }) => problems)).toEqual([]);
    const [holding] = workers.flatMap(({ holdings }) => holdings);
    expect(holding?.token).toBe(1);
  });
});

describe("it is followed", () => {
  test("at once, by a process that hears of it, where its holder stops: nobody waits for a lease", async () => {
    const { workers, time } = await world({}, {});
    const [one, two] = workers as [Worker, Worker];
    await one.singletons.stop(one.ctx);
    expect([stateOf(one), one.endedMs.length]).toEqual(["stopped", 1]);
    await time.advance(pollMs);
    expect(stateOf(two)).toBe("running");
    // One for giving it back, one for taking it.
    expect(two.offer.status().holder?.token).toBe(3);
    expect(one.membership.canClaim).toBe(true);
  });

  test("where the offer is withdrawn, or its context ends, alone", async () => {
    const { workers, time } = await world({}, {});
    const [one, two] = workers as [Worker, Worker];
    await one.offer.stop(one.ctx);
    await time.advance(pollMs);
    expect([stateOf(one), stateOf(two)]).toEqual(["stopped", "running"]);
    const ending = new AbortController();
    const again = one.singletons.run({ ...one.ctx, signal: ending.signal }, "sealer", { start: untilAborted });
    await two.offer.stop(two.ctx);
    await time.advance(pollMs);
    expect(stateOf({ offer: again })).toBe("running");
    ending.abort();
    await time.settle();
    expect(stateOf({ offer: again })).toBe("stopped");
  });

  test("once its holder is gone, and not before; the holder that wakes finds its writes refused", async () => {
    const { workers, time } = await world({}, {});
    const [one, two] = workers as [Worker, Worker];
    await time.advance(leaseMs);
    expect(await write(one)).toMatchObject({ ok: true, versions: [1], recordVersions: [] });
    one.clock.paused = true;
    await time.advance(leaseMs / 2);
    expect(stateOf(two)).toBe("waiting");
    await time.advance(leaseMs);
    expect(stateOf(two)).toBe("running");
    expect(await write(two)).toMatchObject({ ok: true, versions: [2] });
    // Before any of its timers has fired: what a zombie does first.
    one.clock.paused = false;
    const late = write(one);
    await one.clock.resume();
    expect(await late).toEqual({ ok: false, reason: "superseded", token: 1 });
    await time.advance(pollMs);
    expect([stateOf(one), stateOf(two)]).toEqual(["waiting", "running"]);
    expect(one.endedMs).toHaveLength(1);
    expect(await one.log.readStream(one.ctx, "seals")).toHaveLength(2);
  });

  test("in the moment in which the membership knows that its holder is gone", async () => {
    const { workers, time } = await world({}, {});
    const [one, two] = workers as [Worker, Worker];
    await time.advance(leaseMs);
    one.clock.paused = true;
    await time.until(() => two.gone.length > 0, 2 * leaseMs);
    await time.settle();
    expect(stateOf(two)).toBe("running");
  });

  test("by the same process with a higher token where nobody else offers it", async () => {
    const { workers, time } = await world({});
    const [one] = workers as [Worker];
    await one.log.append(one.ctx, {
      records: [{ key: leaseKey(one.membership.processId), value: null, expected: "any" }],
    });
    await time.until(() => one.holdings.length === 2, 3 * leaseMs);
    await time.settle();
    expect(stateOf(one)).toBe("running");
    expect(one.holdings[1]?.epoch).toBeGreaterThan(one.holdings[0]?.epoch as number);
    expect(one.holdings[1]?.token).toBeGreaterThan(1);
  });
});

describe("what runs is told to end", () => {
  test("a fifth of a lease before it runs out by its own clock, while nobody else may begin", async () => {
    const { workers, time } = await world({}, {});
    const [one, two] = workers as [Worker, Worker];
    await time.advance(leaseMs);
    one.link.up = false;
    await time.until(() => one.endedMs.length === 1, leaseMs);
    expect(one.membership.leaseEndsMs - (one.endedMs[0] as number)).toBe(leaseMs / 5);
    expect(one.membership.canClaim).toBe(true);
    expect(stateOf(two)).toBe("waiting");
    await time.until(() => stateOf(two) === "running", leaseMs);
  });

  test("has giveBackMs to end, and its writes count until it has", async () => {
    const outcomes: unknown[] = [];
    const start = async (ctx: Context, holding: Holding) => {
      await untilAborted(ctx);
      await sleep({ ...ctx, signal: new AbortController().signal }, 2_000);
      const last = { streams: [{ stream: "seals", expected: 0, events: [{ type: "last", data: {} }] }] };
      outcomes.push(await holding.append({ ...ctx, signal: new AbortController().signal }, last));
    };
    const { workers, time } = await world({ start }, {});
    const [one, two] = workers as [Worker, Worker];
    void one.offer.stop(one.ctx);
    await time.advance(1_900);
    expect([stateOf(one), stateOf(two)]).toEqual(["ending", "waiting"]);
    await time.advance(100 + pollMs);
    expect(outcomes).toMatchObject([{ ok: true }]);
    expect([stateOf(one), stateOf(two)]).toEqual(["stopped", "running"]);
    expect(one.problems).toEqual([]);
  });

  test("is left to itself after giveBackMs, and told of; its writes count no more, before anybody has followed", async () => {
    const { workers, time } = await world({ start: () => new Promise(() => {}), giveBackMs: 700 });
    const [one] = workers as [Worker];
    void one.offer.stop(one.ctx);
    await time.advance(699);
    expect([stateOf(one), one.problems]).toEqual(["ending", []]);
    await time.advance(1);
    expect([stateOf(one), one.problems]).toEqual(["stopped", ["cluster.part_still_runs"]]);
    expect(await write(one)).toMatchObject({ reason: "superseded" });
    const keys = singletonKeys("sealer");
    expect((await one.log.getRecord(one.ctx, keys.ownerKey))?.value).toMatchObject({ processId: null, token: 2 });
    expect((await one.log.getRecord(one.ctx, keys.fenceKey))?.value).toEqual({ token: 2 });
  });
});

describe("a holder", () => {
  test("whose singleton another has taken is told to end, though its lease holds", async () => {
    const { workers, time } = await world({});
    const [one] = workers as [Worker];
    const { ownerKey, fenceKey } = singletonKeys("sealer");
    const another = { part: "sealer", processId: "prc_another", epoch: 9, token: 2 };
    await one.log.append(one.ctx, {
      records: [
        { key: ownerKey, value: another, expected: "any" },
        { key: fenceKey, value: { token: 2 }, expected: "any" },
      ],
    });
    expect(await write(one)).toMatchObject({ ok: false, reason: "superseded" });
    await time.settle();
    expect(one.endedMs).toHaveLength(1);
    expect((await one.log.getRecord(one.ctx, ownerKey))?.value).toEqual(another);
    expect(one.offer.status().holder).toMatchObject({ processId: "prc_another" });
  });

  test("whose lease is not renewed claims nothing in the last fifth of it, though it could write", async () => {
    const { workers, time } = await world({});
    const [one] = workers as [Worker];
    const { append } = one.log;
    let claims = 0;
    Object.assign(one.log, {
      append: async (...args: Parameters<Log["append"]>) => {
        if (args[1].records?.some(({ key }) => key === leaseKey(one.membership.processId)))
          throw new ViableError("log.unavailable", "Away.", { retryable: true });
        claims += 1;
        if (claims > 10) throw new Error("Too many.");
        return await append(...args);
      },
    });
    await time.advance(leaseMs);
    // It gave the singleton back, and that is all.
    expect([stateOf(one), one.endedMs.length, claims]).toEqual(["waiting", 1, 1]);
  });
});

describe("what ends by itself", () => {
  test("is told of and taken by another at once", async () => {
    const failing = async () => await Promise.reject(new Error("no disk"));
    const { workers, time } = await world({ start: failing }, {});
    const [one, two] = workers as [Worker, Worker];
    await time.advance(pollMs);
    expect(stateOf(two)).toBe("running");
    expect([one.problems, stateOf(one)]).toEqual([["cluster.part_ended"], "waiting"]);
  });

  test("is started again here after pauses that grow, where nobody else offers it", async () => {
    const { workers, time } = await world({ start: async () => {} });
    const [one] = workers as [Worker];
    await time.advance(600_000);
    const { length } = one.holdings;
    expect(length).toBeGreaterThan(5);
    expect(length).toBeLessThan(60);
    expect(one.problems).toHaveLength(length);
  });
});

describe("where the log is away", () => {
  test("a claim is told of once, tried again, and succeeds when it is back", async () => {
    const simulated = new SimulatedProcesses();
    const process = await simulated.join();
    const { append } = process.log;
    let tries = 0;
    Object.assign(process.log, {
      append: (...args: Parameters<Log["append"]>) => {
        if (args[1].records?.some(({ key }) => key.includes("singleton"))) {
          tries += 1;
          return Promise.reject(new ViableError("log.unavailable", "Away.", { retryable: true }));
        }
        return append(...args);
      },
    });
    const worker = await offerIn(process);
    await simulated.time.advance(5_500);
    expect([tries, worker.problems, stateOf(worker)]).toEqual([6, ["cluster.claim_failed"], "waiting"]);
    Object.assign(process.log, { append });
    await simulated.time.advance(1_000);
    expect(stateOf(worker)).toBe("running");
  });

  test("a claim that arrived though its answer did not is its own, by a higher token", async () => {
    const simulated = new SimulatedProcesses();
    const process = await simulated.join();
    const { append } = process.log;
    Object.assign(process.log, {
      append: async (...args: Parameters<Log["append"]>) => {
        Object.assign(process.log, { append });
        await append(...args);
        throw new ViableError("log.unavailable", "The answer was lost.", { retryable: true });
      },
    });
    const worker = await offerIn(process);
    await simulated.time.advance(2 * pollMs);
    expect([stateOf(worker), worker.holdings.map(({ token }) => token)]).toEqual(["running", [2]]);
  });

  test("a guarded append whose answer was lost leaves the next ones guarded, and not refused", async () => {
    const { workers, time } = await world({});
    const [one] = workers as [Worker];
    const { append } = one.log;
    Object.assign(one.log, {
      append: async (...args: Parameters<Log["append"]>) => {
        Object.assign(one.log, { append });
        await append(...args);
        throw new ViableError("log.unavailable", "The answer was lost.", { retryable: true });
      },
    });
    const outcomes = await Promise.allSettled([write(one), write(one), write(one)]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
    expect(await write(one)).toMatchObject({ ok: true, versions: [4] });
    await time.advance(leaseMs);
    expect(stateOf(one)).toBe("running");
  });
});

test("guarded appends wait for each other, two hundred at most, and what else they expect is decided as ever", async () => {
  const { workers } = await world({});
  const [one] = workers as [Worker];
  const holding = one.holdings[0] as Holding;
  const many = Array.from({ length: 201 }, (_, index) =>
    holding.append(one.ctx, { records: [{ key: "seal", value: index, expected: "any" }] }),
  );
  const outcomes = await Promise.all(many);
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(200);
  expect(outcomes[200]).toMatchObject({ ok: false, reason: "overloaded" });
  const taken = await holding.append(one.ctx, { records: [{ key: "seal", value: 0, expected: 0 }] });
  expect(taken).toMatchObject({ ok: false, reason: "record_conflict", key: "seal", actual: 200 });
  expect(await write(one)).toMatchObject({ ok: true });
});

test("a wall clock that is ten minutes off, and jumps, changes nothing", async () => {
  const { workers, time } = await world({}, {});
  const [one, two] = workers as [Worker, Worker];
  for (const offsetMs of [600_000, -600_000, 0]) {
    one.clock.wallOffsetMs = offsetMs;
    two.clock.wallOffsetMs = -offsetMs;
    await time.advance(2 * leaseMs);
  }
  expect([stateOf(one), stateOf(two), one.holdings.length]).toEqual(["running", "waiting", 1]);
});

test("alone on an embedded database it runs at once, and again at once after a crash", async () => {
  const simulated = new SimulatedProcesses();
  const crashed = await offerIn(await simulated.join({ exclusive: true }));
  await simulated.time.settle();
  expect(stateOf(crashed)).toBe("running");
  crashed.clock.paused = true;
  const next = await offerIn(await simulated.join({ exclusive: true }));
  await simulated.time.settle();
  expect([stateOf(next), next.holdings[0]?.token]).toEqual(["running", 2]);
});

test("a name twice, a name that is none, one too many, and an offer before the start are refused", async () => {
  const { workers } = await world({});
  const { singletons, ctx, log, membership, runtime } = workers[0] as Worker;
  const offer = (name: string) => singletons.run(ctx, name, { start: untilAborted });
  const refusal = (act: () => unknown) => {
    try {
      act();
      return undefined;
    } catch (error) {
      return codeOf(error);
    }
  };
  expect(refusal(() => offer("sealer"))).toBe("cluster.already_offered");
  expect(refusal(() => offer("a/b"))).toBe("cluster.invalid_part");
  for (let count = 1; count < 100; count++) offer(`one-of-${count}`);
  expect(refusal(() => offer("too-many"))).toBe("cluster.too_many_singletons");
  const idle = createSingletons({ log, membership, runtime });
  expect(refusal(() => idle.run(ctx, "sealer", { start: untilAborted }))).toBe("cluster.not_running");
});

test("stopping leaves no timer behind", async () => {
  const { workers, time } = await world({}, {});
  await time.advance(leaseMs);
  for (const { singletons, membership, log, ctx } of workers) {
    await singletons.stop(ctx);
    await membership.stop(ctx);
    await log.stop(ctx);
  }
  expect(time.pending).toBe(0);
});
