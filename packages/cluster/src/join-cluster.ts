import type { Context, Runtime, Timer } from "@viable/kernel";
import { backoffMs, invariant, rootContext, sleep, ViableError, waitFor, withContext } from "@viable/kernel";
import type { AppendOutcome, Log } from "@viable/log";
import { hasLeft, joinFailed } from "./errors.ts";
import type { Lease, ProcessLife } from "./lease.ts";
import { epochKey, fromLeaseRecord, leaseKey, leasePrefix, processIdOf, toLeaseRecord } from "./lease.ts";
import type { Eviction, ListedLease, Verdicts } from "./lease-view.ts";
import { LeaseView } from "./lease-view.ts";
import type { LeasedMembership, Loss, Member, MembershipState } from "./membership.ts";

export interface JoinClusterOptions {
  readonly log: Log;
  readonly runtime: Runtime;
  /** Names of the services whose work this process takes. */
  readonly hosts: readonly string[];
  /** Where other processes reach this one, where they can. */
  readonly address?: string;
  /**
   * How long a lease holds without renewal; default 4,000. Shorter finds crashes sooner and holds a busy process for dead more
   * easily. All processes of one log must use the same.
   */
  readonly leaseMs?: number;
  /** Called when this process lost its lease: what it works on may be retaken, so it should stop. It rejoins by itself. */
  readonly onLost?: (loss: Loss) => void;
  /**
   * Set where nobody else can be alive, as on an embedded database: all other leases are gone at start, and this one needs no
   * renewal, since there is nobody to see it and nobody to take its work.
   */
  readonly exclusive?: boolean;
}

const defaultLeaseMs = 4_000;
/** Three chances to renew before the lease runs out. */
const renewalsPerLease = 3;
/** After a renewal that failed, four tries in the time of one. */
const retriesPerRenewal = 4;
/** With dozens of processes starting together each may lose the counter's compare-and-set to all the others. */
const joinBackoff = { baseMs: 20, maxMs: 1_000, maxAttempts: 40 };
/** How many records are read or deleted at once. */
const pageRecords = 500;
/** Looks asked for (not due) are at least this far apart, so that many claims by a new process cause one. */
const minLookGapMs = 250;

/** This process's lease: what it believes to be written. */
interface Held {
  readonly lease: Lease;
  version: number;
  /** Our monotonic clock when the last renewal that succeeded was *sent*: others cannot have seen it earlier. */
  renewedAtMs: number;
}

/** Makes a membership; nothing happens before `start`. */
export function joinCluster(options: JoinClusterOptions): LeasedMembership {
  return new ClusterMembership(options);
}

/**
 *            start            lease written            renewal fails
 *   idle ─────────▶ joining ───────────────▶ member ◀───────────────▶ failing
 *                                              ▲  │ ▲   renewal succeeds   │
 *                          new lease and epoch │  └─┼──────┐               │ leaseMs over by our own clock,
 *                                              │    │      ▼               ▼ or the record was deleted or replaced
 *                                              └────┴──── lost ◀───────────┘
 *
 *   any ── stop: the lease is deleted ──▶ left
 *
 * What the database decides: who gets which epoch (compare-and-set on `cluster/epoch`, in one append with the lease), and whether
 * a renewal or an eviction came first (expected version of the lease's record). What our own clock decides: when we are lost, and
 * when another has been silent for too long. The two clocks never meet. We count from when we *sent* a renewal, others from
 * when they *saw* it, so where clocks run at the same pace a process knows that it is lost before anybody else does.
 */
class ClusterMembership implements LeasedMembership {
  readonly processId: string;
  readonly #log: Log;
  readonly #runtime: Runtime;
  readonly #options: JoinClusterOptions;
  readonly leaseMs: number;
  readonly #view: LeaseView;
  readonly #key: string;
  readonly #life = new AbortController();
  readonly #ctx: Context;
  readonly #goneCallbacks = new Set<(life: ProcessLife) => void>();
  readonly #changeCallbacks = new Set<() => void>();
  #isChangeTold = true;
  #state: MembershipState = "idle";
  #epoch = 0;
  #held: Held | undefined;
  #renewal: Timer | undefined;
  #renewing: Promise<void> | undefined;
  #expiry: Timer | undefined;
  #nextLook: Timer | undefined;
  #looking = false;
  #lastLookMs = Number.NEGATIVE_INFINITY;
  #unwatch: () => void = () => {};

  constructor(options: JoinClusterOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#runtime = options.runtime;
    this.leaseMs = options.leaseMs ?? defaultLeaseMs;
    this.#view = new LeaseView(this.leaseMs);
    this.processId = options.runtime.ids.next("prc");
    this.#key = leaseKey(this.processId);
    this.#ctx = rootContext(options.runtime, { signal: this.#life.signal });
  }

  get epoch(): number {
    return this.#epoch;
  }

  get state(): MembershipState {
    // A timer may be late where the process was paused; the clock is not.
    const holds = this.#state === "member" || this.#state === "failing";
    return holds && !this.canClaim ? "lost" : this.#state;
  }

  get canClaim(): boolean {
    return this.#nowMs() < this.leaseEndsMs;
  }

  get leaseEndsMs(): number {
    if (this.#held === undefined) return Number.NEGATIVE_INFINITY;
    return this.#options.exclusive === true ? Number.POSITIVE_INFINITY : this.#held.renewedAtMs + this.leaseMs;
  }

  async start(ctx: Context): Promise<void> {
    if (this.#state === "left") throw hasLeft();
    if (this.#state !== "idle") return;
    this.#state = "joining";
    try {
      const bounded = withContext(ctx, { signal: this.#life.signal });
      await this.#takeLease(bounded, joinBackoff.maxAttempts);
      if (this.#options.exclusive) {
        await this.#buryAllOthers(bounded);
      } else {
        this.#unwatch = await this.#log.watchRecords(bounded, leasePrefix, (change) => this.#onChange(change));
        await this.#look(bounded);
        this.#scheduleLook();
      }
    } catch (error) {
      await this.stop(rootContext(this.#runtime));
      throw error;
    }
  }

  async stop(ctx: Context): Promise<void> {
    if (this.#state === "left") return;
    this.#state = "left";
    this.#life.abort();
    this.#renewal?.cancel();
    this.#expiry?.cancel();
    this.#nextLook?.cancel();
    this.#unwatch();
    const held = this.#held;
    this.#held = undefined;
    this.#tellChange();
    if (held === undefined) return;
    // Longer than a lease is not worth waiting: by then the others have seen that we are gone.
    const deadline = this.#runtime.clock.now() + this.leaseMs;
    const bounded = withContext(ctx, { deadline });
    try {
      // A renewal on its way would change the version under us.
      await waitFor(bounded, this.#renewing ?? Promise.resolve());
      await waitFor(bounded, this.#delete(bounded, this.#key, held.version));
    } catch {
      // The database is away or time is up. Others find the lease unrenewed; that takes a little longer.
    }
  }

  members(): readonly Member[] {
    const lateMs = (this.leaseMs / renewalsPerLease) * 2;
    const now = this.#nowMs();
    const toMember = (id: string, { epoch, hosts, address }: Lease, renewedAtMs: number): Member => ({
      id,
      epoch,
      hosts,
      address,
      state: now - renewedAtMs > lateMs && !this.#options.exclusive ? "late" : "member",
    });
    const others = [...this.#view.live].map((seen) => toMember(seen.id, seen, seen.seenAtMs));
    const own =
      this.#held === undefined || !this.canClaim
        ? []
        : [toMember(this.processId, this.#held.lease, this.#held.renewedAtMs)];
    return [...own, ...others].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  isGone(processId: string, epoch: number): boolean {
    if (processId === this.processId) return epoch !== this.#epoch || !this.canClaim;
    if (this.#options.exclusive) return this.#held !== undefined;
    const gone = this.#view.isGone(processId, epoch);
    if (gone === undefined) this.#requestLook();
    return gone ?? false;
  }

  onGone(callback: (life: ProcessLife) => void): () => void {
    this.#goneCallbacks.add(callback);
    return () => this.#goneCallbacks.delete(callback);
  }

  onChange(callback: () => void): () => void {
    this.#changeCallbacks.add(callback);
    return () => this.#changeCallbacks.delete(callback);
  }

  // Own lease

  /** Takes the next epoch and writes the lease with it, in one append: whoever has an epoch has, or had, a lease. */
  async #takeLease(ctx: Context, maxAttempts: number): Promise<void> {
    let last: unknown;
    for (let attempt = 1; ; attempt++) {
      try {
        const counter = await this.#log.getRecord(ctx, epochKey);
        const own = await this.#log.getRecord(ctx, this.#key);
        const lease: Lease = {
          epoch: readEpoch(counter?.value) + 1,
          hosts: this.#options.hosts,
          address: this.#options.address,
        };
        const sentAtMs = this.#nowMs();
        // In a context that does not end with this life: what was taken must be known, or it could not be given back.
        const outcome = await this.#log.append(rootContext(this.#runtime), {
          lane: "urgent",
          records: [
            { key: epochKey, value: { epoch: lease.epoch }, expected: counter?.version ?? 0 },
            { key: this.#key, value: toLeaseRecord(lease), expected: own?.version ?? 0 },
          ],
        });
        if (outcome.ok) {
          const version = outcome.recordVersions[1] as number;
          if (this.#state !== "left") {
            this.#hold({ lease, version, renewedAtMs: sentAtMs });
            return;
          }
          await this.#delete(rootContext(this.#runtime), this.#key, version);
          throw hasLeft();
        }
        last = refusalOf(outcome);
      } catch (error) {
        last = error;
      }
      const waitMs = backoffMs({ ...joinBackoff, maxAttempts }, attempt, this.#runtime.random);
      if (waitMs === undefined || ctx.signal.aborted) throw joinFailed(last);
      await sleep(ctx, waitMs);
    }
  }

  #hold(held: Held): void {
    this.#held = held;
    this.#epoch = held.lease.epoch;
    this.#state = "member";
    this.#tellChange();
    if (this.#options.exclusive) return;
    this.#scheduleRenewal(held, this.leaseMs / renewalsPerLease);
    this.#scheduleExpiry(held);
  }

  #scheduleRenewal(held: Held, delayMs: number): void {
    const renew = () => {
      this.#renewing = this.#renew(held);
    };
    this.#renewal = this.#runtime.clock.setTimer(renew, delayMs, { background: true });
  }

  async #renew(held: Held): Promise<void> {
    // After a pause this timer may fire before the one that ends the lease.
    if (!this.canClaim) {
      this.#lose("expired");
      return;
    }
    const sentAtMs = this.#nowMs();
    const renewMs = this.leaseMs / renewalsPerLease;
    const result = await this.#writeRenewal(held);
    if (result === "renewed" && this.canClaim) held.renewedAtMs = sentAtMs;
    // Lost or stopped while this was on its way: whatever came of it belongs to a lease that is over.
    if (this.#held !== held) return;
    if (result === "taken") {
      this.#lose("taken");
      return;
    }
    this.#state = result === "renewed" ? "member" : "failing";
    this.#scheduleRenewal(held, result === "renewed" ? renewMs : renewMs / retriesPerRenewal);
  }

  async #writeRenewal(held: Held): Promise<"renewed" | "failed" | "taken"> {
    try {
      const write = { key: this.#key, value: toLeaseRecord(held.lease), expected: held.version };
      // Urgent: a process that is busy enough to be overloaded must not be held for dead because of it. In a context that does not end
      // with this life: stopping deletes the lease at the version that a renewal on its way leaves behind.
      const outcome = await this.#log.append(rootContext(this.#runtime), { lane: "urgent", records: [write] });
      if (outcome.ok) {
        held.version = outcome.recordVersions[0] as number;
        return "renewed";
      }
      if (outcome.reason !== "record_conflict") return "failed";
      // Only we write our key with our epoch, so if it is there, an earlier renewal arrived whose answer did not.
      const record = await this.#log.getRecord(this.#ctx, this.#key);
      if (record === undefined || fromLeaseRecord(record.value)?.epoch !== held.lease.epoch) return "taken";
      held.version = record.version;
      return "failed";
    } catch {
      return "failed";
    }
  }

  #scheduleExpiry(held: Held): void {
    const leftMs = held.renewedAtMs + this.leaseMs - this.#nowMs();
    const check = () => {
      if (this.#held !== held) return;
      if (this.canClaim) this.#scheduleExpiry(held);
      else this.#lose("expired");
    };
    this.#expiry = this.#runtime.clock.setTimer(check, leftMs, { background: true });
  }

  #lose(reason: Loss["reason"]): void {
    const epoch = this.#epoch;
    this.#held = undefined;
    this.#state = "lost";
    this.#renewal?.cancel();
    this.#expiry?.cancel();
    if (this.#options.onLost !== undefined) this.#tell(this.#options.onLost, { epoch, reason });
    this.#tellChange();
    void this.#rejoin(epoch);
  }

  /** Tries until it succeeds or is stopped: without a lease this process is of no use, and the database may come back. */
  async #rejoin(lostEpoch: number): Promise<void> {
    try {
      await this.#takeLease(this.#ctx, Number.POSITIVE_INFINITY);
      this.#announceGone([{ id: this.processId, epoch: lostEpoch }]);
    } catch {
      // Only `stop` ends the tries.
    }
  }

  // The others' leases

  #onChange(change: { key: string; value: unknown; version: number }): void {
    const id = processIdOf(change.key);
    if (id === this.processId || this.#state === "left") return;
    const lease = fromLeaseRecord(change.value as never);
    if (lease !== undefined) {
      const isNew = this.#view.isGone(id, lease.epoch) !== false;
      this.#act(this.#view.written(id, lease, change.version, this.#nowMs()));
      if (isNew) this.#tellChange();
    }
    if (change.value === null) this.#act(this.#view.deleted(id, change.version));
    this.#scheduleLook();
  }

  /** Looks when the next lease runs out. While others renew, this only moves a timer on and reads nothing. */
  #scheduleLook(): void {
    const dueMs = this.#view.nextDueMs;
    if (this.#nextLook !== undefined || this.#looking || dueMs === undefined || this.#state === "left") return;
    this.#setLook(dueMs - this.#nowMs(), () => (this.#view.nextDueMs ?? Number.POSITIVE_INFINITY) <= this.#nowMs());
  }

  #requestLook(): void {
    if (this.#looking || this.#state === "idle" || this.#state === "left") return;
    const inMs = Math.max(0, this.#lastLookMs + minLookGapMs - this.#nowMs());
    this.#nextLook?.cancel();
    this.#setLook(inMs, () => true);
  }

  #setLook(delayMs: number, isDue: () => boolean): void {
    const look = async () => {
      this.#nextLook = undefined;
      if (isDue()) {
        try {
          await this.#look(this.#ctx);
        } catch {
          // Nobody is judged while the log cannot be read. The leases that are due make the next look.
          if (this.#state !== "left") this.#setLook(this.leaseMs / renewalsPerLease, () => true);
          return;
        }
      }
      this.#scheduleLook();
    };
    this.#nextLook = this.#runtime.clock.setTimer(() => void look(), delayMs, { background: true });
  }

  async #look(ctx: Context): Promise<void> {
    this.#looking = true;
    try {
      const epoch = readEpoch((await this.#log.getRecord(ctx, epochKey))?.value);
      const begunMs = this.#nowMs();
      const leases = await this.#listOthers(ctx);
      this.#lastLookMs = this.#nowMs();
      if (this.#state !== "left") this.#act(this.#view.listed(leases, epoch, begunMs, this.#lastLookMs));
      // What nobody could tell before it was begun may be known now.
      this.#tellChange();
    } finally {
      this.#looking = false;
    }
  }

  async #listOthers(ctx: Context): Promise<ListedLease[]> {
    const leases: ListedLease[] = [];
    for (let after: string | undefined = ""; after !== undefined; ) {
      const { records, isEnd } = await this.#log.listRecords(ctx, leasePrefix, { after, limit: pageRecords });
      for (const { key, value, version } of records) {
        const lease = fromLeaseRecord(value);
        if (key !== this.#key && lease !== undefined) leases.push({ id: processIdOf(key), lease, version });
      }
      after = isEnd ? undefined : records.at(-1)?.key;
    }
    return leases;
  }

  async #buryAllOthers(ctx: Context): Promise<void> {
    const others = await this.#listOthers(ctx);
    for (let from = 0; from < others.length; from += pageRecords) {
      const page = others.slice(from, from + pageRecords);
      const outcome = await this.#log.append(ctx, {
        records: page.map(({ id }) => ({ key: leaseKey(id), value: null, expected: "any" as const })),
      });
      if (!outcome.ok) throw joinFailed(refusalOf(outcome));
    }
    this.#announceGone(others.map(({ id, lease }) => ({ id, epoch: lease.epoch })));
  }

  #act({ gone, evict }: Verdicts): void {
    this.#announceGone(gone);
    for (const eviction of evict) void this.#evict(eviction);
  }

  async #evict({ id, version }: Eviction): Promise<void> {
    try {
      // Refused where somebody was quicker, or where its owner has renewed: then its next renewal seen here comes back to this.
      await this.#delete(this.#ctx, leaseKey(id), version);
    } catch {
      // The database is away. The lease is still listed at the next look.
    }
  }

  #delete(ctx: Context, key: string, version: number): Promise<AppendOutcome> {
    return this.#log.append(ctx, { records: [{ key, value: null, expected: version }] });
  }

  #announceGone(lives: readonly ProcessLife[]): void {
    if (lives.length > 0) this.#tellChange();
    for (const life of lives) {
      for (const callback of this.#goneCallbacks) this.#tell(callback, life);
    }
  }

  /** Calls back in a turn of its own: what a listener throws is a defect that must show, but not inside a flush of the log. */
  #tell<T>(callback: (news: T) => void, news: T): void {
    queueMicrotask(() => callback(news));
  }

  /** Several changes of one turn are told once. */
  #tellChange(): void {
    if (!this.#isChangeTold || this.#changeCallbacks.size === 0) return;
    this.#isChangeTold = false;
    queueMicrotask(() => {
      this.#isChangeTold = true;
      for (const callback of this.#changeCallbacks) this.#tell(callback, undefined);
    });
  }

  #nowMs(): number {
    return this.#runtime.clock.monotonicMs();
  }
}

function readEpoch(value: unknown): number {
  if (value === undefined) return 0;
  const epoch = (value as { epoch?: unknown } | null)?.epoch;
  invariant(Number.isSafeInteger(epoch), "epochs are counted", `the record ${epochKey} does not hold an epoch`);
  return epoch as number;
}

const refusalOf = (outcome: AppendOutcome & { ok: false }): ViableError =>
  new ViableError(
    "cluster.lease_refused",
    outcome.reason === "overloaded" ? "The log is overloaded." : "Another process joined at the same moment.",
    { retryable: true, next: "Nothing: it is tried again." },
  );
