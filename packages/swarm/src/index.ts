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
export type { ExecutionState } from "./execution.ts";
export { executionStream, toExecutionView } from "./execution.ts";
export type { Executions } from "./executions.ts";
export { createExecutions } from "./executions.ts";
export type { Intake, IntakeOutcome, IntakeRequest, Quota } from "./intake.ts";
export { createIntake } from "./intake.ts";
export type { Memory, MemoryEntry, MemoryWrite } from "./memory.ts";
export { createMemory, globalMemoryService } from "./memory-records.ts";
export type { ServiceDefinition, ServiceSettings } from "./service.ts";
export { service } from "./service.ts";
export type { Swarm } from "./swarm.ts";
export { createSwarm } from "./swarm.ts";
export { ThreadPool } from "./thread/thread-pool.ts";
