// Pages of a stream whose events are large: no question brings more than fits memory, and nothing is missing or comes twice.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import type { Position, Store, StoredEvent } from "@viable/log";
import { createLog, createMemoryStore, startPosition } from "@viable/log";
import { expect, test } from "vitest";
import { followStored, readStreamEvents } from "./stream-events.ts";

const mib = 1024 * 1024;
const stream = "run:run_1";

/** A log with a stream of 25 events of 2 MiB each, and what its store was asked for at once since: the largest answer, in bytes of data. */
async function setup() {
  const seen = { bytes: 0 };
  const note = (events: readonly StoredEvent[]) => {
    seen.bytes = Math.max(
      seen.bytes,
      events.reduce((sum, event) => sum + JSON.stringify(event.data).length, 0),
    );
  };
  const inner = createMemoryStore();
  const store: Store = {
    ...inner,
    async readStream(...question) {
      const page = await inner.readStream(...question);
      note(page.events);
      return page;
    },
    async readStreams(...question) {
      const pages = await inner.readStreams(...question);
      note(pages.flatMap((page) => page.events));
      return pages;
    },
  };
  const runtime = createRuntime({ clock: simulateTime() });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  const result = "r".repeat(2 * mib);
  for (let nr = 0; nr < 25; nr++)
    await log.append(ctx, { streams: [{ stream, expected: nr, events: [{ type: "t", data: { result } }] }] });
  return { ctx, log, seen };
}

const versions = Array.from({ length: 25 }, (_, index) => index + 1);
/** One question's bound, and the event that goes beyond it. */
const maxBytes = 8 * mib + 2 * mib + 100;

test("W10: a page ends where it is full, and says where to go on", async () => {
  const { ctx, log, seen } = await setup();
  const read: number[] = [];
  let pages = 0;
  for (let next: Position | undefined = startPosition; next !== undefined; pages++) {
    const page = await readStreamEvents(ctx, log, stream, { after: next, limit: 1_000 });
    read.push(...page.events.map((event) => event.version));
    next = page.next;
  }
  expect(read).toEqual(versions);
  expect(pages).toBeGreaterThan(1);
  expect(seen.bytes).toBeLessThanOrEqual(maxBytes);
});

test.each([
  [2, [23, 24], "24"],
  [3, [23, 24, 25], undefined],
  [4, [23, 24, 25], undefined],
])(
  "of the last three events, a page of at most %i says where to go on only where there are more",
  async (limit, read, next) => {
    const { ctx, log } = await setup();
    const page = await readStreamEvents(ctx, log, stream, { after: "22", limit });
    expect(page.events.map((event) => event.version)).toEqual(read);
    expect(page.next).toBe(next);
  },
);

test("W10: a feed reads what is stored in portions that fit memory, from any position on", async () => {
  const { ctx, log, seen } = await setup();
  const followed = await followStored(ctx, log, stream, "2", () => false);
  const read: number[] = [];
  for await (const event of followed?.events ?? []) read.push(event.version);
  expect(read).toEqual(versions.slice(2));
  expect(seen.bytes).toBeLessThanOrEqual(maxBytes);
});
