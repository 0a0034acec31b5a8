import type { View } from "@viable/gateway";
import { queryNumber } from "@viable/gateway";
import type { JsonValue } from "@viable/kernel";
import type { Conflicts } from "@viable/registry";

/** Who has which of the tenant's resources. */
export const claimViews = (conflicts: Conflicts): View[] => [
  {
    name: "claims",
    path: "/registry/claims",
    read: async (ctx, { query }) => {
      const limit = queryNumber(query, "limit", 100, 1_000);
      const { holders, next } = await conflicts.list(ctx, {
        limit,
        ...(query.after !== undefined && { after: query.after }),
      });
      const claims = holders.map(({ since, ...holder }) => ({ ...holder, since: new Date(since).toISOString() }));
      return { claims, ...(next !== undefined && { next }) } as unknown as JsonValue;
    },
  },
];
