import { z } from "zod";
import { claim, jsonValue } from "./execution.ts";
import { errorOnTheWire } from "./problem.ts";
import { reviewDuring, runStatus, undoCause } from "./run.ts";

/** How many steps a view of a run holds: those that are open, and of the others the latest. */
export const maxViewedSteps = 1_000;

/**
 * Where a step of a run stands, as far as the run's events tell. A step that may be done twice leaves no trace until it has an outcome.
 * `running`: that it began was recorded. `branched`: its branch was chosen. `rejected`: a person said no. `kept`: it could not be undone, and a
 * person left it as it is. `abandoned`: it was open when the run went no further.
 */
export const runStepStatus = z.enum([
  "running",
  "waiting",
  "retrying",
  "needs_review",
  "succeeded",
  "skipped",
  "branched",
  "rejected",
  "failed",
  "compensated",
  "undone",
  "kept",
  "abandoned",
]);
export type RunStepStatus = z.infer<typeof runStepStatus>;

const untilAt = z.string().optional();

/** What a step waits for, as clients see it. */
export const runWaitView = z.discriminatedUnion("for", [
  z.object({ for: z.literal("time"), untilAt: z.string() }),
  z.object({ for: z.literal("event"), event: z.string(), key: z.string(), untilAt }),
  z.object({ for: z.literal("approval"), approvalId: z.string(), title: z.string(), untilAt }),
  z.object({ for: z.literal("run"), runId: z.string() }),
]);
export type RunWaitView = z.infer<typeof runWaitView>;

export const runStepView = z.object({
  /** Its path: `pay`, or `ship[3]/label` in the fourth element of a map. */
  step: z.string(),
  status: runStepStatus,
  /** How often it was tried, as far as that was recorded. */
  attempts: z.number().int(),
  /** When it was first heard of; of what left no trace before, its end less the time it took. */
  startedAt: z.string(),
  endedAt: z.string().optional(),
  /** How long its function took in the try that counts, in milliseconds. */
  ms: z.number().optional(),
  /** How it came to its result without having run. */
  by: z.enum(["guard", "compensation", "review", "fork"]).optional(),
  result: jsonValue.optional(),
  /** Its result is too large for a view; its event has it. */
  isResultOmitted: z.boolean().optional(),
  error: errorOnTheWire.optional(),
  waitsFor: runWaitView.optional(),
  retryAt: z.string().optional(),
  branch: z.string().optional(),
  turn: z.number().int().optional(),
  /** The run of the reactor it composes. */
  runId: z.string().optional(),
  /** How undoing it failed so far. */
  undo: z.object({ attempts: z.number().int(), error: errorOnTheWire, retryAt: z.string().optional() }).optional(),
});
export type RunStepView = z.infer<typeof runStepView>;

const stepOf = z.object({ runId: z.string(), step: z.string() });

/** A run in a list. */
export const runSummary = z.object({
  runId: z.string(),
  reactor: z.string(),
  /** Of the definition it began with, and keeps. */
  version: z.number().int(),
  hash: z.string(),
  status: runStatus,
  /** What it was begun under: a second beginning under the same key finds this run. */
  key: z.string().optional(),
  /** In whose name it runs. */
  principal: z.string(),
  sessionId: z.string().optional(),
  /** The command that began it; absent where none did, as of a composed run. */
  executionId: z.string().optional(),
  parent: stepOf.optional(),
  forkedFrom: stepOf.optional(),
  startedAt: z.string(),
  endedAt: z.string().optional(),
  deadlineAt: z.string().optional(),
  error: errorOnTheWire.optional(),
  /** What it waits for, at most ten of it. */
  waitsFor: z.array(z.object({ step: z.string(), wait: runWaitView })),
});
export type RunSummary = z.infer<typeof runSummary>;

/** A run as clients see it. */
export const runView = runSummary.extend({
  /** How many events it has. */
  events: z.number().int(),
  input: jsonValue,
  result: jsonValue.optional(),
  /** Who carries it on, or did last. */
  claim: claim.optional(),
  /** Why it is parked. */
  parked: z.string().optional(),
  /** Where it needs a person, and for what. */
  review: z
    .object({
      step: z.string(),
      /** Of the event that asks: an answer that names it is for this question and no later one. */
      version: z.number().int(),
      during: reviewDuring,
      reason: z.string(),
      error: errorOnTheWire.optional(),
    })
    .optional(),
  /** Why what it did is undone, or was; with the error as long as it has not ended, since then `error` has it. */
  cause: undoCause.optional(),
  /** Steps that succeeded and declare no undo, of a run that was undone. */
  kept: z.array(z.string()).optional(),
  /** How many steps stand how, of all that were heard of. */
  counts: z.partialRecord(runStepStatus, z.number().int()),
  /** In the order in which they were first heard of: those that are open, and the latest of the others. */
  steps: z.array(runStepView),
  /** How many more there are that the view does not hold. */
  moreSteps: z.number().int(),
});
export type RunView = z.infer<typeof runView>;

/** A run an event of which cannot be brought to the shape of today. */
const undecodableRun = z.object({ runId: z.string(), startedAt: z.string(), undecodable: z.string() });
export type UndecodableRun = z.infer<typeof undecodableRun>;

/** A page of runs, the newest first. `next` is where to go on; a page may be short, or empty, and there be more. */
export const runPage = z.object({
  runs: z.array(runSummary),
  /** Those of the page that cannot be told whole; absent where there are none. */
  undecodable: z.array(undecodableRun).optional(),
  next: z.string().optional(),
});
export type RunPage = z.infer<typeof runPage>;

/** A question to a person that nobody has answered: a step of a run asks it, or a command that waits for an approval. */
export const approvalView = z.object({
  approvalId: z.string(),
  title: z.string(),
  /** Of a command, the whole of it: its name and its arguments, as they will be done. */
  details: jsonValue.optional(),
  /** What there is to know is too large for a list; the event of the step has it, or the execution. */
  areDetailsOmitted: z.boolean().optional(),
  /** Of a step. */
  runId: z.string().optional(),
  reactor: z.string().optional(),
  step: z.string().optional(),
  /** Of a command. */
  executionId: z.string().optional(),
  command: z.string().optional(),
  service: z.string().optional(),
  risk: z.enum(["low", "medium", "high"]).optional(),
  /** In whose name it was sent. */
  principal: z.string().optional(),
  sessionId: z.string().optional(),
  /** The policies by which it is asked for. */
  policies: z.array(z.string()).optional(),
  /** Who alone may decide, by their principals; absent where everybody may whose token lets them. */
  approvers: z.array(z.string()).optional(),
  askedAt: z.string(),
  untilAt,
});
export type ApprovalView = z.infer<typeof approvalView>;

export const approvalList = z.object({
  approvals: z.array(approvalView),
  /** How many more are asked for: further ones, and those of runs that cannot be read. */
  more: z.number().int(),
  /** Where the next page begins; absent where there is nothing further. */
  next: z.string().optional(),
});
export type ApprovalList = z.infer<typeof approvalList>;

/** A reactor as the list of them shows it. */
export const reactorView = z.object({
  name: z.string(),
  description: z.string(),
  /** Of the version that new runs begin with. */
  version: z.number().int(),
  hash: z.string(),
  /** All that runs can be carried on with here, the newest first. */
  versions: z.array(z.object({ version: z.number().int(), hash: z.string() })),
  /** JSON Schema of its input. */
  input: z.record(z.string(), z.json()),
  /** How many steps its graph has; elements of a map and turns of a repeat do not count. */
  steps: z.number().int(),
  isReversible: z.boolean(),
  timeoutMs: z.number().optional(),
  /** Runs without an outcome, of whichever version. */
  openRuns: z.number().int(),
  /** Its graph as Mermaid draws it, where that was asked for. */
  graph: z.string().optional(),
});
export type ReactorView = z.infer<typeof reactorView>;

/** A schedule as the list of reactors shows it. */
export const scheduleView = z.object({
  name: z.string(),
  reactor: z.string(),
  cron: z.string(),
  timeZone: z.string(),
  /** When its next run is planned; absent where other processes keep it to other times. */
  nextAt: z.string().optional(),
  /** The last run that it began, and for when that was planned. */
  last: z.object({ plannedAt: z.string(), runId: z.string() }).optional(),
  /** What keeps it from going on, and is tried again. */
  failure: errorOnTheWire.optional(),
});
export type ScheduleView = z.infer<typeof scheduleView>;

/** Reactors, and the tenant's schedules that begin runs of them: absent where there are none, and for a session's token. */
export const reactorList = z.object({ reactors: z.array(reactorView), schedules: z.array(scheduleView).optional() });
export type ReactorList = z.infer<typeof reactorList>;
