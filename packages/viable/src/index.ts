/** What a config and its agents need. What runs a system is in `viable/run`, so that a worker thread does not load it. */
export type { ErrorOnTheWire, JsonObject, JsonValue } from "@viable/kernel";
export { ViableError } from "@viable/kernel";
export type { Position, Projection, ProjectionTarget, ProjectionWrites, StoredEvent } from "@viable/log/define";
export { reaction } from "@viable/log/define";
export type { ProcessManager, ReactorDefinition, Schedule, StepContext } from "@viable/reactors/define";
export { processManager, reactor, schedule } from "@viable/reactors/define";
export type {
  AgentContext,
  AgentDefinition,
  DelegateOutcome,
  Memory,
  MemoryEntry,
  PlanAgent,
  PlanOutcome,
  ProjectionReader,
  QueryContext,
  QueryDefinition,
  QueryOutcome,
  ReactorPlanAgent,
  ServiceDefinition,
  TaskRunOutcome,
  ThreadAgentContext,
} from "@viable/swarm/define";
export {
  agent,
  byReactor,
  firstSuccess,
  parallel,
  query,
  quorum,
  sequence,
  service,
  settleBy,
  threadAgent,
} from "@viable/swarm/define";
export type { SystemDefinition, SystemSettings } from "./define-system.ts";
export { defineSystem } from "./define-system.ts";
