import type { View } from "@viable/gateway";
import { listDeliveries, queryNumber } from "@viable/gateway";
import { ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import { isPosition } from "@viable/log";

/** Messages to receivers: what was sent, what waits, and why. A session's token sees its session's. */
export const webhookViews = (log: Log): View[] => [
  {
    name: "webhooks",
    scope: "session",
    path: "/webhooks",
    read: async (ctx, { grant, query }) => {
      const { before } = query;
      if (before !== undefined && !isPosition(before))
        throw new ViableError("webhook.invalid_position", `"${before}" is not a position of this log.`);
      // Each is read by itself.
      const limit = queryNumber(query, "limit", 50, 100);
      return await listDeliveries(ctx, log, { limit, before, session: grant.sessionId ?? query.session });
    },
  },
];
