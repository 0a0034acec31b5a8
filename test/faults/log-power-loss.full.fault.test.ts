/**
 * W1 against a power cut: the database lies on a disk of its own; under load all processes are stopped at a random moment, what has
 * reached the disk is copied, and they go on. On the copy the server is started, recovers, and must hold everything that had been
 * acknowledged until then, from the first event on. 30 images with `fsync` on: nothing is lost. As a control 5 with `fsync` off, where
 * the same must show loss, or the method shows nothing. PGlite, which does not promise it, is measured.
 *
 * Needs root and loop devices, which not every machine gives, so it is part of the long form alone:
 * `npm run test:faults -- log-power-loss --full`.
 */

import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { seededRandom } from "@viable/kernel";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import type { Told, Violation } from "./log/check-log.ts";
import type { LogProcess } from "./log/child-process.ts";
import { startWriter } from "./log/child-process.ts";
import type { CutDisk } from "./log/disk-image.ts";
import { Disk } from "./log/disk-image.ts";
import { complaintsOf, judgeDatabase, nothingKnown, withLog } from "./log/judge-database.ts";
import type { Target } from "./log/open-target.ts";
import { keepResult, sayReplay, seed } from "./log/result-file.ts";
import { ServerProcess, stateOf } from "./log/server-process.ts";

const images = 30;
const controlImages = 5;
const pgliteImages = 10;
const writingProcesses = 2;
const writers = 64;
/** How long the load goes on before each cut, in milliseconds at most. */
const maxLoadMs = 2_500;
/** Slows the writers, so that 30 images of an ever longer log are read in minutes. */
const maxPauseMs = 25;
/** An image of fewer acknowledged appends has shown nothing. */
const minAcked = 200;

/** What became of one image. */
interface Cut {
  readonly acknowledged: number;
  readonly opened: boolean;
  readonly lost: number;
  readonly others: readonly Violation[];
  readonly reason?: string;
}

test("the method: what was flushed is in an image, what was not is not", async () => {
  sayReplay("log-power-loss");
  using disk = new Disk();
  writeFileSync(join(disk.folder, "flushed"), "yes", { flush: true });
  writeFileSync(join(disk.folder, "not-flushed"), "yes");
  using cut = await disk.cut();
  expect(readFileSync(join(cut.folder, "flushed"), "utf8")).toBe("yes");
  expect(() => readFileSync(join(cut.folder, "not-flushed"), "utf8")).toThrow(/ENOENT/);
});

test(`PostgreSQL with fsync: ${images} power cuts`, { timeout: 3_600_000 }, async () => {
  const { cuts, version, recoveries } = await cutPostgres({ fsync: true, images });
  const lost = cuts.reduce((sum, each) => sum + each.lost, 0);
  expect(cuts.filter((each) => !each.opened || each.lost > 0 || each.others.length > 0)).toEqual([]);
  expect(recoveries).toBe(images);
  keepResult("log-power-loss-postgres", {
    store: `PostgreSQL ${version}, fsync on`,
    images,
    opened: cuts.filter((each) => each.opened).length,
    acknowledgedAtTheLast: cuts.at(-1)?.acknowledged,
    acknowledgedChecked: cuts.reduce((sum, each) => sum + each.acknowledged, 0),
    lost,
    otherViolations: cuts.reduce((sum, each) => sum + each.others.length, 0),
  });
});

test(`the control, PostgreSQL without fsync: ${controlImages} power cuts lose`, { timeout: 3_600_000 }, async () => {
  const { cuts, version } = await cutPostgres({ fsync: false, images: controlImages });
  for (const each of cuts) expect(each.lost, "An image lost nothing, so this method shows nothing.").toBeGreaterThan(0);
  keepResult("log-power-loss-control", {
    store: `PostgreSQL ${version}, fsync off`,
    images: controlImages,
    opened: cuts.filter((each) => each.opened).length,
    acknowledgedChecked: cuts.reduce((sum, each) => sum + each.acknowledged, 0),
    lost: cuts.reduce((sum, each) => sum + each.lost, 0),
  });
});

test(`PGlite, which promises nothing here: ${pgliteImages} power cuts`, { timeout: 3_600_000 }, async () => {
  using disk = new Disk();
  const random = seededRandom(seed);
  const dataDir = join(disk.folder, "db");
  await withLog({ kind: "pglite", dataDir }, async () => {});
  // As a database that has long been at rest; without this no image would open at all.
  disk.sync();
  const processes = startWriters({ kind: "pglite", dataDir }, 1);
  const cuts: Cut[] = [];
  for (let image = 1; image <= pgliteImages; image++) {
    await loadUntil(processes, random.next() * maxLoadMs, cuts);
    const told = await stopped(
      processes,
      () => [],
      async () => ({ told: toldSoFar(processes), cut: await disk.cut() }),
    );
    using cut = told.cut;
    // As with a server: the process that holds the directory would be gone.
    rmSync(join(cut.folder, "db.lock"), { recursive: true, force: true });
    cuts.push(await judgeCut(told.told, { kind: "pglite", dataDir: join(cut.folder, "db") }));
  }
  await Promise.all(processes.map((each) => each.stop()));
  keepResult("log-power-loss-pglite", {
    store: "PGlite",
    images: pgliteImages,
    opened: cuts.filter((each) => each.opened).length,
    acknowledgedChecked: cuts.reduce((sum, each) => sum + each.acknowledged, 0),
    lost: cuts.reduce((sum, each) => sum + each.lost, 0),
    note: "a measured limit: PGlite never waits for the disk",
  });
});

/** A server on a disk of its own under load, cut so many times; and after each, writers go on. */
async function cutPostgres(options: { fsync: boolean; images: number }) {
  using disk = new Disk();
  const random = seededRandom(seed);
  // Checkpoints as often as they can be had: pages that were half written at the cut are what recovery must mend.
  await using server = await startOn(disk, options.fsync);
  await using postgres = await ServerProcess.of(server);
  const target: Target = { kind: "postgres", connectionString: server.connectionString };
  await withLog(target, async () => {});
  // What was set up counts as old. Only what is written from now on is at stake.
  disk.sync();
  const processes = startWriters(target, writingProcesses);
  const cuts: Cut[] = [];
  let recoveries = 0;
  for (let image = 1; image <= options.images; image++) {
    await loadUntil(processes, random.next() * maxLoadMs, cuts);
    const taken = await stopped(
      processes,
      () => postgres.pids,
      async () => ({ told: toldSoFar(processes), cut: await disk.cut() }),
    );
    using cut = taken.cut;
    cuts.push(await judgeServer(postgres, disk, cut, taken.told, () => recoveries++));
    console.log(`image ${image}: ${JSON.stringify(cuts.at(-1))}`);
  }
  // Everybody goes on after the last cut, and every append has been answered.
  await Promise.all(processes.map((each) => each.acknowledged(each.acks.length + minAcked)));
  await Promise.all(processes.map((each) => each.stop()));
  expect(complaintsOf(processes)).toEqual([]);
  const [version] = await server.query("SHOW server_version");
  return { cuts, recoveries, version: String(version?.server_version) };
}

/** A server whose directory is on the disk: it makes it where temporary files are. */
async function startOn(disk: Disk, fsync: boolean): Promise<PostgresServer> {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = disk.folder;
  try {
    return await startPostgres({ own: true, fsync, settings: ["max_wal_size=64MB", "checkpoint_timeout=30s"] });
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}

const startWriters = (target: Target, count: number): LogProcess[] =>
  Array.from({ length: count }, (_, nr) =>
    startWriter({
      target,
      name: `p${nr}`,
      slot: `p${nr}`,
      seed: seed + nr,
      writers: writers / count,
      mix: "everything",
      maxPauseMs,
    }),
  );

/** Lets the load go on for a while, and for as long as it takes to have acknowledged something since the last cut. */
async function loadUntil(processes: readonly LogProcess[], ms: number, cuts: readonly Cut[]): Promise<void> {
  const each = Math.ceil(minAcked / processes.length);
  const before = cuts.length === 0 ? processes.map(() => 0) : processes.map((process) => process.acks.length);
  await Promise.all(processes.map((process, nr) => process.acknowledged((before[nr] ?? 0) + each)));
  await setTimeout(ms);
}

const toldSoFar = (processes: readonly LogProcess[]): Told => ({
  acks: processes.flatMap((each) => each.acks),
  conflicts: new Set(processes.flatMap((each) => [...each.conflicts])),
  isAll: false,
});

/** Stops everything that writes, does something, and lets it go on. */
async function stopped<T>(
  processes: readonly LogProcess[],
  servers: () => readonly number[],
  act: () => Promise<T>,
): Promise<T> {
  const pids = [...processes.map((each) => each.pid), ...servers()];
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    // Who waits for the disk stops when that is done.
    for (const giveUpAt = Date.now() + 30_000; pids.some((pid) => stateOf(pid) !== "T"); await setTimeout(1)) {
      if (Date.now() > giveUpAt) throw new Error("Not everything stopped.");
    }
    return await act();
  } finally {
    for (const pid of pids.toReversed()) process.kill(pid, "SIGCONT");
  }
}

/** Starts the server on an image, and holds what it has against what had been told when it was taken. */
async function judgeServer(
  postgres: ServerProcess,
  disk: Disk,
  cut: CutDisk,
  told: Told,
  recovered: () => void,
): Promise<Cut> {
  const port = await freePort();
  const dataDir = postgres.dataDir.replace(disk.folder, cut.folder);
  // After a power cut the process that it names is gone; here it lives, and the server would take it for another one on this directory.
  rmSync(join(dataDir, "postmaster.pid"), { force: true });
  let server: ServerProcess;
  try {
    server = await postgres.startOn(dataDir, port);
  } catch (error) {
    return notOpened(told, error);
  }
  await using started = server;
  if (started.recoveries > 0) recovered();
  return await judgeCut(told, { kind: "postgres", connectionString: `postgres://postgres@127.0.0.1:${port}/postgres` });
}

async function judgeCut(told: Told, target: Target): Promise<Cut> {
  let violations: readonly Violation[];
  try {
    violations = await judgeDatabase(target, nothingKnown(), told);
  } catch (error) {
    return notOpened(told, error);
  }
  const isLost = (violation: Violation) => violation.kind === "lost";
  const others = violations.filter((violation) => !isLost(violation)).slice(0, 10);
  return { acknowledged: acknowledged(told), opened: true, lost: violations.filter(isLost).length, others };
}

const notOpened = (told: Told, error: unknown): Cut => ({
  acknowledged: acknowledged(told),
  opened: false,
  lost: acknowledged(told),
  others: [],
  reason: String(error).slice(0, 300),
});

const acknowledged = (told: Told): number => new Set(told.acks.map((ack) => ack.id)).size;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
