// How long the reference system takes from the command line to an open door, on an empty folder and on one with state, and what
// memory it holds with nothing to do. Beside it PGlite by itself, opening a directory and answering one query.
import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchOptions, Row, Series } from "../harness/row.ts";
import { compare, toRow } from "../harness/row.ts";

const root = join(import.meta.dirname, "..", "..");

/** A way to start: the process, and when it answers. */
interface Subject {
  readonly name: string;
  start(folder: string): Promise<{ readonly process: ChildProcess; readonly ready: Promise<void> }>;
}

const subjects: readonly Subject[] = [
  { name: "limit", start: async (folder) => startBare("worker", folder) },
  { name: "@electric-sql/pglite", start: async (folder) => startBare("main", folder) },
  { name: "viable", start: startSystem },
];

/** How long a process is left alone before its memory is read: long enough for what starting left behind to be collected. */
const settleMs = 4_000;
/** Between two knocks at the door. */
const knockMs = 10;
/** How long a start may take before the measurement is given up. */
const startMs = 60_000;

/** What one start took and held. */
interface Start {
  readonly ms: number;
  readonly idleMb: number;
}

/** Measures first and later starts of all subjects, in turns. */
export async function bench({ quick, note }: BenchOptions): Promise<Row[]> {
  const rounds = quick ? 2 : 5;
  const starts = new Map(subjects.map(({ name }) => [name, { first: [] as Start[], later: [] as Start[] }]));
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      note(`startup: round ${round + 1} of ${rounds}, ${subject.name}`);
      const folder = await mkdtemp(join(tmpdir(), "viable-bench-"));
      try {
        starts.get(subject.name)?.first.push(await measureStart(subject, folder));
        starts.get(subject.name)?.later.push(await measureStart(subject, folder));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }
  }
  return (["first", "later"] as const).flatMap((which) => [
    ...toRows(`${which} start`, "ms", (name) => starts.get(name)?.[which].map(({ ms }) => ms) ?? []),
    ...toRows(
      `idle memory after a ${which} start`,
      "MB",
      (name) => starts.get(name)?.[which].map(({ idleMb }) => idleMb) ?? [],
    ),
  ]);
}

function toRows(what: string, unit: string, valuesOf: (name: string) => readonly number[]): Row[] {
  const all = subjects.map(({ name }): Series => {
    return { bench: "startup", case: what, subject: name, unit, higherIsBetter: false, values: valuesOf(name) };
  });
  const [limit, , viable] = all as [Series, Series, Series];
  const over = viable.values.map((value, round) => value - (limit.values[round] as number));
  return [...all.map(toRow), compare(viable, limit), toRow({ ...viable, unit: `${unit} over limit`, values: over })];
}

async function measureStart(subject: Subject, folder: string): Promise<Start> {
  const beganMs = performance.now();
  const started = await subject.start(folder);
  const kill = () => started.process.kill("SIGKILL");
  process.once("exit", kill);
  const exited = once(started.process, "exit");
  let said = "";
  started.process.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  try {
    const died = exited.then(() => {
      throw new Error(`${subject.name} ended before it was ready: ${said}`);
    });
    await Promise.race([
      started.ready,
      died,
      sleep(startMs, undefined, { ref: false }).then(() => {
        throw new Error(`${subject.name} was not ready within ${startMs} ms.`);
      }),
    ]);
    const ms = performance.now() - beganMs;
    await sleep(settleMs);
    return { ms, idleMb: residentMb(started.process.pid as number) };
  } finally {
    started.process.kill("SIGTERM");
    await exited;
    process.off("exit", kill);
  }
}

async function startBare(thread: "main" | "worker", folder: string) {
  const child = spawn(
    process.execPath,
    [...process.execArgv, join(import.meta.dirname, "bare-pglite.ts"), thread, folder],
    {
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  return { process: child, ready: once(child.stdout, "data").then(() => {}) };
}

/** As the README says, on free ports. The process that is started becomes the system, so its id stays. */
async function startSystem(folder: string) {
  const port = await freePort();
  const { DATABASE_URL, ...environment } = process.env;
  const config = join(root, "examples", "singularity", "viable.config.ts");
  const child = spawn(
    process.execPath,
    [join(root, "packages", "viable", "bin", "viable.mjs"), "start", "--config", config],
    {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...environment,
        VIABLE_STATE_DIR: folder,
        VIABLE_PORT: String(port),
        VIABLE_SERVICE_PORTS: "any",
      },
    },
  );
  return { process: child, ready: whenReady(child, `http://127.0.0.1:${port}/ready`) };
}

async function whenReady(child: ChildProcess, url: string): Promise<void> {
  while (child.exitCode === null) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    await sleep(knockMs);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Memory that the process holds in the machine's, as `ps` says it in KiB. */
const residentMb = (pid: number): number =>
  Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1024;
