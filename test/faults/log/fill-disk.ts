// A database on a small file system that fills up under load and gets room again. Run in a namespace where that file system is mounted;
// prints what came of it. Nobody who writes is restarted, and each sends again what it has no answer to.
import { chownSync, mkdirSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import type { LogProcess } from "./child-process.ts";
import { startWriter } from "./child-process.ts";
import type { FullDisk } from "./full-disk.ts";
import { complaintsOf, judgeDatabase, nothingKnown, toldBy, withLog } from "./judge-database.ts";
import { readSettings } from "./lines.ts";
import type { Target } from "./open-target.ts";
import { ServerProcess } from "./server-process.ts";

export interface FillDiskSettings {
  readonly kind: Target["kind"];
  /** What finds no room first: the write-ahead log, whose files come in 16 MB, or the tables, which grow by pages. */
  readonly full: "write-ahead log" | "tables";
  readonly folder: string;
  readonly seed: number;
}

/** What is left free when the load begins: less than another file of the write-ahead log, or less than what its last file still takes. */
const roomMb = { "write-ahead log": 14, tables: 1 } as const;
/** How long the load goes on against the full disk, in milliseconds. */
const fullMs = 3_000;
const maxWaitMs = 60_000;
const writers = 32;

const { kind, full, folder, seed } = readSettings<FillDiskSettings>();
const found = kind === "postgres" ? await fillPostgres() : await fill({ kind: "pglite", dataDir: join(folder, "db") });
process.stdout.write(JSON.stringify(found));

/** The whole server is on the small file system, or its tables alone, by a tablespace. */
async function fillPostgres(): Promise<FullDisk> {
  if (full === "write-ahead log") process.env.TMPDIR = folder;
  await using server = await startPostgres({ own: true, fsync: true });
  await using postgres = await ServerProcess.of(server);
  if (full === "tables") await moveTables(server, postgres);
  return await fill({ kind: "postgres", connectionString: server.connectionString }, postgres);
}

async function moveTables(server: PostgresServer, postgres: ServerProcess): Promise<void> {
  const tables = join(folder, "tables");
  mkdirSync(tables);
  const { uid, gid } = statSync(postgres.dataDir);
  chownSync(tables, uid, gid);
  await server.query(`CREATE TABLESPACE small LOCATION '${tables}'`);
  await server.query("ALTER DATABASE postgres SET default_tablespace = 'small'");
}

async function fill(target: Target, postgres?: ServerProcess): Promise<FullDisk> {
  await withLog(target, async () => {});
  const ballast = join(folder, "ballast");
  mkdirSync(ballast);
  for (let nr = 0; freeMb() > roomMb[full]; nr++) writeFileSync(join(ballast, String(nr)), Buffer.alloc(1024 * 1024));
  const writing = startWriter({
    target,
    name: "p0",
    slot: "p0",
    seed,
    writers,
    mix: "everything",
    maxPauseMs: 0,
  });
  await writing.acknowledged(1);
  await eventually(() => writing.fulls + writing.unknowns > 0, "The disk did not fill up.");
  await setTimeout(fullMs);
  const told = { fulls: writing.fulls, unknowns: writing.unknowns };
  const before = writing.acks.length;
  const freeAtFullMb = freeMb();
  rmSync(ballast, { recursive: true });
  // A server that could not even recover has ended; whoever keeps it running starts it again.
  const ended = postgres !== undefined && !postgres.isThere;
  if (ended) await postgres.restart();
  await writing.acknowledged(before + writers * 4);
  await writing.stop();
  return await judge(target, writing, { ...told, ended, freeAtFullMb, before });
}

async function judge(
  target: Target,
  writing: LogProcess,
  seen: { fulls: number; unknowns: number; ended: boolean; freeAtFullMb: number; before: number },
): Promise<FullDisk> {
  const violations = [...(await judgeDatabase(target, nothingKnown(), toldBy([writing]))), ...complaintsOf([writing])];
  const acknowledged = new Set(writing.acks.map((ack) => ack.id)).size;
  return {
    acknowledged,
    acknowledgedWithRoomAgain: writing.acks.length - seen.before,
    toldNoSpace: seen.fulls,
    toldNoSpaceAndKept: writing.fullsKept,
    toldUnavailable: seen.unknowns,
    serverEnded: seen.ended,
    freeAtFullMb: seen.freeAtFullMb,
    violations,
  };
}

function freeMb(): number {
  const { bavail, bsize } = statfsSync(folder);
  return Math.floor((bavail * bsize) / (1024 * 1024));
}

async function eventually(holds: () => boolean, otherwise: string): Promise<void> {
  for (const giveUpAt = Date.now() + maxWaitMs; !holds(); ) {
    if (Date.now() > giveUpAt) throw new Error(otherwise);
    await setTimeout(20);
  }
}
