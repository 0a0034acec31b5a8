// An event as CloudEvents 1.0: what the protocol says of it, and the CloudEvents SDK takes, whatever the log's names hold.
import type { StoredEvent } from "@viable/log";
import { cloudEvent, cloudEventsBatchType } from "@viable/protocol";
import type { CloudEventV1 } from "cloudevents";
import { HTTP } from "cloudevents";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sourceOf, toCloudEvent } from "./cloud-event.ts";

const stored: StoredEvent = {
  id: "evt_1",
  stream: "execution:exe_1",
  version: 2,
  position: "17",
  type: "execution.completed",
  data: { result: { words: 3 } },
  metadata: {
    tenant: "default",
    actor: "owner",
    session: "ses_1",
    correlation: "exe_0",
    causation: "exe_1",
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    schemaVersion: 3,
  },
  time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
};

/** Read as a program would that has the SDK: it refuses what its schema of CloudEvents does not take. */
const readWithSdk = (events: readonly object[]) =>
  HTTP.toEvent({
    headers: { "content-type": cloudEventsBatchType },
    body: JSON.stringify(events),
  }) as CloudEventV1<unknown>[];

test("an event has all its metadata as attributes, under the names of CloudEvents where it has them", () => {
  const event = toCloudEvent(stored, sourceOf("letters"));
  expect(event).toEqual({
    specversion: "1.0",
    id: "evt_1",
    source: "/systems/letters",
    type: "execution.completed",
    subject: "execution:exe_1",
    time: "2026-01-02T03:04:05.006Z",
    datacontenttype: "application/json",
    data: { result: { words: 3 } },
    streamversion: 2,
    schemaversion: 3,
    position: "17",
    tenant: "default",
    actor: "owner",
    sessionid: "ses_1",
    correlationid: "exe_0",
    causationid: "exe_1",
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  });
  expect(readWithSdk([event])[0]).toMatchObject(event);
});

test("one without a session is of version 1 and says nothing of what it has not; one that cannot be read says why", () => {
  const bare = { ...stored, metadata: { tenant: "default", actor: "owner" }, undecodable: "data.n:\nwrong" };
  const event = toCloudEvent(bare, sourceOf("letters"));
  expect(event).toMatchObject({ schemaversion: 1, undecodable: "data.n:\ufffdwrong" });
  for (const absent of ["sessionid", "correlationid", "causationid", "traceparent"])
    expect(event).not.toHaveProperty(absent);
});

test("property: whatever names and data an event has, the protocol and the SDK take it, and its data is untouched", () => {
  const name = fc.string({ unit: "binary", minLength: 1, maxLength: 512 });
  const events = fc.record({
    id: name,
    stream: name,
    type: name,
    version: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    position: fc.nat().map(String),
    data: fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<StoredEvent["data"]>,
    metadata: fc.record(
      { tenant: name, actor: name, session: name, correlation: name, causation: name, traceparent: name },
      { requiredKeys: ["tenant", "actor"] },
    ),
    // Up to the year 9999, where RFC 3339 ends.
    time: fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }),
  });
  fc.assert(
    fc.property(events, (event) => {
      const made = toCloudEvent(event, sourceOf("letters"));
      expect(cloudEvent.safeParse(made).error).toBeUndefined();
      expect(readWithSdk([made])).toHaveLength(1);
      expect(JSON.stringify(made.data)).toBe(JSON.stringify(event.data));
    }),
  );
});

test.each([
  ["an empty id", { id: "" }],
  ["a control character", { subject: "a\u0007" }],
  ["no time", { time: "yesterday" }],
  ["a version of 33 bits", { streamversion: 2 ** 31 }],
])("the protocol takes no event with %s", (_what, part) => {
  expect(cloudEvent.safeParse({ ...toCloudEvent(stored, "/systems/letters"), ...part }).success).toBe(false);
});
