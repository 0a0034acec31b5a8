import type { Candidate, LeftOut } from "./candidate.ts";
import { leaveOut } from "./candidate.ts";
import type { HowToChoose } from "./route.ts";
import { isSetAside } from "./route.ts";

/**
 * Passes over the swarms of processes that would not take this task now, as whoever asked them knows: where another is there. Of the legacy
 * ones that are set aside and of the others by themselves, since which side a task goes to is not decided by who has time (W8). Pure.
 */
export function passOver(
  candidates: readonly Candidate[],
  whyNot: (processId: string) => string | undefined,
  how?: HowToChoose,
): { readonly allowed: readonly Candidate[]; readonly leftOut: readonly LeftOut[] } {
  if (!candidates.some(({ registration }) => whyNot(registration.processId) !== undefined))
    return { allowed: candidates, leftOut: [] };
  const sides = [true, false].map((isLegacy) => candidates.filter((each) => isSetAside(each, how) === isLegacy));
  const leftOut = sides.flatMap((side) => {
    const out = side.flatMap((candidate) => {
      const reason = whyNot(candidate.registration.processId);
      return reason === undefined ? [] : [{ candidate, reason }];
    });
    return out.length < side.length ? out : [];
  });
  const out = new Set(leftOut.map(({ candidate }) => candidate));
  return {
    allowed: candidates.filter((candidate) => !out.has(candidate)),
    leftOut: leftOut.map(({ candidate, reason }) => leaveOut(candidate, reason)),
  };
}
