/** What a config needs, and nothing that runs it: agents in worker threads load this, and should load nothing more. */
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
export type { ProjectionReader } from "./projection-reader.ts";
export type { QueryContext, QueryDefinition, QuerySettings } from "./queries/query.ts";
export { query } from "./queries/query.ts";
export type { QueryOutcome, QueryRefusal } from "./queries/query-outcome.ts";
export type { ServiceDefinition, ServiceSettings } from "./service.ts";
export { service } from "./service.ts";
