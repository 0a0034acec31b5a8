import type { StoredEvent } from "@viable/log";
import { expect, test } from "vitest";
import { asRunEvent, endsRun, toRunEvent } from "./read-run.ts";

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
