// The checker of the fault tests, on made-up histories: a true one passes, and each way in which one can be false is told by its
// name. What a real log does with a guard taken out is in `log-order.fault.test.ts`.
import type { StoredEvent, StoredRecord } from "@viable/log";
import { toPosition } from "@viable/log";
import { expect, test } from "vitest";
import type { Told } from "./check-log.ts";
import { LogCheck } from "./check-log.ts";
import type { Ack } from "./lines.ts";
import type { Plan } from "./workload.ts";
import { toRequest } from "./workload.ts";

/** A small true history: two appends of one writer, the second to two streams and a record; and one of a record alone. */
interface History {
  events: StoredEvent[];
  records: StoredRecord[];
  acks: Ack[];
  conflicts: Set<string>;
  isAll: boolean;
  head: number;
}

function trueHistory(): History {
  const log: StoredEvent[] = [];
  const versions = new Map<string, number>();
  const write = (plan: Plan) => {
    for (const { stream, events } of toRequest(plan).streams ?? []) {
      for (const { id, type, data } of events) {
        const version = (versions.get(stream) ?? 0) + 1;
        versions.set(stream, version);
        const position = toPosition(log.length + 1);
        log.push({
          id: id ?? "",
          stream,
          version,
          position,
          type,
          data,
          metadata: { tenant: "t", actor: "a" },
          time: 0,
        });
      }
    }
  };
  write({ id: "p-1-1", writes: [{ stream: "a", expected: 0, events: 2 }], puts: [] });
  const both = [
    { stream: "a", expected: 2, events: 1 },
    { stream: "b", expected: 0, events: 2 },
  ];
  write({ id: "p-1-2", writes: both, puts: [{ key: "shared/1", expected: 0 }] });
  const ack = (id: string, position: number | undefined, streams: number[], records: number[], key?: string): Ack => ({
    id,
    position,
    versions: streams,
    recordVersions: records,
    key,
    repeated: false,
  });
  return {
    events: log,
    records: [
      { key: "own/p/1", value: { append: "p-1-3" }, version: 1, expiresAt: null },
      { key: "shared/1", value: { append: "p-1-2" }, version: 1, expiresAt: null },
    ],
    acks: [ack("p-1-1", 2, [2], []), ack("p-1-2", 5, [3, 2], [1]), ack("p-1-3", undefined, [], [1], "own/p/1")],
    conflicts: new Set(),
    isAll: true,
    head: 5,
  };
}

function judge(change: (history: History) => void): string[] {
  const history = trueHistory();
  change(history);
  const check = new LogCheck();
  for (const event of history.events) check.take(event);
  const told: Told = history;
  return [...new Set(check.judge(told, history.head, history.records).map((violation) => violation.kind))];
}

/** The events with some taken out or put in, at positions of their own. */
const placed = (events: readonly StoredEvent[]): StoredEvent[] =>
  events.map((event, index) => ({ ...event, position: toPosition(index + 1) }));

test("a true history", () => {
  expect(judge(() => {})).toEqual([]);
});

test("one that was under way and never answered is there whole or not at all", () => {
  const dropRecord = ({ acks, records }: History) => {
    acks.pop();
    records.shift();
  };
  expect(judge(dropRecord)).toEqual([]);
  expect(
    judge((history) => {
      dropRecord(history);
      history.acks.pop();
    }),
  ).toEqual([]);
  expect(judge((history) => history.acks.pop())).toEqual([]);
});

const setVersion = (history: History, version: number): unknown =>
  Object.assign(history.records[0] as StoredRecord, { version });

const setOwn = (history: History, version: number, by: string): unknown =>
  Object.assign(history.records[0] as StoredRecord, { version, value: { append: by } });

/** One more append of the record alone is told. */
const tellOnce = (history: History): unknown =>
  history.acks.push({ ...(history.acks[2] as Ack), id: "p-1-4", recordVersions: [2] });

test("of a record one writing may go unheard each time a sender dies, however many there were before", () => {
  const { events, records, acks, head } = trueHistory();
  const check = new LogCheck();
  for (const event of events) check.take(event);
  const told = { acks, conflicts: new Set<string>(), isAll: true };
  const at = (version: number, by: string) => [
    { key: "own/p/1", value: { append: by }, version, expiresAt: null },
    records[1] as StoredRecord,
  ];
  expect(check.judge(told, head, records)).toEqual([]);
  expect(check.judge({ ...told, acks: [] }, head, at(2, "r2-p-1-1"))).toEqual([]);
  expect(check.judge({ ...told, acks: [] }, head, at(3, "r3-p-1-1"))).toEqual([]);
  const ack = { ...(acks[2] as Ack), id: "r4-p-1-1", recordVersions: [4] };
  expect(check.judge({ ...told, acks: [ack] }, head, at(5, "r4-p-1-2"))).toEqual([]);
  const violations = check.judge({ ...told, acks: [] }, head, at(7, "r5-p-1-2"));
  expect(violations.map(({ kind }) => kind)).toEqual(["record"]);
});

test("a sender that heard of its last append, or died with one unheard, has written nothing older or more in a later round", () => {
  /** What does not hold after a true first round and others in which nothing is told and the record was written once. */
  const judgeRounds = (...writers: string[]) => {
    const { events, records, acks, head } = trueHistory();
    const check = new LogCheck();
    for (const event of events) check.take(event);
    const told = { acks, conflicts: new Set<string>(), isAll: true };
    let violations = check.judge(told, head, records);
    writers.forEach((append, index) => {
      const own = { key: "own/p/1", value: { append }, version: index + 2, expiresAt: null };
      violations = check.judge({ ...told, acks: [] }, head, [own, records[1] as StoredRecord]);
    });
    return violations.map(({ kind }) => kind);
  };
  expect(judgeRounds("r2-p-1-4", "r3-p-1-1")).toEqual([]);
  for (const again of ["p-1-3", "p-1-2"]) expect(judgeRounds(again), again).toEqual(["record"]);
  for (const again of ["r2-p-1-4", "r2-p-1-5"]) expect(judgeRounds("r2-p-1-4", again), again).toEqual(["record"]);
});

test.each<[string, string, (history: History) => void]>([
  ["lost", "an acknowledged append is not there", (h) => Object.assign(h, { events: h.events.slice(0, 2), head: 2 })],
  ["lost", "an acknowledged record is not there", (h) => h.records.shift()],
  [
    "half",
    "its last event is missing",
    (h) => Object.assign(h, { events: h.events.slice(0, 4), head: 4, acks: [h.acks[0]] }),
  ],
  [
    "half",
    "its first event is missing",
    (h) => Object.assign(h, { events: placed(h.events.toSpliced(2, 1)), head: 4 }),
  ],
  ["half", "its record is there without it", (h) => Object.assign(h, { events: h.events.slice(0, 2), head: 2 })],
  [
    "twice",
    "an append is there again",
    (h) => Object.assign(h, { events: placed([...h.events, ...h.events.slice(0, 2)]), head: 7 }),
  ],
  ["moved", "it is at another position than was told", (h) => Object.assign(h.acks[1] as Ack, { position: 4 })],
  ["moved", "it is at another version than was told", (h) => Object.assign(h.acks[1] as Ack, { versions: [3, 3] })],
  ["gap", "a position is missing", (h) => Object.assign(h.events[4] as StoredEvent, { position: "6" })],
  ["gap", "the head is beyond the last event", (h) => Object.assign(h, { head: 6 })],
  ["version", "a version is missing", (h) => Object.assign(h.events[2] as StoredEvent, { version: 4 })],
  ["record", "a record is behind its events", (h) => Object.assign(h.records[1] as StoredRecord, { version: 0 })],
  ["record", "a record was told at another version", (h) => Object.assign(h.acks[1] as Ack, { recordVersions: [2] })],
  [
    "record",
    "two appends were told one version of a record",
    (h) => h.acks.push({ ...(h.acks[2] as Ack), id: "p-1-4" }),
  ],
  [
    "record",
    "a record's versions were told with a gap",
    (h) => Object.assign(h.acks[2] as Ack, { recordVersions: [2] }),
  ],
  ["record", "more than one writing of a record was never answered", (h) => h.acks.pop() && setVersion(h, 2)],
  ["record", "a record was written once more by an append that was told", (h) => setVersion(h, 2)],
  [
    "record",
    "a record was written once more by an append told before the last",
    (h) => tellOnce(h) && setOwn(h, 3, "p-1-3"),
  ],
  ["record", "a record was written by an append older than one that was told", (h) => setOwn(h, 2, "p-1-2")],
  [
    "record",
    "a record was written by an append older than a conflict",
    (h) => h.conflicts.add("p-1-5") && setOwn(h, 2, "p-1-4"),
  ],
  ["unasked", "a record was written by a sender that it does not belong to", (h) => setOwn(h, 2, "q-7-4")],
  [
    "unasked",
    "a record that was never told was written by a sender that it does not belong to",
    (h) => h.acks.pop() && setOwn(h, 1, "qp-1-4"),
  ],
  ["record", "an append with events and a record of one sender were never answered", (h) => h.acks.splice(1, 2)],
  ["unasked", "an append was never answered, and a later one was", (h) => h.acks.splice(1, 1)],
  ["unasked", "what conflicted is there", (h) => h.conflicts.add("p-1-1")],
  ["unasked", "a record that conflicted is there", (h) => h.acks.pop() && h.conflicts.add("p-1-3")],
  ["unasked", "two appends of one writer were never answered", (h) => h.acks.splice(0, 2)],
])("%s: %s", (kind, _, change) => {
  expect(judge(change)).toContain(kind);
});
