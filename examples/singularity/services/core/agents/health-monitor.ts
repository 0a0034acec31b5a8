import { agent } from "viable";
import { z } from "zod";
import { addObservation, type Observation } from "../observations.ts";
import { readSwarms, readSystemHealth } from "../system-answers.ts";

/** How the whole is now, and how it was at the looks before. */
export const healthMonitor = agent({
  name: "health-monitor",
  capability: "health_monitoring",
  description: "The health of every service now, what changed since the last look, and how often each was healthy",
  input: z.strictObject({}),
  risk: "low",
  async handle(ctx) {
    const [health, swarms] = [await readSystemHealth(ctx), await readSwarms(ctx)];
    const services: Record<string, string> = {};
    for (const { service, status } of swarms) services[service] = status;
    const observation: Observation = { at: ctx.runtime.clock.now(), status: health.status, services };
    const before = await addObservation(ctx.memory, ctx.executionId, observation);
    const all = [...before, observation];
    return {
      status: health.status,
      uptimeMs: health.uptimeMs,
      services: swarms.map(({ service, status, reasons, measurement }) => ({
        service,
        status,
        reasons,
        ...measurement,
        healthyShare: shareOf(all, service),
      })),
      troubled: health.checks.filter((check) => check.status !== "ok"),
      changes: changesBetween(before.at(-1), observation),
      observations: all.length,
      since: new Date(all[0]?.at ?? observation.at).toISOString(),
    };
  },
});

/** The share of looks at which the service was there and healthy. */
function shareOf(observations: readonly Observation[], service: string): number {
  const healthy = observations.filter((each) => each.services[service] === "healthy").length;
  return Math.round((healthy / observations.length) * 1_000) / 1_000;
}

function changesBetween(before: Observation | undefined, now: Observation) {
  if (before === undefined) return [];
  const names = new Set([...Object.keys(before.services), ...Object.keys(now.services)]);
  return [...names].sort().flatMap((service) => {
    const [from = "absent", to = "absent"] = [before.services[service], now.services[service]];
    return from === to ? [] : [{ service, from, to }];
  });
}
