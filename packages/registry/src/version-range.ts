/** A version as SemVer 2.0.0 reads it: three numbers, and what comes before a release. What follows a `+` orders nothing. */
interface Version {
  readonly numbers: readonly [number, number, number];
  readonly prerelease: readonly string[];
}

interface Comparator {
  readonly operator: "<" | "<=" | ">" | ">=" | "=";
  readonly version: Version;
}

/** Whether a version is within. */
export type VersionRange = (version: string) => boolean;

/** Alternatives in a range, and conditions in each: more is no range that a person wrote. */
const maxParts = 16;

/**
 * Reads a range as npm writes it: `1.4.0`, `1.4`, `1.x`, `*`, `^1.4.0`, `~1.4.0`, `>=1.4 <3`, and several with `||` between; undefined
 * where it is none. As there, a version before a release (`2.0.0-rc.1`) is within only where the range names one of the same release.
 */
export function parseVersionRange(text: string): VersionRange | undefined {
  const alternatives = text.split("||").map((each) => each.trim());
  if (alternatives.length > maxParts || text.length > 256) return undefined;
  const sets: (readonly Comparator[])[] = [];
  for (const alternative of alternatives) {
    const parts = alternative.replaceAll(/([<>=~^])\s+/g, "$1").split(/\s+/);
    if (parts.length > maxParts) return undefined;
    const comparators = parts.map(toComparators);
    if (comparators.includes(undefined)) return undefined;
    sets.push(comparators.flatMap((each) => each ?? []));
  }
  return (version) => {
    const parsed = parseVersion(version);
    return parsed !== undefined && sets.some((comparators) => isWithin(parsed, comparators));
  };
}

function parseVersion(text: string): Version | undefined {
  const found = /^(\d+)\.(\d+)\.(\d+)(?:-([0-9a-zA-Z.-]+))?(?:\+.*)?$/.exec(text);
  if (found === null) return undefined;
  return { numbers: [Number(found[1]), Number(found[2]), Number(found[3])], prerelease: found[4]?.split(".") ?? [] };
}

/** One condition as comparisons; none for any version at all. */
function toComparators(part: string): readonly Comparator[] | undefined {
  const found =
    /^(\^|~|>=|<=|>|<|=)?v?(\d{1,15}|x|X|\*)(?:\.(\d{1,15}|x|X|\*)(?:\.(\d{1,15}|x|X|\*)(?:-([0-9a-zA-Z.-]+))?(?:\+[0-9a-zA-Z.-]+)?)?)?$/.exec(
      part,
    );
  if (part === "") return [];
  if (found === null) return undefined;
  const [, operator = "", ...given] = found;
  const numbers = given
    .slice(0, 3)
    .map((each) => (each === undefined || /[xX*]/.test(each) ? undefined : Number(each)));
  const [major, minor, patch] = numbers;
  const known = major === undefined ? 0 : minor === undefined ? 1 : patch === undefined ? 2 : 3;
  const version: Version = {
    numbers: [major ?? 0, known > 1 ? (minor ?? 0) : 0, known > 2 ? (patch ?? 0) : 0],
    prerelease: given[3]?.split(".") ?? [],
  };
  const above = (index: number): Comparator => ({ operator: "<", version: nextOf(version, index) });
  const from: Comparator = { operator: ">=", version };
  if (known === 0) return operator === "<" || operator === ">" ? [{ operator: "<", version: lowest }] : [];
  if (operator === "^") {
    const [first, second] = version.numbers;
    return [from, above(first > 0 || known === 1 ? 0 : second > 0 || known === 2 ? 1 : 2)];
  }
  if (operator === "~") return [from, above(known === 1 ? 0 : 1)];
  if (known === 3) return [{ operator: operator === "" ? "=" : (operator as Comparator["operator"]), version }];
  // Of what names fewer than three numbers all versions are meant that begin with them.
  if (operator === "" || operator === "=") return [from, above(known - 1)];
  if (operator === ">") return [{ operator: ">=", version: { ...nextOf(version, known - 1), prerelease: [] } }];
  if (operator === "<=") return [above(known - 1)];
  return [{ operator: operator as Comparator["operator"], version }];
}

const lowest: Version = { numbers: [0, 0, 0], prerelease: ["0"] };

/** The lowest version of the next number at a place, also before its release. */
function nextOf({ numbers }: Version, index: number): Version {
  const [major, minor, patch] = numbers;
  const next = index === 0 ? [major + 1, 0, 0] : index === 1 ? [major, minor + 1, 0] : [major, minor, patch + 1];
  return { numbers: next as [number, number, number], prerelease: ["0"] };
}

function isWithin(version: Version, comparators: readonly Comparator[]): boolean {
  const fits = comparators.every(({ operator, version: bound }) => {
    const order = compareVersions(version, bound);
    if (operator === "=") return order === 0;
    if (operator === ">") return order > 0;
    if (operator === ">=") return order >= 0;
    return operator === "<" ? order < 0 : order <= 0;
  });
  if (!fits || version.prerelease.length === 0) return fits;
  const isNamed = ({ version: bound }: Comparator) =>
    bound.prerelease.length > 0 && bound.numbers.every((each, index) => each === version.numbers[index]);
  return comparators.some(isNamed);
}

function compareVersions(a: Version, b: Version): number {
  for (const index of [0, 1, 2] as const) {
    const order = a.numbers[index] - b.numbers[index];
    if (order !== 0) return order;
  }
  // A release comes after everything before it.
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return b.prerelease.length - a.prerelease.length;
  for (const [index, left] of a.prerelease.entries()) {
    const right = b.prerelease[index];
    if (right === undefined) return 1;
    const order = comparePrerelease(left, right);
    if (order !== 0) return order;
  }
  return a.prerelease.length - b.prerelease.length;
}

/** Numbers by their size and before words, words by their characters. */
function comparePrerelease(a: string, b: string): number {
  const [first, second] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (first && second) return Number(a) - Number(b);
  if (first !== second) return first ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
