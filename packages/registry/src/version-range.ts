import Range from "semver/classes/range.js";

/** Whether a version is within. */
export type VersionRange = (version: string) => boolean;

/** As long as a version may be in npm. It bounds the conditions too, each of which is held against the version of every candidate. */
const maxChars = 256;

/**
 * Reads a range as npm does: `1.4.0`, `1.4`, `1.x`, `*`, `^1.4.0`, `~1.4.0`, `>=1.4 <3`, `1.2 - 1.4`, and several with `||` between;
 * undefined where it is none. A version before a release (`2.0.0-rc.1`) is within only where the range names one of the same release.
 * What is no version is within none.
 */
export function parseVersionRange(text: string): VersionRange | undefined {
  if (text.length > maxChars) return undefined;
  try {
    const range = new Range(text);
    return (version) => range.test(version);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
