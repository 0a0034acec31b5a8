// How .ci/run counts: whatever did not pass failed.
import { describe, expect, it } from "vitest";
import { countTests } from "../../tools/ci-count.ts";

const report = (status: string, tests: readonly (readonly [string, string])[], message?: string): string =>
  JSON.stringify({
    testResults: [
      {
        name: "a.test.ts",
        status,
        message,
        assertionResults: tests.map(([fullName, status]) => ({ fullName, status })),
      },
    ],
  });

describe("counting a tier", () => {
  it("counts what passed", () => {
    expect(
      countTests(
        "test",
        report("passed", [
          ["one", "passed"],
          ["two", "passed"],
        ]),
        0,
      ),
    ).toEqual({ passed: 2, failures: [] });
  });

  it.each([
    [
      "a test that failed",
      report("failed", [
        ["one", "passed"],
        ["two", "failed"],
      ]),
      1,
      /a.test.ts: two$/,
    ],
    [
      "a test that was skipped",
      report("passed", [
        ["one", "passed"],
        ["two", "skipped"],
      ]),
      0,
      /two: did not run \(skipped\)/,
    ],
    [
      "a test left to do",
      report("passed", [
        ["one", "passed"],
        ["two", "todo"],
      ]),
      0,
      /two: did not run \(todo\)/,
    ],
    ["a file that could not be loaded", report("failed", [], "no such module\n at x"), 1, /a.test.ts: no such module$/],
    ["an empty run", '{ "testResults": [] }', 0, /no test ran/],
    ["an error outside any test", report("passed", [["one", "passed"]]), 1, /status 1 outside any test/],
    ["a run without a report", undefined, 134, /status 134 and no report/],
  ])("counts %s as failed", (_what, text, status, failure) => {
    expect(countTests("test", text, status).failures).toEqual([expect.stringMatching(failure)]);
  });
});
