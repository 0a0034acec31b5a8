export type {
  AgentContext,
  AgentDefinition,
  DelegateOutcome,
  Memory,
  ServiceDefinition,
  ThreadAgentContext,
} from "@viable/swarm";
export { agent, service, threadAgent } from "@viable/swarm";
export { configFileName, findConfig, loadConfig } from "./config-file.ts";
export type { Notice, System, SystemOptions, SystemPorts } from "./create-system.ts";
export { createSystem } from "./create-system.ts";
export type { SystemDefinition, SystemSettings } from "./define-system.ts";
export { defineSystem } from "./define-system.ts";
export type { OpenedSystem, OpenOptions } from "./open-system.ts";
export { openSystem } from "./open-system.ts";
