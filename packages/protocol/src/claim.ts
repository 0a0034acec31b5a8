import { z } from "zod";

/** Who has a resource, as the list of them shows it. */
const resourceClaim = z.object({
  resource: z.string(),
  by: z.string(),
  processId: z.string(),
  epoch: z.number().int(),
  /** Its fencing token: of two holders of one resource, the later has the higher. */
  token: z.number().int(),
  /** How a conflict over it is settled, as it was declared. */
  policy: z.object({
    kind: z.enum(["priority", "vote", "lock", "newest"]),
    order: z.array(z.string()).optional(),
    weights: z.record(z.string(), z.number()).optional(),
  }),
  priority: z.number(),
  /** For how long it is held without a word, in milliseconds; null for as long as its process lives. */
  holdMs: z.number().nullable(),
  since: z.string(),
});

/** A page of them, by the names of resources. `next` is where to go on, as `after`; absent where that was all. */
export const claimPage = z.object({ claims: z.array(resourceClaim), next: z.string().optional() });
export type ClaimPage = z.infer<typeof claimPage>;
