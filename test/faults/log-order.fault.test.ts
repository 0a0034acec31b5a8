/**
 * W9: readers that never skip, under 64 writers in four processes that are slowed at random: between appends, inside their commits,
 * and by being stopped for a while, they and the server's processes that serve them. Seven readers write down every position they
 * see: one as fast as it can, one that falls behind again and again, one of some streams only, and the writing processes themselves.
 *
 * And the checkers bite: with the lock, the version check, the record check or the id check taken out of the log's functions the
 * same load and the same checks fail, each in its own way.
 *
 * Short form 4 s of load, full form 180 s (`npm run test:faults -- log-order --full`).
 */
import { setTimeout } from "node:timers/promises";
import { seededRandom } from "@viable/kernel";
import { startPosition } from "@viable/log";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Violation } from "./log/check-log.ts";
import { checkReading } from "./log/check-reading.ts";
import type { LogProcess } from "./log/child-process.ts";
import { startReader, startWriter } from "./log/child-process.ts";
import type { Known } from "./log/judge-database.ts";
import { complaintsOf, counts, judgeDatabase, nothingKnown, toldBy, withLog } from "./log/judge-database.ts";
import type { Target } from "./log/open-target.ts";
import type { PlantedBug } from "./log/planted-bugs.ts";
import { plantBug, slowCommits } from "./log/planted-bugs.ts";
import { isFull, keepResult, sayReplay, seed } from "./log/result-file.ts";
import { type Mix, sharedPrefix } from "./log/workload.ts";

const loadMs = isFull ? 180_000 : 4_000;
/** How long a planted bug is given to show. The first seconds show it many times over. */
const plantedLoadMs = 1_000;
const writingProcesses = 4;
const writers = 64;
/** A pause of a writer, a commit's delay and a stop of a process, in milliseconds at most. */
const maxPauseMs = 20;
const maxCommitDelayMs = 8;
const maxStopMs = 300;

let server: PostgresServer;
let target: Target;
beforeAll(async () => {
  // Without waiting for the disk commits are closer together, and more of them meet.
  server = await startPostgres({ own: true });
  target = { kind: "postgres", connectionString: server.connectionString };
});
afterEach(async () => {
  await server.query("DROP SCHEMA IF EXISTS viable, slow, planted CASCADE");
});
afterAll(() => server[Symbol.asyncDispose]());

interface Load {
  readonly processes: number;
  readonly mix: Mix;
  readonly loadMs: number;
  /** Whether processes are stopped for a while, and slow and filtering readers are there too. */
  readonly stops: boolean;
}

interface Outcome {
  readonly known: Known;
  readonly writing: readonly LogProcess[];
  readonly readers: readonly LogProcess[];
  readonly violations: readonly Violation[];
  /** How often a process was stopped for a while. */
  readonly stops: number;
}

/** Puts the load on, ends it, and holds everything that was told against what is stored. */
async function run(load: Load): Promise<Outcome> {
  await slowCommits(server, maxCommitDelayMs);
  const reader = (name: string, rest: { streamPrefix?: string; maxPauseMs?: number }) =>
    startReader(name, {
      target,
      seed,
      after: startPosition,
      maxPauseMs: rest.maxPauseMs ?? 0,
      ...(rest.streamPrefix !== undefined && { filter: { streamPrefix: rest.streamPrefix } }),
    });
  const readers = [reader("fast", {})];
  if (load.stops)
    readers.push(reader("slow", { maxPauseMs: 150 }), reader("of some streams", { streamPrefix: sharedPrefix }));
  await Promise.all(readers.map((each) => each.opened()));
  const writing = Array.from({ length: load.processes }, (_, nr) =>
    startWriter({
      target,
      name: `p${nr}`,
      slot: `p${nr}`,
      seed: seed + nr,
      writers: writers / load.processes,
      mix: load.mix,
      maxPauseMs,
      follows: startPosition,
    }),
  );
  await Promise.all(writing.map((each) => each.opened()));
  const stops = load.stops ? await stopNowAndThen(writing, load.loadMs) : await setTimeout(load.loadMs, 0);
  await Promise.all(writing.map((each) => each.stop()));
  await Promise.all(readers.map((each) => each.stop()));
  const known = nothingKnown();
  const violations = [...(await judgeDatabase(target, known, toldBy(writing))), ...complaintsOf(writing)];
  for (const each of [...readers, ...writing]) {
    const streamPrefix = each.name === "of some streams" ? sharedPrefix : "";
    const { name, seen, followedTo } = each;
    violations.push(...checkReading(known.order, { reader: name, seen, after: 0, streamPrefix, followedTo }));
  }
  return { known, writing, readers, violations, stops };
}

/** Stops one process or another for a while, the server's own among them, and answers how often. */
async function stopNowAndThen(writing: readonly LogProcess[], forMs: number): Promise<number> {
  const random = seededRandom(seed);
  let stops = 0;
  for (const endsAt = Date.now() + forMs; Date.now() < endsAt; ) {
    const backends = await server.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'viable'");
    const pids = [...writing.map((each) => each.pid), ...backends.map((row) => Number(row.pid))];
    const pid = pids[Math.floor(random.next() * pids.length)];
    if (pid === undefined || !signalIfThere(pid, "SIGSTOP")) continue;
    stops += 1;
    await setTimeout(random.next() * maxStopMs);
    signalIfThere(pid, "SIGCONT");
    await setTimeout(random.next() * maxStopMs);
  }
  return stops;
}

/** Connections come and go. */
function signalIfThere(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    return false;
  }
}

const acknowledged = (writing: readonly LogProcess[]): number =>
  new Set(writing.flatMap((each) => each.acks.map((ack) => ack.id))).size;

test(`W9: 64 writers slowed at random, and readers that never skip, ${loadMs / 1_000} s`, {
  timeout: loadMs * 3 + 60_000,
}, async () => {
  sayReplay("log-order");
  await withLog(target, async () => {});
  const { known, writing, readers, violations, stops } = await run({
    processes: writingProcesses,
    mix: "everything",
    loadMs,
    stops: true,
  });
  expect(violations).toEqual([]);
  // Or nothing was shown.
  expect(acknowledged(writing)).toBeGreaterThan(loadMs / 10);
  expect(stops).toBeGreaterThan(loadMs / 2_000);
  expect(readers.find((each) => each.name === "of some streams")?.seen.length).toBeGreaterThan(loadMs / 100);
  keepResult("log-order", {
    store: "PostgreSQL",
    seconds: loadMs / 1_000,
    writers,
    writingProcesses,
    readers: readers.length + writing.length,
    acknowledged: acknowledged(writing),
    conflictsAnswered: writing.reduce((sum, each) => sum + each.conflicts.size, 0),
    eventsStored: known.check.events,
    eventsSeenByReaders: [...readers, ...writing].reduce((sum, each) => sum + each.seen.length, 0),
    processesStopped: stops,
    ...counts(violations, ["skipped", "backwards", "phantom", "lost", "twice", "half"]),
  });
});

describe("the checks fail where a guard is taken out", () => {
  const cases: readonly { bug: PlantedBug; mix: Mix; says: Violation["kind"]; because: RegExp }[] = [
    { bug: "no lock", mix: "everything", says: "gap", because: /follows position/ },
    { bug: "positions before the commit", mix: "events", says: "skipped", because: /before/ },
    { bug: "no version check", mix: "everything", says: "version", because: /let through expecting/ },
    { bug: "no record check", mix: "everything", says: "record", because: /let through expecting/ },
    { bug: "no id check", mix: "everything", says: "refused", because: /events_by_id|denied: conflict/ },
    { bug: "no id check and no index", mix: "everything", says: "twice", because: /at/ },
  ];
  test.each(cases)("$bug: $says", async ({ bug, mix, says, because }) => {
    await withLog(target, async () => {});
    await plantBug(server, bug);
    const { violations, writing } = await run({ processes: 2, mix, loadMs: plantedLoadMs, stops: false });
    expect(acknowledged(writing)).toBeGreaterThan(0);
    const found = violations.filter((violation) => violation.kind === says && because.test(violation.text));
    expect(found.length, JSON.stringify(violations.slice(0, 5))).toBeGreaterThan(0);
  });
});
