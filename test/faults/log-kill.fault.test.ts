/**
 * W1 on the log itself: `kill -9` of writing processes, of the PostgreSQL server and of both, at random moments under load, round after
 * round on the same database. After each round every acknowledged append is there once, at the position and the versions it was
 * acknowledged with; of the others each is there whole or not at all; positions, streams and records have no gaps. Where the server
 * dies and the writers live on they send again with the same ids, and nothing is written twice. What a reader saw before a crash is
 * there after it. Short form 4 rounds on PostgreSQL and 2 on PGlite, full form 200 and 60 (`npm run test:faults -- log-kill --full`).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { seededRandom } from "@viable/kernel";
import type { Position } from "@viable/log";
import { toPosition } from "@viable/log";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import type { Reading } from "./log/check-reading.ts";
import { checkReading } from "./log/check-reading.ts";
import type { LogProcess } from "./log/child-process.ts";
import { startReader, startWriter } from "./log/child-process.ts";
import { complaintsOf, counts, judgeDatabase, nothingKnown, toldBy } from "./log/judge-database.ts";
import type { Ack } from "./log/lines.ts";
import type { Target } from "./log/open-target.ts";
import { isFull, keepResult, sayReplay, seed } from "./log/result-file.ts";
import type { ServerDeath } from "./log/server-process.ts";
import { ServerProcess } from "./log/server-process.ts";
import type { Mix } from "./log/workload.ts";

/** Writers in all processes together. */
const writers = 64;
const postgresRounds = isFull ? 200 : 4;
const pgliteRounds = isFull ? 60 : 2;
/** How long the load goes on before something dies, at most, in milliseconds. */
const maxLoadMs = 1_000;
/** A round that did less has shown nothing: appends acknowledged before the kill, and after the server has come back. */
const minAcked = 50;

/** What all rounds on one database have told, to be held against the whole of it once more at the end. */
interface Tally {
  acks: Ack[];
  conflicts: Set<string>;
  rounds: Record<string, number>;
  /** Appends whose answer was lost with a server, that had happened, and that were answered so when they were sent again. */
  recovered: number;
  /** Acknowledged appends that were sent again on purpose, and answered alike. */
  repeated: number;
  unknowns: number;
  parked: number;
  seen: number;
}

const newTally = (): Tally => ({
  acks: [],
  conflicts: new Set(),
  rounds: {},
  recovered: 0,
  repeated: 0,
  unknowns: 0,
  parked: 0,
  seen: 0,
});

function count(tally: Tally, round: string, processes: readonly LogProcess[]): void {
  tally.rounds[round] = (tally.rounds[round] ?? 0) + 1;
  for (const each of processes) {
    const heard = new Set<string>();
    for (const ack of each.acks) {
      tally.acks.push(ack);
      if (heard.has(ack.id)) tally.repeated += 1;
      else if (ack.repeated) tally.recovered += 1;
      heard.add(ack.id);
    }
    for (const id of each.conflicts) tally.conflicts.add(id);
    tally.unknowns += each.unknowns;
    tally.parked += each.parked;
    tally.seen += each.seen.length;
  }
}

/** Starts writing processes that share the writers between them, and waits until each is at work. */
async function startWriters(
  target: Target,
  round: number,
  count: number,
  mix: Mix = "everything",
  follows?: Position,
): Promise<LogProcess[]> {
  const processes = Array.from({ length: count }, (_, nr) =>
    startWriter({
      target,
      name: `r${round}-p${nr}`,
      slot: `p${nr}`,
      seed: seed + round * 10 + nr,
      writers: Math.ceil(writers / count),
      mix,
      maxPauseMs: 0,
      ...(follows !== undefined && { follows }),
    }),
  );
  await Promise.all(processes.map((each) => each.acknowledged(minAcked)));
  return processes;
}

const readingOf = ({ name, seen, followedTo }: LogProcess, after: number): Reading => ({
  reader: name,
  seen,
  after,
  streamPrefix: "",
  followedTo,
});

/** Whether a writing connection goes the shortest way at this moment (`statements/append-known.ts`). */
async function goesShortest(server: PostgresServer): Promise<boolean> {
  const sql =
    "SELECT FROM pg_stat_activity WHERE application_name = 'viable' AND query LIKE 'INSERT INTO viable.events%'";
  return (await server.query(sql)).length > 0;
}

async function killServer(server: PostgresServer, postgres: ServerProcess, how: ServerDeath): Promise<void> {
  // The busiest of those that commit or read: it is at work now, or will be in a moment.
  const [backend] = await server.query(
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'viable' ORDER BY state, query_start DESC LIMIT 1",
  );
  await postgres.die(how, backend === undefined ? undefined : Number(backend.pid));
  if (how !== "backend") await postgres.restart();
}

/** Nobody is at the database any more: what a killed process had sent last has been done or dropped. */
async function quiet(server: PostgresServer): Promise<void> {
  await expect
    .poll(
      async () => {
        const sql = "SELECT count(*) AS connections FROM pg_stat_activity WHERE application_name = 'viable'";
        // A connection of the test's own may have broken with the server.
        const [row] = await server.query(sql).catch(() => [{ connections: -1 }]);
        return Number(row?.connections);
      },
      { timeout: 30_000, interval: 10 },
    )
    .toBe(0);
}

test(`PostgreSQL: ${postgresRounds} kills of writers, of the server, of both`, {
  timeout: 60_000 + postgresRounds * 20_000,
}, async () => {
  sayReplay("log-kill");
  const random = seededRandom(seed);
  // Checkpoints as often as they can be had, so that some kills meet one.
  const settings = ["max_wal_size=64MB", "checkpoint_timeout=30s"];
  await using server = await startPostgres({ own: true, fsync: true, settings });
  await using postgres = await ServerProcess.of(server);
  const target: Target = { kind: "postgres", connectionString: server.connectionString };
  const known = nothingKnown();
  const tally = newTally();
  let roundsOfEvents = 0;
  let roundsOfShortest = 0;
  const serverDeaths = { kill: 0, immediate: 0, backend: 0 };
  for (let round = 1; round <= postgresRounds; round++) {
    const what = (["writers", "server", "both"] as const)[round % 3] ?? "writers";
    // One connection's process can only be killed while somebody is connected.
    const ways: readonly ServerDeath[] = what === "both" ? ["immediate", "kill"] : ["backend", "kill", "immediate"];
    const how = ways[Math.floor(round / 3) % ways.length] ?? "kill";
    const after = known.check.position;
    // Where one process writes events alone, the log goes ways that are shorter.
    const mix = random.next() < 0.5 ? "events" : "everything";
    const processes = await startWriters(target, round, 1 + Math.floor(random.next() * 3), mix);
    if (mix === "events") roundsOfEvents += 1;
    const reader = startReader(`r${round}-reader`, { target, seed, after: toPosition(after), maxPauseMs: 0 });
    await reader.opened();
    await setTimeout(random.next() * maxLoadMs);
    if (mix === "events" && (await goesShortest(server))) roundsOfShortest += 1;
    if (what === "writers") {
      // Some or all of them; those that live on finish what they are at.
      const killed = processes.filter((_, nr) => nr === 0 || random.next() < 0.5);
      await Promise.all(killed.map((each) => each.kill()));
      await Promise.all(processes.filter((each) => !killed.includes(each)).map((each) => each.stop()));
    } else if (what === "server") {
      await killServer(server, postgres, how);
      // They go on by themselves.
      await Promise.all(processes.map((each) => each.acknowledged(each.acks.length + minAcked)));
      await Promise.all(processes.map((each) => each.stop()));
    } else {
      // In the same instant: the server's signals are sent before anything is waited for.
      await Promise.all([postgres.die(how, undefined), ...processes.map((each) => each.kill())]);
      await postgres.restart();
    }
    if (what !== "writers") serverDeaths[how] += 1;
    await reader.stop();
    await quiet(server);
    const violations = [
      ...(await judgeDatabase(target, known, toldBy(processes))),
      ...complaintsOf(processes),
      ...checkReading(known.order, readingOf(reader, after)),
    ];
    expect(violations, `round ${round}: ${what}, ${how}`).toEqual([]);
    count(
      tally,
      what === "writers" ? "writers killed" : `${what === "both" ? "all killed, server by" : "server by"} ${how}`,
      [...processes, reader],
    );
  }
  // After the last kill everybody succeeds, and the whole is judged once more from its first event, against all that was ever told.
  const last = await startWriters(target, postgresRounds + 1, 2);
  await Promise.all(last.map((each) => each.stop()));
  count(tally, "without a kill", last);
  await quiet(server);
  const whole = nothingKnown();
  const violations = [...(await judgeDatabase(target, whole, { ...tally, isAll: false })), ...complaintsOf(last)];
  expect(violations).toEqual([]);
  // Each kind of death left its mark, or nothing was shown. In a few rounds no kill need meet a commit between its end and its answer.
  expect(tally.acks.length).toBeGreaterThan(postgresRounds * minAcked);
  expect(postgres.recoveries).toBe(serverDeaths.kill + serverDeaths.immediate);
  if (isFull) expect(known.check.unheard, "nothing was under way when writers were killed").toBeGreaterThan(0);
  if (isFull) expect(roundsOfShortest, "the shortest way was never met").toBeGreaterThan(postgresRounds / 20);
  if (isFull) expect(tally.recovered, "no answer was lost with a server").toBeGreaterThan(0);
  const [version] = await server.query("SHOW server_version");
  keepResult("log-kill-postgres", {
    store: `PostgreSQL ${version?.server_version}, fsync on`,
    rounds: postgresRounds,
    roundsByKind: tally.rounds,
    roundsOfEventsAlone: roundsOfEvents,
    roundsOnTheShortestWay: roundsOfShortest,
    recoveries: postgres.recoveries + serverDeaths.backend,
    acknowledged: new Set(tally.acks.map((ack) => ack.id)).size,
    ...counts(violations, ["lost", "twice", "half"]),
    answersLostAndRecovered: tally.recovered,
    repeatsOnPurpose: tally.repeated,
    unheardButWhole: known.check.unheard,
    conflictsAnswered: tally.conflicts.size,
    eventsStored: whole.check.events,
    eventsSeenByReaders: tally.seen,
  });
});

test(`PGlite: ${pgliteRounds} kills of the writing process`, { timeout: 60_000 + pgliteRounds * 20_000 }, async () => {
  sayReplay("log-kill");
  const random = seededRandom(seed + 1);
  const directory = await mkdtemp(join(tmpdir(), "viable-kill-"));
  try {
    const target: Target = { kind: "pglite", dataDir: join(directory, "db") };
    const known = nothingKnown();
    const tally = newTally();
    let roundsOfEvents = 0;
    for (let round = 1; round <= pgliteRounds; round++) {
      const mix = random.next() < 0.5 ? "events" : "everything";
      const after = known.check.position;
      const processes = await startWriters(target, round, 1, mix, toPosition(after));
      if (mix === "events") roundsOfEvents += 1;
      await setTimeout(random.next() * maxLoadMs);
      await Promise.all(processes.map((each) => each.kill()));
      const violations = [
        ...(await judgeDatabase(target, known, toldBy(processes))),
        ...complaintsOf(processes),
        ...processes.flatMap((each) => checkReading(known.order, readingOf(each, after))),
      ];
      expect(violations, `round ${round}`).toEqual([]);
      count(tally, "writers killed", processes);
    }
    const last = await startWriters(target, pgliteRounds + 1, 1);
    await Promise.all(last.map((each) => each.stop()));
    count(tally, "without a kill", last);
    const whole = nothingKnown();
    const violations = [...(await judgeDatabase(target, whole, { ...tally, isAll: false })), ...complaintsOf(last)];
    expect(violations).toEqual([]);
    expect(tally.acks.length).toBeGreaterThan(pgliteRounds * minAcked);
    if (isFull) expect(known.check.unheard, "nothing was under way when writers were killed").toBeGreaterThan(0);
    keepResult("log-kill-pglite", {
      store: "PGlite",
      rounds: pgliteRounds,
      roundsByKind: tally.rounds,
      roundsOfEventsAlone: roundsOfEvents,
      acknowledged: new Set(tally.acks.map((ack) => ack.id)).size,
      ...counts(violations, ["lost", "twice", "half"]),
      answersLostAndRecovered: tally.recovered,
      repeatsOnPurpose: tally.repeated,
      unheardButWhole: known.check.unheard,
      conflictsAnswered: tally.conflicts.size,
      eventsStored: whole.check.events,
      eventsSeenByReaders: tally.seen,
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
