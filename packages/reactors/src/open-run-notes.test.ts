import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { expect, test } from "vitest";
import { reactorEventTypes } from "./event-types.ts";
import { createOpenRuns } from "./open-runs.ts";

test("notes that cannot be written are told of once, until they have been written; what was to be noted then is", async () => {
  const time = simulateTime({ random: seededRandom(1) });
  const runtime = createRuntime({ clock: time, random: seededRandom(2) });
  const ctx = rootContext(runtime);
  const memory = createMemoryStore();
  let refuses = false;
  const store: Store = {
    ...memory,
    commit: async (batch, now, follow) => {
      if (refuses && batch.some(({ records }) => records.length > 0))
        throw new ViableError("log.store_refused", "Read only.");
      return await memory.commit(batch, now, follow);
    },
  };
  const log = createLog(store, runtime, { types: reactorEventTypes });
  const problems: string[] = [];
  const openRuns = createOpenRuns(log, {
    changed() {},
    ended() {},
    received() {},
    unreadable() {},
    problem: (message) => problems.push(message),
  });
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    void promise.finally(() => {
      isSettled = true;
    });
    await time.until(() => isSettled);
    return await promise;
  };
  const begin = async () => {
    const data: JsonObject = { reactor: "r", version: 1, hash: "h", input: null };
    const stream = `run:${runtime.ids.next("run")}`;
    await settled(log.append(ctx, { streams: [{ stream, expected: 0, events: [{ type: "run.started", data }] }] }));
  };
  const noted = async () => (await settled(log.listRecords(ctx, "reactors/open/"))).length;
  await settled(log.start(ctx));
  await settled(openRuns.start(ctx));

  refuses = true;
  await begin();
  await time.advance(60_000);
  expect(problems).toEqual([expect.stringMatching(/could not be noted.*Read only/)]);
  expect(await noted()).toBe(0);

  refuses = false;
  await time.advance(6_000);
  expect(await noted()).toBe(1);

  refuses = true;
  await begin();
  await settled(openRuns.stop(ctx));
  expect(problems).toHaveLength(2);
});
