import { agent, defineSystem, service } from "viable";
import { z } from "zod";

/** What clients of several gateways ask for: a number that comes back, a little later. */
export default defineSystem({
  name: "gateways",
  services: [
    service({
      name: "work",
      description: "Works.",
      port: 0,
      agents: [
        agent({
          name: "count",
          capability: "count",
          description: "Gives its number back.",
          input: z.strictObject({ n: z.number() }),
          handle: (_ctx, { n }) => n,
        }),
      ],
    }),
  ],
});
