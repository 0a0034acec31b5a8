// What the guides point at is there. The rules are also broken once, in a little house.
import { describe, expect, it } from "vitest";
import { littleHouse } from "./little-house.ts";
import { checkDecisions, checkEvidence, checkPaths } from "./prose.ts";
import { plant, readTree } from "./tree.ts";

const tree = readTree();

describe("paths in the guides lead somewhere", () => {
  it("holds here", () => expect(checkPaths(tree)).toEqual([]));
  it("holds in the little house", () => expect(checkPaths(littleHouse)).toEqual([]));

  it.each([
    [
      "a file that is not there",
      "See `packages/kernel/src/gone.ts`.",
      /README.md:1: there is no packages\/kernel\/src\/gone.ts/,
    ],
    ["a folder that is not there", "See `docs/gone/`.", /there is no docs\/gone\//],
    ["a pattern that matches nothing", "See `packages/*/gone.ts`.", /there is no packages\/\*\/gone.ts/],
    [
      "a door that is not there",
      "See\n\n`@viable/kernel/testing`.",
      /README.md:3: there is no @viable\/kernel\/testing/,
    ],
  ])("refuses %s", (_what, text, refusal) => {
    expect(checkPaths(plant(littleHouse, { "README.md": text }))).toEqual([expect.stringMatching(refusal)]);
  });

  it.each([
    "`/v1/sessions` is a route.",
    "`.viable/credentials.json` is made later.",
    "`packages/*/src` are folders.",
    "```\n`a/b`\n```\n",
  ])("allows %s", (text) => {
    expect(checkPaths(plant(littleHouse, { "README.md": text }))).toEqual([]);
  });
});

describe("what explanations promise is shown by tests that are there", () => {
  it("holds here", () => expect(checkEvidence(tree)).toEqual([]));

  const planted = (shown: string) =>
    checkEvidence(
      plant(littleHouse, {
        "docs/explanation/a.md": `# A\n\n| promise | shown by |\n|---|---|\n| it holds | ${shown} |\n`,
        "packages/kernel/src/a.test.ts": 'test("it holds", () => {});\n',
      }),
    );

  it("allows a test that is there, with what it is called", () => {
    expect(planted('`packages/kernel/src/a.test.ts`, "it holds"')).toEqual([]);
  });

  it.each([
    ["`packages/kernel/src/b.test.ts`", /a.md:5: there is no packages\/kernel\/src\/b.test.ts/],
    ['`packages/kernel/src/a.test.ts`, "it held"', /a.md:5: none of packages\/kernel\/src\/a.test.ts has "it held"/],
  ])("refuses %s", (shown, refusal) => {
    expect(planted(shown)).toEqual([expect.stringMatching(refusal)]);
  });
});

describe("decisions are written in one form", () => {
  it("holds here", () => expect(checkDecisions(tree)).toEqual([]));

  const decision = "# 1. Keep records\n\n## Context\n\n## Decision\n\n## Consequences\n\n## Alternatives\n";

  it("refuses a number used twice, a gap, and a missing part", () => {
    const planted = (files: { [path: string]: string }) => checkDecisions(plant(littleHouse, files));
    expect(planted({ "docs/decisions/0001-records.md": decision })).toEqual([]);
    expect(planted({ "docs/decisions/0001-a.md": decision, "docs/decisions/0001-b.md": decision })).toEqual([
      expect.stringMatching(/0001-b.md: should be number 2/),
    ]);
    expect(planted({ "docs/decisions/0002-a.md": decision })).toEqual([expect.stringMatching(/should be number 1/)]);
    expect(planted({ "docs/decisions/0001-a.md": "# 1. Keep records\n\n## Context\n" })).toHaveLength(3);
  });
});
