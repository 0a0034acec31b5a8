// What a store may take for known: only what it wrote last, as long as nobody's writes came between, on one connection.
import type { CommitOutcome, EncodedAppend } from "@viable/log";
import { expect, test } from "vitest";
import { KnownHeads } from "./known-heads.ts";

const event = {
  id: "e",
  type: "t",
  data: "{}",
  tenant: "d",
  session: null,
  correlation: null,
  metadata: "{}",
  time: 1,
};
const append = (stream: string, expected: number, events = 1): EncodedAppend => ({
  streams: [{ stream, expected, events: Array.from({ length: events }, () => event) }],
  records: [],
});
const appended = (firstOrdinal: number, firstVersion: number): CommitOutcome => ({
  kind: "appended",
  firstOrdinal,
  firstVersions: [firstVersion],
  recordVersions: [],
  repeated: false,
});

/** Heads after eight commits in a row to stream `a`, the last of which is event 8 of the log. */
function aloneForLong(): KnownHeads {
  const heads = new KnownHeads();
  for (let nr = 1; nr <= 8; nr++) heads.learn([append("a", nr - 1)], [appended(nr, nr)], "one");
  return heads;
}

test("nothing is known before it has been alone for a while, then what it wrote, and that what it does not know is new where it should be", () => {
  const heads = new KnownHeads();
  for (let nr = 1; nr <= 7; nr++) heads.learn([append("a", nr - 1)], [appended(nr, nr)], "one");
  expect(heads.versionsFor([append("a", 7)])).toBeUndefined();
  heads.learn([append("a", 7)], [appended(8, 8)], "one");
  expect(heads).toMatchObject({ connection: "one", ordinal: 8 });
  expect(heads.versionsFor([append("a", 8), append("new", 0)])).toEqual([8, 0]);
  expect(heads.versionsFor([append("a", -1)])).toEqual([8]);
  // What must be looked up: another version than was written, and what nobody here has seen.
  expect(heads.versionsFor([append("a", 7)])).toBeUndefined();
  expect(heads.versionsFor([append("a", 0)])).toBeUndefined();
  expect(heads.versionsFor([append("other", 3)])).toBeUndefined();
  expect(heads.versionsFor([append("other", -1)])).toBeUndefined();
});

test("of others' writes in between it keeps nothing but what came after them", () => {
  const heads = aloneForLong();
  heads.learn([append("b", 0, 2)], [appended(10, 1)], "one");
  expect(heads).toMatchObject({ ordinal: 11 });
  for (let nr = 12; nr <= 18; nr++) heads.learn([append("c", nr - 12)], [appended(nr, nr - 11)], "one");
  expect(heads.versionsFor([append("a", 8)])).toBeUndefined();
  expect(heads.versionsFor([append("b", 2), append("c", 7)])).toEqual([2, 7]);
});

test("another connection, one without a name, and being told to forget end it", () => {
  for (const end of [
    (heads: KnownHeads) => heads.learn([append("a", 8)], [appended(9, 9)], "two"),
    (heads: KnownHeads) => heads.learn([append("a", 8)], [appended(9, 9)], undefined),
    (heads: KnownHeads) => heads.forget(),
  ]) {
    const heads = aloneForLong();
    end(heads);
    expect(heads.versionsFor([append("a", 9)])).toBeUndefined();
    expect(heads.versionsFor([append("new", 0)])).toBeUndefined();
  }
});

test("conflicts and repeats teach nothing; an append of several streams teaches all of them", () => {
  const heads = aloneForLong();
  const conflict: CommitOutcome = { kind: "stream_conflict", stream: "a", actual: 8 };
  heads.learn(
    [append("a", 3), append("a", 7)],
    [conflict, { ...appended(8, 8), repeated: true } as CommitOutcome],
    "one",
  );
  expect(heads).toMatchObject({ ordinal: 8 });
  const both = { streams: [...append("x", 0).streams, ...append("y", 0, 3).streams], records: [] };
  heads.learn([both], [{ ...appended(9, 1), firstVersions: [1, 1] } as CommitOutcome], "one");
  expect(heads).toMatchObject({ ordinal: 12 });
  expect(heads.versionsFor([append("x", 1), append("y", 3)])).toEqual([1, 3]);
});

test("W10: of very many streams it remembers those that were written last, at their latest versions", () => {
  const heads = aloneForLong();
  const write = (stream: string, before: number, position: number) =>
    heads.learn([append(stream, before)], [appended(position, before + 1)], "one");
  let position = 9;
  for (let nr = 0; nr < 25_000; nr++) write(`s${nr}`, 0, position++);
  write("s24999", 1, position++);
  expect(heads.versionsFor([append("s0", 1), append("s24999", 2)])).toEqual([1, 2]);
  for (let nr = 25_000; nr < 50_000; nr++) write(`s${nr}`, 0, position++);
  expect(heads.versionsFor([append("s24999", 2), append("s49999", 1)])).toEqual([2, 1]);
  write("more", 0, position++);
  expect(heads.versionsFor([append("s0", 1)])).toBeUndefined();
  expect(heads.versionsFor([append("s49999", 1), append("more", 1)])).toEqual([1, 1]);
});
