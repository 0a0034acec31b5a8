import type { Clock, Context, Runtime, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Log, Store } from "@viable/log";
import { createLog, createMemoryStore, storeUnavailable } from "@viable/log";
import { joinCluster } from "../join-cluster.ts";
import type { ProcessLife } from "../lease.ts";
import { leasePrefix } from "../lease.ts";
import type { LeasedMembership, Loss } from "../membership.ts";
import { ProcessClock } from "./process-clock.ts";

export const leaseMs = 10_000;
/** How long a log may take to see what another process wrote, where no word of it arrives. */
export const pollMs = 1_000;

export interface SimulatedProcess {
  readonly clock: ProcessClock;
  readonly runtime: Runtime;
  readonly ctx: Context;
  readonly log: Log;
  readonly membership: LeasedMembership;
  readonly losses: Loss[];
  readonly gone: ProcessLife[];
  /** The way to the database. */
  readonly link: { up: boolean; latencyMs: () => number; loseAnswers: number };
}

export class SimulatedProcesses {
  readonly time: SimulatedTime;
  readonly store: Store = { ...createMemoryStore(), exclusive: false };
  readonly processes: SimulatedProcess[] = [];
  readonly seed: number;

  constructor(seed = 1) {
    this.seed = seed;
    this.time = simulateTime({ random: seededRandom(seed) });
  }

  make(options: { exclusive?: boolean; bootMs?: number } = {}): SimulatedProcess {
    const clock = new ProcessClock(this.time, this.time.settle, options.bootMs ?? this.processes.length * 12_345);
    const runtime = createRuntime({ clock, random: seededRandom(this.seed * 100 + this.processes.length) });
    const link: SimulatedProcess["link"] = { up: true, latencyMs: () => 0, loseAnswers: 0 };
    const log = createLog(this.#over(link, clock), runtime);
    const losses: Loss[] = [];
    const gone: ProcessLife[] = [];
    const membership = joinCluster({
      log,
      runtime,
      hosts: ["orders"],
      leaseMs,
      onLost: (loss) => losses.push(loss),
      ...(options.exclusive !== undefined && { exclusive: options.exclusive }),
    });
    membership.onGone((life) => gone.push(life));
    const process = { clock, runtime, ctx: rootContext(runtime), log, membership, losses, gone, link };
    this.processes.push(process);
    return process;
  }

  async join(options: { exclusive?: boolean } = {}): Promise<SimulatedProcess> {
    const process = this.make(options);
    await process.log.start(process.ctx);
    await process.membership.start(process.ctx);
    return process;
  }

  #over(link: SimulatedProcess["link"], clock: ProcessClock): Store {
    // What is on its way arrives though its sender is paused; an answer waits until the sender runs again.
    const travel = async (by: Pick<Clock, "setTimer">) => {
      const ms = link.latencyMs();
      if (ms > 0 || (by === clock && clock.paused)) await new Promise<void>((resolve) => by.setTimer(resolve, ms));
      if (!link.up) throw new ViableError(storeUnavailable, "Cut off.", { retryable: true });
    };
    const over =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        await travel(this.time);
        const result = await call(...args);
        if (call === (this.store.commit as unknown) && link.loseAnswers > 0) {
          link.loseAnswers -= 1;
          throw new ViableError("log.unavailable", "The answer was lost.", { retryable: false });
        }
        await travel(clock);
        return result;
      };
    return {
      ...this.store,
      commit: over(this.store.commit),
      getRecords: over(this.store.getRecords),
      listRecords: over(this.store.listRecords),
      readChanges: over(this.store.readChanges),
    };
  }

  async leases(): Promise<string[]> {
    return (await this.store.listRecords(leasePrefix, "", 1_000, 0)).records.map(({ key }) => key);
  }
}
