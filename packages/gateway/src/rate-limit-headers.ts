import type { Grant } from "@viable/security";
import type { IntakeOutcome, Quota } from "@viable/swarm";

type Headers = Readonly<Record<string, string>>;

/** What is left of the caller's commands, in the headers of the RateLimit draft (draft-ietf-httpapi-ratelimit-headers). */
export const quotaHeaders = ({ limit, remaining }: Quota): Headers => ({
  "ratelimit-policy": `"commands";q=${limit};w=3600`,
  ratelimit: `"commands";r=${remaining}`,
});

/** The limit that a refused command has met, in the same headers; none where it was refused for another reason. */
export function metLimitHeaders(refusal: IntakeOutcome & { ok: false }, grant: Grant): Headers {
  if (refusal.code === "intake.rate_limited") return quotaHeaders({ limit: grant.commandsPerHour, remaining: 0 });
  if (refusal.code !== "intake.too_many_at_once" || grant.maxConcurrent === undefined) return {};
  return {
    "ratelimit-policy": `"concurrent";q=${grant.maxConcurrent};qu="concurrent-requests"`,
    ratelimit: '"concurrent";r=0',
  };
}
