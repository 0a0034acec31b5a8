// Text for people: sizes and times that read well, and nothing from elsewhere that a terminal would obey.
import type { EventView, ExecutionView, MemoryEntryView } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { tellUnshown } from "./approvals.ts";
import { checkNode } from "./doctor.ts";
import { renderEvent } from "./events.ts";
import { explain } from "./explain-execution.ts";
import { formatDuration } from "./format-duration.ts";
import { findChanges } from "./memory.ts";
import { cutTo, toPlainLine, widthOfText } from "./plain-text.ts";
import { renderPairs, renderTable } from "./table.ts";
import { writtenScreen } from "./testing/written-shell.ts";

const pipe = writtenScreen({ columns: 80 });
const narrow = writtenScreen({ isTerminal: true, colour: true, columns: 30 });

test("durations", () => {
  expect([0, 999, 1_000, 59_960, 60_000, 185_000, 7_800_000, 97_200_000].map(formatDuration)).toEqual([
    "0 ms",
    "999 ms",
    "1.0 s",
    "59.9 s",
    "1 min",
    "3 min 5 s",
    "2 h 10 min",
    "1 d 3 h",
  ]);
});

test("text from elsewhere is one line without control characters", () => {
  expect(toPlainLine("a\u001b[31mred\u001b[0m\nb\tc\u0007\u009b31m")).toBe("ared b c ");
  expect(cutTo("abcdef", 4)).toBe("abc…");
  expect(cutTo("abcd", 4)).toBe("abcd");
  // What turns the direction makes a name read as another.
  expect(toPlainLine("safe\u202etxt.exe\u2069 \u200ex")).toBe("safetxt.exe x");
});

test("text is cut by the columns that a terminal gives it, and never within a letter", () => {
  const family = "👩‍👩‍👧‍👦";
  expect(cutTo("進捗状況", 5)).toBe("進捗…");
  expect(cutTo("進捗状況", 8)).toBe("進捗状況");
  expect(cutTo(`a${family}b`, 3)).toBe("a…");
  expect(cutTo(`a${family}b`, 4)).toBe(`a${family}b`);
  expect(cutTo("e\u0301e\u0301e\u0301", 2)).toBe("e\u0301…");
  // Marks without end are no letter.
  expect(cutTo(`a${"\u0301".repeat(1_000)}b`, 2)).toBe(`a${"\u0301".repeat(15)}b`);
  expect(["a", "b"].map((text) => cutTo(text, 0))).toEqual(["", ""]);
});

describe("tables", () => {
  test("in a pipe nothing is cut and no line ends in blanks", () => {
    const long = "x".repeat(200);
    expect(
      renderTable(
        pipe,
        ["A", "LONG"],
        [
          ["1", long],
          ["2", ""],
        ],
      ),
    ).toBe(`A  LONG\n1  ${long}\n2\n`);
    expect(
      renderPairs(pipe, [
        ["a", "1"],
        ["long", "2\n3"],
      ]),
    ).toBe("a     1\nlong  2 3\n");
  });

  test("on a terminal the widest column gives way", () => {
    const text = renderTable(narrow, ["ID", "TEXT"], [["exe_1", "y".repeat(100)]]);
    expect(text).toContain(`exe_1  ${"y".repeat(22)}…`);
    expect(text).toContain("\u001b[1mID");
  });

  test("on a terminal ids stay whole, and other columns give way instead", () => {
    const id = "exe_01jd8q5k3v7x2m9c4h6t8w0y1z";
    const text = renderTable(writtenScreen({ isTerminal: true, columns: 50 }), ["ID", "TEXT"], [[id, "y".repeat(40)]]);
    expect(text).toBe(`${"ID".padEnd(30)}  TEXT\n${id}  ${"y".repeat(17)}…\n`);
  });

  test("columns stand below each other whatever is written in them", () => {
    const rows = [
      ["進捗", "1"],
      ["👩‍👩‍👧‍👦", "2"],
      ["e\u0301", "3"],
      ["\u001b[2J\u202etitle", "4"],
    ];
    const lines = renderTable(pipe, ["A", "B"], rows).trimEnd().split("\n");
    expect(lines.map((line) => widthOfText(line))).toEqual([8, 8, 8, 8, 8]);
    expect(lines.at(-1)).toBe("title  4");
    expect(
      renderPairs(pipe, [
        ["進捗", "1"],
        ["a\u001b[2J", "2"],
      ]),
    ).toBe("進捗  1\na     2\n");
  });
});

test("an event is one line, cut where the screen ends", () => {
  const event: EventView = {
    id: "evt_1",
    type: "memory.set",
    stream: "s",
    version: 1,
    position: "7",
    time: "2026-01-01T00:00:00.000Z",
    tenant: "default",
    actor: "owner",
    data: { a: "b\n" },
  };
  const line = '2026-01-01T00:00:00.000Z 7 memory.set             s by owner {"a":"b\\n"}';
  expect(renderEvent(event, Number.POSITIVE_INFINITY)).toBe(line);
  expect(renderEvent(event, 10)).toBe("2026-01-0…");
});

test("changes of memory between two looks", () => {
  const entry = (key: string, version: number): MemoryEntryView => ({
    service: "@global",
    namespace: "default",
    key,
    value: version,
    version,
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:00.000Z",
    accessCount: 0,
  });
  const of = (...entries: MemoryEntryView[]) => new Map(entries.map((each) => [each.key, each]));
  const before = of(entry("kept", 1), entry("written", 1), entry("gone", 3));
  expect(findChanges(before, of(entry("kept", 1), entry("written", 2), entry("new", 1)))).toEqual([
    { change: "written", entry: entry("written", 2) },
    { change: "written", entry: entry("new", 1) },
    { change: "gone", entry: entry("gone", 3) },
  ]);
});

test.each([
  [{ more: 0 }, undefined],
  [{ more: 3, next: "77" }, "3 more approvals are asked for: --after 77 shows those of them that can be read"],
  [{ more: 1, next: "77" }, "1 more approval is asked for: --after 77 shows those of them that can be read"],
  [{ more: 2 }, "2 approvals are asked for by runs that cannot be read: viable reactors runs names those"],
])("approvals that a list does not show are told of with where they are to be seen, %#", (list, told) => {
  expect(tellUnshown({ approvals: [], ...list })).toBe(told);
});

test("Node before 24 is refused by the doctor", () => {
  expect(checkNode("24.21.0").level).toBe("ok");
  expect(checkNode("22.12.0").level).toBe("fail");
});

describe("an explanation", () => {
  const view = {
    executionId: "exe_1",
    command: "job",
    status: "failed",
    error: { code: "x", message: "it broke", retryable: false },
  } as ExecutionView;
  const event = (type: string, data: object): EventView => ({
    id: "evt_1",
    type: `execution.${type}`,
    stream: "execution:exe_1",
    version: 1,
    position: "1",
    time: "2026-01-01T00:00:00.000Z",
    tenant: "default",
    actor: "owner",
    data: data as EventView["data"],
  });
  const route = { capability: "job", policy: "least-loaded", reason: "the only one", chosen: {}, candidates: [] };
  const claimed = (processId: string, reason: string) => event("claimed", { processId, epoch: 2, attempt: 1, reason });

  test("tells each claim, joining and the outcome with its reason", () => {
    const explained = explain(
      view,
      [
        event("accepted", { route, authority: {}, joinedTo: "exe_0" }),
        event("rejoined", { reason: "exe_0 was cancelled" }),
        claimed("p", "it was free"),
        event("progressed", { percent: 1, message: "m" }),
        event("failed", { error: view.error, joinedTo: "exe_9" }),
      ],
      [],
    );
    expect(explained.joined.map((each) => [each.executionId, each.reason])).toEqual([
      ["exe_0", "the same task was already under way"],
      [undefined, "exe_0 was cancelled"],
    ]);
    expect(explained.claims).toMatchObject([{ attempt: 1, epoch: 2, reason: "it was free" }]);
    expect(explained.outcome).toMatchObject({ type: "failed", reason: "it broke; as exe_9, which it had joined" });
  });

  test("is none where an event cannot be read, which is told with its place", () => {
    const later = { ...event("claimed", {}), position: "7", undecodable: "it is of version 9" };
    expect(() => explain(view, [event("accepted", { route, authority: {} }), later], [])).toThrow(
      expect.objectContaining({
        code: "cli.undecodable_event",
        message: expect.stringMatching(/position 7 .*version 9/),
        next: expect.stringContaining("viable executions replay exe_1"),
      }),
    );
  });

  test("tells who gave it back unfinished, which is no outcome", () => {
    const events = [
      event("accepted", { route, authority: {} }),
      claimed("p", "it was free"),
      event("released", { processId: "p", reason: "its process stops" }),
    ];
    const pending = explain({ ...view, status: "pending" }, events, []);
    expect(pending.releases).toMatchObject([{ processId: "p", reason: "its process stops" }]);
    expect(pending.outcome).toBeUndefined();
    const later = explain(view, [...events, claimed("q", "it was given back"), event("failed", {})], []);
    expect(later.claims.map((each) => each.processId)).toEqual(["p", "q"]);
    expect(later.outcome).toMatchObject({ type: "failed" });
  });
});
