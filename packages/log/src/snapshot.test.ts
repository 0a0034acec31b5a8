// The pages of a snapshot are handed on as long as they are those of a whole one.
import { expect, test } from "vitest";
import type { PlacedEvent, PlacedRecord, SnapshotPage } from "./snapshot.ts";
import { checkSnapshot } from "./snapshot.ts";

const eventAt = (ordinal: number): PlacedEvent => ({
  id: `e${ordinal}`,
  stream: "a",
  version: ordinal,
  ordinal,
  type: "t",
  data: "{}",
  tenant: "default",
  session: null,
  correlation: null,
  metadata: "{}",
  time: 0,
});
const record: PlacedRecord = {
  key: "r",
  value: "1",
  version: 1,
  expiresAt: null,
  change: 1,
  changedAt: 0,
  writtenBy: null,
};

const records: SnapshotPage = { kind: "records", records: [record] };
const headAt = (ordinal: number): SnapshotPage => ({ kind: "head", head: { ordinal, change: 1, records: 1 } });
const events = (...ordinals: number[]): SnapshotPage => ({ kind: "events", events: ordinals.map(eventAt) });

async function check(...pages: SnapshotPage[]): Promise<SnapshotPage[]> {
  const passed: SnapshotPage[] = [];
  const given = (async function* () {
    yield* pages;
  })();
  for await (const page of checkSnapshot(given)) passed.push(page);
  return passed;
}

test.each([
  ["with records and events", [records, records, headAt(3), events(1, 2), events(3)]],
  ["of an empty log", [headAt(0)]],
])("a whole snapshot %s passes", async (_, pages) => {
  expect(await check(...pages)).toEqual(pages);
});

test.each([
  ["without a head", [records], "does not say where"],
  ["of no pages", [], "does not say where"],
  ["with two heads", [headAt(0), headAt(0)], "says twice"],
  ["with records after the head", [headAt(0), records], "after the place for them"],
  ["with events before the head", [events(1), headAt(1)], "before it says"],
  ["that begins late", [headAt(2), events(2)], "event 2 stands where 1 should"],
  ["with a gap", [headAt(3), events(1, 3)], "event 3 stands where 2 should"],
  ["with an event twice", [headAt(2), events(1), events(1)], "event 1 stands where 2 should"],
  ["that ends early", [headAt(2), events(1)], "1 events of 2"],
  ["with more than its head says", [headAt(1), events(1, 2)], "2 events of 1"],
])("one %s is damaged", async (_, pages, reason) => {
  await expect(check(...pages)).rejects.toMatchObject({
    code: "log.snapshot_damaged",
    message: expect.stringContaining(reason),
  });
});
