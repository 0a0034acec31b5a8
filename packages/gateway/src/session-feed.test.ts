// How a feed ends that cannot go on, over a log in memory: a defect is told of, a database that is away is not.
import { createRuntime, rootContext, simulateTime, ViableError } from "@viable/kernel";
import type { StoredEvent } from "@viable/log";
import { createLog, createMemoryStore, startPosition, storeUnavailable } from "@viable/log";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { streamFeed } from "./session-feed.ts";

async function setup() {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time }));
  const log = createLog(createMemoryStore(), ctx.runtime);
  await log.start(ctx);
  const told: unknown[] = [];
  /** Reads a feed to its end. */
  const read = async (feed: {
    first?: AsyncIterable<StoredEvent>;
    endsWith?: (event: StoredEvent) => boolean;
    isOpen?: () => boolean;
  }) => {
    const app = new Hono().get("/", (c) =>
      streamFeed(c, {
        ctx,
        log,
        filter: {},
        after: startPosition,
        endsWith: () => false,
        expiresAt: null,
        isOpen: () => true,
        onError: (error) => told.push(error),
        ...feed,
      }),
    );
    return await (await app.request("/")).text();
  };
  const append = () =>
    log.append(ctx, { streams: [{ stream: "s", expected: "any", events: [{ type: "t", data: {} }] }] });
  return { time, ctx, log, told, read, append };
}

const defect = new Error("a defect");
const failing = (error: unknown): AsyncIterable<StoredEvent> => ({
  [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
});

test("a defect while an event is written ends the feed and is told of", async () => {
  const { time, told, read, append } = await setup();
  await append();
  await read({
    endsWith: () => {
      throw defect;
    },
  });
  expect(told).toEqual([defect]);
  expect(time.pending).toBe(0);
});

test("a defect in what is read first ends the feed and is told of", async () => {
  const { time, told, read } = await setup();
  await read({ first: failing(defect) });
  expect(told).toEqual([defect]);
  expect(time.pending).toBe(0);
});

test("a database that is away ends the feed, and nobody is told: its reader comes back", async () => {
  const { time, told, read } = await setup();
  await read({ first: failing(new ViableError(storeUnavailable, "The database is away.", { retryable: true })) });
  expect(told).toEqual([]);
  expect(time.pending).toBe(0);
});

test("what it was opened with is revoked: the feed ends and tells nothing more", async () => {
  const { time, told, read, append } = await setup();
  for (let count = 0; count < 3; count++) await append();
  let asked = 0;
  const text = await read({ isOpen: () => ++asked <= 2 });
  expect(text.match(/^id: /gm)).toHaveLength(2);
  expect(told).toEqual([]);
  expect(time.pending).toBe(0);
});
