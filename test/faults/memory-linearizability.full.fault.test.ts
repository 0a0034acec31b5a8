/**
 * The memory that all processes share while its PostgreSQL server dies: three processes of four lanes read, write, write at a version, write for
 * a while and delete, the server is killed four times under each history and one process with it, and what was asked and answered must fit an
 * order in which each operation happens at one moment (`test/linearizability`). What nobody heard of may have happened at any time since, or
 * never. With a mistake planted the same checker must find it. Long form only (`npm run test:faults -- memory-linearizability --full`): the
 * histories without a dying server are checked for every commit.
 */
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import type { Operation } from "../linearizability/check-history.ts";
import { checkHistory } from "../linearizability/check-history.ts";
import type { Planted } from "../linearizability/memory-process.ts";
import type { Fault } from "../linearizability/record-history.ts";
import { allLines, recordHistory, withoutExpiry } from "../linearizability/record-history.ts";
import { keepResult, sayReplay, seed } from "./log/result-file.ts";
import { ServerProcess } from "./log/server-process.ts";

const rounds = 20;
/** After each eighth of what would be told without them: the second takes a process along, and half is left to be told after the last. */
const deaths = 4;
const planted: readonly Planted[] = ["stale reads", "unchecked writes", "a clock ahead"];

/** From when to when nobody can have been answered, by the clock that all processes tell by. */
interface Outage {
  readonly from: number;
  readonly to: number;
}

const nowMs = () => Number(process.hrtime.bigint() / 1_000n) / 1_000;

function serverDeaths(postgres: ServerProcess, outages: Outage[]): Fault[] {
  return Array.from({ length: deaths }, (_, nr) => ({
    afterLines: (allLines / 8) * (nr + 1),
    async happen([child]) {
      const dead = postgres.die(nr % 2 === 0 ? "kill" : "immediate", undefined);
      if (nr === 1) child?.kill("SIGKILL");
      await dead;
      const from = nowMs();
      await postgres.restart();
      outages.push({ from, to: nowMs() });
    },
  }));
}

const spans = ({ askedAt, answeredAt }: Operation, { from, to }: Outage) =>
  askedAt < from && answeredAt !== undefined && answeredAt > to;

test(`${rounds} histories with ${deaths} deaths of the server each`, { timeout: 3_600_000 }, async () => {
  sayReplay("memory-linearizability");
  await using server = await startPostgres({ own: true, fsync: true });
  await using postgres = await ServerProcess.of(server);
  const all: Operation[] = [];
  let keysWithExpiry = 0;
  let answeredAcrossADeath = 0;
  for (let round = 0; round < rounds; round++) {
    const outages: Outage[] = [];
    const history = await recordHistory({
      connectionString: server.connectionString,
      keyPrefix: `${round}/`,
      seed: seed + round,
      faults: serverDeaths(postgres, outages),
    });
    for (const [key, done] of history) {
      expect(checkHistory(done), `round ${round}, key ${key}`).toBeUndefined();
      if (checkHistory(withoutExpiry(done)) !== undefined) keysWithExpiry += 1;
      all.push(...done);
    }
    answeredAcrossADeath += all.filter((operation) => outages.some((outage) => spans(operation, outage))).length;
  }
  const found: Record<string, number> = {};
  for (const [nr, each] of planted.entries()) {
    const history = await recordHistory({
      connectionString: server.connectionString,
      keyPrefix: `${each}/`,
      seed: seed + rounds + nr,
      faults: serverDeaths(postgres, []),
      planted: each,
    });
    found[each] = [...history.values()].filter((done) => checkHistory(done) !== undefined).length;
  }
  const unheard = all.filter(({ answer }) => answer === undefined);
  const [version] = await server.query("SHOW server_version");
  keepResult("memory-linearizability", {
    store: `PostgreSQL ${version?.server_version}, fsync on`,
    histories: rounds,
    keys: rounds * 4,
    serverDeaths: rounds * deaths,
    processesKilled: rounds,
    operations: all.length,
    unheard: unheard.length,
    unheardWrites: unheard.filter(({ call }) => call.kind !== "get").length,
    answeredAcrossADeath,
    writesThatExpire: all.filter(({ call }) => call.kind === "set" && call.expiresInMs !== undefined).length,
    keysSeenToExpire: keysWithExpiry,
    notLinearizable: 0,
    keysFoundWithAMistakePlanted: found,
  });
  expect(postgres.recoveries).toBe((rounds + planted.length) * deaths);
  expect(all.length).toBeGreaterThan(rounds * 1_000);
  expect(unheard.length, "no answer was lost").toBeGreaterThan(rounds);
  expect(answeredAcrossADeath, "nobody waited for a server that was dead").toBeGreaterThan(rounds);
  expect(keysWithExpiry, "nothing was seen to expire").toBeGreaterThan(rounds * 2);
  for (const each of planted) expect(found[each], each).toBeGreaterThan(0);
});
