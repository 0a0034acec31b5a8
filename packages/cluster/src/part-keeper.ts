import type { Backoff, Context, Runtime, Timer, ViableError } from "@viable/kernel";
import { backoffMs, rootContext, withContext } from "@viable/kernel";
import type { AppendRequest, Log } from "@viable/log";
import { claimFailed, partEnded, partStillRuns } from "./errors.ts";
import type { GuardedOutcome } from "./fence.ts";
import { Fence } from "./fence.ts";
import type { LeasedMembership } from "./membership.ts";
import type { Ownership, PartKeys } from "./ownership.ts";
import { fromOwnerRecord, toOwnerRecord } from "./ownership.ts";

/**
 * The right to run one part: (process, epoch, token). `token` is higher than that of everybody who had the part before, so whatever else
 * is written to can refuse lower ones than it has seen.
 */
export interface Holding {
  readonly part: string;
  readonly processId: string;
  readonly epoch: number;
  readonly token: number;
  /**
   * An append that happens only while the part is this holder's by the database's word; otherwise nothing of it is written, and the answer
   * is `superseded`. One at a time, at most 200 waiting (then `overloaded`). Rejects as the log's own append does.
   */
  append(ctx: Context, request: AppendRequest): Promise<GuardedOutcome>;
}

/**
 * Why what ran was told to end. `moved`: it is to run elsewhere · `stopped`: nobody wants it here any more · `lease`: this process's lease
 * is about to run out, or has · `taken`: another process has it · `ended`: it ended by itself.
 */
export type EndReason = "moved" | "stopped" | "lease" | "taken" | "ended";

/** What a process is doing about a part: see `PartKeeper`. */
export type PartState = "none" | "claiming" | "held" | "ending";

export interface PartKeeperSettings {
  readonly log: Log;
  readonly membership: LeasedMembership;
  readonly runtime: Runtime;
  /** In which what runs is started, narrowed by a signal that aborts when it is to end. */
  readonly ctx: Context;
  readonly giveBackMs: number;
  /** Runs the part until the signal aborts. `endReason` says why it did. */
  run(ctx: Context, holding: Holding, endReason: () => EndReason): Promise<void>;
  /** Must not throw, nor must `onChange`. */
  onProblem(problem: ViableError): void;
  /** The state has changed. */
  onChange(): void;
}

/**
 * Of the lease, the part at whose beginning what runs is told to end where no renewal has succeeded: it has this long before anybody
 * else may begin.
 */
const endingPerLease = 5;
/** What fails or ends by itself waits before it is started here again; others need not wait. */
const restartBackoff: Backoff = { baseMs: 1_000, maxMs: 60_000, maxAttempts: Number.POSITIVE_INFINITY };
/** Who has run for as long as the longest pause has begun well, and its next failure is the first. */
const ranWellMs = 60_000;
/** How long a claim that the log did not take waits for the next, in milliseconds. */
const retryMs = 1_000;

interface Held {
  readonly holding: Holding;
  readonly abort: AbortController;
  readonly begunMs: number;
  ended: Promise<void>;
  endReason: EndReason;
}

/**
 * One part's life in one process. Whether it is to be claimed or given back is decided above; here is what that takes.
 *
 *             claim           owner's record written           run begun
 *   none ───────────▶ claiming ───────────────────────────────────▶ held
 *    ▲                   │ somebody was quicker, the log is away      │ end: the signal aborts
 *    │                   ▼                                            ▼
 *    └───────────────────┴───────────────────────────────────────── ending
 *       what ran has ended, or giveBackMs are over; the records name nobody, with a higher token
 *
 * What the database decides: who has the part (compare-and-set on the owner's record), and whose guarded writes count (the fence's
 * record, written in the same append by everybody who takes or gives the part). What our own clock decides: when what runs must end
 * because our lease may run out. That a part is free is known from its record, or from the membership's word that its owner is gone.
 */
export class PartKeeper {
  readonly part: string;
  readonly #keys: PartKeys;
  readonly #settings: PartKeeperSettings;
  #state: PartState = "none";
  #seen: Ownership | undefined;
  #held: Held | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #isStopped = false;
  #leaseTimer: Timer | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #isClaimFailing = false;

  constructor(keys: PartKeys, settings: PartKeeperSettings) {
    this.part = keys.part;
    this.#keys = keys;
    this.#settings = settings;
  }

  get state(): PartState {
    return this.#state;
  }

  /** While it runs, and is not told to end. */
  get holding(): Holding | undefined {
    return this.#state === "held" ? this.#held?.holding : undefined;
  }

  /** Who has it, as far as is known here; undefined where nobody ever had. */
  get owner(): Ownership | undefined {
    return this.#seen;
  }

  /** Whether nobody who is alive has it. Also where it is ours by the record and does not run here: an answer was lost. */
  get isFree(): boolean {
    const seen = this.#seen;
    if (seen?.processId === undefined || (this.isOurs && this.#state === "none")) return true;
    return !this.isOurs && this.#settings.membership.isGone(seen.processId, seen.epoch);
  }

  /** Whether the record names this life of this process. */
  get isOurs(): boolean {
    const { processId, epoch } = this.#settings.membership;
    return this.#seen?.processId === processId && this.#seen.epoch === epoch;
  }

  /** Whether it failed here a moment ago and waits to be claimed again. */
  get isPausing(): boolean {
    return this.#nowMs() < this.#notBeforeMs;
  }

  /** The owner's record was seen. News may come late and twice. */
  sees(owner: Ownership): void {
    if (this.#seen !== undefined && owner.version <= this.#seen.version) return;
    this.#seen = owner;
    const held = this.#held;
    if (held !== undefined && owner.token > held.holding.token) void this.end("taken");
  }

  /** Ends what runs where our lease is over, or about to be. Called whenever the membership changes; a timer calls it, too. */
  checkLease(): void {
    const held = this.#held;
    if (held === undefined || this.#state !== "held") return;
    const leftMs = this.#leaseLeftMs(held.holding.epoch);
    if (leftMs <= 0) {
      void this.end("lease");
      return;
    }
    this.#leaseTimer?.cancel();
    if (leftMs === Number.POSITIVE_INFINITY) return;
    // Asked for a moment too early rather than too late, as is what fires late.
    this.#leaseTimer = this.#settings.runtime.clock.setTimer(() => this.checkLease(), leftMs, { background: true });
  }

  /** Tries once. Nothing where it is not free to be tried. */
  claim(): Promise<void> {
    // Not at the end of a lease either: it would have to be given back at once.
    const hasLease = this.#leaseLeftMs(this.#settings.membership.epoch) > 0;
    if (this.#state !== "none" || this.#isStopped || this.isPausing || !hasLease) return this.#underWay;
    return this.#do("claiming", () => this.#claim());
  }

  /** Gives back what is ours by the record though it does not run here: the answer of a claim, or of giving it back, was lost. */
  disown(): Promise<void> {
    if (this.#state !== "none" || !this.isOurs) return this.#underWay;
    return this.#do("ending", () => this.#release());
  }

  /** Tells what runs to end, waits for it for `giveBackMs` at most, then gives the part back. */
  end(reason: EndReason): Promise<void> {
    const held = this.#held;
    if (held === undefined || this.#state !== "held") return this.#underWay;
    held.endReason = reason;
    return this.#do("ending", () => this.#end(held, reason));
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#underWay;
    await this.end("stopped");
    await this.disown();
  }

  #do(state: PartState, act: () => Promise<void>): Promise<void> {
    this.#enter(state);
    this.#underWay = act();
    return this.#underWay;
  }

  #enter(state: PartState): void {
    this.#state = state;
    this.#settings.onChange();
  }

  async #claim(): Promise<void> {
    const { processId, epoch } = this.#settings.membership;
    const token = (this.#seen?.token ?? 0) + 1;
    const fenceVersion = await this.#write({ processId, epoch, token });
    if (fenceVersion === undefined) {
      this.#enter("none");
      return;
    }
    // While the answer was on its way the lease may have ended, or it may not be wanted any more.
    if (this.#isStopped || this.#leaseLeftMs(epoch) <= 0) {
      this.#notBeforeMs = this.#nowMs() + retryMs;
      await this.#release();
      return;
    }
    // Somebody who took us for gone may have taken it from us before we even knew that we had it.
    if (this.#seen !== undefined && this.#seen.token > token) this.#enter("none");
    else this.#begin({ processId, epoch, token }, fenceVersion);
  }

  #begin(life: Pick<Holding, "processId" | "epoch" | "token">, fenceVersion: number): void {
    const { log, ctx, run } = this.#settings;
    const fence = new Fence(log, this.#keys, life.token, fenceVersion);
    const abort = new AbortController();
    const holding: Holding = {
      part: this.part,
      ...life,
      append: (appendCtx, request) => fence.append(appendCtx, request),
    };
    const held: Held = {
      holding,
      abort,
      begunMs: this.#nowMs(),
      ended: Promise.resolve(),
      endReason: "ended",
    };
    this.#held = held;
    this.#enter("held");
    this.checkLease();
    if (this.#state !== "held") return;
    const running = async () => await run(withContext(ctx, { signal: abort.signal }), holding, () => held.endReason);
    held.ended = running().then(
      () => this.#hasEnded(held, undefined),
      (error: unknown) => this.#hasEnded(held, error),
    );
  }

  #hasEnded(held: Held, error: unknown): void {
    // What ends after it was told to may do so as it likes.
    if (this.#held !== held || this.#state !== "held") return;
    this.#failures = this.#nowMs() - held.begunMs >= ranWellMs ? 1 : this.#failures + 1;
    const pauseMs = backoffMs(restartBackoff, this.#failures, this.#settings.runtime.random) as number;
    this.#notBeforeMs = this.#nowMs() + pauseMs;
    this.#settings.onProblem(partEnded(this.part, error));
    void this.end("ended");
  }

  async #end(held: Held, reason: EndReason): Promise<void> {
    this.#leaseTimer?.cancel();
    held.abort.abort(reason);
    // One that ended by itself is not waited for: it is what calls this.
    if (reason !== "ended" && !(await this.#endsInTime(held.ended))) {
      this.#settings.onProblem(partStillRuns(this.part, this.#settings.giveBackMs));
    }
    this.#held = undefined;
    // Others' by now where it was taken.
    if (this.#seen?.token === held.holding.token) await this.#release();
    else this.#enter("none");
  }

  #endsInTime(ended: Promise<void>): Promise<boolean> {
    const { clock } = this.#settings.runtime;
    return new Promise((resolve) => {
      const timer = clock.setTimer(() => resolve(false), this.#settings.giveBackMs);
      void ended.then(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  async #release(): Promise<void> {
    // The token grows here, too, so that what the last holder may still have on its way is refused from now on.
    await this.#write({ processId: undefined, epoch: 0, token: (this.#seen?.token ?? 0) + 1 });
    this.#enter("none");
  }

  /** Writes who has it, by compare-and-set; answers the fence's version, or undefined where it did not happen as far as is known. */
  async #write(owner: Omit<Ownership, "version">): Promise<number | undefined> {
    const { log, runtime } = this.#settings;
    // In a context that does not end with what this is for: what was taken must be known, or it could not be given back.
    const ctx = rootContext(runtime);
    const { ownerKey, fenceKey } = this.#keys;
    try {
      const outcome = await log.append(ctx, {
        // What hands over may be what is to relieve an overloaded log.
        lane: "urgent",
        records: [
          { key: ownerKey, value: toOwnerRecord(this.part, owner), expected: this.#seen?.version ?? 0 },
          // Whatever the last holder has written: the owner's record decides for both.
          { key: fenceKey, value: { token: owner.token }, expected: "any" },
        ],
      });
      if (outcome.ok) {
        const [version = 0, fenceVersion = 0] = outcome.recordVersions;
        // Zero where a repeat found that others have written since: then it is not ours any more.
        if (version > 0 && fenceVersion > 0) {
          this.#isClaimFailing = false;
          if (version > (this.#seen?.version ?? 0)) this.#seen = { ...owner, version };
          return fenceVersion;
        }
      } else if (outcome.reason !== "record_conflict") {
        this.#failsToWrite(outcome);
        return undefined;
      }
      const record = await log.getRecord(ctx, ownerKey);
      // Believed though it may be an older version than was seen: a log can have gone back.
      this.#seen = record === undefined ? undefined : fromOwnerRecord(record.value, record.version);
      this.#isClaimFailing = false;
    } catch (error) {
      this.#failsToWrite(error);
    }
    return undefined;
  }

  /** Told once, not each second for as long as the database is away. */
  #failsToWrite(cause: unknown): void {
    this.#notBeforeMs = Math.max(this.#notBeforeMs, this.#nowMs() + retryMs);
    if (this.#isClaimFailing) return;
    this.#isClaimFailing = true;
    this.#settings.onProblem(claimFailed(this.part, cause));
  }

  /** How long what runs in that life may go on: less than its lease, to have time to end. */
  #leaseLeftMs(epoch: number): number {
    const { membership } = this.#settings;
    if (membership.epoch !== epoch) return 0;
    return membership.leaseEndsMs - membership.leaseMs / endingPerLease - this.#nowMs();
  }

  #nowMs(): number {
    return this.#settings.runtime.clock.monotonicMs();
  }
}
