import type { Projections } from "@viable/log";
import { isPosition } from "@viable/log";
import type { AgentDefinition } from "@viable/swarm";
import { agent, contextOf } from "@viable/swarm";
import { z } from "zod";

/** Commands that help a projection on: past an event that it cannot do, or from the beginning. */
export function projectionCommands(projections: () => Projections): AgentDefinition[] {
  const projection = z.string().min(1).max(100).describe("The projection, by its name");
  return [
    agent({
      name: "projection-skip",
      capability: "projection.skip",
      description: "Lets a projection that stands still before an event go on without that event, for ever.",
      risk: "high",
      input: z.strictObject({
        projection,
        position: z.string().refine(isPosition, "must be a position").describe("Of the event it stands before"),
        reason: z.string().min(1).max(500).describe("Why it may be left out; kept with who said so"),
      }),
      handle: async (ctx, { projection: name, position, reason }) => {
        await projections().skip(contextOf(ctx), name, position, reason);
        return { projection: name, skipped: position };
      },
    }),
    agent({
      name: "projection-rebuild",
      capability: "projection.rebuild",
      description: "Builds a projection anew beside the one that is read, and reads the new one when it has caught up.",
      // Until it has caught up, what it keeps is there twice.
      risk: "high",
      input: z.strictObject({ projection }),
      handle: async (ctx, { projection: name }) => {
        const generation = await projections().rebuild(contextOf(ctx), name);
        return { projection: name, generation };
      },
    }),
  ];
}
