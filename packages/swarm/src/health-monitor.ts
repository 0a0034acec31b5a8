import type { Clock } from "@viable/kernel";
import type { SwarmMeasurement } from "@viable/protocol";

/** Weight of the newest duration: about the last twenty tasks make the mean. */
const newestWeight = 0.1;
/** How many of the last outcomes are looked at for failures. */
const recentOutcomes = 20;
/**
 * How long an outcome counts among them, in milliseconds. A swarm that is sent nothing, perhaps because it is called degraded, could
 * never show that it is well again; five minutes are long enough for whoever looks once a minute to see that it was not.
 */
const recentMs = 5 * 60_000;

/**
 * Measures what its swarm does: every number is counted or timed here, none is estimated. Restarted, it begins anew, and says so
 * by counts that begin at zero.
 */
export class HealthMonitor {
  readonly #clock: Clock;
  #completed = 0;
  #failed = 0;
  #latencyMs = 0;
  #recent: { readonly ok: boolean; readonly endedMs: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** One task ended here after `tookMs`. */
  record(ok: boolean, tookMs: number): void {
    if (ok) this.#completed += 1;
    else this.#failed += 1;
    this.#latencyMs = this.#latencyMs === 0 ? tookMs : this.#latencyMs * (1 - newestWeight) + tookMs * newestWeight;
    this.#recent.push({ ok, endedMs: this.#clock.monotonicMs() });
    if (this.#recent.length > recentOutcomes) this.#recent.shift();
  }

  measure(pool: { workers: number; running: number; queued: number }): SwarmMeasurement {
    return {
      workers: pool.workers,
      running: pool.running,
      queued: pool.queued,
      completed: this.#completed,
      failed: this.#failed,
      latencyMs: this.#latencyMs,
    };
  }

  /** What is wrong, in sentences; empty where nothing is. */
  reasons(pool: { workers: number; queued: number; maxQueued: number }): string[] {
    const reasons: string[] = [];
    if (pool.workers === 0) reasons.push("no worker is running");
    if (pool.maxQueued > 0 && pool.queued > pool.maxQueued * 0.8)
      reasons.push(`the queue is ${pool.queued} of ${pool.maxQueued}`);
    const sinceMs = this.#clock.monotonicMs() - recentMs;
    const recent = this.#recent.filter(({ endedMs }) => endedMs > sinceMs);
    const failures = recent.filter(({ ok }) => !ok).length;
    if (recent.length >= recentOutcomes && failures > recentOutcomes / 2) {
      reasons.push(`${failures} of the last ${recentOutcomes} tasks failed`);
    }
    return reasons;
  }
}
