export type { ReactorDefinition } from "./definition.ts";
export type { Attachments, ReactorJson } from "./definition-json.ts";
export { fromJson, toJson } from "./definition-json.ts";
export type { DoTask, TaskRequest } from "./do-task.ts";
export { reactorEventTypes } from "./event-types.ts";
export type { ListRunsOptions, RunOrigin } from "./list-runs.ts";
export { endsRun, findApproval, listApprovals, listRuns, originOfRun, readRunView } from "./list-runs.ts";
export { toMermaid } from "./mermaid.ts";
export type { OpenRun } from "./open-runs.ts";
export type { Correlation, ProcessManager, ProcessManagerSettings } from "./process-manager.ts";
export { reactionOf } from "./reaction-of.ts";
export type { From, RetrySettings, Scope, Steps, TemplateOf } from "./reactor.ts";
export { reactor } from "./reactor.ts";
export type {
  BeginOptions,
  Begun,
  Directed,
  ForkOptions,
  ReactorStats,
  Reactors,
  ReactorsSettings,
} from "./reactors.ts";
export { createReactors } from "./reactors.ts";
export type { RunEnding } from "./read-run.ts";
export type { Ref, Resolved, Template } from "./ref.ts";
export { runStream } from "./run-journal.ts";
export type { MissedPolicy, PlannedTime, Schedule, ScheduleSettings } from "./schedule.ts";
export { scheduleEventTypes } from "./schedule-events.ts";
export type { ScheduleStatus, Schedules, SchedulesSettings } from "./schedules.ts";
export { createSchedules } from "./schedules.ts";
export type { StepContext } from "./step-context.ts";
