import { addressOf, compareText } from "../candidate.ts";
import type { Policy } from "./policy.ts";

/**
 * The less loaded of two that chance draws. Where many processes route by loads that are a little old, the least loaded one gets the tasks of
 * all of them at once; of two drawn ones it gets a share, and the most loaded one of all gets nothing.
 */
export const powerOfTwo: Policy = {
  name: "power-of-two",
  draws: true,
  rank(scored, { chance }) {
    const count = scored.length;
    // By name, so that a pair does not change with what is measured.
    const byName = [...scored].sort((a, b) => compareText(a.candidate.key, b.candidate.key));
    const pair = Math.floor(chance * count * (count - 1));
    const first = Math.floor(pair / Math.max(1, count - 1));
    const second = pair % Math.max(1, count - 1);
    const drawn = [byName[first], byName[second >= first ? second + 1 : second]];
    const names = drawn.flatMap((each) => (each === undefined ? [] : [addressOf(each.candidate)]));
    return {
      ranked: [...scored.filter((each) => drawn.includes(each)), ...scored.filter((each) => !drawn.includes(each))],
      reason: `the less loaded of two that its key draws of ${count}: ${names.join(" and ")}`,
    };
  },
};
