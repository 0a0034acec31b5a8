import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StoredEvent } from "../events.ts";
import { matchesFilter, toOrdinal } from "../events.ts";
import type { LogPage } from "../log-page.ts";
import { maxPageBytes } from "../log-page.ts";
import type { RowWrite } from "../row-write.ts";
import type { PlacedEvent, PlacedRecord, SnapshotHead, SnapshotPage } from "../snapshot.ts";
import type { EncodedAppend, EncodedEvent, EncodedRecordWrite, Store } from "../store.ts";
import { storeRefused } from "../store.ts";
import { storeModel } from "./store-model.ts";

/** A store of its own for one run of the contract, not yet open, and how to let go of what it stands on. */
export interface ContractStore extends AsyncDisposable {
  readonly store: Store;
  /** A table of names, each at most once, beside the log: asked for when the store is open. */
  makeTable(): Promise<ContractTable>;
}

/** Rows that are not the log's. */
export interface ContractTable {
  /** Puts a name into it, which is refused where it is there already. */
  insert(name: string): RowWrite;
  /** Takes a name out, and must find it. */
  remove(name: string): RowWrite;
  names(): Promise<readonly string[]>;
}

export interface StoreContractOptions {
  /** How often each property is tried. A store in memory can be asked more. */
  readonly runs?: number;
}

/** Any time will do: stores have no clock, they are told the time. */
const now = 1_700_000_000_000;

/**
 * What every store promises (`store.ts`), as tests. One store serves them all, each test using names nobody else does, since
 * a database takes seconds to make: so each also shows that others' data does not disturb it.
 */
export function storeContract(
  name: string,
  makeStore: () => Promise<ContractStore>,
  options: StoreContractOptions = {},
) {
  const runs = options.runs ?? 50;
  let made: ContractStore;
  let store: Store;
  let scopes = 0;
  /** A function that makes names no other test has. */
  const newScope = () => {
    const scope = `t${++scopes}/`;
    return (text: string) => scope + text;
  };
  const commit = async (...batch: EncodedAppend[]) => (await store.commit(batch, now)).outcomes;
  const readVersions = async (stream: string) =>
    (await store.readStream(stream, 1, 1_000, "forward")).events.map((event) => event.version);

  describe(`the store contract on ${name}`, () => {
    beforeAll(async () => {
      made = await makeStore();
      store = made.store;
      await store.open();
    });
    afterAll(async () => {
      await store.close();
      await made[Symbol.asyncDispose]();
    });

    test("an append is kept whole and read back as it was", async () => {
      const own = newScope();
      const event: EncodedEvent = {
        id: own("1"),
        type: "note.added",
        data: '{"text":"hello"}',
        tenant: "acme",
        session: own("session"),
        correlation: own("correlation"),
        metadata: '{"actor":"owner","causation":"x","schemaVersion":2}',
        time: 1_700_000_000_123.5,
      };
      const { ordinal } = await store.head();
      await commit(appendOf([{ stream: own("a"), expected: 0, events: [event] }]));
      expect((await store.readStream(own("a"), 1, 10, "forward")).events).toEqual([
        {
          id: event.id,
          stream: own("a"),
          version: 1,
          position: String(ordinal + 1),
          type: "note.added",
          data: { text: "hello" },
          metadata: {
            tenant: "acme",
            session: event.session,
            correlation: event.correlation,
            actor: "owner",
            causation: "x",
            schemaVersion: 2,
          },
          time: event.time,
        },
      ]);
    });

    test("expected versions: the right one appends, any other is a conflict that names the actual one", async () => {
      const own = newScope();
      const write = (expected: number, id: string) =>
        appendOf([{ stream: own("a"), expected, events: [eventOf(own(id))] }]);
      const conflict = (actual: number) => ({ kind: "stream_conflict", stream: own("a"), actual });
      expect(await commit(write(1, "early"))).toEqual([conflict(0)]);
      expect(await commit(write(0, "1"))).toMatchObject([{ kind: "appended", firstVersions: [1], repeated: false }]);
      expect(await commit(write(0, "again"))).toEqual([conflict(1)]);
      expect(await commit(write(1, "2"))).toMatchObject([{ firstVersions: [2] }]);
      expect(await commit(write(-1, "3"))).toMatchObject([{ firstVersions: [3] }]);
      expect(await commit(write(7, "far"))).toEqual([conflict(3)]);
      expect(await readVersions(own("a"))).toEqual([1, 2, 3]);
    });

    test("a repeat is one at whatever version it is expected the second time", async () => {
      const own = newScope();
      const write = (expected: number) => appendOf([{ stream: own("a"), expected, events: [eventOf(own("1"))] }]);
      expect(await commit(write(0))).toMatchObject([{ kind: "appended", repeated: false }]);
      for (const expected of [1, 0, -1, 7])
        expect(await commit(write(expected))).toMatchObject([{ kind: "appended", firstVersions: [1], repeated: true }]);
      expect(await readVersions(own("a"))).toEqual([1]);
    });

    test("a write without events only checks the version", async () => {
      const own = newScope();
      const check = (expected: number) => appendOf([{ stream: own("a"), expected, events: [] }]);
      const before = await store.head();
      expect(await commit(check(0))).toMatchObject([{ kind: "appended", firstVersions: [1] }]);
      expect(await commit(check(1))).toMatchObject([{ kind: "stream_conflict", actual: 0 }]);
      expect(await store.head()).toEqual(before);
    });

    describe("rows of others that go with an append", () => {
      let table: ContractTable;
      beforeAll(async () => {
        table = await made.makeTable();
      });
      const withRows = (append: EncodedAppend, ...rows: RowWrite[]): EncodedAppend => ({ ...append, with: rows });
      const into = (stream: string, id: string, expected = 0) =>
        appendOf([{ stream, expected, events: [eventOf(id)] }]);
      const namesOf = async (own: (text: string) => string) =>
        (await table.names()).filter((name) => name.startsWith(own(""))).map((name) => name.slice(own("").length));

      test("are written with it, in order, and not again where it is repeated", async () => {
        const own = newScope();
        const append = withRows(
          into(own("s"), own("1")),
          table.insert(own("a")),
          table.insert(own("b")),
          table.remove(own("a")),
        );
        expect(await commit(append)).toMatchObject([{ kind: "appended", firstVersions: [1], repeated: false }]);
        expect(await namesOf(own)).toEqual(["b"]);
        expect(await commit(append)).toMatchObject([{ kind: "appended", firstVersions: [1], repeated: true }]);
        expect(await namesOf(own)).toEqual(["b"]);
      });

      test("are not written where the append is a conflict", async () => {
        const own = newScope();
        const append = withRows(into(own("s"), own("1"), 7), table.insert(own("a")));
        expect(await commit(append)).toMatchObject([{ kind: "stream_conflict", actual: 0 }]);
        const record = withRows(appendOf([], [recordOf(own("r"), 3, "1")]), table.insert(own("a")));
        expect(await commit(record)).toMatchObject([{ kind: "record_conflict", actual: 0 }]);
        expect(await namesOf(own)).toEqual([]);
      });

      test("one that is refused refuses its append whole, says which and why, and harms no neighbour", async () => {
        const own = newScope();
        await commit(withRows(into(own("there"), own("0")), table.insert(own("there"))));
        const before = await store.head();
        const outcomes = await commit(
          withRows(into(own("first"), own("1")), table.insert(own("first"))),
          withRows(
            appendOf(
              [{ stream: own("twice"), expected: 0, events: [eventOf(own("2"))] }],
              [recordOf(own("r"), 0, "1")],
            ),
            table.insert(own("new")),
            table.insert(own("there")),
          ),
          into(own("plain"), own("3")),
          withRows(into(own("missing"), own("4")), table.remove(own("nowhere"))),
          withRows(into(own("last"), own("5")), table.insert(own("last"))),
        );
        expect(outcomes).toMatchObject([
          { kind: "appended", firstOrdinal: before.ordinal + 1 },
          { kind: "row_refused", refusal: { write: 1, message: expect.any(String) } },
          { kind: "appended", firstOrdinal: before.ordinal + 2 },
          { kind: "row_refused", refusal: { write: 0, message: expect.any(String) } },
          { kind: "appended", firstOrdinal: before.ordinal + 3 },
        ]);
        expect(await namesOf(own)).toEqual(["first", "last", "there"]);
        expect(await readVersions(own("twice"))).toEqual([]);
        expect(await store.getRecords([own("r")], now)).toEqual([]);
        expect(await store.head()).toEqual({ ...before, ordinal: before.ordinal + 3 });
        // What was refused may be appended once it fits.
        expect(await commit(withRows(into(own("missing"), own("4")), table.insert(own("nowhere"))))).toMatchObject([
          { kind: "appended", firstVersions: [1], repeated: false },
        ]);
      });

      test("all refused: nothing is written, and the last change is told as it was", async () => {
        const own = newScope();
        const before = await store.head();
        const result = await store.commit(
          [
            withRows(into(own("a"), own("1")), table.remove(own("x"))),
            withRows(into(own("b"), own("2")), table.remove(own("y"))),
          ],
          now,
        );
        expect(result).toMatchObject({
          outcomes: [{ kind: "row_refused" }, { kind: "row_refused" }],
          lastChange: before.change,
        });
        expect(await store.head()).toEqual(before);
      });
    });

    describe("what follows a commit in its transaction", () => {
      test("sees the log with what was appended, and is written with it", async () => {
        const own = newScope();
        const before = await store.head();
        const seen: unknown[] = [];
        const batch = [
          appendOf([{ stream: own("a"), expected: 0, events: [eventOf(own("1"))] }], [recordOf(own("r"), 0, "1")]),
          appendOf([{ stream: own("b"), expected: 7, events: [eventOf(own("2"))] }]),
        ];
        const following = appendOf([], [recordOf(own("r"), 1, "2"), recordOf(own("s"), 0, "3")]);
        const result = await store.commit(batch, now, async (reader) => {
          const { events } = await reader.readAll(before.ordinal, 10, {});
          seen.push(
            await reader.head(),
            events.map(({ stream }) => stream),
            await reader.getRecords([own("r")]),
          );
          return [following];
        });
        const record = { key: own("r"), value: 1, version: 1, expiresAt: null };
        expect(seen).toEqual([before.ordinal + 1, [own("a")], [record]]);
        expect(result).toMatchObject({
          outcomes: [{ kind: "appended" }, { kind: "stream_conflict" }],
          followed: [{ append: following, outcome: { kind: "appended", recordVersions: [2, 1] } }],
          lastChange: before.change + 3,
        });
        expect(await store.getRecords([own("r")], now)).toEqual([{ ...record, value: 2, version: 2 }]);
      });

      test("one that is refused harms neither what it follows nor the next", async () => {
        const own = newScope();
        const result = await store.commit(
          [appendOf([{ stream: own("a"), expected: 0, events: [eventOf(own("1"))] }])],
          now,
          async () => [appendOf([], [recordOf(own("r"), 5, "1")]), appendOf([], [recordOf(own("s"), 0, "1")])],
        );
        expect(result.outcomes).toMatchObject([{ kind: "appended" }]);
        expect(result.followed?.map(({ outcome }) => outcome.kind)).toEqual(["record_conflict", "appended"]);
        expect(await readVersions(own("a"))).toEqual([1]);
      });

      test("is not asked where nothing was appended, and nothing happens where it fails", async () => {
        const own = newScope();
        const append = appendOf([{ stream: own("a"), expected: 0, events: [eventOf(own("1"))] }]);
        const fail = async () => {
          throw new Error("asked");
        };
        await expect(store.commit([append], now, fail)).rejects.toThrow("asked");
        expect(await readVersions(own("a"))).toEqual([]);
        await commit(append);
        expect((await store.commit([append], now, fail)).outcomes).toMatchObject([
          { kind: "appended", repeated: true },
        ]);
        const conflict = appendOf([{ stream: own("a"), expected: 0, events: [eventOf(own("2"))] }]);
        expect((await store.commit([conflict], now, fail)).outcomes).toMatchObject([{ kind: "stream_conflict" }]);
      });
    });

    test("several streams and records change together or not at all", async () => {
      const own = newScope();
      await commit(appendOf([{ stream: own("b"), expected: 0, events: [eventOf(own("b1"))] }]));
      const both = (expectedB: number, expectedRecord: number, id: string) =>
        appendOf(
          [
            { stream: own("a"), expected: 0, events: [eventOf(own(`${id}a`)), eventOf(own(`${id}a2`))] },
            { stream: own("b"), expected: expectedB, events: [eventOf(own(`${id}b`))] },
          ],
          [recordOf(own("r"), expectedRecord, "1")],
        );
      const before = await store.head();
      expect(await commit(both(0, 0, "x"))).toEqual([{ kind: "stream_conflict", stream: own("b"), actual: 1 }]);
      expect(await commit(both(1, 3, "y"))).toEqual([{ kind: "record_conflict", key: own("r"), actual: 0 }]);
      expect(await store.head()).toEqual(before);
      expect(await commit(both(1, 0, "z"))).toEqual([
        {
          kind: "appended",
          firstOrdinal: before.ordinal + 1,
          firstVersions: [1, 2],
          recordVersions: [1],
          repeated: false,
        },
      ]);
      expect(await readVersions(own("a"))).toEqual([1, 2]);
      expect(await store.head()).toEqual({ ordinal: before.ordinal + 3, change: before.change + 1 });
    });

    test("each append of a batch has its own outcome, and ordinals pass over those that failed without a gap", async () => {
      const own = newScope();
      await commit(appendOf([{ stream: own("b"), expected: 0, events: [eventOf(own("b1"))] }]));
      const { ordinal } = await store.head();
      const outcomes = await commit(
        appendOf([{ stream: own("a"), expected: 0, events: [eventOf(own("a1")), eventOf(own("a2"))] }]),
        appendOf([{ stream: own("b"), expected: 0, events: [eventOf(own("lost"))] }]),
        appendOf([], [recordOf(own("r"), 5, "1")]),
        appendOf([], [recordOf(own("s"), 0, "1")]),
        appendOf([{ stream: own("c"), expected: -1, events: [eventOf(own("c1"))] }]),
      );
      expect(outcomes).toMatchObject([
        { kind: "appended", firstOrdinal: ordinal + 1, firstVersions: [1] },
        { kind: "stream_conflict", stream: own("b"), actual: 1 },
        { kind: "record_conflict", key: own("r"), actual: 0 },
        { kind: "appended", recordVersions: [1] },
        { kind: "appended", firstOrdinal: ordinal + 3, firstVersions: [1] },
      ]);
      const { events } = await store.readAll(ordinal, 10, "forward", {});
      expect(events.map((event) => [event.id, toOrdinal(event.position) - ordinal])).toEqual([
        [own("a1"), 1],
        [own("a2"), 2],
        [own("c1"), 3],
      ]);
    });

    test("appends of one batch to one stream, none expecting a version, follow each other", async () => {
      const own = newScope();
      const outcomes = await commit(
        ...[1, 2, 3].map((nr) => appendOf([{ stream: own("a"), expected: -1, events: [eventOf(own(`${nr}`))] }])),
      );
      expect(outcomes).toMatchObject([{ firstVersions: [1] }, { firstVersions: [2] }, { firstVersions: [3] }]);
      expect((await store.readStream(own("a"), 1, 10, "forward")).events.map((event) => event.id)).toEqual(
        ["1", "2", "3"].map(own),
      );
    });

    test("an append may name a stream and a key twice: what comes later follows what comes first", async () => {
      const own = newScope();
      const { change } = await store.head();
      const write = (id: string) => ({ stream: own("a"), expected: 0, events: [eventOf(own(id))] });
      const append = appendOf([write("1"), write("2")], [recordOf(own("r"), 0, "1"), recordOf(own("r"), 0, "2")]);
      expect(await store.commit([append], now)).toMatchObject({
        outcomes: [{ firstVersions: [1, 2], recordVersions: [1, 2] }],
        lastChange: change + 2,
      });
      expect(await store.getRecords([own("r")], now)).toMatchObject([{ value: 2, version: 2 }]);
    });

    test("an append whose first event is in its stream already is answered as the first time", async () => {
      const own = newScope();
      const append = appendOf(
        [
          { stream: own("a"), expected: 0, events: [eventOf(own("1")), eventOf(own("2"))] },
          { stream: own("b"), expected: 0, events: [eventOf(own("3"))] },
        ],
        [recordOf(own("r"), 0, "1")],
      );
      const [first] = await commit(append);
      const before = await store.head();
      expect(await commit(append)).toEqual([{ ...first, repeated: true }]);
      expect(await commit(append, append)).toMatchObject([{ repeated: true }, { repeated: true }]);
      expect(await store.head()).toEqual(before);
      const checked = appendOf([
        { stream: own("a"), expected: 2, events: [] },
        { stream: own("d"), expected: -1, events: [eventOf(own("5"))] },
      ]);
      expect(await commit(checked)).toMatchObject([{ repeated: false, firstVersions: [3, 1] }]);
      expect(await commit(checked)).toMatchObject([{ repeated: true, firstVersions: [3, 1] }]);
      const fresh = appendOf([{ stream: own("c"), expected: -1, events: [eventOf(own("4"))] }]);
      expect(await commit(fresh, fresh)).toMatchObject([{ repeated: false }, { repeated: true, firstVersions: [1] }]);
      expect(await readVersions(own("c"))).toEqual([1]);
    });

    test("an append of records alone is known by its id, for as long as it was the last to write one of them", async () => {
      const own = newScope();
      const record = (key: string, expected: number, value: string | null = "1") => recordOf(own(key), expected, value);
      const both = appendOf([], [record("r", 0), record("s", 0)], own("both"));
      expect(await commit(both)).toMatchObject([{ recordVersions: [1, 1], repeated: false }]);
      const before = await store.head();
      expect(await commit(both)).toMatchObject([{ recordVersions: [1, 1], repeated: true }]);
      expect(await commit(both, both)).toMatchObject([{ repeated: true }, { repeated: true }]);
      expect(await store.head()).toEqual(before);
      // The same by another name is another append.
      const other = appendOf([], [record("r", 0)], own("other"));
      expect(await commit(other)).toEqual([{ kind: "record_conflict", key: own("r"), actual: 1 }]);

      const change = appendOf([], [record("r", 1, "2")], own("change"));
      expect(await commit(change)).toMatchObject([{ recordVersions: [2], repeated: false }]);
      expect(await commit(both)).toMatchObject([{ recordVersions: [0, 1], repeated: true }]);
      const deletion = appendOf([], [record("s", -1, null)], own("deletion"));
      expect(await commit(deletion, deletion)).toMatchObject([
        { recordVersions: [2], repeated: false },
        { recordVersions: [2], repeated: true },
      ]);
      expect(await commit(both)).toEqual([{ kind: "record_conflict", key: own("r"), actual: 2 }]);
      expect(await store.getRecords([own("r"), own("s")], now)).toMatchObject([{ value: 2, version: 2 }]);
    });

    test("also where it checks a stream, names a key twice, or what it wrote has expired", async () => {
      const own = newScope();
      const writes = ["1", "2"].map((value) => ({ ...recordOf(own("r"), 0, value), expiresAt: now + 5 }));
      const append = appendOf([{ stream: own("a"), expected: 0, events: [] }], writes, own("append"));
      expect(await commit(append)).toMatchObject([{ firstVersions: [1], recordVersions: [1, 2], repeated: false }]);
      expect((await store.commit([append], now + 10)).outcomes).toMatchObject([
        { firstVersions: [1], recordVersions: [1, 2], repeated: true },
      ]);
      // Without an id nothing can be recognised.
      const nameless = { streams: [], records: [recordOf(own("n"), 0, "1")] };
      expect(await commit(nameless)).toMatchObject([{ repeated: false }]);
      expect(await commit(nameless)).toMatchObject([{ kind: "record_conflict", actual: 1 }]);
    });

    test("an event id that another append brought is refused, and nothing is written", async () => {
      const own = newScope();
      const write = (stream: string, ...ids: string[]) =>
        appendOf([{ stream: own(stream), expected: -1, events: ids.map((id) => eventOf(own(id))) }]);
      await commit(write("a", "1"));
      const before = await store.head();
      await expect(commit(write("b", "1"))).rejects.toMatchObject({ code: storeRefused, retryable: false });
      await expect(commit(write("b", "2", "1"))).rejects.toMatchObject({ code: storeRefused });
      await expect(commit(write("b", "3", "3"))).rejects.toMatchObject({ code: storeRefused });
      expect(await store.head()).toEqual(before);
      expect(await readVersions(own("b"))).toEqual([]);
    });

    test("of a batch that is refused for one of its appends, nothing is written", async () => {
      const own = newScope();
      const write = (stream: string, id: string, records: EncodedRecordWrite[] = []) =>
        appendOf([{ stream: own(stream), expected: -1, events: [eventOf(own(id))] }], records);
      await commit(write("a", "1"), appendOf([], [recordOf(own("r"), 0, "1")]));
      const before = await store.head();
      const first = write("b", "2", [recordOf(own("new"), 0, "2"), recordOf(own("r"), 1, "2")]);
      await expect(commit(first, write("c", "1"), write("d", "3"))).rejects.toMatchObject({ code: storeRefused });
      expect(await store.head()).toEqual(before);
      expect([await readVersions(own("b")), await readVersions(own("d"))]).toEqual([[], []]);
      expect((await store.listRecords(own(""), "", 10, now)).records).toMatchObject([
        { key: own("r"), value: 1, version: 1 },
      ]);
      expect(await commit(first)).toMatchObject([{ kind: "appended", repeated: false, recordVersions: [1, 2] }]);
      expect(await readVersions(own("a"))).toEqual([1]);
    });

    test("an empty batch is nothing", async () => {
      expect(await store.commit([], now)).toMatchObject({ outcomes: [] });
    });

    test("a stream is read from any version, either way, up to a limit", async () => {
      const own = newScope();
      const ids = ["1", "2", "3", "4", "5"];
      await commit(appendOf([{ stream: own("a"), expected: 0, events: ids.map((id) => eventOf(own(id))) }]));
      const read = async (...args: [number, number, "forward" | "backward"]) =>
        (await store.readStream(own("a"), ...args)).events.map((event) => event.version);
      expect(await read(1, 10, "forward")).toEqual([1, 2, 3, 4, 5]);
      expect(await read(0, 2, "forward")).toEqual([1, 2]);
      expect(await read(4, 10, "forward")).toEqual([4, 5]);
      expect(await read(6, 10, "forward")).toEqual([]);
      expect(await read(Number.MAX_SAFE_INTEGER, 2, "backward")).toEqual([5, 4]);
      expect(await read(2, 10, "backward")).toEqual([2, 1]);
      expect(await read(0, 10, "backward")).toEqual([]);
      expect(await read(1, 0, "forward")).toEqual([]);
      const nothing = { events: [], isEnd: true };
      expect(await store.readStream(own("none"), 1, 10, "forward")).toEqual(nothing);
      expect(await store.readStream("a\u0000b", 1, 10, "forward")).toEqual(nothing);
      expect(await store.readStream("\ud800", 1, 10, "forward")).toEqual(nothing);
    });

    test("several streams are read in one question: a page for each as asked, and whether it is known to be the end", async () => {
      const own = newScope();
      const append = (stream: string, count: number) =>
        appendOf([
          {
            stream: own(stream),
            expected: 0,
            events: Array.from({ length: count }, (_, nr) => eventOf(own(stream + nr))),
          },
        ]);
      await commit(append("a", 3), append("b", 5), append("c", 1));
      const read = async (events: number, ...from: (readonly [stream: string, fromVersion: number])[]) => {
        const asked = from.map(([stream, fromVersion]) => ({ stream, fromVersion }));
        const pages = await store.readStreams(asked, { events, bytes: 1_000_000 });
        return pages.map((page) => [page.events.map((event) => event.version), page.isEnd]);
      };
      expect(await read(3, [own("b"), 1], [own("none"), 1], [own("a"), 1], [own("c"), 1])).toEqual([
        [[1, 2, 3], false],
        [[], true],
        [[1, 2, 3], false],
        [[1], true],
      ]);
      expect(await read(4, [own("b"), 4], [own("a"), 4], [own("a"), 0], [own("b"), 4])).toEqual([
        [[4, 5], true],
        [[], true],
        [[1, 2, 3], true],
        [[4, 5], true],
      ]);
      expect(await read(4, ["a\u0000b", 1], ["\ud800", 1], ["NULL", 1])).toEqual([
        [[], true],
        [[], true],
        [[], true],
      ]);
      expect(await read(4)).toEqual([]);
      const [page] = await store.readStreams([{ stream: own("a"), fromVersion: 1 }], { events: 9, bytes: 1_000_000 });
      expect(page?.events).toEqual((await store.readStream(own("a"), 1, 9, "forward")).events);
    });

    test("of several streams no event is read beyond the one that reaches the bytes, which are those of UTF-8", async () => {
      const own = newScope();
      const text = (chars: number) => JSON.stringify({ t: "é".repeat(chars) });
      const append = (stream: string, ...data: string[]) =>
        appendOf([
          {
            stream: own(stream),
            expected: 0,
            events: data.map((each, nr) => ({ ...eventOf(own(stream + nr)), data: each })),
          },
        ]);
      // 8 bytes around the text, and two for each character; what is large is kept apart from its row, and pressed.
      await commit(append("a", text(1)), append("b", text(46), text(500_000)), append("c", text(1)));
      const read = async (bytes: number) => {
        const asked = ["a", "b", "c"].map((name) => ({ stream: own(name), fromVersion: 1 }));
        const pages = await store.readStreams(asked, { events: 5, bytes });
        return pages.map(({ events, isEnd }) => [events.length, isEnd]);
      };
      const [first, second, whole] = [10, 110, 1_000_118];
      expect(await read(1)).toEqual([
        [1, false],
        [0, false],
        [0, false],
      ]);
      expect(await read(first)).toEqual([
        [1, false],
        [0, false],
        [0, false],
      ]);
      expect(await read(first + 1)).toEqual([
        [1, true],
        [1, false],
        [0, false],
      ]);
      expect(await read(second)).toEqual([
        [1, true],
        [1, false],
        [0, false],
      ]);
      expect(await read(second + 1)).toEqual([
        [1, true],
        [2, false],
        [0, false],
      ]);
      expect(await read(whole)).toEqual([
        [1, true],
        [2, false],
        [0, false],
      ]);
      expect(await read(whole + 1)).toEqual([
        [1, true],
        [2, true],
        [1, true],
      ]);
    });

    test("a page of large events ends early, and reading on from its end gives all of them: forward, backward and filtered", {
      timeout: 60_000,
    }, async () => {
      const own = newScope();
      const { ordinal } = await store.head();
      const text = (chars: number) => JSON.stringify({ t: "é".repeat(chars) });
      const tiny = text(1);
      // Two bytes each. What is larger than a page is there, whole, too; and what is small stands between, in numbers.
      const large = text(maxPageBytes / 6);
      const larger = text(maxPageBytes / 2 + 1);
      const data = [large, tiny, large, large, ...Array(40).fill(tiny), larger, large, tiny, larger, tiny];
      for (const [nr, each] of data.entries()) {
        const event = { ...eventOf(own(String(nr))), type: nr % 2 === 0 ? "even" : "odd", data: each };
        await commit(appendOf([{ stream: own("a"), expected: nr, events: [event] }]));
      }
      const bytes = data.map((each) => new TextEncoder().encode(each).length);
      /** Of all but the largest, which may go beyond what a page holds. */
      const bytesBesideOne = (events: readonly StoredEvent[]) => {
        const sizes = events.map(({ version }) => bytes[version - 1] as number);
        return sizes.reduce((sum, each) => sum + each, 0) - Math.max(0, ...sizes);
      };
      const versions = data.map((_, nr) => nr + 1);
      /** Reads on until there is no more, and answers what was read, and of how many pages. */
      const readOn = async (limit: number, read: (last: StoredEvent | undefined) => Promise<LogPage>) => {
        const all: StoredEvent[] = [];
        for (let pages = 1; ; pages++) {
          const page = await read(all.at(-1));
          expect(page.events.length).toBeLessThanOrEqual(limit);
          expect(bytesBesideOne(page.events)).toBeLessThan(maxPageBytes);
          if (!page.isEnd) expect(page.events.length).toBeGreaterThan(0);
          // Said so because two texts of megabytes that differ are nothing to print.
          for (const event of page.events) expect(JSON.stringify(event.data) === data[event.version - 1]).toBe(true);
          all.push(...page.events);
          if (page.isEnd) return { versions: all.map((event) => event.version), pages };
        }
      };
      for (const limit of [2, 1_000]) {
        const forward = await readOn(limit, (last) =>
          store.readStream(own("a"), (last?.version ?? 0) + 1, limit, "forward"),
        );
        expect(forward.versions).toEqual(versions);
        const backward = await readOn(limit, (last) =>
          store.readStream(own("a"), (last?.version ?? versions.length + 1) - 1, limit, "backward"),
        );
        expect(backward.versions).toEqual(versions.toReversed());
        expect(Math.min(forward.pages, backward.pages)).toBeGreaterThan(2);
      }
      for (const [types, passes] of [
        [["*"], () => true],
        [["even"], (version: number) => version % 2 === 1],
      ] as const) {
        const filter = { streamPrefix: own(""), types };
        const wanted = versions.filter(passes);
        const from = (last: StoredEvent | undefined, begin: number) =>
          last === undefined ? begin : toOrdinal(last.position);
        const forward = await readOn(100, (last) => store.readAll(from(last, ordinal), 100, "forward", filter));
        expect(forward.versions).toEqual(wanted);
        const backward = await readOn(100, (last) =>
          store.readAll(from(last, Number.MAX_SAFE_INTEGER), 100, "backward", filter),
        );
        expect(backward.versions).toEqual(wanted.toReversed());
        expect(Math.min(forward.pages, backward.pages)).toBeGreaterThan(1);
      }
      for (const limit of [1, 1_000]) {
        const { events, isEnd } = await store.readStream(own("a"), data.indexOf(larger) + 1, limit, "forward");
        expect(events.map((event) => JSON.stringify(event.data) === larger)).toEqual([true]);
        expect(isEnd).toBe(false);
      }
    });

    test("what follows a commit is decided on pages that end early, too", async () => {
      const own = newScope();
      const { ordinal } = await store.head();
      const data = JSON.stringify({ t: "x".repeat(maxPageBytes * 0.75) });
      const write = (nr: number) =>
        appendOf([{ stream: own(String(nr)), expected: 0, events: [{ ...eventOf(own(String(nr))), data }] }]);
      await commit(write(1), write(2));
      const pages: (readonly [number, boolean])[] = [];
      await store.commit([write(3)], now, async (reader) => {
        for (let after = ordinal; ; ) {
          const { events, isEnd } = await reader.readAll(after, 10, {});
          pages.push([events.length, isEnd]);
          const last = events.at(-1);
          if (isEnd || last === undefined) return [];
          after = toOrdinal(last.position);
        }
      });
      expect(pages.reduce((sum, [length]) => sum + length, 0)).toBe(3);
      expect(pages[0]?.[1]).toBe(false);
      expect(pages.at(-1)?.[1]).toBe(true);
    });

    test("the log is read after a position, or before it backwards, up to a limit", async () => {
      const own = newScope();
      const { ordinal } = await store.head();
      const ids = ["1", "2", "3", "4"];
      await commit(...ids.map((id) => appendOf([{ stream: own(id), expected: 0, events: [eventOf(own(id))] }])));
      const read = async (from: number, limit: number, direction: "forward" | "backward") =>
        (await store.readAll(from, limit, direction, { streamPrefix: own("") })).events.map(
          (event) => toOrdinal(event.position) - ordinal,
        );
      expect(await read(0, 10, "forward")).toEqual([1, 2, 3, 4]);
      expect(await read(ordinal + 2, 10, "forward")).toEqual([3, 4]);
      expect(await read(ordinal, 3, "forward")).toEqual([1, 2, 3]);
      expect(await read(Number.MAX_SAFE_INTEGER, 2, "backward")).toEqual([4, 3]);
      expect(await read(ordinal + 3, 10, "backward")).toEqual([2, 1]);
      expect(await read(ordinal + 1, 10, "backward")).toEqual([]);
      expect(await read(0, 10, "backward")).toEqual([]);
    });

    test("a page says whether it is the end: where as many are there as were asked for, nobody knows", async () => {
      const own = newScope();
      const { ordinal } = await store.head();
      const events = ["1", "2", "3"].map((id) => eventOf(own(id)));
      await commit(appendOf([{ stream: own("a"), expected: 0, events }]));
      const filter = { streamPrefix: own("") };
      const reads: ((limit: number) => Promise<LogPage>)[] = [
        (limit) => store.readStream(own("a"), 1, limit, "forward"),
        (limit) => store.readStream(own("a"), 3, limit, "backward"),
        (limit) => store.readAll(ordinal, limit, "forward", filter),
        (limit) => store.readAll(Number.MAX_SAFE_INTEGER, limit, "backward", filter),
      ];
      for (const read of reads) {
        const pages = await Promise.all([1, 2, 3, 4].map(read));
        expect(pages.map((page) => [page.events.length, page.isEnd])).toEqual([
          [1, false],
          [2, false],
          [3, false],
          [3, true],
        ]);
      }
      const nothing = { events: [], isEnd: true };
      for (const none of [{ tenant: "a\u0000b" }, { types: [] }, { streamPrefix: own("none") }])
        expect(await store.readAll(ordinal, 10, "forward", none)).toEqual(nothing);
      await store.commit(
        [appendOf([{ stream: own("b"), expected: 0, events: [eventOf(own("4"))] }])],
        now,
        async (reader) => {
          expect(await reader.readAll(ordinal, 4, {})).toMatchObject({ events: [{}, {}, {}, {}], isEnd: false });
          expect(await reader.readAll(ordinal, 5, {})).toMatchObject({ events: [{}, {}, {}, {}], isEnd: true });
          expect(await reader.readAll(ordinal, 5, { types: [] })).toEqual(nothing);
          return [];
        },
      );
    });

    test("filters: every condition alone and all together", async () => {
      const own = newScope();
      const { ordinal } = await store.head();
      const make = (id: string, parts: Partial<EncodedEvent>) => ({ ...eventOf(own(id)), ...parts });
      await commit(
        appendOf([
          { stream: own("x%"), expected: 0, events: [make("1", { type: "a.b", tenant: "one", session: own("s") })] },
          {
            stream: own("x_"),
            expected: 0,
            events: [make("2", { type: "a.c", tenant: "two", correlation: own("c") })],
          },
          {
            stream: own("xy"),
            expected: 0,
            events: [make("3", { type: "a%c", tenant: "one", session: own("s"), correlation: own("c") })],
          },
        ]),
      );
      const ids = async (filter: Parameters<Store["readAll"]>[3]) =>
        (await store.readAll(ordinal, 10, "forward", filter)).events
          .map((event) => event.id.slice(own("").length))
          .join("");
      expect(await ids({})).toBe("123");
      expect(await ids({ tenant: "one" })).toBe("13");
      expect(await ids({ session: own("s") })).toBe("13");
      expect(await ids({ correlation: own("c") })).toBe("23");
      expect(await ids({ streamPrefix: own("x%") })).toBe("1");
      expect(await ids({ streamPrefix: own("x") })).toBe("123");
      expect(await ids({ streamPrefix: "" })).toBe("123");
      expect(await ids({ types: ["a.b"] })).toBe("1");
      expect(await ids({ types: ["a.*"] })).toBe("12");
      expect(await ids({ types: ["a%c", "a_b"] })).toBe("3");
      expect(await ids({ types: [] })).toBe("");
      expect(await ids({ types: ["\u0000", "\ud800", "a.c"] })).toBe("2");
      expect(await ids({ tenant: "\u0000" })).toBe("");
      expect(
        await ids({ tenant: "one", session: own("s"), correlation: own("c"), streamPrefix: own("x"), types: ["*c"] }),
      ).toBe("3");
    });

    test("property: a store's filter agrees with matchesFilter, for globs and prefixes full of other languages' signs", async () => {
      const own = newScope();
      let round = 0;
      // Few letters, so that texts and globs meet; those that LIKE, regular expressions and array literals would misread.
      const letter = fc.constantFrom("a", "b", ".", "%", "_", "\\", '"', "{", ",", "'", "(", "?", "é", "😀");
      const text = fc.array(letter, { minLength: 1, maxLength: 5 }).map((letters) => letters.join(""));
      const glob = fc
        .array(fc.oneof(letter, fc.constant("*")), { minLength: 1, maxLength: 6 })
        .map((parts) => parts.join(""));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ type: text, stream: text }), { minLength: 1, maxLength: 8 }),
          fc.array(fc.oneof(glob, text), { maxLength: 3 }),
          text,
          async (events, types, prefix) => {
            const base = own(`${round++}/`);
            const { ordinal } = await store.head();
            const written = events.map(({ type, stream }, nr) => ({
              stream: base + stream,
              expected: -1,
              events: [{ ...eventOf(`${base}${nr}`), type }],
            }));
            await commit(appendOf(written));
            const { events: all } = await store.readAll(ordinal, 100, "forward", {});
            expect(all).toHaveLength(events.length);
            for (const filter of [
              { types },
              { streamPrefix: base + prefix },
              { types: [...types, "a*"], streamPrefix: base },
            ]) {
              expect(idsOf((await store.readAll(ordinal, 100, "forward", filter)).events)).toEqual(
                idsOf(all.filter((event) => matchesFilter(event, filter))),
              );
            }
          },
        ),
        { numRuns: runs },
      );
    });

    test("payloads are kept exactly, whatever is in them", async () => {
      const own = newScope();
      let deep: unknown = "bottom";
      for (let level = 0; level < 60; level++) deep = level % 2 === 0 ? [deep] : { deep };
      const payloads = [
        JSON.stringify({ nul: "\u0000", lone: "\ud800x\udfff", quote: '"\\{},NULL', line: "\n\r\t\u2028" }),
        '{"__proto__":{"polluted":true},"constructor":1,"toString":null}',
        '{"big":1000000000000000,"bigger":9007199254740991,"small":1e-300,"minus":-0.1,"as":"1e400"}',
        '{ "spaces":  1,"b":2,"a":1 }',
        JSON.stringify({ text: "漢字 😀 ".repeat(1000) }),
        JSON.stringify({ mega: 'x"\\'.repeat(350_000) }),
        JSON.stringify({ deep }),
        "{}",
      ];
      await commit(
        appendOf(
          [{ stream: own("a"), expected: 0, events: payloads.map((data, nr) => ({ ...eventOf(own(`${nr}`)), data })) }],
          payloads.map((value, nr) => recordOf(own(`${nr}`), 0, value)),
        ),
      );
      const expected = payloads.map((payload) => JSON.stringify(JSON.parse(payload)));
      const { events } = await store.readStream(own("a"), 1, 100, "forward");
      expect(events.map((event) => JSON.stringify(event.data))).toEqual(expected);
      expect(Object.hasOwn(events[1]?.data ?? {}, "__proto__")).toBe(true);
      const records = await store.getRecords(
        payloads.map((_, nr) => own(`${nr}`)),
        now,
      );
      expect(records.map((record) => JSON.stringify(record.value))).toEqual(expected);
      const { changes } = await store.readChanges((await store.head()).change - payloads.length, 100, [own("")]);
      expect(changes.map((change) => change.value)).toEqual(payloads);
    });

    test("names are kept exactly: spaces, quotes, NULL, case, other scripts, 512 characters", async () => {
      const own = newScope();
      const names = [" ", "NULL", "null", '"', "\\", "{a,b}", "A", "a", "é", "e\u0301", "😀", "x".repeat(500)].map(own);
      await commit(
        ...names.map((text) =>
          appendOf(
            [{ stream: text, expected: 0, events: [{ ...eventOf(text), type: text, tenant: text }] }],
            [recordOf(text, 0, "1")],
          ),
        ),
      );
      for (const text of names) {
        expect((await store.readStream(text, 1, 10, "forward")).events).toMatchObject([
          { id: text, stream: text, type: text, metadata: { tenant: text } },
        ]);
      }
      expect((await store.getRecords(names, now)).map((record) => record.key)).toEqual(names);
    });

    test("records: written by compare and set, deleted, and their version goes on", async () => {
      const own = newScope();
      const put = async (expected: number, value: string | null) =>
        (await commit(appendOf([], [recordOf(own("r"), expected, value)])))[0];
      expect(await put(0, "1")).toMatchObject({ recordVersions: [1] });
      expect(await put(0, "2")).toEqual({ kind: "record_conflict", key: own("r"), actual: 1 });
      expect(await put(1, "2")).toMatchObject({ recordVersions: [2] });
      expect(await store.getRecords([own("r")], now)).toEqual([
        { key: own("r"), value: 2, version: 2, expiresAt: null },
      ]);
      expect(await put(2, null)).toMatchObject({ recordVersions: [3] });
      expect(await store.getRecords([own("r")], now)).toEqual([]);
      expect(await put(3, "4")).toEqual({ kind: "record_conflict", key: own("r"), actual: 0 });
      expect(await put(0, "4")).toMatchObject({ recordVersions: [4] });
      expect(await put(-1, "null")).toMatchObject({ recordVersions: [5] });
      expect(await store.getRecords([own("r")], now)).toMatchObject([{ value: null, version: 5 }]);
    });

    test("records count as absent from the millisecond they expire at", async () => {
      const own = newScope();
      await commit(appendOf([], [{ key: own("r"), expected: 0, value: "1", expiresAt: now + 10 }]));
      const read = async (at: number) => [
        (await store.getRecords([own("r")], at)).length,
        (await store.listRecords(own(""), "", 10, at)).records.length,
      ];
      expect(await read(now + 9)).toEqual([1, 1]);
      expect(await read(now + 10)).toEqual([0, 0]);
      const put = (expected: number, at: number) =>
        store.commit([appendOf([], [recordOf(own("r"), expected, "2")])], at);
      expect(await put(0, now + 9)).toMatchObject({ outcomes: [{ kind: "record_conflict", actual: 1 }] });
      expect(await put(1, now + 10)).toMatchObject({ outcomes: [{ kind: "record_conflict", actual: 0 }] });
      expect(await put(0, now + 10)).toMatchObject({ outcomes: [{ recordVersions: [2] }] });
    });

    test("records are got in the order asked for, each as often as asked for", async () => {
      const own = newScope();
      await commit(appendOf([], [recordOf(own("a"), 0, "1"), recordOf(own("b"), 0, "2")]));
      const got = await store.getRecords([own("b"), own("none"), "\u0000", own("a"), own("b")], now);
      expect(got.map((record) => record.value)).toEqual([2, 1, 2]);
      expect(await store.getRecords([], now)).toEqual([]);
    });

    test("property: records are listed by prefix in code-point order, page by page", async () => {
      const own = newScope();
      let round = 0;
      const letter = fc.constantFrom(
        "a",
        "b",
        "B",
        "%",
        "_",
        "\\",
        "é",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "😀",
        "\u{10ffff}",
      );
      const key = fc.array(letter, { maxLength: 4 }).map((letters) => letters.join(""));
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(key, { maxLength: 12 }), key, async (keys, prefix) => {
          const base = own(`${round++}/`);
          await commit(...keys.map((text) => appendOf([], [recordOf(base + text, 0, "1")])));
          const expected = keys
            .filter((text) => text.startsWith(prefix))
            .map((text) => base + text)
            .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
          const listed: string[] = [];
          for (let after = ""; ; ) {
            const { records, isEnd } = await store.listRecords(base + prefix, after, 3, now);
            listed.push(...records.map((record) => record.key));
            if (isEnd) break;
            after = records.at(-1)?.key as string;
          }
          expect(listed).toEqual(expected);
        }),
        { numRuns: runs },
      );
    });

    test("changes of records are numbered without gaps in the order of commits; a key shows as it is now", async () => {
      const own = newScope();
      const { change } = await store.head();
      const first = await store.commit(
        [
          appendOf([], [recordOf(own("a"), 0, "1"), recordOf(own("b"), 0, "1")]),
          appendOf([], [recordOf(own("x"), 9, "1")]),
        ],
        now,
      );
      expect(first.lastChange).toBe(change + 2);
      const second = await store.commit([appendOf([], [recordOf(own("a"), 1, null)])], now);
      expect(second.lastChange).toBe(change + 3);
      const read = async (after: number, limit: number) => (await store.readChanges(after, limit, [""])).changes;
      expect(await read(change, 10)).toMatchObject([
        { change: change + 2, key: own("b"), value: "1", version: 1, expiresAt: null },
        { change: change + 3, key: own("a"), value: null, version: 2 },
      ]);
      expect(await read(change + 2, 10)).toMatchObject([{ key: own("a") }]);
      expect(await read(change, 1)).toMatchObject([{ key: own("b") }]);
      expect(await read(change + 3, 10)).toEqual([]);
      expect((await store.head()).change).toBe(change + 3);
    });

    test("changes are read of the keys that are asked for, and how far the log is whatever they are", async () => {
      const own = newScope();
      const { change } = await store.head();
      const keys = ["a/1", "b%/1", "a", "b%/2", "bx/1", "A/1", "c/😀"];
      await commit(
        appendOf(
          [],
          keys.map((key) => recordOf(own(key), 0, "1")),
        ),
      );
      const read = async (prefixes: readonly string[], limit = 10, after = change) => {
        const { changes, ...rest } = await store.readChanges(after, limit, prefixes);
        return [changes.map(({ key }) => key.slice(own("").length)), rest];
      };
      const lastChange = change + keys.length;
      const whole = { isEnd: true, lastChange };
      expect(await read([own("a/"), own("b%/")])).toEqual([["a/1", "b%/1", "b%/2"], whole]);
      // One in another, twice the same, and what can be no key.
      expect(await read([own("c/😀"), own("c/"), own("c/"), "\u0000", "\ud800"])).toEqual([["c/😀"], whole]);
      expect(await read([own("b%/"), "\u{10ffff}"], 2)).toEqual([["b%/1", "b%/2"], { isEnd: false, lastChange }]);
      expect(await read([""], 100)).toEqual([keys, whole]);
      for (const prefixes of [[], ["none"], ["\u0000"]]) expect(await read(prefixes)).toEqual([[], whole]);
      expect(await read([own("")], 10, lastChange + 5)).toEqual([[], whole]);
    });

    test("a page of records says whether it is the end: where as many are there as were asked for, nobody knows", async () => {
      const own = newScope();
      const { change } = await store.head();
      await commit(
        appendOf(
          [],
          ["1", "2", "3"].map((key) => recordOf(own(key), 0, "1")),
        ),
      );
      const answers: [number, boolean][] = [];
      for (const limit of [0, 2, 3, 4]) {
        const page = await store.listRecords(own(""), "", limit, now);
        const { changes, isEnd } = await store.readChanges(change, limit, [own("")]);
        expect([changes.length, isEnd]).toEqual([page.records.length, page.isEnd]);
        answers.push([changes.length, isEnd]);
      }
      expect(answers).toEqual([
        [0, false],
        [2, false],
        [3, false],
        [3, true],
      ]);
      const nothing = { records: [], isEnd: true };
      for (const [prefix, after] of [
        [own("none"), ""],
        [own(""), own("3")],
        ["\u0000", ""],
      ] as const)
        expect(await store.listRecords(prefix, after, 10, now)).toEqual(nothing);
    });

    test("a page of records is one that fits memory, whatever they hold, and reading on finds every one of them", async () => {
      const own = newScope();
      const { change } = await store.head();
      const text = (chars: number) => JSON.stringify("é".repeat(chars));
      const tiny = text(1);
      // Two bytes each. What is larger than a page is there, whole, too; and what is small stands between, in numbers.
      const large = text(maxPageBytes / 6);
      const larger = text(maxPageBytes / 2 + 1);
      const values = [large, tiny, large, large, ...Array(40).fill(tiny), null, larger, large, tiny, larger, tiny];
      const keys = values.map((_, nr) => own(String(nr).padStart(2, "0")));
      for (const [nr, value] of values.entries()) await commit(appendOf([], [recordOf(keys[nr] as string, 0, value)]));
      const readOn = async (limit: number, read: (after: number) => Promise<{ found: string[]; isEnd: boolean }>) => {
        const all: string[] = [];
        for (let pages = 1; ; pages++) {
          const { found, isEnd } = await read(all.length);
          expect(found.length).toBeLessThanOrEqual(limit);
          const bytes = found.map((key) => Buffer.byteLength(values[keys.indexOf(key)] ?? ""));
          const beforeLast = bytes.slice(0, -1).reduce((sum, each) => sum + each, 0);
          expect(beforeLast).toBeLessThan(maxPageBytes);
          if (!isEnd) expect(found.length).toBeGreaterThan(0);
          all.push(...found);
          if (isEnd) return { all, pages };
        }
      };
      const live = keys.filter((_, nr) => values[nr] !== null);
      // Said so because two texts of megabytes that differ are nothing to print.
      const isAsWritten = (key: string, value: string | null) => value === values[keys.indexOf(key)];
      for (const limit of [2, 1_000]) {
        const listed = await readOn(limit, async (after) => {
          const { records, isEnd } = await store.listRecords(own(""), live[after - 1] ?? "", limit, now);
          expect(records.every(({ key, value }) => isAsWritten(key, JSON.stringify(value)))).toBe(true);
          return { found: records.map(({ key }) => key), isEnd };
        });
        expect(listed.all).toEqual(live);
        const changed = await readOn(limit, async (after) => {
          const { changes, isEnd } = await store.readChanges(change + after, limit, [own("")]);
          expect(changes.every(({ key, value }) => isAsWritten(key, value))).toBe(true);
          return { found: changes.map(({ key }) => key), isEnd };
        });
        expect(changed.all).toEqual(keys);
        expect(Math.min(listed.pages, changed.pages)).toBeGreaterThan(3);
      }
    });

    test("purging forgets what was deleted or expired before a time, and nothing else", async () => {
      const own = newScope();
      // Far in the past, so that what other tests left does not count.
      const then = 1_000;
      await store.commit(
        [
          appendOf([], [{ ...recordOf(own("gone"), 0, "1"), expiresAt: then + 5 }]),
          appendOf([], [{ ...recordOf(own("later"), 0, "1"), expiresAt: then + 50 }]),
          appendOf([], [recordOf(own("kept"), 0, "1"), recordOf(own("deleted"), -1, null)]),
        ],
        then,
      );
      expect(await store.purgeRecords(then, 10)).toBe(0);
      expect(await store.purgeRecords(then + 1, 10)).toBe(1);
      expect(await store.purgeRecords(then + 50, 10)).toBe(1);
      expect(await store.purgeRecords(then + 50, 10)).toBe(0);
      expect((await store.listRecords(own(""), "", 10, then)).records).toMatchObject([
        { key: own("kept") },
        { key: own("later") },
      ]);
      const [outcome] = await commit(appendOf([], [recordOf(own("gone"), 0, "1")]));
      expect(outcome).toMatchObject({ recordVersions: [1] });
      await store.commit(
        [
          appendOf(
            [],
            ["1", "2", "3"].map((key) => recordOf(own(key), 0, null)),
          ),
        ],
        then,
      );
      expect(await store.purgeRecords(then + 1, 2)).toBe(2);
      expect(await store.purgeRecords(then + 1, 2)).toBe(1);
    });

    test("a batch as large as group commit makes them", async () => {
      const own = newScope();
      const { ordinal } = await store.head();
      const appends = Array.from({ length: 512 }, (_, nr) =>
        appendOf(
          [{ stream: own(`${nr}`), expected: nr % 7 === 0 ? 1 : 0, events: [eventOf(own(`${nr}`))] }],
          nr % 3 === 0 ? [recordOf(own(`${nr}`), 0, "1")] : [],
        ),
      );
      const outcomes = await commit(...appends);
      const appended = outcomes.flatMap((outcome) =>
        outcome.kind === "appended" ? [outcome.firstOrdinal - ordinal] : [],
      );
      expect(appended).toEqual(Array.from({ length: 438 }, (_, index) => index + 1));
      expect(outcomes.filter((outcome) => outcome.kind === "stream_conflict")).toHaveLength(74);
    });

    test("a snapshot is of one moment: what is written together while it is read is in it together or not at all", async () => {
      const own = newScope();
      let written = 0;
      const write = async () => {
        written += 1;
        const nr = written;
        // Many records of their own beside one that counts, so that there are pages of them.
        const records = Array.from({ length: 300 }, (_, index) => recordOf(own(`${nr}/${index}`), 0, `${nr}`));
        await commit(
          appendOf(
            [{ stream: own("a"), expected: nr - 1, events: [{ ...eventOf(own(`${nr}`)), data: `{"nr":${nr}}` }] }],
            [...records, recordOf(own("count"), -1, `${nr}`), recordOf(own("gone"), -1, null)],
          ),
        );
      };
      for (let before = 0; before < 8; before++) await write();
      let reading = true;
      const writing = (async () => {
        while (reading) await write();
      })();
      const taken = await takeSnapshot(store.snapshot(), write).finally(() => {
        reading = false;
      });
      await writing;
      const events = taken.events.filter((event) => event.stream === own("a"));
      const count = Number(taken.records.get(own("count"))?.value);
      // It was written to while it was read, or nothing is shown.
      expect(count).toBeGreaterThanOrEqual(8);
      expect(written).toBeGreaterThan(count);
      expect(events.map((event) => event.data)).toEqual(Array.from({ length: count }, (_, nr) => `{"nr":${nr + 1}}`));
      const keys = [...taken.records.keys()].filter((key) => key.startsWith(own("")));
      expect(keys).toHaveLength(count * 300 + 2);
      expect(taken.records.get(own("gone"))).toMatchObject({ value: null, version: count });
      expect(taken.events.map((event) => event.ordinal)).toEqual(taken.events.map((_, index) => index + 1));
      expect(taken.head).toMatchObject({ ordinal: taken.events.length, records: taken.records.size });
    });

    test("a snapshot that is restored is the same again, byte for byte, and goes on where it was taken", async () => {
      const own = newScope();
      const event = { ...eventOf(own("1")), data: '{ "b": "\\ud800", "a":  1 }', session: own("s"), time: now + 0.5 };
      const append = appendOf(
        [{ stream: own("a"), expected: 0, events: [event, eventOf(own("2"))] }],
        [{ ...recordOf(own("r"), 0, '{ "spaces":  1 }'), expiresAt: now + 10.5 }, recordOf(own("deleted"), -1, null)],
      );
      const alone = appendOf([], [recordOf(own("alone"), 0, "1")], own("alone"));
      await commit(append, alone);
      const nameless = { streams: [], records: [recordOf(own("nameless"), 0, "1")] };
      await commit(nameless);
      const taken = await takeSnapshot(store.snapshot());
      expect(taken.events.find(({ id }) => id === event.id)).toEqual({
        ...event,
        stream: own("a"),
        version: 1,
        ordinal: taken.head.ordinal - 1,
      });
      expect(taken.records.get(own("nameless"))).toMatchObject({ version: 1, changedAt: now, writtenBy: null });

      await using other = await makeStore();
      // As a record comes that was written while it was read: in the same page, or in a later one, once more.
      const again = async function* (): AsyncGenerator<SnapshotPage> {
        for await (const page of store.snapshot()) {
          if (page.kind !== "records") yield page;
          else {
            const outdated = page.records.map((record) => ({ ...record, value: '"outdated"', change: -record.change }));
            yield { kind: "records", records: outdated };
            yield { kind: "records", records: [...outdated, ...page.records] };
          }
        }
      };
      await other.store.restore(again());
      expect(await takeSnapshot(other.store.snapshot())).toEqual(taken);
      expect(await other.store.head()).toEqual(await store.head());
      expect(await other.store.readStream(own("a"), 1, 10, "forward")).toEqual(
        await store.readStream(own("a"), 1, 10, "forward"),
      );
      // What was appended is known, versions and numbers go on.
      expect((await other.store.commit([append, alone], now)).outcomes).toMatchObject([
        { repeated: true, firstVersions: [1], recordVersions: [1, 1] },
        { repeated: true, recordVersions: [1] },
      ]);
      const next = appendOf(
        [{ stream: own("a"), expected: 2, events: [eventOf(own("3"))] }],
        [recordOf(own("deleted"), 0, "1")],
      );
      expect(await other.store.commit([next], now)).toMatchObject({
        outcomes: [{ firstOrdinal: taken.head.ordinal + 1, firstVersions: [3], recordVersions: [2] }],
        lastChange: taken.head.change + 1,
      });

      // What holds something is not restored into, and not harmed.
      await other.store.close();
      await expect(other.store.restore(store.snapshot())).rejects.toMatchObject({ code: "log.not_empty" });
      await other.store.open();
      expect(await other.store.head()).toMatchObject({ ordinal: taken.head.ordinal + 1 });
      await other.store.close();
    });

    test("of a snapshot that breaks off or lacks something nothing is restored; then a whole one is", async () => {
      const own = newScope();
      await commit(appendOf([{ stream: own("a"), expected: 0, events: [eventOf(own("1")), eventOf(own("2"))] }]));
      const pages: SnapshotPage[] = [];
      for await (const page of store.snapshot()) pages.push(page);
      const broken = {
        "breaks off": async function* () {
          yield* pages.slice(0, -1);
          throw new Error("the disk is gone");
        },
        "lacks its last page": async function* () {
          yield* pages.slice(0, -1);
        },
        "lacks a record": async function* () {
          for (const page of pages) yield page.kind === "records" ? { ...page, records: page.records.slice(1) } : page;
        },
      };
      await using other = await makeStore();
      for (const [what, brokenPages] of Object.entries(broken)) {
        await expect(other.store.restore(brokenPages()), what).rejects.toThrow();
      }
      await other.store.restore(store.snapshot());
      expect(await other.store.head()).toEqual(await store.head());
      await other.store.close();
    });

    test("whoever stops reading a snapshot keeps nothing from going on", async () => {
      for await (const page of store.snapshot()) {
        expect(page.kind).toBe("records");
        break;
      }
      const own = newScope();
      expect(await commit(appendOf([{ stream: own("a"), expected: 0, events: [eventOf(own("1"))] }]))).toMatchObject([
        { kind: "appended" },
      ]);
      const then = 2_000;
      await store.commit([appendOf([], [recordOf(own("r"), -1, null)])], then);
      expect(await store.purgeRecords(then + 1, 10_000)).toBeGreaterThan(0);
    });

    test("property: after any history a store answers as the memory store does", async () => {
      const own = newScope();
      let round = 0;
      await fc.assert(
        fc.asyncProperty(storeModel.histories, (history) => storeModel.check(store, history, own(`${round++}/`))),
        { numRuns: runs },
      );
    });
  });
}

/** What a snapshot says, all pages together; `between` is done before each page after the first. */
async function takeSnapshot(pages: AsyncIterable<SnapshotPage>, between?: () => Promise<void>) {
  const records = new Map<string, PlacedRecord>();
  const events: PlacedEvent[] = [];
  let head: SnapshotHead = { ordinal: -1, change: -1, records: -1 };
  for await (const page of pages) {
    if (page.kind === "records") for (const record of page.records) records.set(record.key, record);
    if (page.kind === "head") head = page.head;
    if (page.kind === "events") events.push(...page.events);
    await between?.();
  }
  return { records, events, head };
}

const idsOf = (events: readonly StoredEvent[]): string[] => events.map((event) => event.id);

/** Of the given id or, as the log makes them, its first event's, or one of its own. */
const appendOf = (
  streams: EncodedAppend["streams"],
  records: readonly EncodedRecordWrite[] = [],
  id = streams.flatMap((write) => write.events)[0]?.id ?? `append-${++appendIds}`,
): EncodedAppend => ({ id, streams, records });
let appendIds = 0;

const eventOf = (id: string): EncodedEvent => ({
  id,
  type: "happened",
  data: "{}",
  tenant: "default",
  session: null,
  correlation: null,
  metadata: '{"actor":"system"}',
  time: now,
});

const recordOf = (key: string, expected: number, value: string | null): EncodedRecordWrite => ({
  key,
  expected,
  value,
  expiresAt: null,
});
