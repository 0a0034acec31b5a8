// That what is known of waits is what runs still wait for, and costs what there is to know: however often a run waits, what is kept of it is as
// much as it waits for at one time, and a wait more costs the same as the one before.
import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { NewEvent, Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { expect, test, vi } from "vitest";
import { reactorEventTypes } from "./event-types.ts";
import { createOpenRuns } from "./open-runs.ts";
import { settled } from "./testing/settled.ts";

/** A process with a picture of what is open, which counts the events that are read of single runs. */
async function start() {
  const time = simulateTime({ random: seededRandom(1) });
  const memory: Store = createMemoryStore();
  const read = { events: 0 };
  const store: Store = {
    ...memory,
    readStream: async (...query) => {
      const page = await memory.readStream(...query);
      read.events += page.events.length;
      return page;
    },
  };
  const runtime = createRuntime({ clock: time, random: seededRandom(2) });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime, { types: reactorEventTypes });
  const openRuns = createOpenRuns(log, { changed() {}, ended() {}, received() {}, unreadable() {}, problem() {} });
  await settled(time, log.start(ctx));
  await settled(time, openRuns.start(ctx));
  const runId = runtime.ids.next("run");
  const append = async (...events: readonly (readonly [type: string, data: JsonObject])[]) => {
    const written = events.map(([type, data]): NewEvent => ({ type, data }));
    const streams = [{ stream: `run:${runId}`, expected: "any" as const, events: written }];
    expect(await settled(time, log.append(ctx, { streams }))).toMatchObject({ ok: true });
    await time.settle();
  };
  await append(["run.started", { reactor: "r", version: 1, hash: "h", input: null }]);
  const awaited = (key: string) => [...openRuns.awaiting("default", "e", key)].map((run) => run.runId);
  return { time, read, runId, append, openRuns, awaited };
}

const waits = (step: string, wait: JsonObject) => ["step.waiting", { step, wait, idle: null }] as const;
const waitsForEvent = (step: string, key: string) => waits(step, { for: "event", event: "e", key });
const asks = (step: string, approvalId: string) => waits(step, { for: "approval", approvalId, title: "?" });
const succeeds = (step: string) => ["step.succeeded", { step, result: null }] as const;

test("of a run that waits 1,000 times one after the other, what it does not wait for any more is forgotten", async () => {
  const { append, awaited, read, runId } = await start();
  const keys: string[] = [];
  let most = 0;
  for (let turn = 0; turn < 1_000; turn++) {
    const step = `each[${turn}]/wait`;
    keys.push(`k${turn}`);
    await append(waitsForEvent(step, `k${turn}`));
    expect(awaited(`k${turn}`)).toEqual([runId]);
    most = Math.max(most, keys.filter((key) => awaited(key).length > 0).length);
    await append(succeeds(step));
  }
  expect(most).toBeLessThanOrEqual(32);
  // All of them once, and of each look the page that it ends in.
  expect(read.events).toBeLessThan(2_000 + 1_000);
});

test("a run that waits 1,000 times at once waits for all of it", async () => {
  const { append, awaited, runId, read } = await start();
  const all = Array.from({ length: 1_000 }, (_, nr) => nr);
  for (const nr of all) await append(waitsForEvent(`each[${nr}]/wait`, `k${nr}`));
  expect(all.filter((nr) => awaited(`k${nr}`)[0] !== runId)).toEqual([]);
  expect(read.events).toBeLessThan(2 * 1_000);
});

test("twice as many waits at once cost twice as much and no more", async () => {
  const cost = async (count: number) => {
    const { append } = await start();
    const all = Array.from({ length: count }, (_, nr) => waitsForEvent(`each[${nr}]/wait`, `k${nr}`));
    const spies = [vi.spyOn(Map.prototype, "set"), vi.spyOn(Map.prototype, "delete"), vi.spyOn(Set.prototype, "add")];
    await append(...all);
    const operations = spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
    for (const spy of spies) spy.mockRestore();
    return operations;
  };
  const once = await cost(400);
  expect(await cost(800)).toBeLessThan(2.5 * once);
});

test("an approval is asked for until it is decided, its time is up, or its run goes no further", async () => {
  const { append, openRuns } = await start();
  await append(asks("a", "apr_1"), asks("b", "apr_2"), asks("c", "apr_3"), asks("d", "apr_4"));
  const asked = () => ["apr_1", "apr_2", "apr_3", "apr_4"].filter((id) => openRuns.byApproval(id) !== undefined);
  expect(asked()).toHaveLength(4);
  await append(["approval.decided", { approvalId: "apr_1", decision: "approved", by: "ada" }]);
  expect(asked()).toEqual(["apr_2", "apr_3", "apr_4"]);
  const error = { code: "reactor.wait_timed_out", message: "Nobody answered.", retryable: false };
  await append(["step.failed", { step: "b", attempt: 1, error }]);
  expect(asked()).toEqual(["apr_3", "apr_4"]);
  // Asked anew, the first question is nobody's any more.
  await append(asks("c", "apr_1"));
  expect(asked()).toEqual(["apr_1", "apr_4"]);
  await append(["run.cancel_requested", { by: "ada", reason: "enough" }]);
  expect(asked()).toEqual([]);
});

test("two steps that wait for the same are two waits, and the run is told until neither does", async () => {
  const { append, awaited, runId } = await start();
  await append(waitsForEvent("a", "k"), waitsForEvent("b", "k"));
  const error = { code: "reactor.wait_timed_out", message: "It did not come.", retryable: false };
  await append(["step.failed", { step: "a", attempt: 1, error, retryAt: 1 }]);
  expect(awaited("k")).toEqual([runId]);
  await append(["step.failed", { step: "b", attempt: 1, error }]);
  expect(awaited("k")).toEqual([]);
});
