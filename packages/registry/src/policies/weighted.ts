import { compareText } from "../candidate.ts";
import { leastLoaded } from "./least-loaded.ts";
import type { Policy } from "./policy.ts";

/**
 * Each service its share of the tasks, whatever the loads are; among a service's own swarms the least loaded. A service none of whose swarms
 * is whole again after they failed gets as much less.
 */
export const weighted: Policy = {
  name: "weighted",
  draws: true,
  rank(scored, { chance, weights }) {
    const services = [...new Set(scored.map(({ candidate }) => candidate.registration.service))].sort(compareText);
    const shares = services.map((service) => {
      const own = scored.filter(({ candidate }) => candidate.registration.service === service);
      const whole = Math.max(...own.map(({ candidate }) => candidate.share ?? 1));
      return { service, own, share: (weights[service] ?? 0) * whole };
    });
    const total = shares.reduce((sum, { share }) => sum + share, 0);
    let left = chance * total;
    const drawn = shares.find(({ share }) => {
      left -= share;
      return left < 0;
    });
    if (drawn === undefined) return leastLoaded.rank(scored, { chance, weights });
    const { service, own, share } = drawn;
    const among = own.length === 1 ? "" : `; ${leastLoaded.rank(own, { chance, weights }).reason}`;
    return {
      ranked: [...own, ...scored.filter((each) => !own.includes(each))],
      reason: `its key draws ${service}, which has ${round(share)} of ${round(total)} shares${among}`,
    };
  },
};

const round = (share: number): number => Math.round(share * 1_000) / 1_000;
