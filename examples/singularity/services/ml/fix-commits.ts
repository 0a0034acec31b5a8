/** Words in the first line of a message by which a commit is taken for one that mends a defect. */
export const fixWords = [
  "fix",
  "bug",
  "bugfix",
  "hotfix",
  "defect",
  "regression",
  "regress",
  "crash",
  "fault",
  "broken",
] as const;

/** Words that say that what was mended was no defect of the program. */
export const harmlessWords = [
  "typo",
  "spelling",
  "lint",
  "format",
  "formatting",
  "whitespace",
  "comment",
  "docs",
  "readme",
] as const;

const oneOf = (words: readonly string[]): RegExp =>
  new RegExp(`(?<![\\w-])(${words.join("|")})(s|es|ed|ing)?(?!\\w)`, "i");
const fixPattern = oneOf(fixWords);
const harmlessPattern = oneOf(harmlessWords);

/** Whether a commit mends a defect, by the words of its message's first line alone: a guess, and the only one a history allows. */
export const isFix = (subject: string): boolean => fixPattern.test(subject) && !harmlessPattern.test(subject);
