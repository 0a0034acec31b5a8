// Pages of several streams that are read together: what each says of what follows, whole and cut.
import { expect, test } from "vitest";
import type { StoredEvent } from "./events.ts";
import type { FoundEvent } from "./stream-pages.ts";
import { toStreamPages } from "./stream-pages.ts";

const found = (...at: number[]): FoundEvent[] =>
  at.map((stream, index) => ({ at: stream, event: { id: `${index}` } as StoredEvent }));

const shown = (streams: number, of: FoundEvent[], maxEvents: number, isCut: boolean) =>
  toStreamPages(streams, of, maxEvents, isCut).map(({ events, isEnd }) => [events.length, isEnd]);

test("where all was read a page is the end unless it has as many events as were asked for, also of no stream", () => {
  expect(shown(3, found(0, 0, 1), 2, false)).toEqual([
    [2, false],
    [1, true],
    [0, true],
  ]);
});

test("where the bytes were reached the last stream is not at its end, and those after it have no event, also where there are none", () => {
  expect(shown(4, found(0, 1, 1), 5, true)).toEqual([
    [1, true],
    [2, false],
    [0, false],
    [0, false],
  ]);
});
