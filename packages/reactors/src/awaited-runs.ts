import type { Position } from "@viable/log";
import { comparePositions } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import type { OpenRun, OutsideWait } from "./open-run.ts";
import { awaitedName } from "./open-run.ts";

/** A step of an open run that asks for a person's word. */
export interface AskingStep {
  readonly approvalId: string;
  readonly run: OpenRun;
  readonly step: string;
  /** The place in the log at which it asks. */
  readonly askedAt: Position;
}

/** What one tenant's runs ask persons for. */
interface TenantApprovals {
  asking: Set<AskingStep>;
  /** Whether `asking` is in the order of the asking: it is but for what was noted and is read at a start. */
  isInOrder: boolean;
  lastAskedAt: Position | undefined;
}

/**
 * Which open runs wait for what from outside, found by what that is. A run's own waits are changed here and nowhere else, so that the two agree.
 * A wait more, or one that is over, costs the same however many there are.
 */
export class AwaitedRuns {
  /** Runs by what they wait for, and with how many of their steps. */
  readonly #byName = new Map<string, Map<OpenRun, number>>();
  readonly #byApproval = new Map<string, AskingStep>();
  readonly #byTenant = new Map<string, TenantApprovals>();

  /** Takes in what a run waits for already. */
  add(run: OpenRun): void {
    for (const [step, wait] of run.waits ?? []) this.#enter(run, step, wait);
  }

  /** The run waits for nothing any more. */
  remove(run: OpenRun): void {
    for (const [step, wait] of run.waits ?? []) this.#leave(run, step, wait);
    run.waits = undefined;
  }

  /** What a run waits for after its next event, which stands there in the log. */
  apply(run: OpenRun, event: RunEvent, at: Position): void {
    switch (event.type) {
      case "step.waiting": {
        const { step, wait } = event.data;
        this.forget(run, step);
        if (wait.for === "event")
          this.#set(run, step, { for: "event", name: awaitedName(run.tenant, wait.event, wait.key) });
        else if (wait.for === "approval")
          this.#set(run, step, { for: "approval", approvalId: wait.approvalId, askedAt: at });
        return;
      }
      case "step.succeeded":
      case "step.failed":
      case "step.skipped":
        this.forget(run, event.data.step);
        return;
      case "approval.decided": {
        const asking = this.byApproval(event.data.approvalId);
        if (asking?.run === run) this.forget(run, asking.step);
        return;
      }
      // It goes no further, and takes nothing from outside.
      case "run.gave_up":
      case "run.cancel_requested":
      case "run.undoing":
        this.remove(run);
    }
  }

  /** A step waits no more. */
  forget(run: OpenRun, step: string): void {
    const wait = run.waits?.get(step);
    if (wait === undefined) return;
    this.#leave(run, step, wait);
    run.waits?.delete(step);
    if (run.waits?.size === 0) run.waits = undefined;
  }

  /** Runs that wait for what is received under that name. */
  byName(name: string): readonly OpenRun[] {
    return [...(this.#byName.get(name)?.keys() ?? [])];
  }

  byApproval(approvalId: string): AskingStep | undefined {
    return this.#byApproval.get(approvalId);
  }

  /** What a tenant's runs ask persons for, the longest asked first. */
  approvals(tenant: string): Iterable<AskingStep> {
    const known = this.#byTenant.get(tenant);
    if (known === undefined) return [];
    if (!known.isInOrder) {
      known.asking = new Set([...known.asking].sort((one, other) => comparePositions(one.askedAt, other.askedAt)));
      known.isInOrder = true;
    }
    return known.asking;
  }

  #set(run: OpenRun, step: string, wait: OutsideWait): void {
    run.waits ??= new Map();
    run.waits.set(step, wait);
    this.#enter(run, step, wait);
  }

  #enter(run: OpenRun, step: string, wait: OutsideWait): void {
    if (wait.for === "approval") {
      this.#enterApproval(run.tenant, { approvalId: wait.approvalId, run, step, askedAt: wait.askedAt });
      return;
    }
    const runs = this.#byName.get(wait.name) ?? new Map<OpenRun, number>();
    this.#byName.set(wait.name, runs.set(run, (runs.get(run) ?? 0) + 1));
  }

  #enterApproval(tenant: string, asking: AskingStep): void {
    const { approvalId, askedAt } = asking;
    const known = this.#byTenant.get(tenant) ?? { asking: new Set(), isInOrder: true, lastAskedAt: undefined };
    this.#byTenant.set(tenant, known);
    this.#byApproval.set(approvalId, asking);
    known.asking.add(asking);
    if (known.lastAskedAt !== undefined && comparePositions(askedAt, known.lastAskedAt) < 0) known.isInOrder = false;
    else known.lastAskedAt = askedAt;
  }

  #leave(run: OpenRun, step: string, wait: OutsideWait): void {
    if (wait.for === "approval") {
      const asking = this.#byApproval.get(wait.approvalId);
      if (asking?.run !== run || asking.step !== step) return;
      this.#byApproval.delete(wait.approvalId);
      const known = this.#byTenant.get(run.tenant);
      known?.asking.delete(asking);
      if (known?.asking.size === 0) this.#byTenant.delete(run.tenant);
      return;
    }
    const runs = this.#byName.get(wait.name);
    const left = (runs?.get(run) ?? 0) - 1;
    if (left > 0) runs?.set(run, left);
    else runs?.delete(run);
    if (runs?.size === 0) this.#byName.delete(wait.name);
  }
}
