import type { Context, Part, Runtime, Timer, ViableError } from "@viable/kernel";
import { waitFor, withContext } from "@viable/kernel";
import type { Log, RecordChange } from "@viable/log";
import { alreadyOffered, notRunning, tooManySingletons } from "./errors.ts";
import type { LeasedMembership } from "./membership.ts";
import type { Ownership } from "./ownership.ts";
import { checkPartName, fromOwnerRecord, singletonKeys, singletonPrefix } from "./ownership.ts";
import type { Holding } from "./part-keeper.ts";
import { PartKeeper } from "./part-keeper.ts";

export interface SingletonsOptions {
  readonly log: Log;
  readonly membership: LeasedMembership;
  readonly runtime: Runtime;
  /**
   * How long what runs has to end after it was told to, in milliseconds, before the singleton is given away all the same; default 5,000,
   * which lets a request to somebody else come to its end and is not long to wait at a restart.
   */
  readonly giveBackMs?: number;
}

export interface SingletonOptions {
  /**
   * Runs while this process has the singleton. It must end soon after the context's signal aborts, and not before: what ends by itself is
   * given up and started again, here after 1 s to 60 s, or at once where another process offers it.
   */
  start(ctx: Context, holding: Holding): Promise<void>;
  /** Told of what fails: `cluster.part_ended`, `cluster.part_still_runs`, `cluster.claim_failed` (once for as long as the log is away). */
  readonly onProblem?: (problem: ViableError) => void;
}

export interface SingletonStatus {
  /** `waiting` for whoever has it, or for its own pause after a failure. */
  readonly state: "waiting" | "claiming" | "running" | "ending" | "stopped";
  /** Who has it, as far as is known here. */
  readonly holder: { readonly processId: string; readonly epoch: number; readonly token: number } | undefined;
  /** Why it is as it is, in a sentence for people. */
  readonly reason: string;
}

/** One process's offer to run a singleton. */
export interface SingletonOffer {
  readonly name: string;
  status(): SingletonStatus;
  /** Withdraws the offer, and hands over where it runs here. Resolves when what ran has ended, within the context. */
  stop(ctx: Context): Promise<void>;
}

/**
 * What exactly one of all processes that offer it runs at a time.
 *
 * Promised: of all holders of a name, only the last one's guarded appends (`holding.append`) are written, whatever the others believe;
 * tokens only grow; what runs is told to end before this process's lease can run out by its own clock; a holder that is gone is
 * followed within a second of the membership's word, one that stops at once, as soon as others hear of it.
 *
 * Not promised: that the last holder's code has stopped when the next one's starts. A process that is paused, or whose code does not
 * heed its signal, goes on. Whatever it changes must go through `holding.append`, or to something that refuses tokens lower than the
 * highest it has seen.
 */
export interface Singletons extends Part {
  /**
   * Offers to run it, until the offer or all singletons are stopped or the context's signal aborts. Throws `cluster.not_running`,
   * `cluster.invalid_part`, `cluster.already_offered`, `cluster.too_many_singletons` (100 in one process).
   */
  run(ctx: Context, name: string, options: SingletonOptions): SingletonOffer;
}

const defaultGiveBackMs = 5_000;
/** They are named in code, one by one; many of a kind are parts of a placement. */
const maxOffered = 100;
/** How often it looks whether something is to be claimed though nobody told it, in milliseconds. It looks at what is in memory. */
const lookMs = 1_000;

/** Makes singletons; nothing happens before `start`. The membership must be started first and stopped last. */
export function createSingletons(options: SingletonsOptions): Singletons {
  return new ClusterSingletons(options);
}

/**
 * idle ── start: owners are watched ──▶ running ── stop: all offers end and are handed over ──▶ stopped
 *
 * Each offer is a `PartKeeper`, whose states are there. The rule above it is: whoever sees that nobody alive has it, claims.
 */
class ClusterSingletons implements Singletons {
  readonly #options: SingletonsOptions;
  readonly #keepers = new Map<string, PartKeeper>();
  readonly #owners = new Map<string, Ownership>();
  readonly #life = new AbortController();
  #state: "idle" | "running" | "stopped" = "idle";
  #timer: Timer | undefined;
  #unwatch: () => void = () => {};
  #unlisten: () => void = () => {};

  constructor(options: SingletonsOptions) {
    this.#options = options;
  }

  async start(ctx: Context): Promise<void> {
    if (this.#state === "stopped") throw notRunning("Singletons");
    if (this.#state === "running") return;
    const bounded = withContext(ctx, { signal: this.#life.signal });
    this.#unwatch = await this.#options.log.watchRecords(bounded, singletonPrefix, (change) => this.#onRecord(change));
    this.#unlisten = this.#options.membership.onChange(() => this.#considerAll());
    this.#state = "running";
    this.#look();
  }

  run(ctx: Context, name: string, options: SingletonOptions): SingletonOffer {
    if (this.#state !== "running") throw notRunning("Singletons");
    checkPartName(name);
    if (this.#keepers.has(name)) throw alreadyOffered(name);
    if (this.#keepers.size >= maxOffered) throw tooManySingletons(maxOffered);
    const { log, membership, runtime, giveBackMs = defaultGiveBackMs } = this.#options;
    const keeper = new PartKeeper(singletonKeys(name), {
      log,
      membership,
      runtime,
      ctx,
      giveBackMs,
      run: (runCtx, holding) => options.start(runCtx, holding),
      onProblem: (problem) => queueMicrotask(() => options.onProblem?.(problem)),
      onChange: () => queueMicrotask(() => this.#consider(keeper)),
    });
    const known = this.#owners.get(name);
    if (known !== undefined) keeper.sees(known);
    this.#keepers.set(name, keeper);
    const withdraw = async () => {
      ctx.signal.removeEventListener("abort", onAbort);
      await keeper.stop();
      if (this.#keepers.get(name) === keeper) this.#keepers.delete(name);
    };
    let stopping: Promise<void> | undefined;
    const stop = () => {
      stopping ??= withdraw();
      return stopping;
    };
    const onAbort = () => void stop();
    ctx.signal.addEventListener("abort", onAbort, { once: true });
    if (ctx.signal.aborted) onAbort();
    this.#consider(keeper);
    return {
      name,
      status: () => this.#statusOf(keeper, stopping !== undefined),
      stop: (stopCtx) => waitFor(stopCtx, stop()),
    };
  }

  async stop(ctx: Context): Promise<void> {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#life.abort();
    this.#timer?.cancel();
    this.#unwatch();
    this.#unlisten();
    await waitFor(ctx, Promise.all([...this.#keepers.values()].map((keeper) => keeper.stop()))).catch(() => {
      // Time is up. What still runs is told to end, and the lease says the rest.
    });
  }

  #look(): void {
    this.#considerAll();
    const { clock } = this.#options.runtime;
    this.#timer = clock.setTimer(() => this.#look(), lookMs, { background: true });
  }

  #considerAll(): void {
    for (const keeper of this.#keepers.values()) this.#consider(keeper);
  }

  #consider(keeper: PartKeeper): void {
    if (this.#state !== "running") return;
    keeper.checkLease();
    if (keeper.state === "none" && keeper.isFree) void keeper.claim();
  }

  #onRecord({ key, value, version }: RecordChange): void {
    const owner = fromOwnerRecord(value, version);
    if (owner === undefined) return;
    const name = key.slice(singletonPrefix.length);
    this.#owners.set(name, owner);
    const keeper = this.#keepers.get(name);
    if (keeper === undefined) return;
    keeper.sees(owner);
    this.#consider(keeper);
  }

  #statusOf(keeper: PartKeeper, isWithdrawn: boolean): SingletonStatus {
    const { owner } = keeper;
    const holder =
      owner?.processId === undefined
        ? undefined
        : { processId: owner.processId, epoch: owner.epoch, token: owner.token };
    const isStopped = isWithdrawn || this.#state === "stopped";
    if (keeper.state === "held") return { state: "running", holder, reason: "It runs here." };
    if (keeper.state === "ending") return { state: "ending", holder, reason: "What ran here is ending." };
    if (isStopped) return { state: "stopped", holder, reason: "This process does not offer it any more." };
    if (keeper.state === "claiming")
      return { state: "claiming", holder, reason: "Nobody has it, and it is being claimed." };
    return { state: "waiting", holder, reason: this.#reasonToWait(keeper) };
  }

  #reasonToWait(keeper: PartKeeper): string {
    if (!this.#options.membership.canClaim) return "This process has no lease, so it may claim nothing.";
    if (keeper.isPausing)
      return "It ended by itself or could not be claimed a moment ago, and is tried again after a pause.";
    if (!keeper.isFree) return `Process ${keeper.owner?.processId} has it, and is not gone.`;
    return "Nobody has it; it is claimed at the next look.";
  }
}
