/** What a config needs, and nothing that runs it: agents in worker threads load this, and should load nothing more. */
export { settleBy } from "@viable/registry/define";
export type {
  AgentContext,
  AgentDefinition,
  InlineAgentSettings,
  Risk,
  ThreadAgentContext,
  ThreadAgentSettings,
} from "./agent.ts";
export { agent, threadAgent } from "./agent.ts";
export type { Catalogue, Offer } from "./catalogue.ts";
export { createCatalogue } from "./catalogue.ts";
export type { DelegateOptions, DelegateOutcome } from "./delegation.ts";
export type { Memory, MemoryEntry, MemoryWrite } from "./memory.ts";
export type { ByReactorSettings, ReactorPlan, ReactorPlanAgent } from "./plans/by-reactor.ts";
export { byReactor } from "./plans/by-reactor.ts";
export { firstSuccess } from "./plans/first-success.ts";
export { parallel } from "./plans/parallel.ts";
export type { AnswerSettler, PlanDefinition } from "./plans/plan.ts";
export type { PlanAgent } from "./plans/plan-agent.ts";
export type { PlanOutcome } from "./plans/plan-outcome.ts";
export { quorum } from "./plans/quorum.ts";
export { sequence } from "./plans/sequence.ts";
export type { ProjectionReader } from "./projection-reader.ts";
export type { QueryContext, QueryDefinition, QuerySettings } from "./queries/query.ts";
export { query } from "./queries/query.ts";
export type { QueryOutcome, QueryRefusal } from "./queries/query-outcome.ts";
export type { ServiceDefinition, ServiceSettings } from "./service.ts";
export { service } from "./service.ts";
export type { CarryOutRun, TaskRunOutcome } from "./task-run.ts";
