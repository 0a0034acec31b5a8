import type { ErrorOnTheWire } from "@viable/kernel";
import { freezeJson, invariant, toWire } from "@viable/kernel";
import type { Claim, RunEvent, RunEventData, UndoCause } from "@viable/protocol";
import { resolve } from "./argument.ts";
import { invalidStepArgument, rejected } from "./errors.ts";
import type { OpenMap, OpenNode, Todo } from "./open-node.ts";
import { openNode } from "./open-node.ts";
import { OpenScope } from "./open-scope.ts";
import type { Plan, PlanNode, PlanScope } from "./plan.ts";
import { fromOn } from "./plan.ts";
import type { RunEnding } from "./read-run.ts";
import { isOwnSuccess, UndoProgress } from "./undo-progress.ts";

/** Why it does not go forward any more. */
export interface Failure {
  readonly cause: UndoCause;
}

/**
 * The state of one run: the fold of its events by its plan. What it says depends on nothing else (W8), so whoever has the events
 * has the state. It is changed in place: a step more costs the same in a run of ten steps and of ten thousand.
 *
 * States: going → (the last step succeeds) completed
 *         going → failing (a step failed for good, a cancellation, the deadline): nothing new begins, what is under way ends
 *         failing → failed | cancelled (nothing to undo) | undoing → compensated | cancelled
 *         going, undoing ⇄ review (a person is needed)
 *         completed → undoing → compensated (reversible, and somebody asked for it)
 */
export class Progress {
  readonly runId: string;
  readonly plan: Plan;
  version = 0;
  phase: "going" | "failing" | "undoing" | "ended" = "going";
  ended: RunEnding | undefined;
  input: unknown;
  claim: Claim | undefined;
  deadline: number | undefined;
  failure: Failure | undefined;
  review: RunEventData<"run.needs_review"> | undefined;
  /** Version of the event that asked for it: a later one may ask the same again. */
  reviewVersion = 0;
  /** Of a run that has ended: somebody asked for it to be undone, and it has not begun. */
  undoRequested: RunEventData<"run.undo_requested"> | undefined;
  readonly undo = new UndoProgress();
  readonly open = new Map<string, OpenNode>();
  /** How far the stream of each awaited event has been taken by this run, by event and key. */
  readonly consumed = new Map<string, number>();
  /** The outermost steps; undefined before the first event. */
  root: OpenScope | undefined;
  /** What the run comes to, once its last step has succeeded. */
  output: { readonly value: unknown } | undefined;
  #ready: OpenNode[] = [];
  /** Of a fork: the outermost steps that it does again. */
  #anew: ReadonlySet<number> | undefined;

  constructor(plan: Plan, runId: string) {
    this.plan = plan;
    this.runId = runId;
  }

  /** What can be done since this was last asked. */
  takeReady(): readonly OpenNode[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** Whether an event still says something: a step that has its outcome takes no other. */
  accepts(event: RunEvent): boolean {
    if (this.phase === "ended") return event.type === "run.undoing" || event.type === "run.undo_requested";
    switch (event.type) {
      case "step.undone":
      case "step.undo_failed":
        return this.phase === "undoing" && event.data.of < this.undo.from;
      case "step.succeeded":
      case "step.failed":
      case "step.skipped":
      case "step.compensated":
      case "step.branched":
      case "step.repeated":
      case "step.waiting":
        return this.open.has(event.data.step);
      case "step.started":
        return event.data.during === "undo" ? this.phase === "undoing" : this.open.has(event.data.step);
      case "run.undoing":
        return this.phase === "failing";
      // A cancellation that came before it holds.
      case "run.completed":
        return this.phase === "going";
      default:
        return true;
    }
  }

  /** Takes the next event of the stream into account. Its place is told apart, since what is just written has no position yet. */
  apply(event: RunEvent, version: number): void {
    this.version = version;
    switch (event.type) {
      case "run.started": {
        const { input, claim, deadline, forkedFrom } = event.data;
        this.input = input;
        this.claim = claim;
        this.deadline = deadline;
        if (forkedFrom !== undefined) this.#anew = fromOn(this.plan.root, forkedFrom.step);
        this.root = this.#openScope(this.plan.root, "", undefined, undefined, 0);
        if (this.root.left === 0) this.#scopeDone(this.root);
        return;
      }
      case "run.claimed":
        this.claim = event.data;
        return;
      case "run.parked":
        return;
      case "step.started":
        this.#begin(event.data);
        return;
      case "step.waiting": {
        const node = this.#node(event.data.step);
        node.wait = event.data.wait;
        this.#make(node, "run");
        return;
      }
      case "step.branched": {
        const node = this.#node(event.data.step);
        node.todo = undefined;
        this.#openInner(node, `:${event.data.branch}`, `:${event.data.branch}`, undefined, 0);
        return;
      }
      case "step.repeated": {
        const node = this.#node(event.data.step);
        node.todo = undefined;
        node.turn = event.data.turn;
        this.#openInner(node, "", `[${node.turn}]`, node.last ?? null, node.turn);
        return;
      }
      case "step.succeeded":
        this.#succeed(event.data);
        return;
      case "step.skipped":
        this.#finish(this.#node(event.data.step), null);
        return;
      case "step.failed": {
        const node = this.#node(event.data.step);
        node.attempt = event.data.attempt;
        node.error = event.data.error;
        node.begun = undefined;
        node.wait = undefined;
        node.retryAt = event.data.retryAt;
        node.isWanted = false;
        // Of one that must not be done twice it is known whether it was called.
        if (node.plan.node.kind === "step" && node.plan.node.idempotent) node.hasRun = true;
        if (this.phase !== "going") tryAtOnce(node);
        if (event.data.retryAt !== undefined) this.#make(node, "run");
        else if (node.plan.functions.compensate !== undefined) this.#make(node, "compensate");
        else this.#fail(node, event.data.error);
        return;
      }
      case "step.compensated": {
        const node = this.#node(event.data.step);
        invariant(node.error !== undefined, "W8", `${node.path} was compensated, and had not failed`);
        this.#fail(node, node.error);
        return;
      }
      case "approval.decided":
        this.#decide(event.data);
        return;
      case "run.gave_up":
        this.#stopGoing({ kind: "gave_up", error: event.data.error });
        return;
      case "run.cancel_requested":
        this.#stopGoing({ kind: "cancelled", by: event.data.by, reason: event.data.reason });
        return;
      case "run.undo_requested":
        this.undoRequested = event.data;
        return;
      case "run.undoing":
        this.phase = "undoing";
        this.ended = undefined;
        this.undoRequested = undefined;
        this.failure = { cause: event.data.cause };
        this.open.clear();
        this.#ready = [];
        this.undo.begin(version);
        return;
      case "step.undone":
        this.undo.undid(event.data.of);
        return;
      case "step.undo_failed":
        this.undo.failed(event.data);
        return;
      case "run.needs_review":
        this.review = event.data;
        this.reviewVersion = version;
        return;
      case "run.reviewed":
        this.#reviewed(event.data);
        return;
      case "run.completed":
      case "run.failed":
      case "run.compensated":
      case "run.cancelled":
        this.phase = "ended";
        this.ended = event;
        this.open.clear();
        this.#ready = [];
        return;
    }
  }

  /** The arguments a node is called with. */
  argsOf(node: OpenNode): unknown {
    return resolve(node.plan.node.args, node.scope);
  }

  #openScope(plan: PlanScope, prefix: string, owner: OpenNode | undefined, element: unknown, index: number): OpenScope {
    const scope = new OpenScope(this, plan, prefix, owner, element, index);
    for (const node of plan.nodes) if (node.waitsFor === 0) this.#become(scope, node);
    return scope;
  }

  #openInner(owner: OpenNode, which: string, mark: string, element: unknown, index: number): void {
    const plan = owner.plan.scopes.get(which);
    invariant(plan !== undefined, "W8", `${owner.path} has no ${which === "" ? "steps" : `branch ${which.slice(1)}`}`);
    const scope = this.#openScope(plan, `${owner.path}${mark}/`, owner, element, index);
    if (plan.nodes.length === 0) this.#scopeDone(scope);
  }

  /** All that a node waits for is there. */
  #become(scope: OpenScope, plan: PlanNode): void {
    const node = openNode(scope, plan, this.phase === "going");
    this.open.set(node.path, node);
    // What is taken over has its outcome among the events that the fork begins with: nothing of it begins.
    if (this.#anew?.has(plan.index) === false && scope.owner === undefined) return;
    switch (plan.node.kind) {
      case "map": {
        const list = freezeJson(resolve(plan.node.over, scope));
        const elements = Array.isArray(list) ? list : [];
        if (!Array.isArray(list)) {
          this.#fail(node, toWire(invalidStepArgument(node.path, "what it maps over is no list")));
          return;
        }
        const outputs = plan.node.collect === "results" ? [] : undefined;
        node.map = { elements, isOpening: false, next: 0, done: 0, outputs };
        this.#openElements(node, node.map, plan.node.maxConcurrency);
        return;
      }
      case "group":
        this.#openInner(node, "", "", undefined, 0);
        return;
      case "repeat":
        this.#openInner(node, "", "[0]", null, 0);
        return;
      case "switch":
        this.#make(node, "choose");
        return;
      default:
        this.#make(node, "run");
    }
  }

  #make(node: OpenNode, todo: Todo): void {
    node.todo = todo;
    this.#ready.push(node);
  }

  /** Opens elements until as many are under way as may be. Those that are done at once are counted here, without recursion. */
  #openElements(node: OpenNode, map: OpenMap, maxConcurrency: number): void {
    if (map.isOpening) return;
    map.isOpening = true;
    const plan = node.plan.scopes.get("") as PlanScope;
    while (map.next < map.elements.length && map.next - map.done < maxConcurrency) {
      const index = map.next++;
      const scope = this.#openScope(plan, `${node.path}[${index}]/`, node, map.elements[index], index);
      if (plan.nodes.length === 0) this.#elementDone(node, map, scope);
    }
    map.isOpening = false;
    if (map.done === map.elements.length) this.#finish(node, map.outputs ?? map.done);
  }

  #elementDone(node: OpenNode, map: OpenMap, scope: OpenScope): void {
    map.done += 1;
    if (map.outputs === undefined || node.plan.node.kind !== "map") return;
    const output = resolve(scope.plan.returns, scope) ?? null;
    if (node.plan.node.ordered) map.outputs[scope.number] = output;
    else map.outputs.push(output);
  }

  #succeed(data: RunEventData<"step.succeeded">): void {
    const node = this.#node(data.step);
    if (isOwnSuccess(data)) this.undo.succeeded(node.plan);
    if (data.consumed !== undefined && node.wait?.for === "event")
      this.#take(node.wait.event, node.wait.key, data.consumed);
    if (data.took !== undefined) for (const { event, key, version } of data.took) this.#take(event, key, version);
    this.#finish(node, data.result ?? null);
  }

  /** The streams of awaited events are taken in their order: one that was taken leaves none before it. */
  #take(event: string, key: string, version: number): void {
    const name = JSON.stringify([event, key]);
    if (version > (this.consumed.get(name) ?? 0)) this.consumed.set(name, version);
  }

  #finish(node: OpenNode, result: unknown): void {
    const { scope, plan } = node;
    this.open.delete(node.path);
    // What is handed on is what the log says, also what is put together here: nobody changes it (W8).
    scope.results[plan.index] = freezeJson(result);
    for (const index of plan.dependents) {
      const left = (scope.missing[index] as number) - 1;
      scope.missing[index] = left;
      if (left === 0) this.#become(scope, scope.plan.nodes[index] as PlanNode);
    }
    // Last, since what becomes ready may finish at once, as an empty group does: whoever is last of all ends the scope, once.
    scope.left -= 1;
    if (scope.left === 0) this.#scopeDone(scope);
  }

  #scopeDone(scope: OpenScope): void {
    const { owner } = scope;
    if (owner === undefined) {
      this.output = { value: resolve(scope.plan.returns, scope) ?? null };
      return;
    }
    // What failed beside it has taken its place away.
    if (!this.open.has(owner.path)) return;
    switch (owner.plan.node.kind) {
      case "map":
        this.#elementDone(owner, owner.map as OpenMap, scope);
        this.#openElements(owner, owner.map as OpenMap, owner.plan.node.maxConcurrency);
        return;
      case "repeat":
        owner.last = freezeJson(resolve(scope.plan.returns, scope) ?? null);
        this.#make(owner, "turn");
        return;
      default:
        this.#finish(owner, resolve(scope.plan.returns, scope) ?? null);
    }
  }

  #fail(node: OpenNode, error: ErrorOnTheWire): void {
    this.open.delete(node.path);
    this.#stopGoing({ kind: "step_failed", step: node.path, error });
  }

  #stopGoing(cause: UndoCause): void {
    if (this.phase !== "going") return;
    this.phase = "failing";
    this.failure = { cause };
    for (const node of this.open.values()) tryAtOnce(node);
  }

  #begin({ step, attempt, during = "run" }: RunEventData<"step.started">): void {
    if (during === "undo") {
      this.undo.hasBegun = true;
      return;
    }
    const node = this.#node(step);
    node.begun = during;
    node.hasRun ||= during === "run";
    node.isWanted = false;
    node.attempt = Math.max(node.attempt, attempt - 1);
  }

  #decide({ approvalId, decision, by, reason }: RunEventData<"approval.decided">): void {
    for (const node of this.open.values()) {
      if (node.wait?.for !== "approval" || node.wait.approvalId !== approvalId) continue;
      const goesOn =
        decision === "approved" || (node.plan.node.kind === "approval" && node.plan.node.onRejected === "continue");
      if (goesOn) this.#finish(node, { decision, by, ...(reason !== undefined && { reason }) });
      else this.#fail(node, toWire(rejected(node.path, by, reason)));
      return;
    }
  }

  #reviewed({ step, decision, result }: RunEventData<"run.reviewed">): void {
    const { review } = this;
    this.review = undefined;
    if (review === undefined) return;
    if (review.during === "undo") {
      this.undo.reviewed(step, decision, review.of ?? this.undo.from);
      return;
    }
    const node = this.open.get(step);
    if (node === undefined) return;
    node.begun = undefined;
    node.retryAt = undefined;
    if (decision === "retry") {
      // Another run of what was composed is known by its number; tries of a function begin anew.
      if (node.wait?.for === "run") node.attempt = node.wait.attempt;
      else if (review.during === "run") node.attempt = 0;
      node.wait = undefined;
      // A condition that is asked again does nothing that a run which goes no further would have to end first.
      const decides = node.todo === "choose" || node.todo === "turn" ? node.todo : undefined;
      // Nor is a run composed anew, only to be told to end: the one before it has undone what it did.
      node.isWanted = decides === undefined && node.plan.node.kind !== "compose";
      this.#make(node, decides ?? review.during);
      return;
    }
    node.error ??= review.error ?? { code: "reactor.review_failed", message: review.reason, retryable: false };
    if (review.during === "run" && decision === "done") {
      node.accepted = result ?? null;
      this.#make(node, "accept");
    } else if (review.during === "run" && node.plan.functions.compensate !== undefined) this.#make(node, "compensate");
    else this.#fail(node, node.error);
  }

  #node(path: string): OpenNode {
    const node = this.open.get(path);
    invariant(node !== undefined, "W8", `the run ${this.runId} has an outcome of ${path}, which had not begun`);
    return node;
  }
}

/** Its run goes no further: what is done about it nevertheless waits for no better time. What it is compensated after is what it has failed with. */
function tryAtOnce(node: OpenNode): void {
  if (node.plan.functions.compensate === undefined) node.retryAt = undefined;
}
