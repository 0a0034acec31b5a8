export type {
  AgentContext,
  AgentDefinition,
  InlineAgentSettings,
  Risk,
  ThreadAgentContext,
  ThreadAgentSettings,
} from "./agent.ts";
export { agent, threadAgent } from "./agent.ts";
export type { DelegateOptions, DelegateOutcome } from "./delegation.ts";
export type { Memory, MemoryEntry, MemoryWrite } from "./memory.ts";
export type { ServiceDefinition, ServiceSettings } from "./service.ts";
export { service } from "./service.ts";
