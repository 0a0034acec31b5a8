import { z } from "zod";
import { claim, keptJson } from "./execution.ts";
import { errorOnTheWire } from "./problem.ts";

/**
 * Where a run of a reactor stands. `waiting`: for a time, an event, an approval, a child run or a task, and for nothing else; `parked`: its definition is
 * not here; `needs_review`: a person has to say how to go on. The last four are outcomes; `completed` may still become `compensated`,
 * where the reactor is reversible and somebody asks for it.
 */
export const runStatus = z.enum([
  "pending",
  "running",
  "waiting",
  "compensating",
  "parked",
  "needs_review",
  "completed",
  "failed",
  "compensated",
  "cancelled",
]);
export type RunStatus = z.infer<typeof runStatus>;

export const endedRunStatuses = ["completed", "failed", "compensated", "cancelled"] as const satisfies RunStatus[];

export const isEndedRun = (status: RunStatus): boolean => (endedRunStatuses as readonly string[]).includes(status);

/** What a step waits for. `until` is wall time in milliseconds. */
export const stepWait = z.discriminatedUnion("for", [
  z.object({ for: z.literal("time"), until: z.number() }),
  z.object({ for: z.literal("event"), event: z.string(), key: z.string(), until: z.number().optional() }),
  z.object({
    for: z.literal("approval"),
    approvalId: z.string(),
    title: z.string(),
    /** What whoever decides should know. */
    details: keptJson.optional(),
    until: z.number().optional(),
  }),
  z.object({ for: z.literal("run"), runId: z.string(), attempt: z.number().int().min(1) }),
]);
export type StepWait = z.infer<typeof stepWait>;

/** Why what a run did is undone. */
export const undoCause = z.object({
  kind: z.enum(["step_failed", "gave_up", "cancelled", "requested"]),
  step: z.string().optional(),
  error: errorOnTheWire.optional(),
  by: z.string().optional(),
  reason: z.string().optional(),
});
export type UndoCause = z.infer<typeof undoCause>;

/** During what a run came to need a person. */
export const reviewDuring = z.enum(["run", "compensate", "undo"]);
export type ReviewDuring = z.infer<typeof reviewDuring>;

/** What a person says: do it again, take it as done, or take it as failed (of an undo: leave it undone). */
export const reviewDecision = z.enum(["retry", "done", "failed"]);
export type ReviewDecision = z.infer<typeof reviewDecision>;

const step = z.string();

/** The events of a run's stream. `step` is a path: `pay`, `ship[3]/label` in the fourth element of a map, `route:card/charge` in a branch. */
export const runEvents = {
  "run.started": z.object({
    reactor: z.string(),
    /** Which definition it began with, and keeps: see `hash`. */
    version: z.number().int().min(1),
    /** Of the definition's graph, without its functions' code. */
    hash: z.string(),
    input: keptJson,
    /** What the run was started under: a second start under the same key finds this one. */
    key: z.string().optional(),
    /** Wall time in milliseconds by which it ends, or is undone. */
    deadline: z.number().optional(),
    parent: z.object({ runId: z.string(), step }).optional(),
    forkedFrom: z.object({ runId: z.string(), step }).optional(),
    claim: claim.optional(),
  }),
  "run.claimed": claim.extend({ reason: z.string() }),
  /** No process that could take it has the definition it began with. */
  "run.parked": z.object({ reason: z.string() }),
  /** It goes no further, though no step failed: its deadline has passed, or what it comes to cannot be kept. */
  "run.gave_up": z.object({ error: errorOnTheWire }),
  "run.cancel_requested": z.object({ by: z.string(), reason: z.string() }),
  /** Of a run that has completed: it is open once more, and what whoever takes it needs to know is told again. */
  "run.undo_requested": z.object({
    by: z.string(),
    reason: z.string(),
    reactor: z.string(),
    hash: z.string(),
    parentId: z.string().optional(),
  }),
  "run.undoing": z.object({ cause: undoCause }),
  "run.needs_review": z.object({
    step,
    during: reviewDuring,
    reason: z.string(),
    error: errorOnTheWire.optional(),
    /** Of an undo: version of the success that is to be undone. */
    of: z.number().int().optional(),
  }),
  "run.reviewed": z.object({
    step,
    decision: reviewDecision,
    result: keptJson.optional(),
    by: z.string(),
    reason: z.string().optional(),
  }),
  "run.completed": z.object({ result: keptJson }),
  /** It failed and there was nothing to undo. `kept` names steps that had succeeded and declare no undo. */
  "run.failed": z.object({ error: errorOnTheWire, kept: z.array(step).optional() }),
  /** All that declares an undo was undone. */
  "run.compensated": z.object({ cause: undoCause, kept: z.array(step).optional() }),
  "run.cancelled": z.object({ by: z.string(), reason: z.string(), kept: z.array(step).optional() }),

  /** Written before a step that must not run twice begins, so that a crash in the middle of it shows. */
  "step.started": z.object({ step, attempt: z.number().int().min(1), during: reviewDuring.optional() }),
  /** `idle`, where nothing else of the run goes on: until when nothing will (wall time in milliseconds), or null where only news can end it. */
  "step.waiting": z.object({ step, wait: stepWait, idle: z.number().nullable().optional() }),
  "step.succeeded": z.object({
    step,
    result: keptJson.optional(),
    /** What it was called with, kept where it can be undone. */
    args: keptJson.optional(),
    ms: z.number().optional(),
    /** Which attempt, beyond the first. By a guard: there where an attempt before it in this run may have done it, and then it is undone as any. */
    attempt: z.number().int().optional(),
    /** How it came to its result without having run: by its guard, by its compensation, by a person, or in the run this one forks. */
    by: z.enum(["guard", "compensation", "review", "fork"]).optional(),
    /** Version of the event in its key's stream that it had waited for. */
    consumed: z.number().int().optional(),
    /** Of an outcome that was taken over: the last that the step, or one inside of it, had taken of each awaited event and key. */
    took: z.array(z.object({ event: z.string(), key: z.string(), version: z.number().int() })).optional(),
    /** The run that came to it, where another reactor was composed. */
    runId: z.string().optional(),
  }),
  "step.skipped": z.object({ step }),
  /** `retryAt`, wall time in milliseconds, where it is tried again. */
  "step.failed": z.object({
    step,
    attempt: z.number().int().min(1),
    error: errorOnTheWire,
    retryAt: z.number().optional(),
    /** How long this attempt took, in milliseconds; absent where that is not known. */
    ms: z.number().optional(),
  }),
  /** Its compensation ran, and it stays failed. */
  "step.compensated": z.object({ step }),
  "step.branched": z.object({ step, branch: z.string() }),
  /** One more turn of a repeat begins. */
  "step.repeated": z.object({ step, turn: z.number().int().min(1) }),
  /** `of` is the version of the success that was undone. */
  "step.undone": z.object({ step, of: z.number().int().min(1) }),
  "step.undo_failed": z.object({
    step,
    of: z.number().int().min(1),
    attempt: z.number().int().min(1),
    error: errorOnTheWire,
    retryAt: z.number().optional(),
  }),
  "approval.decided": z.object({
    approvalId: z.string(),
    decision: z.enum(["approved", "rejected"]),
    by: z.string(),
    reason: z.string().optional(),
  }),
} as const;
export type RunEventType = keyof typeof runEvents;
export type RunEventData<T extends RunEventType> = z.infer<(typeof runEvents)[T]>;

/** An event of a run, typed. */
export type RunEvent = { [T in RunEventType]: { readonly type: T; readonly data: RunEventData<T> } }[RunEventType];

/** What comes from outside for whoever waits for it, by its name and a key. */
export const awaitedEvents = {
  "event.received": z.object({
    event: z.string(),
    key: z.string(),
    payload: keptJson,
    /** The log's event it was made of, where it was. */
    source: z.string().optional(),
  }),
} as const;
