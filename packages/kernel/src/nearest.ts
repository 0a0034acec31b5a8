import { distance } from "fastest-levenshtein";

/**
 * The known names nearest to one that is not known, for "did you mean": at most three, nearest first, none that would take
 * more edits than half the word. Names that contain the word, or are contained in it, count as near.
 */
export function nearestNames(wanted: string, known: Iterable<string>): string[] {
  const lower = wanted.toLowerCase().slice(0, 200);
  return [...known]
    .map((name) => {
      const other = name.toLowerCase();
      const contains = lower.length > 2 && (other.includes(lower) || lower.includes(other));
      const edits = distance(lower, other);
      return { name, edits: contains ? Math.min(1, edits) : edits };
    })
    .filter(({ name, edits }) => edits <= Math.max(1, Math.floor(Math.max(name.length, lower.length) / 2)))
    .sort((a, b) => a.edits - b.edits || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}
