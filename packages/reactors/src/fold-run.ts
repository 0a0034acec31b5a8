import type { ErrorOnTheWire, JsonValue } from "@viable/kernel";
import type { StoredEvent, StreamFold } from "@viable/log";
import type {
  Claim,
  RunEvent,
  RunEventData,
  RunStatus,
  RunStepStatus,
  RunStepView,
  StepWait,
  UndoCause,
} from "@viable/protocol";
import { maxViewedSteps } from "@viable/protocol";
import type { RunEnding } from "./read-run.ts";
import { errorOf, isEnding, toRunEvent } from "./read-run.ts";
import { runIdOf } from "./run-journal.ts";

/** A step's result is kept in a view up to this many characters of JSON: a thousand of them then fit a snapshot. */
const maxResultChars = 500;
/** The run's own input and result, beyond which a view reads them from their event. */
const maxKeptChars = 16_384;
const maxMessageChars = 500;
/** How much of what an error follows from is kept: what called, and what failed underneath it. In characters of a message. */
const maxCauseChars = 200;
const maxCauses = 2;

/** A step of a run, as far as the run's events tell. */
export interface StepState {
  readonly step: string;
  readonly status: RunStepStatus;
  /** Version of the event that it was first heard of by. */
  readonly since: number;
  /** Version of the event that gave it its outcome; 0 while it has none. */
  readonly closed: number;
  readonly attempts: number;
  readonly startedAt: number;
  readonly endedAt?: number | undefined;
  readonly ms?: number | undefined;
  readonly by?: RunStepView["by"] | undefined;
  readonly result?: JsonValue | undefined;
  readonly isResultOmitted?: boolean | undefined;
  readonly error?: ErrorOnTheWire | undefined;
  /** Without the details of an approval, which may be large: its event has them. */
  readonly wait?: StepWait | undefined;
  /** Version of the event that says what it waits for. */
  readonly waitVersion?: number | undefined;
  readonly retryAt?: number | undefined;
  readonly branch?: string | undefined;
  readonly turn?: number | undefined;
  readonly runId?: string | undefined;
  readonly undo?: { readonly attempts: number; readonly error: ErrorOnTheWire; readonly retryAt?: number } | undefined;
}

/** A run as far as its events tell, without its definition: plain JSON of bounded size, for snapshots. */
export interface RunState {
  readonly runId: string;
  readonly version: number;
  readonly tenant: string;
  readonly principal: string;
  readonly session: string | undefined;
  readonly causation: string | undefined;
  /** Without its input where that is large. */
  readonly started: Omit<RunEventData<"run.started">, "input" | "claim">;
  readonly startedAt: number;
  readonly input: JsonValue | undefined;
  readonly result: JsonValue | undefined;
  readonly claim: Claim | undefined;
  readonly phase: "going" | "failing" | "undoing" | "ended";
  /** How it ended, without what it came to. */
  readonly ended:
    | { readonly status: RunStatus; readonly at: number; readonly error: ErrorOnTheWire | undefined }
    | undefined;
  readonly parked: string | undefined;
  /** With the version of the event that asks. */
  readonly review: (RunEventData<"run.needs_review"> & { readonly version: number }) | undefined;
  readonly cause: UndoCause | undefined;
  readonly kept: readonly string[] | undefined;
  /** What may still go on, in the order in which it was first heard of. As many as the run has open. */
  readonly open: readonly StepState[];
  /** The latest of those that have an outcome, in the order of these. */
  readonly done: readonly StepState[];
  readonly counts: Readonly<Partial<Record<RunStepStatus, number>>>;
}

/** The state after one more event. Whoever has the events has the state (W8); the definition is not needed. */
export function foldRun(state: RunState | undefined, stored: StoredEvent): RunState | undefined {
  const event = toRunEvent(stored);
  if (event.type === "run.started") return begin(stored, event.data);
  if (state === undefined) return undefined;
  const next = { ...state, version: stored.version };
  return event.type.startsWith("step.") ? foldStep(next, event, stored) : foldWhole(next, event, stored);
}

/** For runs of many events, which are looked at more than once. */
export const runFold: StreamFold<RunState> = { name: "run", version: 2, fold: foldRun };

function begin(stored: StoredEvent, { input, claim, ...started }: RunEventData<"run.started">): RunState {
  const { tenant, actor, session, causation } = stored.metadata;
  return {
    runId: runIdOf(stored.stream),
    version: stored.version,
    tenant,
    principal: actor,
    session,
    causation,
    started,
    startedAt: stored.time,
    input: isWithin(input, maxKeptChars) ? input : undefined,
    result: undefined,
    claim,
    phase: "going",
    ended: undefined,
    parked: undefined,
    review: undefined,
    cause: undefined,
    kept: undefined,
    open: [],
    done: [],
    counts: {},
  };
}

const endedStatus = {
  "run.completed": "completed",
  "run.failed": "failed",
  "run.compensated": "compensated",
  "run.cancelled": "cancelled",
} as const satisfies { readonly [Type in RunEnding["type"]]: RunStatus };

function foldWhole(state: RunState, event: RunEvent, stored: StoredEvent): RunState {
  if (isEnding(event)) {
    const result = event.type === "run.completed" ? event.data.result : undefined;
    const error = event.type === "run.completed" ? undefined : errorOf(event);
    return {
      ...leaveOpen(state, stored),
      phase: "ended",
      ended: { status: endedStatus[event.type], at: stored.time, error },
      result: result !== undefined && isWithin(result, maxKeptChars) ? result : undefined,
      ...("kept" in event.data && { kept: event.data.kept }),
    };
  }
  switch (event.type) {
    case "run.claimed": {
      const { reason: _, ...claim } = event.data;
      return { ...state, claim, parked: undefined };
    }
    case "run.parked":
      return { ...state, parked: event.data.reason };
    case "run.gave_up":
      return stopGoing(state, { kind: "gave_up", error: event.data.error });
    case "run.cancel_requested":
      return stopGoing(state, { kind: "cancelled", by: event.data.by, reason: event.data.reason });
    case "run.undo_requested": {
      const { by, reason } = event.data;
      return {
        ...state,
        phase: "undoing",
        ended: undefined,
        result: undefined,
        cause: { kind: "requested", by, reason },
      };
    }
    case "run.undoing":
      return { ...leaveOpen(state, stored), phase: "undoing", ended: undefined, cause: event.data.cause };
    case "run.needs_review":
      return needReview({ ...state, review: { ...event.data, version: stored.version } }, event.data, stored);
    case "run.reviewed":
      return foldReview({ ...state, review: undefined }, state.review, event.data, stored);
    case "approval.decided": {
      const { approvalId, decision, by, reason } = event.data;
      const asked = state.open.find(({ wait }) => wait?.for === "approval" && wait.approvalId === approvalId);
      if (asked === undefined) return state;
      const status = decision === "approved" ? "succeeded" : "rejected";
      return close(state, asked.step, stored, {
        status,
        result: { decision, by, ...(reason !== undefined && { reason }) },
      });
    }
    default:
      return state;
  }
}

function foldStep(state: RunState, event: RunEvent, stored: StoredEvent): RunState {
  switch (event.type) {
    case "step.started": {
      const { step, attempt, during = "run" } = event.data;
      return during === "run" ? change(state, step, stored, { status: "running", attempts: attempt }) : state;
    }
    case "step.waiting": {
      const { step, wait } = event.data;
      const kept = wait.for === "approval" ? withoutDetails(wait) : wait;
      return change(state, step, stored, {
        status: "waiting",
        wait: kept,
        waitVersion: stored.version,
        ...(wait.for === "run" && { runId: wait.runId, attempts: wait.attempt }),
      });
    }
    case "step.succeeded": {
      const { step, result = null, ms, attempt, by, runId } = event.data;
      const isSmall = isWithin(result, maxResultChars);
      return close(state, step, stored, {
        status: "succeeded",
        ...(isSmall ? { result } : { isResultOmitted: true }),
        ...(ms !== undefined && { ms }),
        ...(by !== undefined && { by }),
        ...(runId !== undefined && { runId }),
        ...(by === undefined && { attempts: Math.max(attempt ?? 1, find(state, step)?.attempts ?? 0) }),
        error: undefined,
      });
    }
    case "step.skipped":
      return close(state, event.data.step, stored, { status: "skipped" });
    case "step.branched":
      return close(state, event.data.step, stored, { status: "branched", branch: event.data.branch });
    case "step.repeated":
      return change(state, event.data.step, stored, { status: "running", turn: event.data.turn });
    case "step.failed": {
      const { step, attempt, error, retryAt, ms } = event.data;
      const failed = { attempts: attempt, error: shortenError(error) };
      if (retryAt !== undefined) return change(state, step, stored, { status: "retrying", retryAt, ...failed }, ms);
      // It may be compensated yet: until the run goes no further it is not over.
      return change(state, step, stored, { status: "failed", endedAt: stored.time, ...failed }, ms);
    }
    case "step.compensated":
      return close(state, event.data.step, stored, { status: "compensated" });
    case "step.undone":
      return changeDone(state, event.data.of, { status: "undone", undo: undefined });
    case "step.undo_failed": {
      const { of, error, retryAt } = event.data;
      return changeDone(state, of, { status: "succeeded", undo: failedUndo(state, of, error, retryAt) });
    }
    default:
      return state;
  }
}

function stopGoing(state: RunState, cause: UndoCause): RunState {
  return state.phase === "going" ? { ...state, phase: "failing", cause } : state;
}

function needReview(
  state: RunState,
  { step, during, of, error }: RunEventData<"run.needs_review">,
  stored: StoredEvent,
) {
  if (during === "undo") {
    // Its last try has no event of its own. Without an error none has failed: what became of one is not known.
    const undo = error === undefined ? {} : { undo: failedUndo(state, of ?? 0, error) };
    return changeDone(state, of ?? 0, { status: "needs_review", ...undo });
  }
  return change(state, step, stored, {
    status: "needs_review",
    ...(error !== undefined && { error: shortenError(error) }),
  });
}

function foldReview(
  state: RunState,
  review: RunState["review"],
  { step, decision }: RunEventData<"run.reviewed">,
  stored: StoredEvent,
): RunState {
  if (review === undefined) return state;
  if (review.during === "undo") {
    const status = decision === "done" ? "undone" : decision === "failed" ? "kept" : "succeeded";
    return changeDone(state, review.of ?? 0, { status }, "needs_review");
  }
  if (decision === "retry")
    return change(state, step, stored, { status: review.during === "run" ? "running" : "failed" });
  // What it is taken to have come to follows as its success.
  if (decision === "done" && review.during === "run")
    return change(state, step, stored, { status: "running", error: undefined });
  return change(state, step, stored, { status: "failed" });
}

/** What is new of a step; undefined takes a member away. */
type Change = Pick<StepState, "status"> &
  Partial<Pick<StepState, "attempts">> & {
    readonly [Member in keyof Omit<StepState, "step" | "since" | "closed" | "startedAt" | "status" | "attempts">]?:
      | StepState[Member]
      | undefined;
  };

const find = (state: RunState, step: string): StepState | undefined => state.open.find((each) => each.step === step);

/** What an open step has become, and that it is open; one that was not heard of begins, or began so many `ms` ago. */
function change(state: RunState, step: string, stored: StoredEvent, to: Change, ms?: number): RunState {
  const before = find(state, step);
  const { wait: _, waitVersion: __, retryAt: ___, ...rest } = before ?? fresh(step, stored, ms);
  const after: StepState = { ...rest, ...to };
  const open =
    before === undefined ? [...state.open, after] : state.open.map((each) => (each === before ? after : each));
  return { ...state, open, counts: count(state.counts, before?.status, to.status) };
}

/** The outcome of a step. */
function close(state: RunState, step: string, stored: StoredEvent, to: Change): RunState {
  const before = find(state, step);
  const { wait: _, waitVersion: __, retryAt: ___, ...rest } = before ?? fresh(step, stored, to.ms);
  const after: StepState = { ...rest, ...to, closed: stored.version, endedAt: stored.time };
  return {
    ...state,
    open: before === undefined ? state.open : state.open.filter((each) => each !== before),
    done: [...latest(state.done, 1), after],
    counts: count(state.counts, before?.status, to.status),
  };
}

const fresh = (step: string, stored: StoredEvent, ms = 0): StepState => ({
  step,
  status: "running",
  since: stored.version,
  closed: 0,
  attempts: 0,
  startedAt: stored.time - ms,
});

/** The run goes no further: what failed has failed, and all else that was open is left where it was. */
function leaveOpen(state: RunState, stored: StoredEvent): RunState {
  if (state.open.length === 0) return state;
  let { counts } = state;
  const left = state.open.map((each): StepState => {
    const { wait: _, waitVersion: __, retryAt: ___, ...rest } = each;
    if (each.status === "failed") return { ...rest, closed: stored.version };
    counts = count(counts, each.status, "abandoned");
    return { ...rest, status: "abandoned", closed: stored.version, endedAt: stored.time };
  });
  return { ...state, open: [], done: [...latest(state.done, left.length), ...left].slice(-maxViewedSteps), counts };
}

/** What became of a success. Also one that the view does not hold any more counts. */
function changeDone(
  state: RunState,
  of: number,
  to: Pick<Change, "status" | "undo">,
  from: RunStepStatus = "succeeded",
): RunState {
  const at = indexOf(state.done, of);
  const before = state.done[at];
  if (before?.closed !== of) return { ...state, counts: count(state.counts, from, to.status) };
  return {
    ...state,
    done: state.done.with(at, { ...before, ...to }),
    counts: count(state.counts, before.status, to.status),
  };
}

/** One more try to undo a success has failed. Tries are counted over all that persons have had begun anew. */
function failedUndo({ done }: RunState, of: number, error: ErrorOnTheWire, retryAt?: number): StepState["undo"] {
  const before = done[indexOf(done, of)];
  const attempts = (before?.closed === of ? (before.undo?.attempts ?? 0) : 0) + 1;
  return { attempts, error: shortenError(error), ...(retryAt !== undefined && { retryAt }) };
}

/** Where the step stands whose outcome has this version, or would: they are in that order. */
function indexOf(done: readonly StepState[], version: number): number {
  let low = 0;
  let high = done.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((done[middle] as StepState).closed < version) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** So many that as many more fit. */
const latest = (done: readonly StepState[], more: number): readonly StepState[] =>
  done.length + more <= maxViewedSteps ? done : done.slice(Math.min(done.length, done.length + more - maxViewedSteps));

function count(counts: RunState["counts"], from: RunStepStatus | undefined, to: RunStepStatus): RunState["counts"] {
  if (from === to) return counts;
  const next = { ...counts, [to]: (counts[to] ?? 0) + 1 };
  if (from !== undefined) {
    next[from] = (next[from] ?? 1) - 1;
    if (next[from] <= 0) delete next[from];
  }
  return next;
}

function isWithin(value: JsonValue, maxChars: number): boolean {
  if (value === null || typeof value === "number" || typeof value === "boolean") return true;
  return typeof value === "string" ? value.length <= maxChars : JSON.stringify(value).length <= maxChars;
}

function withoutDetails(wait: StepWait & { for: "approval" }): StepWait {
  const { details: _, ...rest } = wait;
  return rest;
}

/** As much of an error as fits beside a thousand others. */
export const shortenError = ({ code, message, next, retryable, cause }: ErrorOnTheWire): ErrorOnTheWire => ({
  code,
  message: cut(message, maxMessageChars),
  retryable,
  ...(next !== undefined && next.length <= maxMessageChars && { next }),
  ...causeOf(cause),
});

function causeOf(cause: ErrorOnTheWire | undefined, depth = 1): { readonly cause?: ErrorOnTheWire } {
  if (cause === undefined || depth > maxCauses) return {};
  const { code, message, retryable } = cause;
  return { cause: { code, message: cut(message, maxCauseChars), retryable, ...causeOf(cause.cause, depth + 1) } };
}

const cut = (text: string, maxChars: number): string =>
  text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
