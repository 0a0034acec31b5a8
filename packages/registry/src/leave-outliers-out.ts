import type { Candidate, LeftOut } from "./candidate.ts";
import { compareText, leaveOut } from "./candidate.ts";
import type { OutlierStanding } from "./outliers.ts";
import { firstShare } from "./outliers.ts";
import type { HowToChoose } from "./route.ts";
import { isSetAside } from "./route.ts";

interface Parted {
  readonly allowed: readonly Candidate[];
  readonly leftOut: readonly LeftOut[];
}

/**
 * Leaves out the swarms that have failed, the worst first: at most half of those there are, and never the last one, since a swarm that fails
 * some tasks is better than none. This holds for the legacy ones that are set aside and for the others by themselves: which side a task goes to is decided by
 * its key, and not by who fails (W8). One that is on its way back gets a share; one that is to be tried says so to whoever chooses. Pure.
 */
export function leaveOutliersOut(
  candidates: readonly Candidate[],
  standingOf: (candidate: Candidate) => OutlierStanding | undefined,
  how?: HowToChoose,
): Parted {
  const standings = new Map<Candidate, OutlierStanding>();
  for (const candidate of candidates) {
    const standing = standingOf(candidate);
    if (standing !== undefined) standings.set(candidate, standing);
  }
  if (standings.size === 0) return { allowed: candidates, leftOut: [] };
  const current = leaveOutOfSide(
    candidates.filter((candidate) => !isSetAside(candidate, how)),
    standings,
  );
  const legacy = leaveOutOfSide(
    candidates.filter((candidate) => isSetAside(candidate, how)),
    standings,
  );
  return { allowed: [...current.allowed, ...legacy.allowed], leftOut: [...current.leftOut, ...legacy.leftOut] };
}

function leaveOutOfSide(candidates: readonly Candidate[], standings: ReadonlyMap<Candidate, OutlierStanding>): Parted {
  const out = new Map(
    candidates
      .flatMap((candidate) => {
        const standing = standings.get(candidate);
        return standing !== undefined && isOut(standing) ? [[candidate, standing] as const] : [];
      })
      .sort(([a, x], [b, y]) => y.faultShare - x.faultShare || compareText(a.key, b.key))
      .slice(0, Math.floor(candidates.length / 2)),
  );
  return {
    allowed: candidates
      .filter((candidate) => !out.has(candidate))
      .map((candidate) => {
        const standing = standings.get(candidate);
        if (standing === undefined) return candidate;
        const { state, share, mayProbe, reason } = standing;
        if (mayProbe) return { ...candidate, probe: `this task tries whether it is well again (${reason})` };
        // One that would be left out were there others gets as little as one that begins to come back.
        return { ...candidate, share: state === "recovering" ? share : firstShare };
      }),
    leftOut: [...out].map(([candidate, { state, reason }]) => leaveOut(candidate, `${state}: ${reason}`)),
  };
}

const isOut = ({ state, mayProbe }: OutlierStanding): boolean =>
  state === "ejected" || (state === "probing" && !mayProbe);
