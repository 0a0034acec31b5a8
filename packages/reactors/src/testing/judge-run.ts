import { canonicalJson } from "@viable/kernel";
import type { RunEvent, RunEventData, RunEventType } from "@viable/protocol";
import type { NodeDefinition } from "../definition.ts";
import { staticPath } from "../plan.ts";
import { isEnding } from "../read-run.ts";
import type { Recorded } from "./record-runs.ts";
import type { ReferenceRun } from "./reference-run.ts";
import { markOf } from "./reference-run.ts";
import type { SeenCall } from "./simulate-processes.ts";

/** What can be seen of runs from outside, once nothing of them goes on any more. */
export interface SeenRuns {
  readonly calls: readonly SeenCall[];
  history(runId: string): readonly Recorded[];
}

/** What those around a run may have done to it. */
export interface Circumstances {
  /** Runs that somebody outside has told to end. */
  readonly cancelled: ReadonlySet<string>;
  /** What composes it goes no further, and may have told it to end. */
  readonly isParentStopped: boolean;
  /** It has completed, and was undone afterwards. */
  readonly isUndone: boolean;
}

/** How often a compensation and an undo are tried before a person is asked. */
const clearingTries = 5;

/** A repeat needs its own turns for its outcome, and not for the next turn; a success that is undone has had what it needs. */
const isExempt: { readonly [type: string]: boolean } = {
  "step.repeated": true,
  "step.undone": true,
  "step.undo_failed": true,
};

/**
 * Holds a run and those it composes against what the reference says must come of it: in sentences, what is wrong. None where it is wholly
 * done or wholly undone, each outcome stands there once and is the reference's, nothing began before what it needs was durable, what
 * was undone was so in the reverse order, and all was tried as often as it says and at no other time.
 */
export function judgeRun(seen: SeenRuns, runId: string, reference: ReferenceRun, around: Circumstances): string[] {
  return new Judge(seen, runId, reference, around).judge();
}

/** An event of one type, where it stands. */
type Told<T extends RunEventType> = { readonly version: number; readonly atMs: number; readonly data: RunEventData<T> };
/** A person's word, and what was asked. */
type Answer = Told<"run.reviewed"> & { readonly asked: RunEventData<"run.needs_review"> | undefined };

class Judge {
  readonly #seen: SeenRuns;
  readonly #runId: string;
  readonly #reference: ReferenceRun;
  readonly #around: Circumstances;
  readonly #told: readonly Recorded[];
  readonly #calls: readonly SeenCall[];
  readonly #wrong: string[] = [];
  /** Version of what was recorded, by its mark. */
  readonly #marks = new Map<string, number>();
  /** What people said, in order. */
  readonly #answers: readonly Answer[];
  /** Version from which on nothing new may begin. */
  readonly #stoppedAt: number;
  readonly #ending: RunEvent | undefined;

  constructor(seen: SeenRuns, runId: string, reference: ReferenceRun, around: Circumstances) {
    this.#seen = seen;
    this.#runId = runId;
    this.#reference = reference;
    this.#around = around;
    this.#told = seen.history(runId);
    this.#calls = seen.calls.filter((call) => call.runId === runId);
    this.#answers = this.#all("run.reviewed").map((each) => ({ ...each, asked: this.#askedBefore(each.version) }));
    this.#ending = this.#told.findLast(({ event }) => isEnding(event))?.event;
    this.#stoppedAt = this.#told.find((each) => this.#stops(each))?.version ?? Number.POSITIVE_INFINITY;
  }

  judge(): string[] {
    this.#checkOutcomes();
    this.#checkNeeds();
    this.#checkEnd();
    this.#checkUndo();
    this.#checkTries();
    this.#checkClearing();
    this.#checkCalls();
    this.#checkOnceOnly();
    this.#checkWaits();
    this.#checkChildren();
    return this.#wrong.map((each) => `${this.#reference.place}${each}`);
  }

  // What is asked of the history

  #all<T extends RunEventType>(type: T): Told<T>[] {
    return this.#told.flatMap(({ event, version, atMs }) =>
      event.type === type ? [{ version, atMs, data: event.data as RunEventData<T> }] : [],
    );
  }

  #askedBefore(version: number): RunEventData<"run.needs_review"> | undefined {
    return this.#all("run.needs_review").findLast((each) => each.version < version)?.data;
  }

  #nodeOf(path: string): NodeDefinition | undefined {
    return this.#reference.outcomes.get(path)?.node;
  }

  /** Not what waits for a step that fails, nor what is in a branch that is not taken: of that the reference knows nothing. Nor what was taken over. */
  #mayBegin(path: string): boolean {
    const outcome = this.#reference.outcomes.get(path);
    return outcome !== undefined && outcome.by !== "fork";
  }

  #canCompensate(path: string): boolean {
    const node = this.#nodeOf(path);
    return node?.kind === "step" && node.compensate !== undefined;
  }

  /** What a guard found is the run's own where it tells of an attempt: that was not the first that there was. */
  #isOwn({ by, attempt }: RunEventData<"step.succeeded">): boolean {
    return by === undefined || by === "review" || (by === "guard" && attempt !== undefined);
  }

  #isUndoable(success: RunEventData<"step.succeeded">): boolean {
    const { step, runId } = success;
    const node = this.#nodeOf(step);
    if (!this.#isOwn(success)) return false;
    // What a person says that a run came to is no run that could be undone.
    return (
      (node?.kind === "step" && node.undo !== undefined) ||
      (node?.kind === "compose" && node.undo && runId !== undefined)
    );
  }

  /** The step whose approval that is. */
  #stepOf(approvalId: string): string {
    return (
      this.#all("step.waiting").find(({ data: { wait } }) => wait.for === "approval" && wait.approvalId === approvalId)
        ?.data.step ?? "nobody's"
    );
  }

  #stops({ event, version }: Recorded): boolean {
    switch (event.type) {
      case "run.cancel_requested":
      case "run.gave_up":
      case "step.compensated":
        return true;
      case "step.failed":
        return event.data.retryAt === undefined && !this.#canCompensate(event.data.step);
      case "approval.decided":
        return event.data.decision === "rejected" && !this.#goesOnRejected(event.data.approvalId);
      case "run.reviewed": {
        const during = this.#askedBefore(version)?.during;
        if (during === "compensate") return event.data.decision !== "retry";
        return during === "run" && event.data.decision === "failed" && !this.#canCompensate(event.data.step);
      }
      default:
        return false;
    }
  }

  #goesOnRejected(approvalId: string): boolean {
    const node = this.#nodeOf(this.#stepOf(approvalId));
    return node?.kind === "approval" && node.onRejected === "continue";
  }

  // Outcomes, and what they need

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
        else this.#checkResult(step, event.data.result);
        if (event.type === "step.succeeded")
          for (const by of ["guard", "fork"])
            if ((event.data.by === by) !== (expected?.by === by))
              this.#wrong.push(`${step} succeeded by ${event.data.by}`);
      }
      if (event.type === "approval.decided") {
        const { approvalId, ...said } = event.data;
        const step = this.#stepOf(approvalId);
        if (said.decision === "rejected" && !this.#goesOnRejected(approvalId)) {
          if (this.#reference.outcomes.get(step)?.kind !== "failed") this.#wrong.push(`${step} was rejected`);
          continue;
        }
        this.#mark(markOf(step), version);
        this.#checkResult(step, said);
      }
      if (event.type === "step.failed" && event.data.retryAt === undefined) {
        const expected = this.#reference.outcomes.get(event.data.step);
        const fails = expected?.kind === "failed" || expected?.by === "compensation";
        // Nothing is tried again once it goes no further.
        if (!fails && !isStopped && !this.#hasStoppedBy(event, version))
          this.#wrong.push(`${event.data.step} failed, and should not have`);
      }
    }
    const finals = this.#all("step.failed").filter(({ data }) => data.retryAt === undefined);
    for (const { data, version } of finals)
      if ((this.#marks.get(markOf(data.step)) ?? version) < version)
        this.#wrong.push(`${data.step} failed after it had succeeded`);
    const failed = finals.map(({ data }) => data.step);
    for (const step of failed)
      if (failed.indexOf(step) !== failed.lastIndexOf(step)) this.#wrong.push(`${step} failed for good twice`);
  }

  #checkResult(step: string, result: unknown): void {
    const expected = this.#reference.outcomes.get(step);
    if (expected?.kind !== "succeeded") this.#wrong.push(`${step} succeeded, and ${expected?.kind} is right`);
    else if (json(result) !== json(expected.result))
      this.#wrong.push(`${step} came to ${json(result)}, and ${json(expected.result)} is right`);
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
    for (const { version, event } of this.#told) {
      const begins =
        event.type === "step.waiting" || (event.type === "step.started" && event.data.during === undefined);
      // A person may want it, or another process may have begun it.
      const isAgain = begins && (this.#isReviewed(event.data.step) || this.#all("run.claimed").length > 0);
      if (begins && version > this.#stoppedAt && !isAgain)
        this.#wrong.push(`${event.data.step} begins, and the run had stopped`);
      if (begins && !this.#mayBegin(event.data.step)) this.#wrong.push(`${event.data.step} begins, and may not`);
    }
    for (const { role, step, durable } of this.#calls)
      if (role !== "undo") check(step, `${role} ${step} was called`, durable);
  }

  // How it ends, and what is undone

  #checkEnd(): void {
    const { failing, result } = this.#reference;
    const { cancelled, isParentStopped, isUndone } = this.#around;
    const ends = this.#told.filter(({ event }) => isEnding(event)).map(({ event }) => event);
    const [first] = ends;
    if (first === undefined) {
      this.#wrong.push(`does not end: ${this.#told.at(-1)?.event.type}`);
      return;
    }
    const expectedEnds = isUndone ? 2 : 1;
    if (ends.length !== expectedEnds)
      this.#wrong.push(`ends ${ends.length} times: ${ends.map(({ type }) => type).join(", ")}`);
    if (isUndone && ends[1]?.type !== "run.compensated") this.#wrong.push(`was undone, and ends ${ends[1]?.type}`);
    if (this.#told.at(-1)?.event !== ends.at(-1)) this.#wrong.push(`goes on after its end`);
    const wasCancelled = this.#all("run.cancel_requested").length > 0;
    if (wasCancelled && !isParentStopped && !cancelled.has(this.#runId)) this.#wrong.push("was cancelled by nobody");
    const [gaveUp] = this.#all("run.gave_up");
    const deadline = this.#deadline();
    if (gaveUp !== undefined && gaveUp.atMs < deadline) this.#wrong.push("gave up before its time was up");
    if (first.type === "run.completed") {
      const came = first.data.result;
      if (result === undefined) this.#wrong.push("completed, and cannot");
      else if (json(came) !== json(result.value))
        this.#wrong.push(`came to ${json(came)}, and ${json(result.value)} is right`);
      for (const [step, { kind }] of this.#reference.outcomes)
        if (kind !== "failed" && !this.#marks.has(markOf(step))) this.#wrong.push(`completed without ${step}`);
      return;
    }
    const cause = this.#causeOf();
    if (cause?.kind === "cancelled") {
      if (first.type !== "run.cancelled") this.#wrong.push(`was cancelled, and ends ${first.type}`);
      return;
    }
    const wasStopped = wasCancelled || gaveUp !== undefined;
    if (failing.size === 0 && !wasStopped) this.#wrong.push(`ends ${first.type}, and nothing of it fails`);
    if (cause?.step !== undefined && !failing.has(cause.step) && !wasStopped)
      this.#wrong.push(`was undone because of ${cause.step}, which does not fail`);
    const undone =
      this.#all("step.undone").length +
      this.#answers.filter(({ asked, data }) => asked?.during === "undo" && data.decision === "done").length;
    const expected = undone > 0 ? "run.compensated" : "run.failed";
    if (first.type !== expected) this.#wrong.push(`ends ${first.type}, and ${expected} is right`);
  }

  #deadline(): number {
    const first = this.#told[0]?.event;
    return (first?.type === "run.started" ? first.data.deadline : undefined) ?? Number.POSITIVE_INFINITY;
  }

  #causeOf(): RunEventData<"run.undoing">["cause"] | undefined {
    for (const { event } of this.#told) {
      if (event.type === "run.undoing" || event.type === "run.compensated") return event.data.cause;
      if (event.type === "run.cancelled") return { kind: "cancelled", by: event.data.by, reason: event.data.reason };
    }
    return undefined;
  }

  /** What has something that undoes it was undone, or left by a person, all of it, the latest first. */
  #checkUndo(): void {
    const undone = this.#told.flatMap(({ event, version }) => {
      if (event.type === "step.undone") return [event.data.of];
      const answer = this.#answers.find((each) => each.version === version);
      return answer?.asked?.during === "undo" && answer.data.decision !== "retry" ? [answer.asked.of as number] : [];
    });
    const isToBe = this.#ending?.type !== "run.completed";
    const successes = this.#all("step.succeeded");
    const expected = successes.filter(({ data }) => this.#isUndoable(data)).map(({ version }) => version);
    if (json(undone) !== json(isToBe ? expected.reverse() : []))
      this.#wrong.push(`undone were ${undone.join(", ")}, and ${expected.join(", ")} is right`);
    const begins = this.#all("run.undoing")[0]?.version ?? Number.POSITIVE_INFINITY;
    for (const { version, event } of this.#told)
      if (version > begins && (event.type === "step.succeeded" || event.type === "step.failed"))
        this.#wrong.push(`${event.data.step} came to its outcome while the run was undone`);
    if (this.#ending === undefined || this.#ending.type === "run.completed") return;
    const left = this.#answers
      .filter(({ asked, data }) => asked?.during === "undo" && data.decision === "failed")
      .map(({ data }) => data.step);
    const kept = successes
      .filter(({ data }) => this.#isOwn(data) && !this.#isUndoable(data))
      .map(({ data }) => data.step)
      .filter((step) => ["step", "task"].includes(this.#nodeOf(step)?.kind ?? ""));
    const said = (this.#ending.data as { kept?: readonly string[] }).kept ?? [];
    const right = [...new Set([...kept, ...left].map(staticPath))].sort();
    if (json([...said].sort()) !== json(right)) this.#wrong.push(`kept were ${said}, and ${right} is right`);
  }

  // How often

  /** Failures are counted one by one, and another try comes exactly as often as the step says, unless the run has stopped. */
  #checkTries(): void {
    const tried = new Map<string, number>();
    for (const { event, version } of this.#told) {
      if (event.type === "run.reviewed" && this.#askedBefore(version)?.during === "run") {
        if (this.#nodeOf(event.data.step)?.kind !== "compose") tried.delete(event.data.step);
      }
      if (event.type !== "step.failed") continue;
      const { step, attempt, retryAt, error } = event.data;
      const node = this.#nodeOf(step);
      if (node?.kind !== "step" && node?.kind !== "task") continue;
      // One that waited to be tried again, and is not, tells of its last failure once more.
      const isTheLastAgain = version > this.#stoppedAt && retryAt === undefined && attempt === tried.get(step);
      if (attempt !== (tried.get(step) ?? 0) + 1 && !isTheLastAgain)
        this.#wrong.push(`${step} failed at attempt ${attempt} after ${tried.get(step) ?? 0}`);
      tried.set(step, attempt);
      const { maxAttempts, on } = node.retry;
      const isWorthIt = error.retryable || (on === "any" && error.code === "internal");
      if (retryAt !== undefined && (!isWorthIt || attempt >= maxAttempts))
        this.#wrong.push(`${step} is tried again after attempt ${attempt} of ${maxAttempts}`);
      if (retryAt === undefined && isWorthIt && attempt < maxAttempts && version <= this.#stoppedAt)
        this.#wrong.push(`${step} is given up at attempt ${attempt} of ${maxAttempts}`);
    }
  }

  /** A person is asked about a compensation or an undo that failed five times, and not before. */
  #checkClearing(): void {
    let failures = 0;
    for (const { event, version } of this.#told) {
      if (event.type === "step.undone" || event.type === "run.reviewed") failures = 0;
      if (event.type === "step.undo_failed") {
        failures += 1;
        const { step, attempt } = event.data;
        if (attempt !== failures || attempt >= clearingTries)
          this.#wrong.push(`the undo of ${step} failed at attempt ${attempt} after ${failures - 1}`);
      }
      if (event.type !== "run.needs_review" || event.data.error === undefined) continue;
      const { step, during } = event.data;
      const node = this.#nodeOf(step);
      if (node?.kind !== "step" || !node.idempotent || during === "run") continue;
      const before =
        this.#answers.findLast(({ data, version: at }) => data.step === step && at < version)?.version ?? 0;
      const called = this.#calls.filter(
        (each) => each.role === during && each.step === step && each.durable >= before && each.durable < version,
      ).length;
      if ((during === "undo" ? failures + 1 : called) < clearingTries)
        this.#wrong.push(`a person is asked about the ${during} of ${step} after ${called} calls`);
    }
  }

  /**
   * Whoever has the run calls nothing about a step that has its outcome, nothing sooner than it said, and nothing new once its time is up.
   * Beyond what is recorded a process that was stopped may have called each step once.
   */
  #checkCalls(): void {
    const holders = new Map<number, string>();
    for (const call of this.#calls) {
      const { role, step, durable, atMs, fencingToken, process, wasStopped } = call;
      if (!this.#mayBegin(step)) this.#wrong.push(`${role} ${step} was called, and it may not begin`);
      if (fencingToken === undefined) continue;
      const holder = holders.get(fencingToken) ?? process;
      holders.set(fencingToken, process);
      if (holder !== process) this.#wrong.push(`${holder} and ${process} both call with the token ${fencingToken}`);
      if (fencingToken !== this.#claimAt(durable)) {
        // A process may be stopped between its last look and the call.
        if (!wasStopped) this.#wrong.push(`${role} ${step} was called by ${process}, and another had the run`);
        continue;
      }
      const isOver = role === "undo" ? this.#isUndone(step, durable) : this.#hasOutcome(step, durable);
      if (isOver) this.#wrong.push(`${role} ${step} was called, and what came of it was durable`);
      const again = this.#all("step.failed").findLast(({ data, version }) => data.step === step && version <= durable);
      const isSooner = role === "run" && atMs < (again?.data.retryAt ?? 0) && !this.#isReviewed(step, again?.version);
      // Once the run goes no further, what a process left behind is done again at once: there is nothing to wait for.
      const isLeft = durable >= this.#stoppedAt && this.#mayBeLeft(step);
      if (isSooner && !isLeft) this.#wrong.push(`${step} is tried again before it was to be`);
    }
    const takeovers = this.#all("run.claimed").length;
    for (const { role, step, atMs, wasStopped } of this.#calls) {
      if (!this.#isBeginning(role, step) || atMs <= this.#deadline() || this.#isReviewed(step, 0)) continue;
      // What a process left behind is done again, where it can be undone; and one that was stopped may do late what it was about to do.
      if (takeovers > 0 && (wasStopped || this.#mayBeLeft(step))) continue;
      this.#wrong.push(`${role} ${step} was called after the run's time was up`);
    }
    for (const step of this.#reference.outcomes.keys()) {
      const count = (role: string) => this.#calls.filter((each) => each.role === role && each.step === step).length;
      const told = <T extends RunEventType>(type: T) =>
        this.#all(type).filter(({ data }) => (data as { step: string }).step === step);
      const asked = (during: string) => told("run.needs_review").filter(({ data }) => data.during === during).length;
      const runs = told("step.failed").length + told("step.succeeded").length + count("findOutcome") + asked("run");
      const undos = told("step.undone").length + told("step.undo_failed").length + asked("undo");
      const compensations = clearingTries * (1 + asked("compensate"));
      for (const [role, most] of [
        ["run", runs + takeovers],
        ["task", runs + takeovers],
        ["undo", undos + takeovers],
        ["compensate", compensations * (1 + takeovers)],
      ] as const)
        if (count(role) > most)
          this.#wrong.push(`${role} ${step} was called ${count(role)} times, ${most} at most is right`);
    }
  }

  /** Whether a call of a step begins it: what must not be done twice has begun where that was recorded. */
  #isBeginning(role: SeenCall["role"], step: string): boolean {
    const node = this.#nodeOf(step);
    return role === "task" || (role === "run" && !(node?.kind === "step" && !node.idempotent));
  }

  /** Whether whoever had the run before its last takeover may have begun it, and something of it would stay. */
  #mayBeLeft(step: string): boolean {
    const node = this.#nodeOf(step);
    if (node?.kind !== "step" || (node.undo === undefined && node.compensate === undefined)) return false;
    const takenOverAt = this.#all("run.claimed").at(-1)?.version ?? 0;
    const needs = [...(this.#reference.needs.get(step) ?? [])];
    return needs.every((mark) => (this.#marks.get(mark) ?? Number.POSITIVE_INFINITY) < takenOverAt);
  }

  /** The token of whoever had the run when so many of its events were durable. */
  #claimAt(durable: number): number | undefined {
    const claimed = this.#told.findLast(
      ({ event, version }) =>
        version <= durable && (event.type === "run.claimed" || (event.type === "run.started" && event.data.claim)),
    )?.event;
    if (claimed?.type === "run.claimed") return claimed.data.attempt;
    return claimed?.type === "run.started" ? claimed.data.claim?.attempt : undefined;
  }

  #hasOutcome(step: string, durable: number): boolean {
    return (this.#marks.get(markOf(step)) ?? Number.POSITIVE_INFINITY) <= durable;
  }

  #isUndone(step: string, durable: number): boolean {
    return this.#all("step.undone").some(({ data, version }) => data.step === step && version <= durable);
  }

  #isReviewed(step: string, after = 0): boolean {
    return this.#answers.some(({ data, version }) => data.step === step && version > after);
  }

  /** What must not be done twice is not done again unless it is known not to have happened. */
  #checkOnceOnly(): void {
    for (const [step, { node }] of this.#reference.outcomes) {
      if (node.kind !== "step" || node.idempotent) continue;
      const calls = this.#calls.filter((call) => call.step === step);
      const runs = calls.filter(({ role }) => role === "run").length;
      const asked = calls.filter(({ role }) => role === "findOutcome").length;
      const again = this.#told.filter(
        ({ event }) =>
          (event.type === "step.failed" && event.data.step === step && event.data.retryAt !== undefined) ||
          (event.type === "run.reviewed" && event.data.step === step && event.data.decision === "retry"),
      ).length;
      if (runs > 1 + asked + again) this.#wrong.push(`${step} was done ${runs} times`);
    }
  }

  /** Nothing that is waited for comes before its time, or twice. */
  #checkWaits(): void {
    const consumed = new Map<string, number>();
    for (const { event, version, atMs } of this.#told) {
      if (event.type !== "step.succeeded" && event.type !== "step.failed") continue;
      if (event.type === "step.succeeded")
        for (const took of event.data.took ?? []) consumed.set(`${took.event} ${took.key}`, took.version);
      const wait = this.#all("step.waiting").findLast(
        (each) => each.version < version && each.data.step === event.data.step,
      )?.data.wait;
      if (wait === undefined || wait.for === "run") continue;
      const until = wait.until ?? Number.POSITIVE_INFINITY;
      const isTimesUp = event.type === "step.failed" && event.data.error.code === "reactor.wait_timed_out";
      if ((isTimesUp || (wait.for === "time" && event.type === "step.succeeded")) && atMs < until)
        this.#wrong.push(`${event.data.step} waited until ${atMs}, and ${until} is right`);
      if (event.type !== "step.succeeded" || wait.for !== "event") continue;
      const taken = event.data.consumed ?? 0;
      const name = `${wait.event} ${wait.key}`;
      if (taken <= (consumed.get(name) ?? 0)) this.#wrong.push(`${event.data.step} took ${name} once more`);
      consumed.set(name, taken);
    }
  }

  // What it composes

  #checkChildren(): void {
    const undone = new Set(this.#all("step.undone").map(({ data }) => data.of));
    for (const { data } of this.#all("step.waiting")) {
      const { step, wait } = data;
      if (wait.for !== "run") continue;
      const child = this.#reference.children.get(step)?.[wait.attempt - 1];
      if (child === undefined) {
        this.#wrong.push(`${step} composes a run for the ${wait.attempt}. time, and should not`);
        continue;
      }
      const success = this.#all("step.succeeded").find((each) => each.data.runId === wait.runId);
      const isUndone = success !== undefined && undone.has(success.version);
      const isParentStopped = this.#stoppedAt < Number.POSITIVE_INFINITY;
      const { cancelled } = this.#around;
      this.#wrong.push(...judgeRun(this.#seen, wait.runId, child, { cancelled, isUndone, isParentStopped }));
    }
  }
}

const json = (value: unknown): string => canonicalJson((value ?? null) as never);
