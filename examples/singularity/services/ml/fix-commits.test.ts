import { expect, test } from "vitest";
import { isFix } from "./fix-commits.ts";

test.for([
  "fix: a crash",
  "Fixed the wrong answer",
  "Fixes #12",
  "hotfix for the release",
  "A regression in the parser",
  "Two bugs less",
  "Repair broken links between rooms",
  "crashes on empty input",
])("%s mends a defect", (subject) => {
  expect(isFix(subject)).toBe(true);
});

test.for([
  "Add a prefix",
  "Fixtures for the parser",
  "fix typo",
  "Fix spelling in README",
  "fix lint",
  "debugging aid",
  "default settings",
  "Suffixes are kept",
  "post-fix notation",
])("%s does not", (subject) => {
  expect(isFix(subject)).toBe(false);
});
