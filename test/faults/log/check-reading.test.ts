// The checker of readers, on made-up readings: each way of seeing the log wrongly is told by its name.
import { expect, test } from "vitest";
import type { Reading } from "./check-reading.ts";
import { checkReading } from "./check-reading.ts";

const stored = { ids: ["a", "b", "c", "d"], streams: ["s/1", "t/1", "s/2", "s/1"] };

const kinds = (reading: Partial<Reading>): string[] =>
  checkReading(stored, { reader: "r", seen: [], after: 0, streamPrefix: "", followedTo: 0, ...reading }).map(
    (violation) => violation.kind,
  );

test("all of it, a beginning of it, the part that is for the reader, and from where it began", () => {
  const all = [
    [1, "a"],
    [2, "b"],
    [3, "c"],
    [4, "d"],
  ] as const;
  expect(kinds({ seen: all, followedTo: 4 })).toEqual([]);
  expect(kinds({ seen: all.slice(0, 2) })).toEqual([]);
  expect(
    kinds({
      seen: [
        [1, "a"],
        [3, "c"],
        [4, "d"],
      ],
      streamPrefix: "s/",
      followedTo: 4,
    }),
  ).toEqual([]);
  expect(kinds({ seen: all.slice(2), after: 2, followedTo: 4 })).toEqual([]);
});

test.each<[string, Partial<Reading>]>([
  [
    "skipped",
    {
      seen: [
        [1, "a"],
        [3, "c"],
      ],
    },
  ],
  [
    "skipped",
    {
      seen: [
        [1, "a"],
        [4, "d"],
      ],
      streamPrefix: "s/",
    },
  ],
  ["skipped", { seen: [[1, "a"]], followedTo: 2 }],
  [
    "backwards",
    {
      seen: [
        [1, "a"],
        [2, "b"],
        [1, "a"],
      ],
    },
  ],
  [
    "backwards",
    {
      seen: [
        [1, "a"],
        [1, "a"],
      ],
    },
  ],
  ["phantom", { seen: [[1, "x"]] }],
  [
    "phantom",
    {
      seen: [
        [1, "a"],
        [2, "b"],
        [3, "c"],
        [4, "d"],
        [5, "e"],
      ],
    },
  ],
])("%s: %j", (kind, reading) => {
  expect(kinds(reading)).toContain(kind);
});
