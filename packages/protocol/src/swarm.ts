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
  /** The tenants that may know of it; all of them where absent. Whoever asks finds at most its own tenant here. */
  tenants: z.array(z.string()).optional(),
  agents: z.array(z.object({ name: z.string(), capability: z.string(), isolation: z.enum(["inline", "thread"]) })),
  measurement: swarmMeasurement,
  parts: z.array(swarmPart),
  workers: z.array(swarmPart),
  healthUrl: z.string().optional(),
  metricsUrl: z.string().optional(),
});
export type SwarmView = z.infer<typeof swarmView>;

/** The grammar of SemVer 2.0.0, with numbers that a double holds. */
const semverPattern =
  /^(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})(?:-((?:0|[1-9]\d{0,14}|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d{0,14}|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/;
/** Longer ones nobody reads; npm's bound is 256. */
const semver = z.string().max(128).regex(semverPattern, "must be a version such as 1.4.0 (SemVer 2.0.0)");
/** Words that swarms are grouped by: a comma and a space tell several apart, so neither may be in one. */
const label = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+([._:/-][a-z0-9]+)*$/, "must be lower case words joined by . _ : / or -");
const httpUrl = z.url({ protocol: /^https?$/, error: "must be an address that begins with http:// or https://" });

/** What a swarm tells the meta registry (the seed's registration). What is missing in one of an earlier release has the value named here. */
export const registration = z.object({
  service: z.string().min(1),
  /** At most 1,000: a swarm with more is several. Every process holds all of them. */
  capabilities: z.array(z.string().min(1).max(200)).max(1_000),
  processId: z.string().min(1),
  epoch: z.number().int(),
  /** Of the service, by SemVer. `0.0.0`, which promises nothing to anybody, where it says none: a range such as `^1` leaves it out. */
  version: semver.default("0.0.0"),
  /** What else it is known by: `gpu`, `region:eu`. None where it says none. */
  tags: z.array(label).max(32).default([]),
  /** The part of the system that it belongs to: `storage`. */
  subsystem: label.optional(),
  /** The tenants that it is open to; all of them where absent. */
  tenants: z.array(z.string().min(1).max(512)).max(1_000).optional(),
  /** When it registered, by its own clock. */
  registeredAt: z.iso.datetime().optional(),
  /** Where true: what it offers is used where nobody else offers it, or where a migration rule sends tasks to it. */
  legacy: z.boolean().optional(),
  healthUrl: httpUrl.optional(),
  metricsUrl: httpUrl.optional(),
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
  /** Entries that stand in the log and are not obeyed, since they do not hold; the answer to a discovery says why. */
  entriesRefused: z.number().int().default(0),
  /** Tasks that came to nothing here before anybody took them, and how many of those are in the log's dead letters only as a count, or not at all. */
  deadLetters: z.number().int().default(0),
  deadLettersCounted: z.number().int().default(0),
  /** Routing decisions on tasks, and how many of them found nobody. */
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

/** An entry that is not obeyed, and why. */
const refusedEntry = z.object({ service: z.string(), processId: z.string(), reason: z.string() });

/**
 * A swarm that has failed too many tasks, as the process that was asked has measured it. `ejected`: it gets none while there are others.
 * `probing`: one task at a time tries it. `recovering`: it gets a share that grows.
 */
const outlier = z.object({
  state: z.enum(["ejected", "probing", "recovering"]),
  /** What was measured. */
  reason: z.string(),
  /** While it recovers: how much of what it would get, from 0 to 1. */
  share: z.number().optional(),
  /** While it is ejected: how long it still is, in milliseconds. */
  leftMs: z.number().optional(),
});

export const discovery = z.object({
  /** Absent where it was not asked for by capability. */
  capability: z.string().optional(),
  /** An `outlier` is one that is not whole at present. */
  swarms: z.array(registration.extend({ outlier: outlier.optional() })),
  /** Known names that are near, where nothing was found. */
  near: z.array(z.string()),
  /** How many more there are than the answer holds; absent where it holds all. */
  more: z.number().int().optional(),
  /** Entries that could have been meant and do not hold; absent where there are none. */
  refused: z.array(refusedEntry).optional(),
});
export type Discovery = z.infer<typeof discovery>;

/** Why a task came to nothing before anybody ended it. */
const deadLetterKind = z.enum(["unroutable", "too_many_hops", "past_deadline", "given_up"]);

/** The events of tasks that were refused though nobody else is told of it: what an agent or a run asked for, and what nobody offers. */
export const deadLetterEvents = {
  "task.dead_lettered": z.object({
    command: z.string(),
    kind: deadLetterKind.exclude(["given_up"]),
    code: z.string(),
    reason: z.string(),
    /** Over how many hops it came. */
    depth: z.number().int(),
    /** The one service that was asked for by name. */
    service: z.string().optional(),
    parentId: z.string().optional(),
    /** Of the same command and code since the one before: told here instead of each by itself. */
    more: z.number().int(),
  }),
} as const;

export type DeadLetterData = z.infer<(typeof deadLetterEvents)["task.dead_lettered"]>;

/** A task that came to nothing, as it is listed. */
const deadLetter = z.object({
  time: z.string(),
  /** Opaque; where it stands in the log. */
  position: z.string(),
  kind: deadLetterKind,
  command: z.string(),
  code: z.string(),
  reason: z.string(),
  service: z.string().optional(),
  /** Absent where it was refused: then nothing of it is recorded but this. */
  executionId: z.string().optional(),
  parentId: z.string().optional(),
  /** How many more of the same are counted here and not listed; absent where none are. */
  more: z.number().int().optional(),
});
export type DeadLetter = z.infer<typeof deadLetter>;

/** A page of them, the newest first. `next` is where to go on; absent where that was all there is. */
export const deadLetterPage = z.object({ deadLetters: z.array(deadLetter), next: z.string().optional() });
export type DeadLetterPage = z.infer<typeof deadLetterPage>;

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
