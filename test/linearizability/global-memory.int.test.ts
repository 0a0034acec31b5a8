// The memory that all processes share, on one PostgreSQL: whatever several do at the same time is as if each operation happened at one
// moment between its question and its answer, also with keys that expire. The same with a mistake planted, which must be found, or this suite
// would be blind to it. What it is while the server dies is tried in `test/faults/memory-linearizability.full.fault.test.ts`.
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import { checkHistory } from "./check-history.ts";
import type { Planted } from "./memory-process.ts";
import { allLines, recordHistory, withoutExpiry } from "./record-history.ts";

test("what three processes do with it at the same time, one of them killed meanwhile, is linearizable", {
  timeout: 120_000,
}, async () => {
  await using server = await startPostgres();
  const history = await recordHistory({
    connectionString: await server.createDatabase(),
    seed: 1,
    faults: [{ afterLines: allLines / 2, happen: ([child]) => void child?.kill("SIGKILL") }],
  });
  for (const [key, done] of history) expect(checkHistory(done), `key ${key}`).toBeUndefined();
  const all = [...history.values()].flat();
  const kinds = new Set(all.map(({ answer }) => answer?.kind));
  expect(kinds).toEqual(new Set(["found", "absent", "written", "conflict", "deleted", undefined]));
  for (const done of history.values()) {
    expect(done.length).toBeGreaterThan(300);
    expect(checkHistory(withoutExpiry(done)), "nothing was seen to expire").toBeDefined();
  }
});

test.each<Planted>(["stale reads", "unchecked writes", "a clock ahead"])(
  "the suite sees %s",
  {
    timeout: 120_000,
  },
  async (planted) => {
    await using server = await startPostgres();
    const history = await recordHistory({ connectionString: await server.createDatabase(), seed: 2, planted });
    expect([...history.values()].map(checkHistory).filter((wrong) => wrong !== undefined)).not.toEqual([]);
  },
);
