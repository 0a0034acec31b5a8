export type {
  AgentContext,
  AgentDefinition,
  DelegateOutcome,
  Memory,
  ServiceDefinition,
  ThreadAgentContext,
} from "@viable/swarm";
export { agent, service, threadAgent } from "@viable/swarm";
