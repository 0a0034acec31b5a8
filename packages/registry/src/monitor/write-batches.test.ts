// Proves that what is written of many swarms at once goes in few appends, each within its bounds, in order and whole.
import type { NewEvent } from "@viable/log";
import { maxAppendChars, maxAppendItems } from "@viable/log";
import { describe, expect, test } from "vitest";
import type { HealthWrite } from "./write-batches.ts";
import { toBatches } from "./write-batches.ts";

const write = (service: string, chars: number, events = 0): { write: HealthWrite } => ({
  write: {
    key: `swarm-health/${service}/prc_1`,
    value: { text: "x".repeat(chars) },
    expected: 1,
    stream: `swarm:${service}`,
    events: Array.from(
      { length: events },
      (_, index): NewEvent => ({ type: "t", id: `${service}-${index}`, data: {} }),
    ),
  },
});
let made = 0;
const batch = (...all: { write: HealthWrite }[]) => toBatches(all, 77, () => `apd_${++made}`);
const many = (count: number, chars: number, events = 0) =>
  Array.from({ length: count }, (_, index) => write(`s${index}`, chars, events));

describe("the appends of many swarms", () => {
  test("are one for a process of a usual size, with records that expire and the events of their streams", () => {
    const [only, ...rest] = batch(...many(100, 5_000, 2));
    expect(rest).toEqual([]);
    expect(only?.request.records).toHaveLength(100);
    expect(only?.request.records?.[0]).toMatchObject({ key: "swarm-health/s0/prc_1", expected: 1, expiresAt: 77 });
    expect(only?.request.streams?.[99]).toMatchObject({ stream: "swarm:s99", expected: "any" });
  });

  test.each([
    ["full records", many(1_000, 8_000)],
    ["most events", many(1_000, 100, 6)],
    ["a large one among small ones", [...many(10, 100), write("large", 3_000_000), ...many(10, 100)]],
  ])("of %s are within the bounds of the log, with nothing left out (W10)", (_what, all) => {
    const batches = batch(...all);
    expect(batches.flatMap(({ items }) => items)).toEqual(all);
    for (const { request, items } of batches) {
      const { streams = [], records = [] } = request;
      const touched = records.length + streams.reduce((sum, each) => sum + 1 + each.events.length, 0);
      expect(touched).toBeLessThanOrEqual(maxAppendItems / 2);
      if (items.length > 1) expect(JSON.stringify(request).length).toBeLessThanOrEqual(maxAppendChars / 7);
    }
    expect(new Set(batches.map(({ request }) => request.id)).size).toBe(batches.length);
  });

  test("name a stream once, also where two processes of one service are lost at the same time", () => {
    const [only] = batch(write("a", 10, 1), write("a", 10, 2));
    expect(only?.request.streams).toHaveLength(1);
    expect(only?.request.streams?.[0]?.events).toHaveLength(3);
  });
});
