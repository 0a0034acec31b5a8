import type { View } from "@viable/gateway";
import { listDeliveries, newestFirst, queryNumber, textParameter } from "@viable/gateway";
import { ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import { isPosition } from "@viable/log";
import { webhookPage } from "@viable/protocol";

/** Messages to receivers: what was sent, what waits, and why. A session's token sees its session's. */
export const webhookViews = (log: Log): View[] => [
  {
    name: "webhooks",
    scope: "session",
    path: "/webhooks",
    operation: "webhooks",
    summary: "Messages to receivers that commands named, the newest first; for a session's token its session's",
    answer: webhookPage,
    query: { ...newestFirst(50, 100), session: textParameter("Of this session alone.") },
    problems: { 422: ["webhook.invalid_position"] },
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
