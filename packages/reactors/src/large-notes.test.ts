// That what of open runs is to be noted is, however large all of it is together.
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { StoredRecord } from "@viable/log";
import { createLog, createMemoryStore, maxAppendChars } from "@viable/log";
import { expect, test } from "vitest";
import { reactorEventTypes } from "./event-types.ts";
import { createOpenRuns } from "./open-runs.ts";
import { settled } from "./testing/settled.ts";

const prefix = "reactors/open/";

test("notes that are larger together than one append may be are written by several, and then up to where", async () => {
  const time = simulateTime({ random: seededRandom(1) });
  const runtime = createRuntime({ clock: time, random: seededRandom(2) });
  const ctx = rootContext(runtime);
  const log = createLog(createMemoryStore(), runtime, { types: reactorEventTypes });
  const problems: string[] = [];
  const openRuns = createOpenRuns(log, {
    changed() {},
    ended() {},
    received() {},
    unreadable() {},
    problem: (message) => problems.push(message),
  });
  await settled(time, log.start(ctx));
  await settled(time, openRuns.start(ctx));
  const started = { type: "run.started", data: { reactor: "r", version: 1, hash: "h", input: null } };
  const waits = Array.from({ length: 900 }, (_, nr) => ({
    type: "step.waiting",
    data: { step: `${"x".repeat(1_000)}[${nr}]/w`, wait: { for: "event", event: "e", key: `${nr}` } },
  }));
  const runIds = Array.from({ length: 10 }, () => runtime.ids.next("run"));
  for (const runId of runIds) {
    const streams = [{ stream: `run:${runId}`, expected: 0, events: [started, ...waits] }];
    expect(await settled(time, log.append(ctx, { streams }))).toMatchObject({ ok: true });
  }
  await time.advance(6_000);

  const notes: StoredRecord[] = [];
  for (let isEnd = false; !isEnd; ) {
    const page = await settled(time, log.listRecords(ctx, prefix, { after: notes.at(-1)?.key ?? "" }));
    notes.push(...page.records);
    isEnd = page.isEnd;
  }
  expect(notes.map(({ key }) => key.slice(prefix.length)).sort()).toEqual(runIds.toSorted());
  expect(JSON.stringify(notes).length).toBeGreaterThan(maxAppendChars);
  expect(await settled(time, log.getRecord(ctx, "reactors/open-at"))).toMatchObject({
    value: { position: expect.any(String) },
  });
  expect(problems).toEqual([]);
});
