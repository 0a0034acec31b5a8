// Proves what is decided of one swarm where others have written its record, without a log.
import { createIds, seededRandom, simulateTime } from "@viable/kernel";
import type { SwarmHealthRecord, SwarmView } from "@viable/protocol";
import { expect, test } from "vitest";
import type { Look } from "./own-swarm.ts";
import { lookAt, meetOwn, takeBack, toWrite } from "./own-swarm.ts";

const ids = createIds(simulateTime(), seededRandom(1));
const look = (nowMs: number): Look => ({ ids, epoch: 2, nowMs, measuredAt: nowMs, isInterval: false });
const view: SwarmView = {
  service: "a",
  description: "Works.",
  processId: "prc_1",
  status: "healthy",
  reasons: [],
  capabilities: [],
  agents: [],
  measurement: { workers: 1, running: 0, queued: 0, completed: 0, failed: 0, latencyMs: 0 },
  parts: [],
  workers: [],
};
const recordOf = (state: SwarmHealthRecord["state"], told: SwarmHealthRecord["told"]): SwarmHealthRecord => ({
  epoch: 1,
  state,
  told,
  measuredAt: 0,
  view,
  samples: [],
});

test("a return is told once, however often its record is read before it is written", () => {
  const own = meetOwn(view, look(0));
  lookAt(own, view, look(0));
  takeBack(own, 3, recordOf("lost", "lost"), look(1_000));
  takeBack(own, 4, recordOf("lost", "lost"), look(2_000));
  expect(own.waiting.map(({ data }) => data)).toEqual([
    expect.objectContaining({ from: "lost", to: "healthy", epoch: 2 }),
  ]);
  expect(own.waiting[0]?.data).not.toHaveProperty("unrecorded");
  expect(toWrite(own, 4, look(2_000)).write).toMatchObject({
    expected: 4,
    value: { state: "living", told: "healthy" },
  });
});

test("what a log that has gone back does not hold any more is told again", () => {
  const own = meetOwn(view, look(0));
  lookAt(own, view, look(0));
  const degraded: SwarmView = { ...view, status: "degraded", reasons: ["no worker is running"] };
  for (const nowMs of [1_000, 7_000]) lookAt(own, degraded, look(nowMs));
  expect(own.waiting).toHaveLength(1);
  own.waiting = [];
  takeBack(own, 2, recordOf("living", "healthy"), look(8_000));
  lookAt(own, degraded, look(9_000));
  expect(own.waiting.map(({ data }) => [data.from, data.to])).toEqual([["healthy", "degraded"]]);
});

test("texts that others write are cut in the record, and the swarm keeps them", () => {
  const long = "x".repeat(10_000);
  const own = meetOwn(view, look(0));
  const part = { id: "queen", state: "failed", restarts: 1, lastError: long };
  lookAt(own, { ...view, status: "degraded", reasons: [long], parts: [part] }, look(0));
  expect(JSON.stringify(toWrite(own, 0, look(0)).write.value).length).toBeLessThan(1_500);
  expect(own.view.reasons[0]).toBe(long);
});
