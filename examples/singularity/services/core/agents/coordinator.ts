import { agent } from "viable";
import { z } from "zod";
import { readSwarms, type SwarmState } from "../system-answers.ts";

/** A list as a client sends it, or as a person types it: `a,b`, which the command line hands on as one entry of a list. */
const toList = (given: string | string[]): string[] =>
  [given].flat().flatMap((each) => each.split(",").map((name) => name.trim()));

/** Says who would do what now. */
export const coordinator = agent({
  name: "coordinator",
  capability: "central_coordination",
  description: "For each capability that is needed: who offers it, how busy they are, and what nobody offers",
  input: z.strictObject({
    capabilities: z
      .union([z.string(), z.array(z.string())])
      .transform(toList)
      .pipe(z.array(z.string().min(1).max(200)).min(1).max(100))
      .describe("What is needed, separated by commas: secret_scan,code_analysis.sizes"),
  }),
  risk: "low",
  async handle(ctx, { capabilities }) {
    const swarms = await readSwarms(ctx);
    const wanted = [...new Set(capabilities)].map((capability) => {
      const offered = swarms.filter((swarm) => swarm.capabilities.includes(capability));
      return {
        capability,
        offered: offered.map(toOffer),
        isServed: offered.some((swarm) => swarm.status === "healthy"),
      };
    });
    const missing = wanted.filter((each) => !each.isServed).map((each) => each.capability);
    return { isReady: missing.length === 0, missing, capabilities: wanted };
  },
});

function toOffer({ service, processId, status, measurement: { workers, running, queued } }: SwarmState) {
  return { service, processId, status, workers, running, queued };
}
