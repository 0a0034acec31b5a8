// The invariants of ARCHITECTURE.md are cited where they are kept. The rule is also broken once, in a little house.
import { describe, expect, it } from "vitest";
import { checkInvariants, findCitations, readInvariants } from "./invariants.ts";
import { littleHouse } from "./little-house.ts";
import { plant, readTree } from "./tree.ts";

const tree = readTree();

describe("invariants are cited where they are kept", () => {
  it("holds here", () => {
    expect(readInvariants(tree)).toEqual(Array.from({ length: 12 }, (_, index) => `W${index + 1}`));
    expect(checkInvariants(tree)).toEqual([]);
  });

  it("finds citations in comments and in the names of tests", () => {
    expect(checkInvariants(littleHouse)).toEqual([]);
    expect([...findCitations(littleHouse)]).toEqual([
      ["W1", ["packages/log/src/index.ts"]],
      ["W3", ["packages/log/src/testing/index.ts"]],
    ]);
  });

  it("refuses an invariant that nothing cites", () => {
    const planted = plant(littleHouse, { "packages/log/src/testing/index.ts": "" });
    expect(checkInvariants(planted)).toEqual([expect.stringMatching(/W3 is stated.*cited nowhere. Cite it/)]);
  });

  it("does not count a citation in plain code", () => {
    const planted = plant(littleHouse, { "packages/log/src/testing/index.ts": 'export const name = "W3";' });
    expect(checkInvariants(planted)).toEqual([expect.stringMatching(/W3 is stated/)]);
  });

  it("refuses a citation of what is not stated", () => {
    const planted = plant(littleHouse, { "packages/log/src/planted.ts": "// Kept here (W99).\n" });
    expect(checkInvariants(planted)).toEqual([expect.stringMatching(/cites W99.*does not state/)]);
  });
});
