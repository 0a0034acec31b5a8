/** How many entries of which list were left out. A list that is not named is whole. */
export type Truncated = { [list: string]: number };

/**
 * Keeps the first `max` entries and notes under `name` how many were left out. A result is an event in the log and holds
 * four mebibytes at most: a list that could outgrow it has a bound, and says when it was reached.
 */
export function cutList<T>(name: string, list: readonly T[], max: number, truncated: Truncated): T[] {
  if (list.length > max) truncated[name] = (truncated[name] ?? 0) + list.length - max;
  return list.slice(0, max);
}

/** Findings kept in one result: past this many nobody reads them one by one. */
export const maxFindings = 500;
/** Skipped files named in one result. */
export const maxSkipped = 200;
