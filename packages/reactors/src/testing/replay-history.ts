import { keepJson } from "@viable/kernel";
import type { RunEvent } from "@viable/protocol";
import { runEvents } from "@viable/protocol";
import type { ReactorDefinition } from "../definition.ts";
import { isToClear, isToFail, reasonToClear } from "../driver/clear-up.ts";
import type { OpenNode } from "../open-node.ts";
import { planOf, staticPath } from "../plan.ts";
import { Progress } from "../progress.ts";
import type { ReactorJson } from "../reactor-json.ts";
import type { GraphChange } from "./compare-graphs.ts";
import { compareGraphs } from "./compare-graphs.ts";
import type { Finding, Replaying } from "./judge-event.ts";
import { judgeEvent, nextToUndo } from "./judge-event.ts";
import type { FunctionRole } from "./wrap-functions.ts";

/**
 * An event of a run, in the shape of today: as the log reads it, as a client gets it (`runEvents`, `cloudEvents`), as `viable events` writes
 * it, or as a run under test has it.
 */
export interface HistoryEvent {
  readonly type: string;
  readonly data: unknown;
  /** Its number in the run's stream, from 1. Where it is given, gaps are found. */
  readonly version?: number | undefined;
  /** Why it is not in the shape of today, where a lenient read says so. */
  readonly undecodable?: string | undefined;
  /** What a live feed left out of its data. */
  readonly omitted?: readonly string[] | undefined;
}

/** Where today's code and a history part, and why. */
export interface Disagreement {
  /**
   * `changed_definition`: a run keeps to the definition it began with, and this is another; without the old one the run is parked.
   * `broken_history`: these are not the events of one run, from its first. `undecodable_event`: an event has no shape that is known today.
   * Else as a `Finding` has it: `unexpected_event`, `changed_decision`, `changed_value`.
   */
  readonly kind: "changed_definition" | "broken_history" | "undecodable_event" | Finding["kind"];
  /** Number of the event in the run's stream, from 1. */
  readonly version: number;
  readonly step?: string;
  /** Says what is different, in a sentence that can be read alone. */
  readonly message: string;
  /** Which value or answer was recorded, and which there is today, where it is about one. */
  readonly recorded?: unknown;
  readonly today?: unknown;
  /** Which steps differ, of a changed definition: see `ReplayOptions.before`. */
  readonly change?: GraphChange;
}

/**
 * Whether today's code takes a run up where its history ends. `next` says what whoever takes it does first, as short lines like those of a run
 * under test (`run pay`, `run pay, attempt 2`, `wait rest for time`, `undo book`); empty where the run has ended. A history has no time of day:
 * what is to be tried again counts as not due yet, and a deadline as not passed.
 */
export type Replayed = (
  | { readonly ok: true; readonly next: readonly string[] }
  /** The changed definition, if there is one, and the first event that today's code would not have come to. */
  | { readonly ok: false; readonly disagreements: readonly [Disagreement, ...Disagreement[]] }
) & {
  /** Steps whose guards answered a promise or used their context: what they say today was not compared. */
  readonly unjudged: readonly string[];
};

export interface ReplayOptions {
  /**
   * The definition that the run began with, as it is kept beside the history (`toJson`) or in the code. With it, a changed definition is told
   * step by step; without it, or where its hash is not the recorded one, only steps are named that the history knows and the definition does not.
   */
  readonly before?: Pick<ReactorJson | ReactorDefinition, "graph"> & { readonly hash?: string };
}

/**
 * Reads the history of a run again by a definition of today, and says whether today's code agrees with all of it, and so carries the run on
 * where it ends as if it had always been there. Nothing runs: no step, compensation or undo is called. What is called are the functions that
 * decide (`where`, `guard`, `when`, `until`, `onFailure`), with what was recorded. A guard looks outside, where it does; what it then says is
 * not compared, and the step stands in `unjudged`.
 *
 * Not compared: whether the recorded input fits today's schema; what functions would do or answer; what a composed run is begun with, whose
 * history is replayed by itself; times and ids.
 */
export function replayHistory<Input, Output>(
  definition: ReactorDefinition<Input, Output>,
  events: Iterable<HistoryEvent>,
  options: ReplayOptions = {},
): Replayed {
  const unjudged = new Set<string>();
  const refuse = (...disagreements: [Disagreement, ...Disagreement[]]): Replayed => ({
    ok: false,
    disagreements,
    unjudged: [...unjudged],
  });
  const today = definition as ReactorDefinition;
  const history = readHistory(events);
  if ("kind" in history) return refuse(history);
  const [started] = history;
  if (started.data.reactor !== today.name)
    return refuse(broken(1, `It is the history of a run of "${started.data.reactor}", and not of "${today.name}".`));

  const changed = started.data.hash === today.hash ? undefined : findChange(today, history, options.before);
  const toUndo: { step: string; version: number }[] = [];
  const progress = new Progress(planOf(today), "");
  const replaying: Replaying = { progress, toUndo, unjudged };
  for (const [index, event] of history.entries()) {
    const version = index + 1;
    const finding = judgeEvent(replaying, event);
    if (finding !== undefined) {
      const found = { ...finding, version };
      return changed === undefined ? refuse(found) : refuse(changed, found);
    }
    const undoable = progress.undo.undoable;
    progress.apply(event, version);
    if (progress.undo.undoable > undoable && event.type === "step.succeeded")
      toUndo.push({ step: event.data.step, version });
  }
  if (changed !== undefined) return refuse(changed);
  return { ok: true, next: tellNext(replaying), unjudged: [...unjudged] };
}

type Started = RunEvent & { type: "run.started" };

/** The events, in the shape of today and frozen; or why they are not the events of a run. */
function readHistory(events: Iterable<HistoryEvent>): readonly [Started, ...RunEvent[]] | Disagreement {
  // It comes out of a file, most often.
  if (typeof (events as Partial<Iterable<HistoryEvent>> | null)?.[Symbol.iterator] !== "function")
    return broken(1, "It is no list of events: of a page of a run's events, hand in `events`, of all pages in order.");
  const read: RunEvent[] = [];
  for (const event of events) {
    const at = read.length + 1;
    if (typeof event?.type !== "string") return broken(at, `The event ${at} is none: it has no type.`);
    const { type, data, version, undecodable, omitted } = event;
    if (version !== undefined && version !== at)
      return broken(at, `The event ${at} is missing: there is the event ${version} instead. All of a run are needed.`);
    const kept = keepJson(data, Number.POSITIVE_INFINITY);
    const problem =
      undecodable ?? (omitted === undefined ? undefined : `${omitted.join(", ")} were left out by a live feed`);
    const reason = problem ?? (typeof kept === "string" ? kept : findShapeProblem(type, kept.value));
    if (reason !== undefined)
      return {
        kind: "undecodable_event",
        version: at,
        message: `The event ${at}, ${type}, cannot be read: ${reason}.`,
      };
    if ((type === "run.started") !== (at === 1))
      return broken(at, at === 1 ? `It begins with ${type}, and not with run.started.` : "A second run begins in it.");
    read.push({ type, data: (kept as { value: unknown }).value } as RunEvent);
  }
  const [started, ...others] = read;
  return started === undefined ? broken(1, "It is empty.") : [started as Started, ...others];
}

const broken = (version: number, message: string): Disagreement => ({ kind: "broken_history", version, message });

function findShapeProblem(type: string, data: unknown): string | undefined {
  const schema = Object.hasOwn(runEvents, type) ? runEvents[type as keyof typeof runEvents] : undefined;
  if (schema === undefined) return "no run has events of that type";
  const [issue] = schema.safeParse(data).error?.issues ?? [];
  return issue === undefined ? undefined : `${["data", ...issue.path].join(".")}: ${issue.message}`;
}

function findChange(
  today: ReactorDefinition,
  history: readonly [Started, ...RunEvent[]],
  given: ReplayOptions["before"],
): Disagreement {
  const { data } = history[0];
  const isOther = given?.hash !== undefined && given.hash !== data.hash;
  const before = isOther ? undefined : given;
  const known = planOf(today).nodes;
  const named = history.flatMap((event) => ("step" in event.data ? [staticPath(event.data.step)] : []));
  const change: GraphChange =
    before === undefined
      ? { added: [], removed: [...new Set(named)].filter((path) => !known.has(path)), changed: [] }
      : compareGraphs(before.graph, today.graph);
  const said = Object.entries(change).flatMap(([what, paths]) =>
    paths.length === 0 ? [] : [`${what} ${(paths as readonly string[]).join(", ")}`],
  );
  if (isOther) said.push(`\`before\` (${given.hash}) is not what the run began with`);
  const told =
    said.length > 0
      ? said.join("; ")
      : before === undefined
        ? "hand in `before`, and the steps that differ are named"
        : "no step differs, but its version, whether it is reversible, or what it composes";
  return {
    kind: "changed_definition",
    version: 1,
    message: `The run began with version ${data.version} of "${today.name}" (${data.hash}), and today there is version ${today.version} (${today.hash}): ${told}.`,
    recorded: data.hash,
    today: today.hash,
    change,
  };
}

/** What whoever takes the run does first. */
function tellNext(replaying: Replaying): readonly string[] {
  const { progress } = replaying;
  const { phase, review, output, undoRequested, open } = progress;
  if (phase === "ended") return undoRequested === undefined ? [] : [tellUndo(replaying)];
  if (review !== undefined) return [`ask a person about ${review.step}`];
  if (phase === "going") return output === undefined ? [...open.values()].flatMap(tellNode) : ["complete"];
  const first = phase === "failing" ? tellClearing(progress) : [];
  return first.length > 0 ? first : [tellUndo(replaying)];
}

/** What is done about a step, as the driver begins it. */
function tellNode({ path, todo, begun, plan, attempt, wait }: OpenNode): readonly string[] {
  if (todo === undefined) return [];
  if (todo === "choose" || todo === "turn" || todo === "accept") return [`${todo} ${path}`];
  if (begun !== undefined)
    return begun === "run" && plan.functions.findOutcome !== undefined
      ? [tellCall("findOutcome", path, attempt)]
      : [`ask a person about ${path}`];
  if (todo === "compensate") return [`compensate ${path}`];
  const { kind } = plan.node;
  if (kind === "sleep") return [`wait ${path} for time`];
  if (kind === "approval") return [`wait ${path} for approval`];
  if (kind === "event") return [`wait ${path} for ${plan.node.event}`];
  if (kind === "compose" && wait?.for === "run") return [`wait ${path} for ${plan.node.reactor}`];
  return [tellCall("run", path, attempt)];
}

/**
 * What is done about steps though the run goes no further, for the driver's own reasons: at once about all about which something can be, and
 * when that is over about what was to be tried again, and about runs that it composes.
 */
function tellClearing({ open, claim }: Progress): readonly string[] {
  const nodes = [...open.values()];
  // Whoever takes it finds all that is open left behind, unless nobody had it.
  const left = { leftBehind: new Set(claim === undefined ? [] : open.keys()) };
  const isAtOnce = (node: OpenNode) =>
    isToClear(left, node) && (node.retryAt === undefined || node.begun !== undefined);
  const atOnce = nodes.filter(isAtOnce).flatMap(tellNode);
  if (atOnce.length > 0) return atOnce;
  const told: string[] = [];
  for (const node of nodes) {
    if (isToFail(node)) return [...told, `compensate ${node.path}`];
    const reason = reasonToClear(left, node);
    if (reason !== undefined) told.push(...(reason === "composed" ? [`end ${node.path}`] : tellNode(node)));
  }
  return told;
}

function tellUndo(replaying: Replaying): string {
  const next = nextToUndo(replaying);
  if (next === undefined) return "end";
  const { hasBegun, attempt } = replaying.progress.undo;
  return hasBegun ? `ask a person about ${next.step}` : tellCall("undo", next.step, attempt);
}

/** In the words of `callLines` of a run under test; told is how often it was tried before. */
const tellCall = (role: FunctionRole, path: string, tried: number): string =>
  `${role} ${path}${tried === 0 ? "" : `, attempt ${tried + 1}`}`;
