import { z } from "zod";

/** What one swarm in one process measures about itself. Nothing here is estimated. */
export const swarmMeasurement = z.object({
  workers: z.number().int(),
  running: z.number().int(),
  queued: z.number().int(),
  completed: z.number().int(),
  failed: z.number().int(),
  /** Mean time from claim to outcome, weighted towards the last twenty; 0 before the first. */
  latencyMs: z.number(),
});
export type SwarmMeasurement = z.infer<typeof swarmMeasurement>;

const swarmPart = z.object({
  id: z.string(),
  state: z.string(),
  restarts: z.number().int(),
  lastError: z.string().optional(),
});

export const swarmView = z.object({
  service: z.string(),
  description: z.string(),
  processId: z.string(),
  status: z.enum(["starting", "healthy", "degraded", "stopped"]),
  /** Why it is not healthy, empty where it is. */
  reasons: z.array(z.string()),
  capabilities: z.array(z.string()),
  agents: z.array(z.object({ name: z.string(), capability: z.string(), isolation: z.enum(["inline", "thread"]) })),
  measurement: swarmMeasurement,
  parts: z.array(swarmPart),
  workers: z.array(swarmPart),
  healthUrl: z.string().optional(),
  metricsUrl: z.string().optional(),
});
export type SwarmView = z.infer<typeof swarmView>;

export const swarmList = z.object({ swarms: z.array(swarmView) });
export type SwarmList = z.infer<typeof swarmList>;

/** What a swarm tells the meta registry (the seed's registration). */
export const registration = z.object({
  service: z.string(),
  capabilities: z.array(z.string()),
  processId: z.string(),
  epoch: z.number().int(),
  /** Where true: what it offers is used where nobody else offers it, or where a migration rule sends tasks to it. */
  legacy: z.boolean().optional(),
  healthUrl: z.string().optional(),
  metricsUrl: z.string().optional(),
});
export type Registration = z.infer<typeof registration>;

/** How a service's tasks are shared out while they move to it from a legacy service that offers the same. */
export const migrationRule = z.object({
  /** How many of a hundred the service does itself; the rest go to the legacy one. */
  percent: z.number().min(0).max(100),
  /** Whether what one side answers is compared with what the other answers to the same. */
  compare: z.boolean(),
});
export type MigrationRule = z.infer<typeof migrationRule>;

/** Delegations from one service to another, counted by the process that asked, since it started. */
const traffic = z.object({
  from: z.string(),
  /** `nobody` for what was refused. */
  to: z.string(),
  completed: z.number().int(),
  failed: z.number().int(),
  refused: z.number().int(),
  /** How long the asking one waited, in milliseconds, on average. */
  meanWaitMs: z.number(),
});
export type Traffic = z.infer<typeof traffic>;

/** What the registry of one process has done since it started. */
const registryStats = z.object({
  /** Swarms that it knows of, this process's own among them. */
  entries: z.number().int(),
  /** Routing decisions, and how many of them found nobody. */
  routed: z.number().int(),
  refused: z.number().int(),
  /** Of those that found somebody: how many stayed in this process. */
  local: z.number().int(),
  /** How long a decision took, in milliseconds, on average. */
  meanRouteMs: z.number(),
});
export type RegistryStats = z.infer<typeof registryStats>;

/** The registry and what crosses between swarms, as one process has measured it. */
export const registryMetrics = z.object({
  processId: z.string(),
  registry: registryStats,
  traffic: z.array(traffic),
  /** Delegations that were completed, of all that ended; absent before the first. */
  successRate: z.number().optional(),
});
export type RegistryMetrics = z.infer<typeof registryMetrics>;

export const discovery = z.object({
  capability: z.string(),
  swarms: z.array(registration),
  /** Known names that are near, where nothing was found. */
  near: z.array(z.string()),
});
export type Discovery = z.infer<typeof discovery>;

export const memoryEntry = z.object({
  service: z.string(),
  namespace: z.string(),
  key: z.string(),
  value: z.json(),
  metadata: z.record(z.string(), z.json()).optional(),
  version: z.number().int(),
  createdAt: z.string(),
  updatedAt: z.string(),
  expiresAt: z.string().optional(),
  /** Reads by key since it was created; a list is none. Those that other processes made in the last seconds are not in it yet. */
  accessCount: z.number().int(),
  /** Absent where it was never read. */
  lastAccessAt: z.string().optional(),
});
export type MemoryEntryView = z.infer<typeof memoryEntry>;

export const memoryPage = z.object({ entries: z.array(memoryEntry) });
export type MemoryPage = z.infer<typeof memoryPage>;
