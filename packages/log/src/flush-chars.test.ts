// How much a flush is said to be: all that is kept of it, whoever sent it.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { expect, test } from "vitest";
import type { Flush } from "./group-commit.ts";
import { defaultGroupCommitLimits, GroupCommit } from "./group-commit.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { EncodedAppend } from "./store.ts";

test("a flush is as many characters as callers sent and followers added", async () => {
  const clock = simulateTime();
  const runtime = createRuntime({ clock });
  const store = createMemoryStore();
  await store.open();
  const flushes: Flush[] = [];
  const event = (id: string, data: string) => ({
    id,
    type: "t",
    data,
    tenant: "acme",
    session: null,
    correlation: null,
    metadata: "{}",
    time: 0,
  });
  const followed: EncodedAppend = {
    streams: [{ stream: "followed", expected: -1, events: [event("two", `"${"x".repeat(98)}"`)] }],
    records: [
      { key: "k", expected: -1, value: `"${"y".repeat(998)}"`, expiresAt: null },
      { key: "gone", expected: -1, value: null, expiresAt: null },
    ],
    with: [{ apply: () => () => {} }],
  };
  const commit = new GroupCommit(
    store,
    runtime,
    defaultGroupCommitLimits,
    { flushed: (flush) => void flushes.push(flush), lost: () => {} },
    () => async () => [followed],
  );
  const sent = { streams: [{ stream: "sent", expected: -1, events: [event("one", "{}")] }], records: [] };
  await commit.offer(sent, 2, "normal");
  await commit.close(rootContext(runtime));
  expect(flushes.map(({ chars }) => chars)).toEqual([2 + 100 + 1_000]);
});
