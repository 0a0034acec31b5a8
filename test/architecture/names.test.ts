// Spelling, drawers and furniture. Each rule is also broken once, in a little house.
import { describe, expect, it } from "vitest";
import { littleHouse } from "./little-house.ts";
import { checkDrawers, checkFurniture, checkSpelling } from "./names.ts";
import { plant, readTree } from "./tree.ts";

const tree = readTree();
const planted = (path: string) => plant(littleHouse, { [path]: "" });

describe("files and folders are spelt one way", () => {
  it("holds here", () => expect(checkSpelling(tree)).toEqual([]));
  it("holds in the little house", () => expect(checkSpelling(littleHouse)).toEqual([]));

  it.each([
    "packages/log/src/groupCommit.ts",
    "packages/log/src/group_commit.ts",
    "packages/Log/readme.md",
    "docs/NOTES.md",
  ])("refuses %s", (path) =>
    expect(checkSpelling(planted(path))).toEqual([expect.stringMatching(/is not kebab-case. Write lower case/)]),
  );
});

describe("there are no drawers", () => {
  it("holds here", () => expect(checkDrawers(tree)).toEqual([]));
  it("holds in the little house", () => expect(checkDrawers(littleHouse)).toEqual([]));

  it.each(["packages/log/src/utils.ts", "packages/log/src/helpers.test.ts", "test/shared/x.ts", "tools/lib/x.ts"])(
    "refuses %s",
    (path) =>
      expect(checkDrawers(planted(path))).toEqual([expect.stringMatching(/is a drawer. Name it after what it does/)]),
  );
});

describe("every room has the same furniture", () => {
  it("holds here", () => expect(checkFurniture(tree)).toEqual([]));
  it("holds in the little house", () => expect(checkFurniture(littleHouse)).toEqual([]));

  it.each([
    ["a missing README", { "packages/log/README.md": null }, /packages\/log: no README.md. Write what the room is for/],
    ["an empty README", { "packages/log/README.md": "# Log\n" }, /says next to nothing/],
    ["a missing door", { "packages/log/src/index.ts": null }, /no src\/index.ts. Make it/],
    [
      "a missing description",
      { "packages/log/package.json": '{ "name": "@viable/log" }' },
      /no description. Say in one line/,
    ],
    [
      "another name",
      { "packages/log/package.json": '{ "name": "log", "description": "x" }' },
      /named log. Name it @viable\/log/,
    ],
    [
      "exports without the source first",
      {
        "packages/log/package.json":
          '{ "name": "@viable/log", "description": "x", "exports": { ".": { "default": "./x.js" } } }',
      },
      /begins with default. Put "viable-source" first/,
    ],
  ])("refuses %s", (_what, files, refusal) => {
    expect(checkFurniture(plant(littleHouse, files))).toEqual([expect.stringMatching(refusal)]);
  });
});
