/** What a config needs, and nothing that runs it: agents in worker threads load this, and should load nothing more. */
export { checkReactors } from "./check-reactors.ts";
export type { ReactorDefinition } from "./definition.ts";
export { Definitions } from "./definitions.ts";
export { describeReactors } from "./describe-reactors.ts";
export type { Correlation, ProcessManager, ProcessManagerSettings } from "./process-manager.ts";
export { processManager } from "./process-manager.ts";
export { reactor } from "./reactor.ts";
export type { Ref, Resolved, Template } from "./ref.ts";
export type { MissedPolicy, PlannedTime, Schedule, ScheduleSettings } from "./schedule.ts";
export { schedule } from "./schedule.ts";
export type { StepContext } from "./step-context.ts";
export type { From, RetrySettings, Scope, TemplateOf } from "./step-settings.ts";
