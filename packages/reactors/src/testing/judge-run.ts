import { canonicalJson } from "@viable/kernel";
import type { RunEvent, RunEventData } from "@viable/protocol";
import type { NodeDefinition } from "../definition.ts";
import { staticPath } from "../plan.ts";
import { isEnding } from "../read-run.ts";
import type { Recorded } from "./record-runs.ts";
import type { ReferenceRun } from "./reference-run.ts";
import { markOf } from "./reference-run.ts";
import type { SeenCall } from "./simulate-processes.ts";

/** What can be seen of a run from outside, once nothing of it goes on any more. */
export interface SeenRuns {
  readonly calls: readonly SeenCall[];
  history(runId: string): readonly Recorded[];
}

/** What those around a run may have done to it. */
export interface Circumstances {
  /** It may have been told to end. */
  readonly mayBeCancelled: boolean;
  /** It has completed, and its parent has undone it. */
  readonly isUndone: boolean;
}

/** A repeat needs its own turns for its outcome, and not for the next turn; a success that is undone has had what it needs. */
const isExempt: { readonly [type: string]: boolean } = {
  "step.repeated": true,
  "step.undone": true,
  "step.undo_failed": true,
};

/** What happened in a run, in the order of its versions. */
interface Told {
  readonly version: number;
  readonly event: RunEvent;
}

/**
 * Holds a run and those it composes against what the reference says must come of it: in sentences, what is wrong. None where it is wholly
 * done or wholly undone, each outcome stands there once and is the reference's, nothing began before what it needs was durable, and
 * what was undone was so in the reverse order.
 */
export function judgeRun(seen: SeenRuns, runId: string, reference: ReferenceRun, around: Circumstances): string[] {
  return new Judge(seen, runId, reference, around).judge();
}

class Judge {
  readonly #seen: SeenRuns;
  readonly #runId: string;
  readonly #reference: ReferenceRun;
  readonly #around: Circumstances;
  readonly #told: readonly Told[];
  readonly #wrong: string[] = [];
  /** Version of what was recorded, by its mark. */
  readonly #marks = new Map<string, number>();
  /** Version from which on nothing new may begin. */
  readonly #stoppedAt: number;
  readonly #ending: Told | undefined;

  constructor(seen: SeenRuns, runId: string, reference: ReferenceRun, around: Circumstances) {
    this.#seen = seen;
    this.#runId = runId;
    this.#reference = reference;
    this.#around = around;
    this.#told = seen.history(runId);
    this.#ending = this.#told.findLast(({ event }) => isEnding(event));
    this.#stoppedAt = this.#told.find(({ event }) => this.#stops(event))?.version ?? Number.POSITIVE_INFINITY;
  }

  judge(): string[] {
    this.#checkOutcomes();
    this.#checkNeeds();
    this.#checkEnd();
    this.#checkUndo();
    this.#checkOnceOnly();
    this.#checkChildren();
    return this.#wrong.map((each) => `${this.#reference.place}${each}`);
  }

  #stops(event: RunEvent): boolean {
    if (event.type === "run.cancel_requested" || event.type === "run.gave_up" || event.type === "step.compensated")
      return true;
    return event.type === "step.failed" && event.data.retryAt === undefined && !this.#canCompensate(event.data.step);
  }

  #nodeOf(path: string): NodeDefinition | undefined {
    return this.#reference.outcomes.get(path)?.node;
  }

  #canCompensate(path: string): boolean {
    const node = this.#nodeOf(path);
    return node?.kind === "step" && node.compensate !== undefined;
  }

  #isUndoable({ step, by }: RunEventData<"step.succeeded">): boolean {
    const node = this.#nodeOf(step);
    if (by !== undefined && by !== "review") return false;
    return (node?.kind === "step" && node.undo !== undefined) || (node?.kind === "compose" && node.undo);
  }

  /** Each outcome once, and what the reference says. */
  #checkOutcomes(): void {
    for (const { version, event } of this.#told) {
      const isStopped = version > this.#stoppedAt;
      if (event.type === "step.branched") this.#mark(markOf(event.data.step, "branch"), version);
      if (event.type === "step.repeated") this.#mark(markOf(event.data.step, event.data.turn), version);
      if (event.type === "step.succeeded" || event.type === "step.skipped") {
        const { step } = event.data;
        this.#mark(markOf(step), version);
        const expected = this.#reference.outcomes.get(step);
        if (expected === undefined) this.#wrong.push(`${step} has an outcome, and cannot have begun`);
        // Found out not to have happened, where it need not any more.
        else if (event.type === "step.skipped") {
          if (expected.kind !== "skipped" && !isStopped) this.#wrong.push(`${step} was skipped`);
        } else if (event.data.by === "compensation" && this.#canCompensate(step) && isStopped) continue;
        else if (expected.kind !== "succeeded") this.#wrong.push(`${step} succeeded, and ${expected.kind} is right`);
        else if (json(event.data.result) !== json(expected.result))
          this.#wrong.push(`${step} came to ${json(event.data.result)}, and ${json(expected.result)} is right`);
        else if ((event.data.by === "guard") !== (expected.by === "guard"))
          this.#wrong.push(`${step} succeeded by ${event.data.by}`);
      }
      if (event.type === "step.failed" && event.data.retryAt === undefined) {
        const expected = this.#reference.outcomes.get(event.data.step);
        const fails = expected?.kind === "failed" || expected?.by === "compensation";
        // Nothing is tried again once it goes no further.
        if (!fails && !isStopped && !this.#hasStoppedBy(event, version))
          this.#wrong.push(`${event.data.step} failed, and should not have`);
      }
    }
    const finals = this.#told.filter(({ event }) => event.type === "step.failed" && event.data.retryAt === undefined);
    for (const { event, version } of finals)
      if (event.type === "step.failed" && (this.#marks.get(markOf(event.data.step)) ?? version) < version)
        this.#wrong.push(`${event.data.step} failed after it had succeeded`);
    const failed = finals.map(({ event }) => (event as RunEvent & { type: "step.failed" }).data.step);
    for (const step of failed)
      if (failed.indexOf(step) !== failed.lastIndexOf(step)) this.#wrong.push(`${step} failed for good twice`);
  }

  /** It failed because the run had stopped: what is told by one event is not after it. */
  #hasStoppedBy(event: RunEvent & { type: "step.failed" }, version: number): boolean {
    return version === this.#stoppedAt && event.data.error.code === "reactor.run_cancelled";
  }

  #mark(mark: string, version: number): void {
    if (this.#marks.has(mark)) this.#wrong.push(`${mark} stands there twice`);
    this.#marks.set(mark, version);
  }

  /** Nothing begins before what it needs is durable, and nothing new once the run has stopped. */
  #checkNeeds(): void {
    const check = (step: string, what: string, before: number) => {
      for (const mark of this.#reference.needs.get(step) ?? []) {
        const at = this.#marks.get(mark) ?? Number.POSITIVE_INFINITY;
        if (at > before) this.#wrong.push(`${what} before ${mark} was durable`);
        else if (at > this.#stoppedAt) this.#wrong.push(`${what} though the run had stopped before ${mark}`);
      }
    };
    for (const { version, event } of this.#told)
      if ("step" in event.data && event.type.startsWith("step.") && !isExempt[event.type])
        check(event.data.step as string, `${event.type} ${event.data.step}`, version - 1);
    for (const { call, durable } of this.#seen.calls)
      if (call.ctx.runId === this.#runId && call.role !== "undo")
        check(call.ctx.step, `${call.role} ${call.ctx.step} was called`, durable);
  }

  #checkEnd(): void {
    const { failing, result } = this.#reference;
    const { mayBeCancelled, isUndone } = this.#around;
    const ends = this.#told.filter(({ event }) => isEnding(event)).map(({ event }) => event.type);
    const [first] = ends;
    if (first === undefined) {
      this.#wrong.push(`does not end: ${this.#told.at(-1)?.event.type}`);
      return;
    }
    const expectedEnds = isUndone ? 2 : 1;
    if (ends.length !== expectedEnds) this.#wrong.push(`ends ${ends.length} times: ${ends.join(", ")}`);
    if (isUndone && ends[1] !== "run.compensated") this.#wrong.push(`was undone, and ends ${ends[1]}`);
    if (this.#told.at(-1)?.event.type !== ends.at(-1)) this.#wrong.push(`goes on after its end`);
    const wasCancelled = this.#told.some(({ event }) => event.type === "run.cancel_requested");
    if (wasCancelled && !mayBeCancelled) this.#wrong.push("was cancelled by nobody");
    if (first === "run.completed") {
      const { event } = this.#told.find((each) => each.event.type === "run.completed") as Told;
      const came = (event as RunEvent & { type: "run.completed" }).data.result;
      if (result === undefined) this.#wrong.push("completed, and cannot");
      else if (json(came) !== json(result.value))
        this.#wrong.push(`came to ${json(came)}, and ${json(result.value)} is right`);
      for (const [step, { kind }] of this.#reference.outcomes)
        if (kind !== "failed" && !this.#marks.has(markOf(step))) this.#wrong.push(`completed without ${step}`);
      return;
    }
    const cause = this.#causeOf();
    if (cause?.kind === "cancelled") {
      if (first !== "run.cancelled") this.#wrong.push(`was cancelled, and ends ${first}`);
      return;
    }
    if (failing.size === 0 && !wasCancelled) this.#wrong.push(`ends ${first}, and nothing of it fails`);
    if (cause?.step !== undefined && !failing.has(cause.step) && !wasCancelled)
      this.#wrong.push(`was undone because of ${cause.step}, which does not fail`);
    const undone = this.#told.some(({ event }) => event.type === "step.undone");
    const expected = undone ? "run.compensated" : "run.failed";
    if (first !== expected) this.#wrong.push(`ends ${first}, and ${expected} is right`);
  }

  #causeOf(): RunEventData<"run.undoing">["cause"] | undefined {
    for (const { event } of this.#told) {
      if (event.type === "run.undoing" || event.type === "run.compensated") return event.data.cause;
      if (event.type === "run.cancelled") return { kind: "cancelled", by: event.data.by, reason: event.data.reason };
    }
    return undefined;
  }

  /** What has something that undoes it was undone, all of it, the latest first. */
  #checkUndo(): void {
    const undone = this.#told.flatMap(({ event }) =>
      event.type === "step.undone" ? [`${event.data.step} (${event.data.of})`] : [],
    );
    const isToBe = this.#ending?.event.type !== "run.completed";
    const successes = this.#told.flatMap(({ version, event }) =>
      event.type === "step.succeeded" && this.#isUndoable(event.data) ? [`${event.data.step} (${version})`] : [],
    );
    const expected = isToBe ? successes.reverse() : [];
    if (json(undone) !== json(expected))
      this.#wrong.push(`undone were ${undone.join(", ")}, and ${expected.join(", ")} is right`);
    const begins = this.#told.find(({ event }) => event.type === "run.undoing")?.version ?? Number.POSITIVE_INFINITY;
    for (const { version, event } of this.#told)
      if (version > begins && (event.type === "step.succeeded" || event.type === "step.failed"))
        this.#wrong.push(`${event.data.step} came to its outcome while the run was undone`);
    if (this.#ending === undefined || !("kept" in this.#ending.event.data)) return;
    const kept = this.#told.flatMap(({ event }) =>
      event.type === "step.succeeded" &&
      (event.data.by === undefined || event.data.by === "review") &&
      this.#nodeOf(event.data.step)?.kind === "step" &&
      !this.#isUndoable(event.data)
        ? [staticPath(event.data.step)]
        : [],
    );
    if (json([...new Set(kept)].sort()) !== json([...(this.#ending.event.data.kept ?? [])].sort()))
      this.#wrong.push(`kept were ${this.#ending.event.data.kept}, and ${kept.join(", ")} is right`);
  }

  /** What must not be done twice is not done again unless it is known not to have happened. */
  #checkOnceOnly(): void {
    for (const [step, { node }] of this.#reference.outcomes) {
      if (node.kind !== "step" || node.idempotent) continue;
      const calls = this.#seen.calls.filter(({ call }) => call.ctx.runId === this.#runId && call.ctx.step === step);
      const runs = calls.filter(({ call }) => call.role === "run").length;
      const asked = calls.filter(({ call }) => call.role === "findOutcome").length;
      const again = this.#told.filter(
        ({ event }) =>
          (event.type === "step.failed" && event.data.step === step && event.data.retryAt !== undefined) ||
          (event.type === "run.reviewed" && event.data.step === step && event.data.decision === "retry"),
      ).length;
      if (runs > 1 + asked + again) this.#wrong.push(`${step} was done ${runs} times`);
    }
  }

  #checkChildren(): void {
    const compensated = new Set(
      this.#told.flatMap(({ event }) => (event.type === "step.undone" ? [event.data.of] : [])),
    );
    for (const { event } of this.#told) {
      if (event.type !== "step.waiting" || event.data.wait.for !== "run") continue;
      const { step, wait } = event.data;
      const child = this.#reference.children.get(step)?.[wait.attempt - 1];
      if (child === undefined) {
        this.#wrong.push(`${step} composes a run for the ${wait.attempt}. time, and should not`);
        continue;
      }
      const success = this.#told.find(
        (each) => each.event.type === "step.succeeded" && each.event.data.runId === wait.runId,
      );
      const isUndone = success !== undefined && compensated.has(success.version);
      const mayBeCancelled = this.#stoppedAt < Number.POSITIVE_INFINITY;
      this.#wrong.push(...judgeRun(this.#seen, wait.runId, child, { isUndone, mayBeCancelled }));
    }
  }
}

const json = (value: unknown): string => canonicalJson((value ?? null) as never);
