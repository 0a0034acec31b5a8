import { describe, expect, test } from "vitest";
import { z } from "zod";
import { sendCommand } from "./command.ts";
import { executionEvents, executionStatus, isOutcome } from "./execution.ts";
import { glossary } from "./glossary.ts";
import { toFieldProblems } from "./problem.ts";

describe("field problems", () => {
  test("name the place as people write it, and the reason", () => {
    const schema = z.strictObject({ files: z.array(z.strictObject({ path: z.string() })) });
    const parsed = schema.safeParse({ files: [{ path: "a" }, { path: 7 }], more: 1 });
    expect(parsed.success).toBe(false);
    if (parsed.success) return;
    expect(toFieldProblems(parsed.error, "args")).toEqual([
      { path: "args.files[1].path", reason: "expected string, received number" },
      { path: "args", reason: 'Unrecognized key: "more"' },
    ]);
  });

  test("are at most twenty", () => {
    const parsed = z.array(z.string()).safeParse(new Array(100).fill(1));
    expect(parsed.success || toFieldProblems(parsed.error, "x")).toHaveLength(20);
  });
});

describe("a command", () => {
  test("has defaults", () => {
    expect(sendCommand.parse({ command: "x" })).toEqual({ command: "x", args: {}, mode: "auto" });
  });
  test("may not be open-ended", () => {
    expect(sendCommand.safeParse({ command: "x", deadlineMs: 24 * 3_600_000 + 1 }).success).toBe(false);
  });
});

test("the outcomes are these four, and each has an event of its own (W5)", () => {
  const outcomes = executionStatus.options.filter(isOutcome);
  expect(outcomes).toEqual(["completed", "failed", "cancelled", "timed_out"]);
  for (const status of outcomes) expect(Object.keys(executionEvents)).toContain(`execution.${status}`);
});

test("the glossary says each word in one sentence", () => {
  for (const [word, sentence] of Object.entries(glossary)) expect(sentence, word).toMatch(/^[A-Z][^\n]{10,200}\.$/);
});
