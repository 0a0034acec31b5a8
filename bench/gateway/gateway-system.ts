import type { SystemDefinition } from "viable";
import { agent, defineSystem, query, service } from "viable";
import { z } from "zod";

const number = z.strictObject({ n: z.number() });

/** A system that does nothing when it is told to and nothing when it is asked, so that its door is all there is to measure. */
export const gatewaySystem: SystemDefinition = defineSystem({
  name: "bench",
  services: [
    service({
      name: "bench",
      description: "Does nothing, as often as it is asked.",
      port: 0,
      agents: [
        agent({
          name: "no_op",
          capability: "no_op",
          description: "Gives back the number it is given.",
          input: number,
          handle: (_ctx, { n }) => n,
        }),
      ],
      queries: [
        query({
          name: "next.ask",
          description: "Gives back the number it is given.",
          input: number,
          answer: (_ctx, { n }) => ({ n }),
        }),
      ],
    }),
  ],
  clients: { api: { commandsPerHour: 1_000_000_000 } },
  limits: { sockets: 20_000 },
});
