import { agent } from "viable";
import { z } from "zod";

/** Says who the gateway found the caller to be. */
export const authentication = agent({
  name: "authentication",
  capability: "authentication",
  description: "Who you are to the system: principal, tenant, kind of client, session and operations",
  input: z.strictObject({}),
  risk: "low",
  handle: ({ principal, tenant, authority: { clientType, sessionId, operations } }) => ({
    principal,
    tenant,
    clientType,
    operations: [...operations],
    ...(sessionId !== undefined && { sessionId }),
  }),
});
