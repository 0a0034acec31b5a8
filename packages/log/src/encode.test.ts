// What may enter the log: everything that can be kept exactly, and nothing else.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeEvent, encodeAppend, maxAppendChars, maxAppendItems, maxNameChars } from "./encode.ts";
import { anyType } from "./event-types.ts";
import type { AppendRequest } from "./log.ts";
import type { EncodedEvent } from "./store.ts";

const runtime = createRuntime({ clock: simulateTime({ startMs: 5_000 }) });
const ctx = rootContext(runtime, { tenant: "acme", principal: "owner", traceparent: "00-trace" });
const encode = (request: AppendRequest, context = ctx) => encodeAppend(context, request, anyType).append;
const invalid = { code: "log.invalid_event", retryable: false };
const withEvent = (parts: object): AppendRequest => ({
  streams: [{ stream: "s", expected: 0, events: [{ type: "t", data: {}, ...parts }] }],
});

test("an event gets its id, time and metadata from the context", () => {
  const { streams } = encode({
    streams: [
      {
        stream: "s",
        expected: "any",
        session: "ses",
        correlation: "exe",
        causation: "evt",
        events: [
          { type: "t", data: { x: 1 } },
          { type: "u", data: {}, id: "own" },
        ],
      },
    ],
  });
  expect(streams).toMatchObject([{ stream: "s", expected: -1 }]);
  const [first, second] = streams.flatMap((write) => write.events) as [EncodedEvent, EncodedEvent];
  expect(second.id).toBe("own");
  expect(decodeEvent(first, "s", 4, 9)).toEqual({
    id: expect.stringMatching(/^evt_/),
    stream: "s",
    version: 4,
    position: "9",
    type: "t",
    data: { x: 1 },
    metadata: {
      tenant: "acme",
      actor: "owner",
      session: "ses",
      correlation: "exe",
      causation: "evt",
      traceparent: "00-trace",
    },
    time: 5_000,
  });
  expect(decodeEvent(second, "s", 5, 10).metadata).not.toHaveProperty("schemaVersion");
});

test("records: values as text, null deletes, any is -1", () => {
  const { records } = encode({
    records: [
      { key: "a", value: { x: [1] }, expected: "any", expiresAt: 7 },
      { key: "b", value: null, expected: 2 },
    ],
  });
  expect(records).toEqual([
    { key: "a", value: '{"x":[1]}', expected: -1, expiresAt: 7 },
    { key: "b", value: null, expected: 2, expiresAt: null },
  ]);
});

test.each([
  ["NaN", { x: Number.NaN }, "t.data.x"],
  ["a function", { x: () => {} }, "t.data.x"],
  ["a date", { when: new Date(0) }, "t.data.when"],
  ["a hole", { list: [1, undefined] }, "t.data.list[1]"],
  ["a big integer", { x: 1n }, "t.data.x"],
])("data that JSON would change is refused, and the place is named: %s", (_, data, path) => {
  expect(() => encode(withEvent({ data }))).toThrow(
    expect.objectContaining({ ...invalid, details: expect.objectContaining({ path }) }),
  );
});

const badNames = ["", "a\u0000b", "\ud800", "x".repeat(maxNameChars + 1)];

test.each(badNames)("a name that no database keeps exactly is refused wherever it stands: %j", (name) => {
  const requests: AppendRequest[] = [
    withEvent({ type: name }),
    withEvent({ id: name }),
    { streams: [{ stream: name, expected: 0, events: [] }] },
    { streams: [{ stream: "s", expected: 0, events: [], session: name }] },
    { streams: [{ stream: "s", expected: 0, events: [], correlation: name }] },
    { records: [{ key: name, value: 1, expected: 0 }] },
  ];
  for (const request of requests) expect(() => encode(request)).toThrow(expect.objectContaining(invalid));
  expect(() => encode(withEvent({}), { ...ctx, tenant: name })).toThrow(expect.objectContaining(invalid));
});

test("a name as long as may be is taken", () => {
  expect(encode(withEvent({ type: "x".repeat(maxNameChars) })).streams[0]?.events[0]?.type).toHaveLength(maxNameChars);
});

test("W10: an append is bounded in characters and in items", () => {
  const half = "x".repeat(maxAppendChars / 2);
  expect(() => encode({ records: ["a", "b"].map((key) => ({ key, value: half, expected: 0 })) })).toThrow(
    expect.objectContaining(invalid),
  );
  const many = <T>(count: number, make: (nr: number) => T): T[] => Array.from({ length: count }, (_, nr) => make(nr));
  const event = { type: "t", data: {} };
  // A stream, an event, a record and a deletion are an item each.
  const requests: ((items: number) => AppendRequest)[] = [
    (items) => ({ streams: [{ stream: "s", expected: 0, events: many(items - 1, () => event) }] }),
    (items) => ({ streams: many(items, (nr) => ({ stream: `${nr}`, expected: 0, events: [] })) }),
    (items) => ({ streams: many(items / 2, (nr) => ({ stream: `${nr}`, expected: 0, events: [event] })) }),
    (items) => ({ records: many(items, (nr) => ({ key: `${nr}`, value: nr, expected: 0 })) }),
    (items) => ({ records: many(items, (nr) => ({ key: `${nr}`, value: null, expected: "any" })) }),
  ];
  for (const request of requests) {
    expect(() => encode(request(maxAppendItems))).not.toThrow();
    expect(() => encode(request(maxAppendItems + 2))).toThrow(expect.objectContaining(invalid));
  }
});

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
  "what is no version is refused, and does not pass for any: %s",
  (expected) => {
    const requests: AppendRequest[] = [
      { streams: [{ stream: "s", expected, events: [] }] },
      { records: [{ key: "k", value: 1, expected }] },
    ];
    for (const request of requests) expect(() => encode(request)).toThrow(expect.objectContaining(invalid));
  },
);

test("property: whatever is JSON comes back as it was", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 5 })), (data) => {
      const event = encode(withEvent({ data })).streams[0]?.events[0] as EncodedEvent;
      // Through text once: JSON has no -0, and that is all it may change.
      expect(decodeEvent(event, "s", 1, 1).data).toEqual(JSON.parse(JSON.stringify(data)));
      expect(event.data.isWellFormed() && !event.data.includes("\u0000")).toBe(true);
    }),
  );
});

test("rows that go with an append: bounded, storable, and never alone", () => {
  const rows = (count: number, sql = "SELECT 1", params: (string | null)[] = []) =>
    Array.from({ length: count }, () => ({ sql, params }));
  const withRows = (rows: AppendRequest["with"]): AppendRequest => ({ ...withEvent({}), with: rows ?? [] });
  expect(encode(withRows(rows(1_000, "INSERT …", ["a", null])))).toMatchObject({
    with: rows(1_000, "INSERT …", ["a", null]),
  });
  expect(encode(withRows([]))).not.toHaveProperty("with");
  for (const bad of [rows(1_001), rows(1, "SELECT '\u0000'"), rows(1, "SELECT $1", ["\ud800"])])
    expect(() => encode(withRows(bad))).toThrow(
      expect.objectContaining({ ...invalid, details: expect.objectContaining({ path: "with" }) }),
    );
  expect(() => encode(withRows(rows(2, "x".repeat(maxAppendChars / 2 + 1))))).toThrow(expect.objectContaining(invalid));
  expect(() => encode({ with: rows(1) })).toThrow(expect.objectContaining(invalid));
});

test("a record expires at a time, or never", () => {
  const expiring = (expiresAt: number | null) =>
    encode({ records: [{ key: "k", value: 1, expected: 0, expiresAt }] }).records[0]?.expiresAt;
  expect([expiring(1.5), expiring(null)]).toEqual([1.5, null]);
  for (const none of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(() => expiring(none)).toThrow(
      expect.objectContaining({ ...invalid, details: expect.objectContaining({ path: "record k.expiresAt" }) }),
    );
  }
});
