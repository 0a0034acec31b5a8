/**
 * A projection's generations, as its record `projections/<name>` has them. Each is built from the first event.
 *
 * States of one: building → live, when it has caught up → retired, when one of the same version has taken its place → gone, when what
 * it kept is dropped. Generations of other versions are left alone: other releases read them.
 */
export interface Generation {
  readonly generation: number;
  readonly version: number;
  readonly state: "building" | "live" | "retired";
  /** Since when, wall time in milliseconds. */
  readonly since: number;
}

export type Generations = readonly Generation[];

/** At least one generation of a version is there, or being built. Answers the same where that is so. */
export function withVersion(generations: Generations, version: number, now: number): Generations {
  return generations.some((each) => each.version === version && each.state !== "retired")
    ? generations
    : begun(generations, version, now);
}

/** Another one of a version is built beside what is there. Answers the same where one is being built already. */
export function rebuilt(generations: Generations, version: number, now: number): Generations {
  return generations.some((each) => each.version === version && each.state === "building")
    ? generations
    : begun(generations, version, now);
}

/** A generation has caught up: it is the one to read, and takes the place of older ones of its version. */
export function caughtUp(generations: Generations, generation: number, now: number): Generations {
  const risen = generations.find((each) => each.generation === generation);
  if (risen?.state !== "building") return generations;
  return generations.map((each) => {
    if (each.generation === generation) return { ...each, state: "live", since: now };
    const isReplaced = each.version === risen.version && each.generation < generation && each.state !== "retired";
    return isReplaced ? { ...each, state: "retired", since: now } : each;
  });
}

/** What cannot go on, because what it kept is not there any more, is begun anew by another. */
export function lost(generations: Generations, generation: number, now: number): Generations {
  const gone = generations.find((each) => each.generation === generation);
  if (gone === undefined || gone.state === "retired") return generations;
  const rest = generations.map(
    (each): Generation => (each === gone ? { ...each, state: "retired", since: now } : each),
  );
  // Another in any case, so that its number never comes again.
  return begun(rest, gone.version, now);
}

/** Answers the same where it is gone already. */
export const dropped = (generations: Generations, generation: number): Generations =>
  generations.some((each) => each.generation === generation)
    ? generations.filter((each) => each.generation !== generation)
    : generations;

/** The one to read for a release that knows a version; undefined while it is built for the first time. */
export const liveOf = (generations: Generations, version: number): Generation | undefined =>
  generations.findLast((each) => each.version === version && each.state === "live");

function begun(generations: Generations, version: number, now: number): Generations {
  const generation = Math.max(0, ...generations.map((each) => each.generation)) + 1;
  return [...generations, { generation, version, state: "building", since: now }];
}
