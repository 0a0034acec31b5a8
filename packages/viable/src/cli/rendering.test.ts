// Text for people: sizes and times that read well, and nothing from elsewhere that a terminal would obey.
import type { EventView, ExecutionView, MemoryEntryView } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { tellUnshown } from "./approvals.ts";
import { checkNode } from "./doctor.ts";
import { renderEvent } from "./events.ts";
import { explain } from "./explain-execution.ts";
import { formatDuration } from "./format-duration.ts";
import { findChanges } from "./memory.ts";
import { cutTo, toPlainLine } from "./plain-text.ts";
import type { Screen } from "./shell.ts";
import { renderPairs, renderTable } from "./table.ts";

const pipe: Screen = { isTerminal: false, colour: false, columns: 80, rows: 24, write() {} };
const narrow: Screen = { isTerminal: true, colour: true, columns: 30, rows: 24, write() {} };

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
