import type { SystemDefinition } from "viable";
import { agent, defineSystem, service } from "viable";
import { z } from "zod";

/** A system whose one command does nothing, so that the way to it and back is all there is to measure. */
export const noOpSystem: SystemDefinition = defineSystem({
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
          input: z.strictObject({ n: z.number() }),
          handle: (_ctx, { n }) => n,
        }),
      ],
    }),
  ],
  clients: { api: { commandsPerHour: 1_000_000_000 } },
});
