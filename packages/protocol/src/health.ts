import { z } from "zod";

const healthStatus = z.enum(["ok", "degraded", "down"]);

/** The health of a system as measured at the moment of asking. */
export const healthView = z.object({
  status: healthStatus,
  system: z.string(),
  version: z.string(),
  /** What survives: see `Durability` of the log. */
  durability: z.enum(["nothing", "process-crash", "power-loss"]),
  durabilityNote: z.string(),
  uptimeMs: z.number(),
  checks: z.array(z.object({ name: z.string(), status: healthStatus, detail: z.string() })),
});
export type HealthView = z.infer<typeof healthView>;

/** Whether a system takes work. */
export const readiness = z.object({ ready: z.boolean() });
