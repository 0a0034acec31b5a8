import type { Traffic } from "@viable/protocol";
import type { Delegated } from "./intake.ts";

/** Pairs of services that are told apart: thirteen services make 169. Beyond, new pairs are counted together under `*`. */
const maxPairs = 1_000;

/** Counts the delegations of this process between services, since it started. */
export function createTraffic() {
  const pairs = new Map<string, Traffic>();
  const pairOf = (from: string, to: string): Traffic => {
    const key = `${from} ${to}`;
    const known = pairs.get(key);
    if (known !== undefined) return known;
    if (pairs.size >= maxPairs && from !== "*") return pairOf("*", "*");
    const pair: Traffic = { from, to, completed: 0, failed: 0, refused: 0, meanWaitMs: 0 };
    pairs.set(key, pair);
    return pair;
  };
  return {
    count({ from, to, status, waitedMs }: Delegated): void {
      // Nobody took what was refused.
      const pair = pairOf(from, to ?? "nobody");
      if (status === "completed") pair.completed += 1;
      else if (status === "refused") pair.refused += 1;
      else pair.failed += 1;
      pair.meanWaitMs += (waitedMs - pair.meanWaitMs) / (pair.completed + pair.failed + pair.refused);
    },
    /** From whom to whom, the busiest first. */
    pairs: (): readonly Traffic[] => [...pairs.values()].sort((a, b) => totalOf(b) - totalOf(a)),
  };
}

const totalOf = ({ completed, failed, refused }: Traffic): number => completed + failed + refused;
