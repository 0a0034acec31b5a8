import type { View } from "@viable/gateway";
import { afterLast, queryNumber } from "@viable/gateway";
import type { JsonValue } from "@viable/kernel";
import { claimPage } from "@viable/protocol";
import type { Conflicts } from "@viable/registry";

/** Who has which of the tenant's resources. */
export const claimViews = (conflicts: Conflicts): View[] => [
  {
    name: "claims",
    path: "/registry/claims",
    operation: "claims",
    summary: "Who has which of the tenant's resources, by their names",
    answer: claimPage,
    query: afterLast(100, 1_000),
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
