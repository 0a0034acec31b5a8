import type { Part } from "@viable/kernel";
import type { ProcessLife } from "./lease.ts";

/**
 * What a membership is doing. Only `member` and `failing` may claim; ask `canClaim`, which also looks at the clock.
 *
 * `idle` before start · `joining` · `member` · `failing`: the last renewal did not succeed, the lease still holds · `lost`: the lease
 * ran out or was taken, until there is a new one · `left`: stopped.
 */
export type MembershipState = "idle" | "joining" | "member" | "failing" | "lost" | "left";

/** A process as seen from here. */
export interface Member extends ProcessLife {
  readonly hosts: readonly string[];
  readonly address: string | undefined;
  /** `late` where a renewal is overdue but the lease has not run out. */
  readonly state: "member" | "late";
}

/** Why a membership was lost. */
export interface Loss {
  readonly epoch: number;
  /** `expired`: this process could not renew in time, by its own clock. `taken`: another found it gone and deleted its lease. */
  readonly reason: "expired" | "taken";
}

/**
 * One process's place among the processes that share a log.
 *
 * Promised: an epoch is never given twice, and a later one is higher; a process that cannot renew its lease says so (`canClaim`) no
 * later than its lease runs out by its own monotonic clock; every process that crashed is seen as gone by every other that can
 * read the log, about `leaseMs` after its last renewal was seen; a life once gone stays gone here; a process that was wrongly held
 * for gone finds out, and comes back with a new epoch. No machine's wall clock is compared with another's.
 *
 * Not promised: that a process which is gone has stopped working. It may be paused, or cut off, and not know yet. That is why every
 * claim names (process, epoch) and is fenced by an expected version: the log refuses what a zombie writes, whatever it believes.
 */
export interface Membership extends Part {
  /** `prc_…`, the same for as long as this process lives. */
  readonly processId: string;
  /** The epoch of the present lease, or of the last one while there is none; 0 before the first. */
  readonly epoch: number;
  readonly state: MembershipState;
  /** Whether work may be claimed in the name of (processId, epoch): there is a lease, and it has not run out by our own clock. */
  readonly canClaim: boolean;
  /** This process (while it has a lease) and the others that are not gone, by id. */
  members(): readonly Member[];
  /**
   * Whether that life of a process is known to be gone, so that its claims may be retaken. A process nobody knows counts as gone.
   * False where it is not known yet: before `start`, and for an epoch newer than the last look (a new look is then begun).
   */
  isGone(processId: string, epoch: number): boolean;
  /**
   * Calls back once for each life that was seen here and is now found gone, this process's own lost lives included. A life that
   * came and went unseen is not told of, so whoever retakes work also asks `isGone` now and then. Returns how to end it.
   */
  onGone(callback: (life: ProcessLife) => void): () => void;
}

/**
 * A membership whose lease can be watched: what whoever holds something in the name of (process, epoch) needs to know beyond it.
 */
export interface LeasedMembership extends Membership {
  /** How long a lease holds without renewal, in milliseconds. */
  readonly leaseMs: number;
  /**
   * The moment, by this process's own `monotonicMs`, at which the lease ends unless it is renewed first: never where it needs no renewal
   * (infinity), and already where there is none (minus infinity).
   */
  readonly leaseEndsMs: number;
  /**
   * Calls back, in a turn of its own, when who is alive or whether this process may claim may have changed: ask again. Not on a renewal, and
   * not when time alone ends the lease while timers are late. Returns how to end it.
   */
  onChange(callback: () => void): () => void;
}
