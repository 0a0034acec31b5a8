import { createRuntime, rootContext } from "@viable/kernel";
import type { StoredEvent } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { shortPages } from "@viable/log/testing";
import { expect, test } from "vitest";
import { asRunEvent, endsRun, readFirst, readRest, readRun, toRunEvent } from "./read-run.ts";

const stored = (type: string, more: Partial<StoredEvent> = {}): StoredEvent => ({
  id: "evt_1",
  stream: "run:run_1",
  version: 7,
  position: "9",
  type,
  data: { by: "ada", reason: "enough" },
  metadata: { tenant: "default", actor: "ada" },
  time: 0,
  ...more,
});

test("an event of a run is its type and its data, and nothing of how it is stored", () => {
  expect(toRunEvent(stored("run.cancelled"))).toEqual({
    type: "run.cancelled",
    data: { by: "ada", reason: "enough" },
  });
});

test("what a run's state is made of is frozen as it is read, and what a process only hears of is not", () => {
  const succeeded = (list: object[]) => stored("step.succeeded", { data: { step: "a", result: { list } } as never });
  const [read, heard] = [[{ n: 1 }], [{ n: 1 }]];
  toRunEvent(succeeded(read));
  expect([Object.isFrozen(read), Object.isFrozen(read[0])]).toEqual([true, true]);
  asRunEvent(succeeded(heard));
  expect([Object.isFrozen(heard), Object.isFrozen(heard[0])]).toEqual([false, false]);
});

test.for([
  ["is of a type that runs do not have", stored("execution.completed")],
  ["has the name of something that every object has", stored("toString")],
  ["was read leniently, and is of another shape", stored("run.cancelled", { undecodable: "data.by: expected string" })],
] as const)("what %s is not taken for an event of a run", ([, event]) => {
  expect(asRunEvent(event)).toBeUndefined();
  expect(() => toRunEvent(event)).toThrow(expect.objectContaining({ code: "reactor.foreign_event" }));
});

test("that a run ends with it shows in whatever shape an event is read", () => {
  expect(endsRun(stored("run.cancelled", { undecodable: "data.by: expected string" }))).toBe(true);
  expect(endsRun(stored("toString"))).toBe(false);
});

test("a run is read to its end, or up to a version of it, though its pages end early", async () => {
  const memory = createMemoryStore();
  const runtime = createRuntime();
  const ctx = rootContext(runtime);
  const log = createLog({ ...memory, ...shortPages(memory, 2) }, runtime);
  await log.start(ctx);
  const events = Array.from({ length: 7 }, () => ({ type: "run.cancel_requested", data: {} }));
  await log.append(ctx, { streams: [{ stream: "run:run_1", expected: 0, events }] });
  const versions = async (read: AsyncIterable<StoredEvent>) => {
    const found: number[] = [];
    for await (const { version } of read) found.push(version);
    return found;
  };
  expect(await versions(readRun(ctx, log, "run_1"))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(await versions(readRun(ctx, log, "run_1", { fromVersion: 2, toVersion: 6 }))).toEqual([2, 3, 4, 5, 6]);
  const [first] = await readFirst(ctx, log, ["run_1"]);
  expect(first).toMatchObject({ events: [{}, {}], isEnd: false });
  if (first !== undefined) expect(await versions(readRest(ctx, log, "run_1", first))).toEqual([1, 2, 3, 4, 5, 6, 7]);
});
