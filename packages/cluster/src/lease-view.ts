import type { Lease, ProcessLife } from "./lease.ts";

/** Another process's lease as last seen here. Times are this process's own monotonic clock's. */
export interface SeenLease extends Lease {
  readonly id: string;
  readonly version: number;
  /** When this process first saw that version. */
  readonly seenAtMs: number;
}

/** One record of a listing. */
export interface ListedLease {
  readonly id: string;
  readonly lease: Lease;
  readonly version: number;
}

/** A lease that is still written though its process counts as gone: it must be deleted, if it still has that version. */
export interface Eviction extends ProcessLife {
  readonly version: number;
}

/** What follows from news: who is now known to be gone, and whose lease is to be deleted. Acting on it is the caller's. */
export interface Verdicts {
  readonly gone: readonly ProcessLife[];
  readonly evict: readonly Eviction[];
}

/**
 * How many processes that are gone are remembered. Forgetting one is harmless: its epoch is below the last look's, so it stays
 * gone; only late news of it could bring it back for a moment.
 */
const maxRememberedGone = 1_000;

/**
 * What this process knows of the others' leases, as plain decisions: no clock, no log.
 *
 * The rule (L1): a life counts as gone when its lease is deleted, when its process has a higher epoch, or when a listing that was
 * begun `leaseMs` or more after its version was first seen here still shows that version. Wall clocks are never compared; a
 * process that was itself asleep looks again before it judges, since the listing must be begun after the time is up.
 *
 * The rule (L2): once gone, a life stays gone here. If it was only slow, its lease is deleted, so that it finds out and comes
 * back as a new life. Without this, two processes could each believe for ever that the same work is theirs.
 */
export class LeaseView {
  readonly #leaseMs: number;
  readonly #live = new Map<string, SeenLease>();
  readonly #goneEpochs = new Map<string, number>();
  /** Every life up to this epoch that is not in `#live` is gone; undefined before the first listing. */
  #lookedUpTo: number | undefined;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  get live(): Iterable<SeenLease> {
    return this.#live.values();
  }

  /** The moment at which the next lease runs out unless it is renewed; undefined where there is none. */
  get nextDueMs(): number | undefined {
    let first: number | undefined;
    for (const { seenAtMs } of this.#live.values()) {
      if (first === undefined || seenAtMs + this.#leaseMs < first) first = seenAtMs + this.#leaseMs;
    }
    return first;
  }

  /** Whether that life is gone; undefined where only a new look could tell. */
  isGone(id: string, epoch: number): boolean | undefined {
    const known = this.#live.get(id);
    if (known !== undefined) return known.epoch === epoch ? false : known.epoch > epoch ? true : undefined;
    if (epoch <= (this.#goneEpochs.get(id) ?? 0)) return true;
    return this.#lookedUpTo !== undefined && epoch <= this.#lookedUpTo ? true : undefined;
  }

  /** A lease was seen written. */
  written(id: string, lease: Lease, version: number, nowMs: number): Verdicts {
    if (lease.epoch <= (this.#goneEpochs.get(id) ?? 0)) {
      return { gone: [], evict: [{ id, epoch: lease.epoch, version }] };
    }
    const known = this.#live.get(id);
    // News may come late and twice: from the watch and from a listing.
    if (
      known !== undefined &&
      (known.epoch > lease.epoch || (known.epoch === lease.epoch && known.version >= version))
    ) {
      return nothing;
    }
    const gone = known !== undefined && known.epoch < lease.epoch ? [this.#bury(known)] : [];
    this.#live.set(id, { id, ...lease, version, seenAtMs: nowMs });
    return { gone, evict: [] };
  }

  /** A lease was seen deleted, by that version of its record. */
  deleted(id: string, version: number): Verdicts {
    const known = this.#live.get(id);
    return known === undefined || known.version >= version ? nothing : { gone: [this.#bury(known)], evict: [] };
  }

  /**
   * All leases were listed. `epoch` is the last epoch given, read before the listing was begun at `begunMs`: since a process
   * writes its lease together with taking its epoch, the listing shows every life up to that epoch that has a lease.
   */
  listed(leases: readonly ListedLease[], epoch: number, begunMs: number, nowMs: number): Verdicts {
    const gone: ProcessLife[] = [];
    const evict: Eviction[] = [];
    const names = new Set<string>();
    for (const { id, lease, version } of leases) {
      names.add(id);
      const verdicts = this.written(id, lease, version, nowMs);
      gone.push(...verdicts.gone);
      evict.push(...verdicts.evict);
    }
    for (const known of [...this.#live.values()]) {
      if (known.seenAtMs >= begunMs) continue;
      if (!names.has(known.id)) {
        gone.push(this.#bury(known));
      } else if (begunMs - known.seenAtMs >= this.#leaseMs) {
        gone.push(this.#bury(known));
        evict.push({ id: known.id, epoch: known.epoch, version: known.version });
      }
    }
    this.#lookedUpTo = Math.max(this.#lookedUpTo ?? 0, epoch);
    return { gone, evict };
  }

  #bury({ id, epoch }: ProcessLife): ProcessLife {
    this.#live.delete(id);
    this.#goneEpochs.delete(id);
    this.#goneEpochs.set(id, epoch);
    if (this.#goneEpochs.size > maxRememberedGone) {
      const [oldest] = this.#goneEpochs.keys();
      this.#goneEpochs.delete(oldest as string);
    }
    return { id, epoch };
  }
}

const nothing: Verdicts = { gone: [], evict: [] };
