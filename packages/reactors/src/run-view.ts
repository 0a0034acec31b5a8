import type { JsonValue } from "@viable/kernel";
import type { RunStatus, RunStepView, RunSummary, RunView, RunWaitView, StepWait } from "@viable/protocol";
import { maxViewedSteps } from "@viable/protocol";
import type { RunState, StepState } from "./fold-run.ts";
import { shortenError } from "./fold-run.ts";
import { maxTimeMs } from "./run-bounds.ts";

/** How many of its waits a run in a list names. */
const maxListedWaits = 10;

/** A wait for a person's word. */
export type ApprovalWait = StepWait & { for: "approval" };

/**
 * Where a run stands. It waits where a step of it does and none is known to do anything else: what may be done twice leaves no trace until
 * it has an outcome, so beside a wait it may be at work.
 */
export function statusOf({ ended, review, parked, phase, claim, open }: RunState): RunStatus {
  if (ended !== undefined) return ended.status;
  if (review !== undefined) return "needs_review";
  if (parked !== undefined) return "parked";
  if (phase !== "going") return "compensating";
  if (claim === undefined) return "pending";
  const works = open.some(({ status, turn }) => status === "retrying" || (status === "running" && turn === undefined));
  return !works && open.some(({ status }) => status === "waiting") ? "waiting" : "running";
}

/** A run as lists show it. */
export function toRunSummary(state: RunState): RunSummary {
  const { started, ended, session, causation } = state;
  const waits = state.open.flatMap(({ step, wait }) => (wait === undefined ? [] : [{ step, wait: toWaitView(wait) }]));
  return {
    runId: state.runId,
    reactor: started.reactor,
    version: started.version,
    hash: started.hash,
    status: statusOf(state),
    ...(started.key !== undefined && { key: started.key }),
    principal: state.principal,
    ...(session !== undefined && { sessionId: session }),
    ...(causation?.startsWith("exe_") && { executionId: causation }),
    ...(started.parent !== undefined && { parent: started.parent }),
    ...(started.forkedFrom !== undefined && { forkedFrom: started.forkedFrom }),
    startedAt: toTime(state.startedAt),
    ...(ended !== undefined && { endedAt: toTime(ended.at) }),
    ...(started.deadline !== undefined && { deadlineAt: toTime(started.deadline) }),
    ...(ended?.error !== undefined && { error: ended.error }),
    waitsFor: waits.slice(0, maxListedWaits),
  };
}

/** A run whole. Its input and result are handed in, since the state may be without them. */
export function toRunView(
  state: RunState,
  { input, result }: { readonly input: JsonValue; readonly result: JsonValue | undefined },
): RunView {
  const { open, done, review, cause, counts } = state;
  const shown = [...open.slice(0, maxViewedSteps), ...done.slice(-Math.max(1, maxViewedSteps - open.length))]
    .slice(0, maxViewedSteps)
    .sort((one, other) => one.since - other.since);
  const all = Object.values(counts).reduce((sum, each) => sum + each, 0);
  return {
    ...toRunSummary(state),
    events: state.version,
    input,
    ...(result !== undefined && { result }),
    ...(state.claim !== undefined && { claim: state.claim }),
    ...(state.parked !== undefined && { parked: state.parked }),
    ...(review !== undefined && {
      review: {
        step: review.step,
        version: review.version,
        during: review.during,
        reason: review.reason,
        ...(review.error !== undefined && { error: review.error }),
      },
    }),
    ...(cause !== undefined && {
      cause: {
        kind: cause.kind,
        ...(cause.step !== undefined && { step: cause.step }),
        // Once it has ended, what it failed with is the run's own.
        ...(cause.error !== undefined && state.ended === undefined && { error: shortenError(cause.error) }),
        ...(cause.by !== undefined && { by: cause.by }),
        ...(cause.reason !== undefined && { reason: cause.reason }),
      },
    }),
    ...(state.kept !== undefined && { kept: [...state.kept] }),
    counts: { ...counts },
    steps: shown.map(toStepView),
    moreSteps: all - shown.length,
  };
}

function toStepView(state: StepState): RunStepView {
  const { since: _, closed: __, waitVersion: ___, startedAt, endedAt, wait, retryAt, undo, ...rest } = state;
  return {
    ...(withoutUndefined(rest) as typeof rest),
    startedAt: toTime(startedAt),
    ...(endedAt !== undefined && { endedAt: toTime(endedAt) }),
    ...(wait !== undefined && { waitsFor: toWaitView(wait) }),
    ...(retryAt !== undefined && { retryAt: toTime(retryAt) }),
    ...(undo !== undefined && {
      undo: {
        attempts: undo.attempts,
        error: undo.error,
        ...(undo.retryAt !== undefined && { retryAt: toTime(undo.retryAt) }),
      },
    }),
  };
}

function toWaitView(wait: StepWait): RunWaitView {
  switch (wait.for) {
    case "time":
      return { for: "time", untilAt: toTime(wait.until) };
    case "event":
      return { for: "event", event: wait.event, key: wait.key, ...toUntil(wait) };
    case "approval":
      return toApprovalWaitView(wait);
    case "run":
      return { for: "run", runId: wait.runId };
  }
}

export const toApprovalWaitView = ({ approvalId, title, until }: ApprovalWait) => ({
  for: "approval" as const,
  approvalId,
  title,
  ...toUntil({ until }),
});

const toUntil = ({ until }: { until?: number | undefined }) => (until === undefined ? {} : { untilAt: toTime(until) });

/** Times beyond what a date can hold are its end. */
export const toTime = (ms: number): string => new Date(Math.min(Math.max(ms, -maxTimeMs), maxTimeMs)).toISOString();

const withoutUndefined = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
