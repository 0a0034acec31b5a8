// Proves who is passed over: whoever would not take the task, where another of the same side is there, and nobody where that is not so.
import { expect, test } from "vitest";
import type { Candidate } from "./candidate.ts";
import { passOver } from "./pass-over.ts";

const candidate = (processId: string, legacy = false): Candidate => ({
  key: `s/${processId}`,
  registration: {
    service: legacy ? "old" : "new",
    processId,
    capabilities: ["c"],
    epoch: 1,
    version: "1.0.0",
    tags: [],
    ...(legacy && { legacy: true }),
  },
  measurement: undefined,
  local: false,
  routed: 0,
});
const whyNot =
  (...processes: string[]) =>
  (id: string) =>
    processes.includes(id) ? "it did not answer" : undefined;
const idsOf = (candidates: readonly Candidate[]) => candidates.map(({ registration }) => registration.processId);

test("whoever would not take it is left out, and told with the reason", () => {
  const { allowed, leftOut } = passOver([candidate("a"), candidate("b"), candidate("c")], whyNot("a", "c"));
  expect(idsOf(allowed)).toEqual(["b"]);
  expect(leftOut).toEqual([
    { service: "new", processId: "a", reason: "it did not answer" },
    { service: "new", processId: "c", reason: "it did not answer" },
  ]);
});

test("where nobody else is there, all of them stay", () => {
  const { allowed, leftOut } = passOver([candidate("a"), candidate("b")], whyNot("a", "b"));
  expect(idsOf(allowed)).toEqual(["a", "b"]);
  expect(leftOut).toEqual([]);
});

test("a legacy one takes the place of nobody who would not (W8)", () => {
  const { allowed, leftOut } = passOver([candidate("a"), candidate("old", true)], whyNot("a"));
  expect(idsOf(allowed)).toEqual(["a", "old"]);
  expect(leftOut).toEqual([]);
});
