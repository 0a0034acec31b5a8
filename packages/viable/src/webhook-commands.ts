import { replayDelivery } from "@viable/gateway";
import type { Log } from "@viable/log";
import type { AgentDefinition } from "@viable/swarm";
import { agent, contextOf } from "@viable/swarm";
import { z } from "zod";

/**
 * Has messages to receivers sent again by hand. Whoever has a session's own token orders those of its session; any other is told of as one that is
 * not there.
 */
export function webhookCommands(log: () => Log): AgentDefinition[] {
  return [
    agent({
      name: "webhook-replay",
      capability: "webhook.replay",
      description:
        "Has a delivery that was made or given up sent again, under the same webhook-id, as often as a new one.",
      input: z.strictObject({
        deliveryId: z.string().min(1).max(100).describe("What the receiver gets as webhook-id"),
      }),
      handle: async (ctx, { deliveryId }) => {
        const { isSessionToken, sessionId } = ctx.authority;
        const { url } = await replayDelivery(contextOf(ctx), log(), deliveryId, isSessionToken ? sessionId : undefined);
        return { deliveryId, url };
      },
    }),
  ];
}
