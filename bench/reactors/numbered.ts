/** What a step of every subject is given and comes to. */
export interface Numbered {
  readonly n: number;
}

/** The elements that one run goes over. */
export const elementsOf = (count: number): number[] => Array.from({ length: count }, (_, element) => element);

/** Throws unless each element has come to the number after it, in any order. */
export function checkJoined(joined: readonly Numbered[], count: number): void {
  const numbers = new Set(joined.map(({ n }) => n));
  const missing = elementsOf(count).find((element) => !numbers.has(element + 1));
  if (joined.length !== count || missing !== undefined) {
    throw new Error(`${count} elements came to ${joined.length} results; that of ${missing ?? "none"} is missing.`);
  }
}

/** Throws unless each element was counted. */
export function checkCount(counted: unknown, count: number): void {
  if (counted !== count) throw new Error(`${count} elements were counted as ${JSON.stringify(counted)}.`);
}
