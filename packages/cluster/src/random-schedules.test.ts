// Proves what singletons and placements promise under random schedules: processes are killed, paused, cut off, slowed down, told nothing of
// what they wrote, moved in wall time, stopped and joined, under simulated time and a seed. Whoever has a part writes guarded events for it;
// some go on writing after they were told to end. What was written is the judge: tokens that never go back, and one writer for each.
import type { Context } from "@viable/kernel";
import { seededRandom, sleep } from "@viable/kernel";
import type { AppendRequest, Log } from "@viable/log";
import { describe, expect, test } from "vitest";
import type { Placement } from "./create-placement.ts";
import { createPlacement } from "./create-placement.ts";
import type { SingletonOffer, Singletons } from "./create-singletons.ts";
import { createSingletons } from "./create-singletons.ts";
import type { Holding } from "./part-keeper.ts";
import type { SimulatedProcess } from "./testing/simulated-processes.ts";
import { leaseMs, SimulatedProcesses } from "./testing/simulated-processes.ts";

const parts = ["a", "b", "c", "d", "e", "f"];
const singleton = "sealer";
const faults = [
  "pause",
  "pause",
  "resume",
  "cut",
  "heal",
  "slow",
  "fast",
  "loseAnswer",
  "wall",
  "join",
  "kill",
  "stop",
] as const;
/** Half a second each. */
const seeds = 15;
const pausesMs = [0, 300, 1_300, 3_400, 7_000, 11_000];

interface Worker {
  readonly process: SimulatedProcess;
  readonly singletons: Singletons;
  readonly placement: Placement;
  offer?: SingletonOffer;
  isDead: boolean;
}

/** What a test takes away to see that it is needed. */
type Weakness = "fence" | "compare-and-set";

/** The log, where what the weakness names is written whatever is there. */
function weaken(log: Log, weakness: Weakness | undefined): Log {
  if (weakness === undefined) return log;
  const isWeak = (key: string) =>
    key.startsWith("cluster/fence/") === (weakness === "fence") &&
    !key.startsWith("cluster/process/") &&
    key !== "cluster/epoch";
  const append = (ctx: Context, request: AppendRequest) =>
    log.append(ctx, {
      ...request,
      records: (request.records ?? []).map((write) => (isWeak(write.key) ? { ...write, expected: "any" } : write)),
    });
  return { ...log, append };
}

class Schedule {
  readonly world: SimulatedProcesses;
  readonly workers: Worker[] = [];
  readonly random: ReturnType<typeof seededRandom>;
  readonly weakness: Weakness | undefined;
  refused = 0;

  constructor(seed: number, weakness?: Weakness) {
    this.world = new SimulatedProcesses(seed);
    this.random = seededRandom(seed);
    this.weakness = weakness;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random.next() * from.length)] as T;
  }

  /** Writes guarded events for as long as it is told to, and half of them for up to 9 s longer. */
  async write(ctx: Context, holding: Holding, process: SimulatedProcess): Promise<void> {
    const staysMs = this.random.next() < 0.5 ? 0 : this.random.next() * 9_000;
    let endsMs = Number.POSITIVE_INFINITY;
    ctx.signal.addEventListener("abort", () => {
      endsMs = process.clock.monotonicMs() + staysMs;
    });
    const { token, processId, epoch } = holding;
    while (process.clock.monotonicMs() < endsMs) {
      const event = { type: "written", data: { token, processId, epoch } };
      const stream = `writes/${holding.part}`;
      const writing = holding.append(process.ctx, { streams: [{ stream, expected: "any", events: [event] }] });
      const outcome = await writing.catch(() => undefined);
      if (outcome?.ok === false && outcome.reason === "superseded") this.refused += 1;
      await sleep(process.ctx, 400);
    }
  }

  async join(): Promise<void> {
    const process = this.world.make();
    const log = weaken(process.log, this.weakness);
    const { runtime, membership, ctx } = process;
    const writing = new Map<Holding, Promise<void>>();
    const placement = createPlacement({
      log,
      membership,
      runtime,
      service: "orders",
      parts,
      onGained: (partCtx, holding) => void writing.set(holding, this.write(partCtx, holding, process)),
      onLost: async (holding) => await writing.get(holding),
    });
    const singletons = createSingletons({ log, membership, runtime });
    const worker: Worker = { process, placement, singletons, isDead: false };
    this.workers.push(worker);
    try {
      await process.log.start(ctx);
      await membership.start(ctx);
      await singletons.start(ctx);
      await placement.start(ctx);
      worker.offer = singletons.run(ctx, singleton, {
        start: (runCtx, holding) => this.write(runCtx, holding, process),
      });
    } catch {
      // It was cut off for longer than it tries, or told to stop before it had begun.
      worker.isDead = true;
      process.clock.paused = true;
    }
  }

  async stop({ process, placement, singletons }: Worker): Promise<void> {
    await Promise.all([placement.stop(process.ctx), singletons.stop(process.ctx)]);
    await process.membership.stop(process.ctx);
  }

  get living(): Worker[] {
    return this.workers.filter(({ isDead }) => !isDead);
  }

  async apply(fault: (typeof faults)[number]): Promise<void> {
    const worker = this.pick(this.living);
    const { clock, link, runtime } = worker.process;
    if (fault === "pause") clock.paused = true;
    else if (fault === "resume") await clock.resume();
    else if (fault === "cut") link.up = false;
    else if (fault === "heal") link.up = true;
    else if (fault === "slow") link.latencyMs = () => runtime.random.next() * 4_000;
    else if (fault === "fast") link.latencyMs = () => 0;
    else if (fault === "loseAnswer") link.loseAnswers = 1;
    else if (fault === "wall") clock.wallOffsetMs += 600_000;
    else if (fault === "join" && this.living.length < 5) void this.join();
    else if (fault === "kill" && this.living.length > 2) {
      worker.isDead = true;
      clock.paused = true;
    } else if (fault === "stop" && this.living.length > 2) {
      worker.isDead = true;
      void this.stop(worker);
    }
  }

  async run(steps: number): Promise<void> {
    for (let count = 0; count < 3; count++) await this.join();
    await this.world.time.advance(3_000);
    for (let step = 0; step < steps; step++) {
      await this.apply(this.pick(faults));
      await this.world.time.advance(this.pick(pausesMs));
    }
    for (const { process, isDead } of this.workers) {
      if (isDead) continue;
      process.link.up = true;
      process.link.latencyMs = () => 0;
      await process.clock.resume();
    }
    // The longest there is: a lease, what the log tries again, members that settle, moves.
    await this.world.time.advance(12 * leaseMs);
  }

  /** What was written that must not have been: a token lower than one before, or one that two lives wrote. */
  async violations(): Promise<string[]> {
    const found: string[] = [];
    for (const part of [...parts, singleton]) {
      const { events } = await this.world.store.readStream(`writes/${part}`, 1, 100_000, "forward");
      let highest = 0;
      const writers = new Map<number, string>();
      for (const event of events) {
        const { token, processId, epoch } = event.data as { token: number; processId: string; epoch: number };
        const life = `${processId} ${epoch}`;
        if (token < highest) found.push(`${part}: token ${token} of ${life} after ${highest}`);
        if ((writers.get(token) ?? life) !== life)
          found.push(`${part}: token ${token} of ${life} and ${writers.get(token)}`);
        writers.set(token, life);
        highest = Math.max(highest, token);
      }
    }
    return found;
  }
}

describe("under random schedules", () => {
  test("no two holders' guarded writes both succeed, and once all is quiet every part has one owner among the living", async () => {
    let refused = 0;
    let tokens = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const schedule = new Schedule(seed);
      await schedule.run(25);
      expect({ seed, violations: await schedule.violations() }).toEqual({ seed, violations: [] });
      const owned = schedule.living.flatMap(({ placement }) => placement.owned());
      expect({ seed, owned: owned.map(({ part }) => part).sort() }).toEqual({ seed, owned: parts });
      const loads = schedule.living.map(({ placement }) => placement.owned().length);
      expect({ seed, spread: Math.max(...loads) - Math.min(...loads) <= 1 }).toEqual({ seed, spread: true });
      const running = schedule.living.filter(({ offer }) => offer?.status().state === "running");
      expect({ seed, running: running.length }).toEqual({ seed, running: 1 });
      refused += schedule.refused;
      tokens += owned.reduce((sum, { token }) => sum + token, 0);
    }
    // Otherwise the faults did not bite and the above shows nothing.
    expect(refused).toBeGreaterThan(40);
    expect(tokens).toBeGreaterThan(300);
  }, 300_000);

  test.each(["fence", "compare-and-set"] as const)(
    "without the %s the same schedules do let two of them write",
    async (weakness) => {
      let violations = 0;
      for (let seed = 1; seed <= seeds && violations === 0; seed++) {
        const schedule = new Schedule(seed, weakness);
        await schedule.run(25);
        violations += (await schedule.violations()).length;
      }
      expect(violations).toBeGreaterThan(0);
    },
    300_000,
  );
});
