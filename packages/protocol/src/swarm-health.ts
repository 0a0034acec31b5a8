import { z } from "zod";
import { swarmMeasurement, swarmView } from "./swarm.ts";

/** How a swarm is. `lost`: its process is gone, which another process has found. */
const swarmHealth = z.enum([...swarmView.shape.status.options, "lost"]);
export type SwarmHealth = z.infer<typeof swarmHealth>;

/** A swarm as its process told of it. */
const swarmReport = swarmView.extend({
  /** By the clock of the process that measured. Absent where a gateway of an earlier release answers. */
  measuredAt: z.string().optional(),
  /**
   * How long ago it arrived at the process that answers, in milliseconds of that one's monotonic clock. Absent where it was there already when
   * that process began to listen: nobody measured how old it was.
   */
  ageMs: z.number().optional(),
});
export type SwarmReport = z.infer<typeof swarmReport>;

export const swarmReportList = z.object({
  swarms: z.array(swarmReport),
  /** Set where there are more swarms than the process that answers keeps. */
  isPartial: z.boolean().optional(),
});
export type SwarmReportList = z.infer<typeof swarmReportList>;

/** A service's swarm, in the process that answers where it is there, and all of them. */
export const serviceSwarms = swarmReport.extend({
  /** Absent where a gateway of an earlier release answers: it knows of no other process. */
  processes: z.array(swarmReport).optional(),
});
export type ServiceSwarms = z.infer<typeof serviceSwarms>;

/** What was measured of a swarm at one of its process's intervals. */
const swarmSample = z.object({
  at: z.string(),
  status: swarmHealth,
  /** Workers that had a task, of all that there were; absent where there was none. */
  utilisation: z.number().optional(),
  queued: z.number().int(),
  completed: z.number().int(),
  failed: z.number().int(),
  /** Absent before the first task has ended. */
  latencyMs: z.number().optional(),
});
export type SwarmSample = z.infer<typeof swarmSample>;

const healthChangeData = z.object({
  service: z.string(),
  processId: z.string(),
  epoch: z.number().int(),
  /** What the log said of it before. */
  from: swarmHealth,
  to: swarmHealth,
  /** Why it is not healthy, empty where it is. */
  reasons: z.array(z.string()),
  /** The last one that its process made, and when, by that one's clock, in milliseconds since 1970. */
  measurement: swarmMeasurement,
  measuredAt: z.number(),
  /** Changes after the one before in this stream by this process that are not in the log; absent where there are none. */
  unrecorded: z.number().int().optional(),
  /** That it changes too often: what follows is counted, until one status has held for a while. */
  isFlapping: z.literal(true).optional(),
});
export type SwarmHealthChangeData = z.infer<typeof healthChangeData>;

/** What is in the log of the health of swarms, on the stream `swarm:SERVICE`. */
export const swarmHealthEvents = { "swarm.health_changed": healthChangeData } as const;

/** A change of a swarm's health as it is read back. */
const swarmHealthChange = healthChangeData.extend({
  /** Its number among the service's changes, from 1. */
  number: z.number().int(),
  measuredAt: z.string(),
});
export type SwarmHealthChange = z.infer<typeof swarmHealthChange>;

export const swarmHistory = z.object({
  service: z.string(),
  /** The samples that are kept of each process that runs it or did so in the last half hour, oldest first; on the first page. */
  processes: z.array(
    z.object({
      processId: z.string(),
      /** How the record of it ends: `stopped` where its process has stopped, `lost` where it is gone. */
      status: swarmHealth,
      samples: z.array(swarmSample),
    }),
  ),
  /** Set where there are more processes than are shown. */
  isPartial: z.boolean().optional(),
  /** The newest first. */
  changes: z.array(swarmHealthChange),
  /** The number to go on from; absent on the last page. */
  next: z.number().int().optional(),
});
export type SwarmHistory = z.infer<typeof swarmHistory>;

/** A sample as it is stored: a process writes them all with each interval. */
const storedSample = z.tuple([
  /** When, in milliseconds since 1970. */
  z.number(),
  swarmHealth,
  z.number().int().describe("running"),
  z.number().int().describe("workers"),
  z.number().int().describe("queued"),
  z.number().int().describe("completed"),
  z.number().int().describe("failed"),
  z.number().describe("latencyMs"),
]);
export type StoredSwarmSample = z.infer<typeof storedSample>;

/** What a process keeps in the log of one of its swarms. */
export const swarmHealthRecord = z.object({
  epoch: z.number().int(),
  /** `left`: its process has stopped it, and writes no more. `lost`: another process has found it gone. */
  state: z.enum(["living", "left", "lost"]),
  /** What the log's events say of it. */
  told: swarmHealth,
  measuredAt: z.number(),
  view: swarmView,
  samples: z.array(storedSample),
});
export type SwarmHealthRecord = z.infer<typeof swarmHealthRecord>;
