// A view tells all that a reader needs to fold the event as the system does.
import type { StoredEvent } from "@viable/log";
import { expect, test } from "vitest";
import { fromEventView, toEventView, toFeedEvent } from "./event-view.ts";

const bare: StoredEvent = {
  id: "evt_1",
  stream: "execution:exe_1",
  version: 2,
  position: "17",
  type: "execution.progressed",
  data: { percent: 1, message: "m" },
  metadata: { tenant: "default", actor: "owner" },
  time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
};
const full: StoredEvent = {
  ...bare,
  metadata: { ...bare.metadata, session: "ses_1", correlation: "exe_0", causation: "exe_1", traceparent: "00-a-b-01" },
  undecodable: "it is of version 9",
};

test.each([
  ["bare", bare],
  ["full", full],
])("an event that is %s comes back from its view as it was", (_what, event) => {
  expect(fromEventView(toEventView(event))).toEqual(event);
});

const large = "l".repeat(64 * 1024);

test("a live feed leaves out what is large, and names it", () => {
  const event = { ...bare, type: "step.succeeded", data: { step: "a", result: large, args: [1] } };
  expect(toFeedEvent(event)).toEqual({
    ...toEventView(event),
    data: { step: "a", args: [1] },
    omitted: ["result"],
  });
});

test("of a wait for a person a live feed tells all but details that are large", () => {
  const wait = { for: "approval", approvalId: "apr_1", title: "Pay?", until: 5 };
  const event = { ...bare, type: "step.waiting", data: { step: "a", wait: { ...wait, details: { large } } } };
  expect(toFeedEvent(event)).toEqual({
    ...toEventView(event),
    data: { step: "a", wait },
    omitted: ["wait.details"],
  });
  expect(event.data.wait.details).toEqual({ large });
});

test.each([
  ["nothing that may be large", { step: "a" }],
  ["a wait without details", { step: "a", wait: { for: "time", until: 1 } }],
  ["details that are small", { step: "a", wait: { for: "approval", details: "d" } }],
])("a live feed leaves an event with %s as it is", (_what, data) => {
  expect(toFeedEvent({ ...bare, data })).toEqual(toEventView({ ...bare, data }));
});
