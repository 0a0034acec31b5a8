import { isDeepStrictEqual } from "node:util";
import { fromWire, keepJson } from "@viable/kernel";
import type { RunEvent, RunEventData, StepWait } from "@viable/protocol";
import type { NodeDefinition } from "../definition.ts";
import { truthOf } from "../driver/condition.ts";
import { branchOf } from "../driver/decide-steps.ts";
import { isResult } from "../driver/outcomes.ts";
import type { OpenNode } from "../open-node.ts";
import { staticPath } from "../plan.ts";
import type { Progress } from "../progress.ts";
import type { StepContext } from "../step-context.ts";
import { isOwnSuccess } from "../undo-progress.ts";

/** What today's code makes of an event where that is not what was recorded. */
export interface Finding {
  /**
   * `unexpected_event`: the run would not be at that place. `changed_decision`: a function decides otherwise on what was recorded.
   * `changed_value`: what is computed from what was recorded is another value.
   */
  readonly kind: "unexpected_event" | "changed_decision" | "changed_value";
  readonly step?: string;
  /** A sentence that can be read alone. */
  readonly message: string;
  readonly recorded?: unknown;
  readonly today?: unknown;
}

/** A run while its history is read again. */
export interface Replaying {
  /** The fold of all events before the one that is judged, by the definition of today. */
  readonly progress: Progress;
  /** Successes that are to be undone where the run goes no further, the latest last. */
  readonly toUndo: readonly { readonly step: string; readonly version: number }[];
  /** Guards whose answers could not be compared, by their steps. */
  readonly unjudged: Set<string>;
}

/**
 * Whether today's code would have come to the next event of a history, as far as that follows from what was recorded before it; undefined
 * where it would, or where nobody can tell. Calls `where`, `when`, `until`, `onFailure` and `guard`, and nothing else.
 */
export function judgeEvent(replaying: Replaying, event: RunEvent): Finding | undefined {
  const { progress } = replaying;
  switch (event.type) {
    case "step.started":
      return event.data.during === "undo" ? judgeUndo(replaying, event.data) : judgeStep(replaying, event);
    case "step.waiting":
    case "step.succeeded":
    case "step.skipped":
    case "step.failed":
    case "step.compensated":
    case "step.branched":
    case "step.repeated":
      return judgeStep(replaying, event);
    case "step.undone":
    case "step.undo_failed":
      return judgeUndo(replaying, event.data);
    case "run.needs_review":
      return event.data.during === "undo" ? judgeUndo(replaying, event.data) : judgeStep(replaying, event);
    case "run.completed":
      return judgeCompletion(progress, event.data);
    case "run.undoing":
      if (progress.phase === "ended") return undefined;
      return (
        judgeEnding(replaying, event) ??
        (progress.undo.undoable > 0
          ? undefined
          : unexpected("The run is undone there, and today nothing of it can be."))
      );
    case "run.failed":
    case "run.cancelled":
    case "run.compensated":
      return judgeEnding(replaying, event) ?? judgeAllUndone(replaying, event);
    default:
      return undefined;
  }
}

type StepEvent = RunEvent & {
  type:
    | "step.started"
    | "step.waiting"
    | "step.succeeded"
    | "step.skipped"
    | "step.failed"
    | "step.compensated"
    | "step.branched"
    | "step.repeated"
    | "run.needs_review";
};

// Steps

function judgeStep(replaying: Replaying, event: StepEvent): Finding | undefined {
  const { progress } = replaying;
  const { step } = event.data;
  const plan = progress.plan.nodes.get(staticPath(step));
  if (plan === undefined) return unexpected(`There is no step ${step} any more, and ${tell(event)}.`, step);
  const node = progress.open.get(step);
  if (node === undefined) {
    const after = waitsFor(progress, step);
    const place = after.length === 0 ? "it has its outcome by then" : `it comes after ${after.join(", ")}`;
    return unexpected(`Today ${step} is not at work there: ${place}; and ${tell(event)}.`, step);
  }
  if (!fits(node, event))
    return unexpected(
      `Today ${step} is a ${sayKind(node.plan.node)} that does not come to this: ${tell(event)}.`,
      step,
    );
  return judgeDecision(replaying, node, event) ?? judgeValue(progress, node, event);
}

/** Whether what stands in the graph today could come to that event at all. */
function fits(node: OpenNode, event: StepEvent): boolean {
  const { node: said, functions, scopes } = node.plan;
  switch (event.type) {
    case "step.started":
      return said.kind === "step" && !said.idempotent && (event.data.during !== "compensate" || isCompensated(node));
    case "step.waiting":
      return waitingKinds[event.data.wait.for] === said.kind && node.wait === undefined;
    case "step.skipped":
      return said.kind === "step" && (functions.where !== undefined || node.begun !== undefined);
    case "step.compensated":
      return isCompensated(node);
    case "step.branched":
      return node.todo === "choose" && scopes.has(`:${event.data.branch}`);
    case "step.repeated":
      return node.todo === "turn" && event.data.turn === node.turn + 1;
    case "step.failed":
    case "run.needs_review":
      return said.kind !== "map" && said.kind !== "group";
    case "step.succeeded":
      return succeeds(node, event.data);
  }
}

function succeeds(node: OpenNode, { by }: RunEventData<"step.succeeded">): boolean {
  const { node: said, functions } = node.plan;
  switch (by) {
    case "fork":
      return true;
    case "review":
      return node.todo === "accept";
    case "guard":
      return functions.guard !== undefined;
    case "compensation":
      return isCompensated(node) || functions.onFailure !== undefined;
    case undefined:
      if (said.kind === "repeat") return node.todo === "turn";
      return said.kind === "step" || said.kind === "task" || (said.kind !== "approval" && node.wait !== undefined);
  }
}

const waitingKinds = { time: "sleep", event: "event", approval: "approval", run: "compose" } as const;
const isCompensated = ({ plan, todo }: OpenNode): boolean =>
  plan.functions.compensate !== undefined && todo === "compensate";

/** Asks the functions that decide once more. What a function throws today it may have thrown then, where the step failed. */
function judgeDecision(replaying: Replaying, node: OpenNode, event: StepEvent): Finding | undefined {
  const { plan, path: step } = node;
  const { functions } = plan;
  const differs = (what: string, recorded: unknown, answer: Answer): Finding | undefined => {
    if ("threw" in answer && event.type === "step.failed") return undefined;
    const today = "threw" in answer ? `throws (${answer.threw})` : `answers ${show(answer.value)}`;
    const message = `The ${what} of ${step} ${today} today, and was recorded as ${show(recorded)}: ${tell(event)}.`;
    return { kind: "changed_decision", step, message, recorded, ...("value" in answer && { today: answer.value }) };
  };
  const is = (answer: Answer, value: unknown) => "value" in answer && isDeepStrictEqual(answer.value, value);
  const args = () => replaying.progress.argsOf(node);
  switch (event.type) {
    case "step.branched": {
      const answer = askBranch(node, args());
      return is(answer, event.data.branch) ? undefined : differs("choice of a branch", event.data.branch, answer);
    }
    case "step.repeated": {
      const answer = ask(() => truthOf(functions.until?.(node.last), step, "until"));
      return is(answer, false) ? undefined : differs("`until`", false, answer);
    }
    case "run.needs_review":
      return event.data.during === "run" ? judgeOnFailure(replaying, node, event, differs) : undefined;
    case "step.waiting":
    case "step.compensated":
      return undefined;
  }
  if (event.type === "step.succeeded" && event.data.by !== undefined && event.data.by !== "guard") return undefined;
  switch (plan.node.kind) {
    case "repeat": {
      if (event.type !== "step.succeeded") return undefined;
      const answer = ask(() => truthOf(functions.until?.(node.last), step, "until"));
      return is(answer, true) ? undefined : differs("`until`", true, answer);
    }
    case "switch": {
      const answer = askBranch(node, args());
      return "threw" in answer || answer.value === undefined ? undefined : differs("choice of a branch", null, answer);
    }
    case "compose":
      return judgeOnFailure(replaying, node, event, differs);
    case "step": {
      // Begun already, it is past them: what is recorded is what was found out.
      if (node.begun !== undefined || ("during" in event.data && event.data.during !== undefined)) return undefined;
      const skips = event.type === "step.skipped";
      if (functions.where !== undefined) {
        const answer = ask(() => truthOf(functions.where?.(args()), step, "where"));
        if (!is(answer, !skips)) return differs("`where`", !skips, answer);
      }
      return skips ? undefined : judgeGuard(replaying, node, event, differs);
    }
    default:
      return undefined;
  }
}

type Differs = (what: string, recorded: unknown, answer: Answer) => Finding | undefined;
type Answer = { readonly value: unknown } | { readonly threw: string };

function judgeGuard(replaying: Replaying, node: OpenNode, event: StepEvent, differs: Differs): Finding | undefined {
  const { guard } = node.plan.functions;
  if (guard === undefined) return undefined;
  const about = { reactor: replaying.progress.plan.definition.name, step: node.path, attempt: node.attempt + 1 };
  const { ctx, isUsed } = contextWithout(about);
  const answer = ask(() => guard(replaying.progress.argsOf(node), ctx));
  const promised = "value" in answer && answer.value instanceof Promise ? answer.value : undefined;
  promised?.catch(() => undefined);
  // It has looked at what is outside: what it sees today says nothing of what it saw then.
  if (promised !== undefined || isUsed()) {
    replaying.unjudged.add(node.path);
    return undefined;
  }
  const recorded =
    event.type === "step.succeeded" && event.data.by === "guard" ? { result: event.data.result ?? null } : null;
  const given = "value" in answer ? kept(answer.value) : undefined;
  const said =
    given === undefined || given === null ? null : { result: (given as { result?: unknown }).result ?? null };
  if ("value" in answer && isDeepStrictEqual(said, recorded)) return undefined;
  return differs("guard", recorded, "value" in answer ? { value: said } : answer);
}

/** What it composes has ended without a result, and why stands in the event. Only then is it known what its function was asked. */
function judgeOnFailure(
  { progress }: Replaying,
  node: OpenNode,
  event: StepEvent,
  differs: Differs,
): Finding | undefined {
  const { onFailure } = node.plan.functions;
  if (node.plan.node.kind !== "compose" || node.wait?.for !== "run" || onFailure === undefined) return undefined;
  if (progress.phase !== "going" || !("error" in event.data) || event.data.error === undefined) return undefined;
  const { error } = event.data;
  const { attempt } = node.wait;
  const answer = ask(() => onFailure(fromWire(error), { attempt }));
  const isAgain = "retryAt" in event.data && event.data.retryAt !== undefined;
  const recorded = event.type === "run.needs_review" ? "review" : isAgain ? "restart" : "fail";
  const today = "value" in answer ? { value: choiceOf(answer.value, attempt <= node.plan.node.maxRestarts) } : answer;
  return "value" in today && today.value === recorded ? undefined : differs("`onFailure`", recorded, today);
}

/** What an answer of `onFailure` comes to: with no restart left, and whatever else it says, the step fails. */
function choiceOf(answer: unknown, mayRestart: boolean): unknown {
  if (isResult(answer)) return answer;
  // Nobody waits for it: that it is broken must not end the process.
  if (answer instanceof Promise) answer.catch(() => {});
  return answer === "review" || (answer === "restart" && mayRestart) ? answer : "fail";
}

const askBranch = ({ path, plan: { node, functions } }: OpenNode, args: unknown): Answer =>
  ask(() => (node.kind === "switch" ? branchOf(path, node, functions, args) : undefined));

function ask(question: () => unknown): Answer {
  try {
    return { value: question() };
  } catch (error) {
    return { threw: error instanceof Error ? error.message : show(error) };
  }
}

/** What a guard is handed that may only look at its arguments and at which try this is; and whether it has looked at more. */
function contextWithout(about: Pick<StepContext, "reactor" | "step" | "attempt">) {
  let used = false;
  const ctx = new Proxy(about, {
    get(target, key) {
      if (Object.hasOwn(target, key)) return target[key as keyof typeof target];
      used = true;
      throw new Error(`a guard that is replayed has no ctx.${String(key)}`);
    },
  });
  return { ctx, isUsed: () => used };
}

/** Compares what a step is called with, or waits for, with what was kept of that. */
function judgeValue(progress: Progress, node: OpenNode, event: StepEvent): Finding | undefined {
  const { path: step } = node;
  if (event.type === "step.waiting") {
    const { recorded, today } = compareWait(node, event.data.wait, progress.argsOf(node));
    return isDeepStrictEqual(recorded, today) ? undefined : changed(step, "waits for", recorded, today);
  }
  if (event.type !== "step.succeeded") return undefined;
  const { args, by } = event.data;
  if (node.plan.node.kind === "repeat" && by === undefined) {
    const recorded = event.data.result ?? null;
    return isDeepStrictEqual(recorded, node.last) ? undefined : changed(step, "comes to", recorded, node.last);
  }
  const isUndone = node.plan.functions.undo !== undefined && isOwnSuccess(event.data);
  if (args === undefined && !isUndone) return undefined;
  const today = kept(progress.argsOf(node));
  return isDeepStrictEqual(args, today) ? undefined : changed(step, "is called with", args, today);
}

/** What of a wait follows from what was recorded: not ids, nor times that are counted from when it began, nor words for people. */
function compareWait({ plan }: OpenNode, wait: StepWait, args: unknown): { recorded: unknown; today: unknown } {
  const { key, details, until } = (kept(args) ?? {}) as { key?: unknown; details?: unknown; until?: unknown };
  const said = plan.node;
  if (wait.for === "time") return { recorded: until === undefined ? undefined : wait.until, today: until };
  if (wait.for === "approval") return { recorded: wait.details, today: details };
  if (wait.for === "event") {
    const event = said.kind === "event" ? said.event : "";
    // Without a key it is the run's id.
    return key === undefined || key === null
      ? { recorded: { event: wait.event }, today: { event } }
      : { recorded: { event: wait.event, key: wait.key }, today: { event, key } };
  }
  return { recorded: undefined, today: undefined };
}

/** As it is kept: without members that are undefined. What cannot be kept is told by a text. */
function kept(value: unknown): unknown {
  const copy = keepJson(value, Number.POSITIVE_INFINITY);
  return typeof copy === "string" ? copy : copy.value;
}

// The run

function judgeCompletion(progress: Progress, { result }: RunEventData<"run.completed">): Finding | undefined {
  if (progress.phase !== "going")
    return unexpected(`The run completes there, and today it goes no further by then: ${tellFailure(progress)}.`);
  if (progress.output === undefined) {
    const open = [...progress.open.keys()].slice(0, maxNamed).join(", ");
    return unexpected(`The run completes there, and today it is not at its end: ${open} have no outcome.`);
  }
  const today = kept(progress.output.value);
  if (isDeepStrictEqual(result, today)) return undefined;
  const message = `The run comes to ${show(today)} today, and came to ${show(result)}.`;
  return { kind: "changed_value", message, recorded: result, today };
}

/** It goes no further: there is a reason for that, and nothing that is compensated first. */
function judgeEnding({ progress }: Replaying, { type }: RunEvent): Finding | undefined {
  if (progress.phase === "going" || progress.phase === "ended")
    return unexpected(`The run does not go on there (${type}), and today nothing keeps it from going on.`);
  const left = [...progress.open.values()].find(isCompensated);
  if (left === undefined) return undefined;
  return unexpected(`The run does not go on there (${type}), and today ${left.path} is compensated first.`, left.path);
}

function judgeAllUndone(replaying: Replaying, { type }: RunEvent): Finding | undefined {
  const next = nextToUndo(replaying);
  if (next === undefined) return undefined;
  return unexpected(`The run ends there (${type}), and today ${next.step} is undone first.`, next.step);
}

function judgeUndo(
  replaying: Replaying,
  { step, of }: { readonly step: string; readonly of?: number | undefined },
): Finding | undefined {
  const next = replaying.progress.phase === "undoing" ? nextToUndo(replaying) : undefined;
  if (next !== undefined && next.step === step && (of === undefined || of === next.version)) return undefined;
  const today = next === undefined ? "today nothing is" : `today ${next.step} is next`;
  return unexpected(`${step} is undone there, and ${today}.`, step);
}

/** The latest success that is undone and has not been; undefined where there is none. */
export function nextToUndo({
  progress,
  toUndo,
}: Replaying): { readonly step: string; readonly version: number } | undefined {
  return progress.phase === "undoing" ? toUndo.findLast(({ version }) => version < progress.undo.from) : toUndo.at(-1);
}

// Words

/** How many steps a message names at most. */
const maxNamed = 10;
/** How much of a value a message shows, in characters. The finding has all of it. */
const maxShown = 200;

const unexpected = (message: string, step?: string): Finding => ({
  kind: "unexpected_event",
  message,
  ...(step !== undefined && { step }),
});

const changed = (step: string, what: string, recorded: unknown, today: unknown): Finding => ({
  kind: "changed_value",
  step,
  message: `${step} ${what} ${show(today)} today, and ${show(recorded)} was recorded.`,
  recorded,
  today,
});

function tell(event: StepEvent): string {
  switch (event.type) {
    case "step.started":
      return "it began";
    case "step.waiting":
      return `it waited for ${event.data.wait.for === "event" ? event.data.wait.event : event.data.wait.for}`;
    case "step.succeeded":
      return event.data.by === undefined ? "it succeeded" : `it succeeded by ${event.data.by}`;
    case "step.skipped":
      return "it was skipped";
    case "step.failed":
      return event.data.retryAt === undefined ? "it failed" : "it failed, to be tried again";
    case "step.compensated":
      return "it was compensated";
    case "step.branched":
      return `it took the branch ${event.data.branch}`;
    case "step.repeated":
      return `its turn ${event.data.turn} began`;
    case "run.needs_review":
      return "a person was asked about it";
  }
}

const sayKind = ({ kind }: NodeDefinition): string => (kind === "event" ? "waitFor" : kind);

/** Which steps beside it a step comes after today. */
function waitsFor({ plan }: Progress, step: string): readonly string[] {
  const path = staticPath(step);
  const node = plan.nodes.get(path);
  if (node === undefined) return [];
  const prefix = path.slice(0, path.length - node.node.name.length);
  return [...plan.nodes.values()]
    .filter((each) => each.path === prefix + each.node.name && each.dependents.includes(node.index))
    .map((each) => each.path)
    .slice(0, maxNamed);
}

function tellFailure({ failure }: Progress): string {
  const { kind, step } = failure?.cause ?? { kind: "it has ended" };
  return step === undefined ? kind : `${kind} ${step}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= maxShown ? text : `${text.slice(0, maxShown)}…`;
}
