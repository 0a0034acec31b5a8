import type { Grant } from "@viable/security";
import { bearerOf } from "./bearer.ts";
import { HttpProblem } from "./problems.ts";

/** Feeds of this process: each holds a connection and a subscription of the log. */
const maxFeeds = 4_000;

/** Counts live feeds by who follows them, so that no one takes all connections. */
export interface FeedPlaces {
  /** Takes a place, and answers with how it is given back. Throws `gateway.too_many_feeds`. */
  enter(grant: Grant): () => void;
}

export function createFeedPlaces(): FeedPlaces {
  const byBearer = new Map<string, number>();
  let open = 0;
  return {
    enter(grant) {
      const { bearer, max } = bearerOf(grant, maxFeeds);
      const ofBearer = byBearer.get(bearer) ?? 0;
      if (open >= maxFeeds) throw tooMany(503, `${maxFeeds} feeds are followed at this gateway.`);
      if (ofBearer >= max)
        throw tooMany(429, `${max} feeds are followed with this token, or what was narrowed from it.`);
      open += 1;
      byBearer.set(bearer, ofBearer + 1);
      let isLeft = false;
      return () => {
        if (isLeft) return;
        isLeft = true;
        open -= 1;
        const left = (byBearer.get(bearer) ?? 1) - 1;
        if (left === 0) byBearer.delete(bearer);
        else byBearer.set(bearer, left);
      };
    },
  };
}

const tooMany = (status: 429 | 503, detail: string): HttpProblem =>
  new HttpProblem({
    status,
    code: "gateway.too_many_feeds",
    detail,
    next: "End one, or follow several sessions on one WebSocket.",
    retryAfterMs: 5_000,
  });
