import type { Context } from "@viable/kernel";
import { backoffMs, rootContext, sleep, ViableError, waitFor, withContext } from "@viable/kernel";
import { mayPass } from "@viable/log";
import type { Conflicts, ResourceClaim, ResourceClaimOutcome } from "@viable/registry";

/**
 * How long a claim may take that its task waits for no more, and how long letting go is tried, in milliseconds: as long as the log asks a
 * database again that is away. What stays held then is free once its process is gone, or its time over.
 */
const patienceMs = 30_000;
const again = { baseMs: 100, maxMs: 2_000, maxAttempts: 1_000 };

/** The resources that one attempt at a task has claimed. They are let go when it ends, however it ends, and it claims none after that. */
export class TaskClaims {
  readonly #conflicts: Conflicts;
  readonly #ctx: Context;
  readonly #by: string;
  /** What all attempts at the task are known by. */
  readonly #task: string;
  /** Whatever it may hold: what it asked for and was not refused. */
  readonly #claimed = new Set<string>();
  #hasEnded = false;

  /** Each attempt claims in its own name: what a later one of the same `task` holds must not be let go with this. */
  constructor(conflicts: Conflicts, ctx: Context, task: string, attempt: number) {
    this.#conflicts = conflicts;
    this.#ctx = ctx;
    this.#task = `${task}/`;
    this.#by = `${task}/${attempt}`;
  }

  async claim(resource: string, claim: Omit<ResourceClaim, "by">): Promise<ResourceClaimOutcome> {
    if (this.#hasEnded) throw new ViableError("agent.ended", `The task has ended; it claims "${resource}" no more.`);
    // It goes on when the task waits no more: what came of it must be known, or it could not be let go.
    const asked = this.#ask(resource, claim);
    asked.catch(() => undefined);
    return await waitFor(this.#ctx, asked);
  }

  /** The task has ended. Nobody waits for what is let go. */
  end(): void {
    this.#hasEnded = true;
    for (const resource of this.#claimed) void this.#letGo(resource).catch(() => undefined);
  }

  async #ask(resource: string, claim: Omit<ResourceClaim, "by">): Promise<ResourceClaimOutcome> {
    const hadIt = this.#claimed.has(resource);
    this.#claimed.add(resource);
    let outcome: ResourceClaimOutcome | undefined;
    try {
      const ctx = this.#patient();
      for (let asked = 1; ; asked++) {
        outcome = await this.#conflicts.claim(ctx, resource, { ...claim, by: this.#by });
        // An attempt before this one has it still, and lets it go in a moment.
        const isFormer = !outcome.ok && outcome.because === "held" && outcome.holder.by.startsWith(this.#task);
        const waitMs = isFormer && !this.#hasEnded ? backoffMs(again, asked, ctx.runtime.random) : undefined;
        if (waitMs === undefined) return outcome;
        await sleep(ctx, waitMs);
      }
    } finally {
      // Where it rejected, it may be held all the same.
      if (outcome?.ok === false && !hadIt) this.#claimed.delete(resource);
      // It ended while this was on its way.
      else if (this.#hasEnded) void this.#letGo(resource).catch(() => undefined);
    }
  }

  /** Tries until it is somebody else's or nobody's. */
  async #letGo(resource: string): Promise<void> {
    const ctx = this.#patient();
    for (let failures = 1; ; failures++) {
      let waitMs: number | undefined;
      try {
        const holder = await this.#conflicts.holder(ctx, resource);
        if (holder?.by !== this.#by) return;
        const released = await this.#conflicts.release(ctx, resource, holder.token);
        if (released.ok || released.because !== "overloaded") return;
        waitMs = released.retryAfterMs;
      } catch (error) {
        if (!mayPass(error)) throw error;
      }
      await sleep(ctx, waitMs ?? backoffMs(again, failures, ctx.runtime.random) ?? again.maxMs);
    }
  }

  #patient(): Context {
    const { runtime, tenant, principal, traceparent } = this.#ctx;
    const deadline = runtime.clock.now() + patienceMs;
    return withContext(rootContext(runtime, { tenant, principal, traceparent }), { deadline });
  }
}
