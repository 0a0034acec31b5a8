// A view tells all that a reader needs to fold the event as the system does.
import type { StoredEvent } from "@viable/log";
import { expect, test } from "vitest";
import { fromEventView, toEventView } from "./event-view.ts";

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
