import type { View } from "@viable/gateway";
import { newestFirst, queryNumber } from "@viable/gateway";
import type { JsonValue } from "@viable/kernel";
import { isId } from "@viable/kernel";
import { isPosition } from "@viable/log";
import type { OwnCapability } from "@viable/protocol";
import { capabilityPage, capabilityView, ownCapability } from "@viable/protocol";
import type { CapabilityRegister } from "@viable/security";

/** Capabilities that were minted here, and the one that the reader shows. */
export const capabilityViews = (register: CapabilityRegister): View[] => [
  {
    name: "capability",
    path: "/capability",
    scope: "session",
    operation: "ownCapability",
    summary: "What the token that asks allows",
    answer: ownCapability,
    read: (_ctx, { grant }) => {
      const own: OwnCapability = {
        capabilityId: grant.tokenId,
        tenant: grant.tenant,
        principal: grant.principal,
        clientType: grant.clientType,
        operations: [...grant.operations],
        ...(grant.sessionId !== undefined && { sessionId: grant.sessionId }),
        ...(grant.expiresAt !== null && { expiresAt: new Date(grant.expiresAt).toISOString() }),
        links: (grant.links ?? []).map(({ capabilityId, restrictions }) => ({ capabilityId, restrictions })),
      };
      return own as unknown as JsonValue;
    },
  },
  {
    name: "capabilities",
    path: "/capabilities",
    scope: "session",
    operation: "capabilities",
    summary: "Capabilities that were minted, the latest first; for a session's token its session's",
    answer: capabilityPage,
    query: newestFirst(50, 100),
    read: async (ctx, { grant, query }) => {
      const page = await register.list(ctx, {
        limit: queryNumber(query, "limit", 50, 100),
        before: query.before !== undefined && isPosition(query.before) ? query.before : undefined,
        session: grant.sessionId,
      });
      return page as unknown as JsonValue;
    },
  },
  {
    name: "capabilities",
    path: "/capabilities/:id",
    scope: "session",
    operation: "capability",
    summary: "One of them",
    answer: capabilityView,
    read: async (ctx, { grant, params }) => {
      const { id = "" } = params;
      if (!isId("cap", id)) return undefined;
      if (grant.sessionId !== undefined && (await register.sessionOf(ctx, id)) !== grant.sessionId) return undefined;
      return (await register.find(ctx, id)) as unknown as JsonValue;
    },
  },
];
