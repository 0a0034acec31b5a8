import type { Context } from "@viable/kernel";
import { rootContext, ViableError, withContext } from "@viable/kernel";
import type { Conflicts, ResourceClaim, ResourceClaimOutcome } from "@viable/registry";

/** How long letting go of a resource is tried after its task has ended, in milliseconds. What stays is free once its process is gone, or its time over. */
const releaseMs = 30_000;

/** The resources that one task has claimed. They are let go when it ends, however it ends, and it claims none after that. */
export class TaskClaims {
  readonly #conflicts: Conflicts;
  readonly #ctx: Context;
  readonly #by: string;
  readonly #tokens = new Map<string, number>();
  #hasEnded = false;

  constructor(conflicts: Conflicts, ctx: Context, by: string) {
    this.#conflicts = conflicts;
    this.#ctx = ctx;
    this.#by = by;
  }

  async claim(resource: string, claim: Omit<ResourceClaim, "by">): Promise<ResourceClaimOutcome> {
    if (this.#hasEnded) throw new ViableError("agent.ended", `The task has ended; it claims "${resource}" no more.`);
    const outcome = await this.#conflicts.claim(this.#ctx, resource, { ...claim, by: this.#by });
    if (!outcome.ok) return outcome;
    this.#tokens.set(resource, outcome.token);
    // It ended while this was on its way.
    if (this.#hasEnded) this.#release(resource, outcome.token);
    return outcome;
  }

  /** The task has ended. Nobody waits for what is let go. */
  end(): void {
    this.#hasEnded = true;
    for (const [resource, token] of this.#tokens) this.#release(resource, token);
  }

  #release(resource: string, token: number): void {
    const { runtime, tenant, principal } = this.#ctx;
    const deadline = runtime.clock.now() + releaseMs;
    const ctx = withContext(rootContext(runtime, { tenant, principal }), { deadline });
    void this.#conflicts.release(ctx, resource, token).catch(() => undefined);
  }
}
