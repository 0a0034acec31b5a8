import type { Context } from "@viable/kernel";
import { createRuntime, rootContext, systemClock } from "@viable/kernel";
import type { Log } from "@viable/log";
import { joinCluster } from "../join-cluster.ts";
import { cutWhereDown } from "./cut-log.ts";
import type { MembershipWorld } from "./membership-contract.ts";
import { ProcessClock } from "./process-clock.ts";

/** Short, so that leases run out within a test, and long against how long a busy machine lets a process wait. */
export const contractLeaseMs = 2_500;
/** Longer than a test: nobody is followed because a lease has run out. */
export const longLeaseMs = 120_000;
/** Within this time anything that happens at all has happened, in milliseconds. */
export const patienceMs = 15_000;

export type ContractProcess = Awaited<ReturnType<ContractProcesses["join"]>>;

/** Processes of one contract test, on the machine's clock, of which each can be paused, cut off from the log or have its wall clock moved. */
export class ContractProcesses {
  readonly #world: MembershipWorld;
  readonly #started: { stop(ctx: Context): Promise<void> }[] = [];
  readonly #clocks: ProcessClock[] = [];
  readonly ctx: Context = rootContext(createRuntime());

  constructor(world: MembershipWorld) {
    this.#world = world;
  }

  async join(hosts: readonly string[], options: { leaseMs?: number; wallOffsetMs?: number } = {}) {
    const clock = new ProcessClock(systemClock, () => systemClock.nextTurn());
    clock.wallOffsetMs = options.wallOffsetMs ?? 0;
    this.#clocks.push(clock);
    const runtime = createRuntime({ clock });
    const inner = this.#world.makeLog();
    await inner.start(this.ctx);
    this.#started.push(inner);
    const link = { up: true };
    const log: Log = cutWhereDown(inner, link);
    const membership = joinCluster({ log, runtime, hosts, leaseMs: options.leaseMs ?? contractLeaseMs });
    this.#started.push(membership);
    await membership.start(this.ctx);
    return { clock, runtime, log, link, membership, ctx: rootContext(runtime) };
  }

  /** Stops it with the test, before what was started earlier. */
  stopLater(part: { stop(ctx: Context): Promise<void> }): void {
    this.#started.push(part);
  }

  async until(done: () => boolean): Promise<void> {
    const from = systemClock.monotonicMs();
    while (!done()) {
      if (systemClock.monotonicMs() - from > patienceMs) throw new Error("Not reached in time.");
      await new Promise<void>((resolve) => systemClock.setTimer(resolve, 10));
    }
  }

  /** Lets so much time pass: for what must not happen in it. */
  async pass(ms: number): Promise<void> {
    await new Promise<void>((resolve) => systemClock.setTimer(resolve, ms));
  }

  async stop(): Promise<void> {
    for (const clock of this.#clocks) if (clock.paused) await clock.resume();
    for (const part of this.#started.reverse()) await part.stop(this.ctx);
    await this.#world.close();
  }
}
