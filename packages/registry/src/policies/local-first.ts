import { leastLoaded } from "./least-loaded.ts";
import type { Policy } from "./policy.ts";

/** The least loaded of this process, however busy it is; where none is here, the least loaded of all. For what is cheap, or has its data here. */
export const localFirst: Policy = {
  name: "local-first",
  draws: false,
  rank(scored, draw) {
    const here = scored.filter(({ candidate }) => candidate.local);
    if (here.length === 0)
      return { ranked: scored, reason: `none is in this process; ${leastLoaded.rank(scored, draw).reason}` };
    const among = here.length === 1 ? "" : `; ${leastLoaded.rank(here, draw).reason}`;
    return {
      ranked: [...here, ...scored.filter(({ candidate }) => !candidate.local)],
      reason: `it is in this process${among}`,
    };
  },
};
