// That the checker passes what can have happened and finds what cannot: the suite of the memory stands on it.
import { describe, expect, test } from "vitest";
import type { Answer, Call, Operation } from "./check-history.ts";
import { checkHistory } from "./check-history.ts";

const get: Call = { kind: "get" };
const drop: Call = { kind: "delete" };
const set = (value: string, expected?: number): Call => ({
  kind: "set",
  value,
  ...(expected !== undefined && { expected }),
});
/** A value that is there for so many milliseconds. */
const setFor = (expiresInMs: number, value: string, expected?: number): Call => ({
  ...(set(value, expected) as Call & { kind: "set" }),
  expiresInMs,
});
const found = (value: string, version: number, expiresAt?: number | null): Answer => ({
  kind: "found",
  value,
  version,
  ...(expiresAt !== undefined && { expiresAt }),
});
const absent: Answer = { kind: "absent" };
const written = (version: number): Answer => ({ kind: "written", version });
const conflict = (actual: number): Answer => ({ kind: "conflict", actual });
const heard = (askedAt: number, answeredAt: number, call: Call, answer: Answer): Operation => ({
  call,
  answer,
  askedAt,
  answeredAt,
});

describe("passes", () => {
  test.each<[string, Operation[]]>([
    ["nothing", []],
    [
      "a value that is read before its writer has heard of it",
      [heard(0, 9, set("a"), written(1)), heard(1, 2, get, found("a", 1))],
    ],
    ["one that is not yet read while it is written", [heard(0, 9, set("a"), written(1)), heard(1, 2, get, absent)]],
    [
      "of two at the same version one, and the version that stood in the other's way",
      [heard(0, 1, set("a"), written(1)), heard(2, 9, set("b", 1), conflict(2)), heard(3, 8, set("c", 1), written(2))],
    ],
    [
      "what nobody heard of and others read later, though its writer is long dead",
      [{ call: set("a"), askedAt: 0 }, heard(1, 2, get, absent), heard(100, 101, get, found("a", 7))],
    ],
    [
      "what nobody heard of and never happened",
      [{ call: drop, askedAt: 5 }, heard(0, 1, set("a"), written(1)), heard(9, 10, get, found("a", 1))],
    ],
    [
      "a value that is gone and written anew",
      [
        heard(0, 1, set("a", 0), written(4)),
        heard(2, 3, drop, { kind: "deleted" }),
        heard(4, 5, get, absent),
        heard(6, 7, set("b", 0), written(5)),
      ],
    ],
    [
      "a value that has expired, by its version too",
      [
        heard(0, 1, setFor(10, "a"), written(1)),
        heard(8, 9, get, found("a", 1)),
        heard(12, 13, get, absent),
        heard(14, 15, set("b", 1), conflict(0)),
        heard(16, 17, set("c", 0), written(2)),
      ],
    ],
    [
      "one that expires as early or as late as it may have been written",
      [heard(0, 50, setFor(10, "a"), written(1)), heard(11, 12, get, absent)],
    ],
    [
      "one that is still there while that may be",
      [heard(0, 50, setFor(10, "a"), written(1)), heard(57, 59, get, found("a", 1))],
    ],
    [
      "one that was written when its time was over",
      [heard(0, 50, setFor(10, "a", 0), written(1)), heard(20, 21, get, absent), heard(51, 52, get, absent)],
    ],
    [
      "a write at its version that began before its end, though another reads meanwhile that it has ended",
      [
        heard(0, 1, setFor(10, "a"), written(1)),
        heard(8, 20, set("b", 1), written(2)),
        heard(12, 13, get, absent),
        heard(21, 22, get, found("b", 2, null)),
      ],
    ],
    [
      "one that was overwritten before it could expire",
      [heard(0, 1, setFor(10, "a"), written(1)), heard(2, 3, set("b"), written(2)), heard(90, 91, get, found("b", 2))],
    ],
    [
      "one that nobody heard of, and that expired some time",
      [{ call: setFor(10, "a"), askedAt: 0 }, heard(5, 6, get, found("a", 1)), heard(30, 31, get, absent)],
    ],
  ])("%s", (_, history) => {
    expect(checkHistory(history)).toBeUndefined();
    expect(checkHistory(history.toReversed())).toBeUndefined();
  });
});

describe("finds", () => {
  test.each<[string, Operation[]]>([
    [
      "a value that is read after another's write was answered",
      [heard(0, 1, set("a"), written(1)), heard(2, 3, set("b"), written(2)), heard(4, 5, get, found("a", 1))],
    ],
    [
      "one that two read in different orders",
      [
        heard(0, 99, set("a"), written(1)),
        heard(0, 99, set("b"), written(2)),
        heard(1, 2, get, found("b", 2)),
        heard(3, 4, get, found("a", 1)),
      ],
    ],
    ["one that was not there yet", [heard(0, 1, get, found("a", 1)), heard(2, 3, set("a"), written(1))]],
    ["one that nobody wrote", [heard(0, 1, get, found("a", 1))]],
    [
      "two writes that expected the same version",
      [heard(0, 1, set("a"), written(1)), heard(2, 9, set("b", 1), written(2)), heard(2, 9, set("c", 1), written(3))],
    ],
    [
      "a conflict with what never stood there",
      [heard(0, 1, set("a"), written(1)), heard(2, 3, set("b", 0), conflict(2))],
    ],
    ["a conflict where there is none", [heard(0, 1, set("a"), written(1)), heard(2, 3, set("b", 1), conflict(1))]],
    ["a value of two versions", [heard(0, 1, set("a"), written(1)), heard(2, 3, get, found("a", 2))]],
    ["a version that does not grow", [heard(0, 1, set("a"), written(2)), heard(2, 3, set("b"), written(1))]],
    [
      "what is read after it was deleted",
      [heard(0, 1, set("a"), written(1)), heard(2, 3, drop, { kind: "deleted" }), heard(4, 5, get, found("a", 1))],
    ],
    [
      "what nobody heard of and was seen to happen twice",
      [
        { call: set("a"), askedAt: 0 },
        heard(1, 2, get, found("a", 1)),
        heard(3, 4, set("b"), written(2)),
        heard(5, 6, get, found("a", 1)),
      ],
    ],
    [
      "what is read when its time is over",
      [heard(0, 1, setFor(10, "a"), written(1)), heard(12, 13, get, found("a", 1))],
    ],
    ["what is gone before its time", [heard(0, 1, setFor(10, "a"), written(1)), heard(8, 9, get, absent)]],
    [
      "what is gone before the time that it was found to have",
      [heard(0, 50, setFor(10, "a"), written(1)), heard(20, 21, get, found("a", 1, 40)), heard(30, 31, get, absent)],
    ],
    [
      "what is found to have a time that nobody gave it",
      [heard(0, 5, setFor(10, "a"), written(1)), heard(7, 8, get, found("a", 1, 17))],
    ],
    [
      "what is found to have a time and was written for ever",
      [heard(0, 1, set("a"), written(1)), heard(7, 8, get, found("a", 1, 17))],
    ],
    [
      "a write at the version of what had expired when it began",
      [heard(0, 1, setFor(10, "a"), written(1)), heard(12, 13, set("b", 1), written(2))],
    ],
    [
      "what takes another's time with it: it was written for ever",
      [heard(0, 1, setFor(10, "a"), written(1)), heard(2, 3, set("b"), written(2)), heard(20, 21, get, absent)],
    ],
    [
      "a conflict with what has expired",
      [heard(0, 1, setFor(10, "a"), written(1)), heard(12, 13, set("b", 0), conflict(1))],
    ],
  ])("%s", (_, history) => {
    expect(checkHistory(history)).toBeDefined();
  });
});

test("five hundred operations that overlap, all of which expire, are checked, and more are refused", () => {
  const lanes = 8;
  const history = Array.from({ length: 500 }, (_, index) =>
    heard(
      Math.floor(index / lanes) * 10 + (index % lanes),
      Math.floor(index / lanes) * 10 + 9.5,
      setFor(15, `${index}`),
      written(index + 1),
    ),
  );
  expect(checkHistory(history)).toBeUndefined();
  expect(checkHistory([...history.slice(1), heard(9_000, 9_001, get, found("499", 500))])).toBeDefined();
  expect(() => checkHistory([...history, heard(0, 1, get, absent)])).toThrow("500");
});
