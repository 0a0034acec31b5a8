// What the embedded database must survive: its process being killed, its thread being lost, a second process that wants its
// directory, a directory that cannot be written.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import type { EncodedAppend } from "@viable/log";
import { createMemoryStore, storeRefused, storeUnavailable } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { createPgliteStore } from "./pglite-store.ts";

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

// Making a database takes seconds, copying one a moment: every test gets a copy of an empty one.
let template: string;
beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), "viable-pglite-"));
  const store = createPgliteStore({ dataDir: join(template, "db"), cacheDir });
  await store.open();
  await store.close();
});
afterAll(() => rm(template, { recursive: true }));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "viable-pglite-"));
  await cp(join(template, "db"), join(directory, "db"), { recursive: true });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true });
});

const appendTo = (stream: string, id: string): EncodedAppend => ({
  streams: [
    {
      stream,
      expected: -1,
      events: [{ id, type: "t", data: "{}", tenant: "d", session: null, correlation: null, metadata: "{}", time: 1 }],
    },
  ],
  records: [],
});

/** A process that opens the database, says `open`, and then appends and says the number of each append that was answered. */
function startWriter(dataDir: string, first: number, keptIn?: string): ChildProcess {
  const program = `
    import { createPgliteStore } from "@viable/log-postgres";
    const store = createPgliteStore(${JSON.stringify({ dataDir, cacheDir: keptIn })});
    try {
      await store.open();
    } catch (error) {
      console.log(error.code + " " + error.details?.pid);
      process.exit(1);
    }
    console.log("open");
    const event = (id) => ({ id, type: "t", data: "{}", tenant: "d", session: null, correlation: null, metadata: "{}", time: 1 });
    for (let nr = ${first}; ; nr++) {
      await store.commit([{ streams: [{ stream: "s", expected: -1, events: [event("e" + nr)] }], records: [] }], 1);
      console.log(nr);
    }`;
  const args = ["--conditions=viable-source", "--liftoff-only", "--input-type=module", "-e", program];
  return spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ["ignore", "pipe", "inherit"] });
}

test("W1: after kill -9, every answered append is there, once, and the directory can be opened", async () => {
  const dataDir = join(directory, "db");
  const answered: number[] = [];
  // Each round opens what the one before left behind.
  const rounds = 3;
  for (let round = 0; round < rounds; round++) {
    const writer = startWriter(dataDir, round * 1_000_000);
    const exited = once(writer, "exit");
    const wanted = answered.length + 150 + round * 37;
    for await (const line of createInterface({ input: writer.stdout as NodeJS.ReadableStream })) {
      if (line === "open") continue;
      answered.push(Number(line));
      // Killed in the middle of its work; what it still manages to say is answered too, and read on.
      if (answered.length === wanted) writer.kill("SIGKILL");
    }
    expect((await exited)[1]).toBe("SIGKILL");
  }

  const store = createPgliteStore({ dataDir, cacheDir });
  await store.open();
  const stored = await everyEvent(store);
  await store.close();
  const ids = stored.map((event) => event.id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(expect.arrayContaining(answered.map((nr) => `e${nr}`)));
  // At most one per round was written and not answered.
  expect(ids.length - answered.length).toBeLessThanOrEqual(rounds);
  expect(stored.map((event) => event.version)).toEqual(stored.map((_, index) => index + 1));
  expect(stored.map((event) => event.position)).toEqual(stored.map((_, index) => String(index + 1)));
});

/** How many files and folders lie below a folder, in whatever state a process at work there leaves them at this moment. */
async function countEntries(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const below = entries.filter((entry) => entry.isDirectory()).map((entry) => countEntries(join(folder, entry.name)));
  return entries.length + (await Promise.all(below)).reduce((sum, each) => sum + each, 0);
}

// A new database is 998 files and folders. It is killed with so many of them there, and the last time when all are; or as soon as it moves
// up, which only a first start does.
test.each([
  ["is unpacked", cacheDir, [5, 100, 500, 900, 1_000]],
  ["is made by initdb", undefined, [600]],
  ["moves up", cacheDir, [".viable-moving"]],
])(
  "kill -9 while a new database %s: the next start comes to a whole one, and leaves nothing else behind",
  {
    timeout: 180_000,
  },
  async (_how, keptIn, moments) => {
    const dataDir = join(directory, "new", "db");
    await mkdir(dataDir, { recursive: true, mode: 0o750 });
    const before = await stat(dataDir);
    // Whoever looks too late finds it whole.
    const isThere = async (what: number | string) =>
      typeof what === "string"
        ? (await readdir(dataDir)).some((name) => [what, "PG_VERSION"].includes(name))
        : (await countEntries(join(directory, "new"))) >= what;
    for (const moment of moments) {
      const starting = startWriter(dataDir, 0, keptIn);
      const exited = once(starting, "exit");
      // It ends by itself only where what the round before has left keeps it from starting.
      while (starting.exitCode === null && !(await isThere(moment)));
      starting.kill("SIGKILL");
      expect((await exited)[1]).toBe("SIGKILL");
    }
    const store = createPgliteStore({ dataDir, cacheDir });
    await store.open();
    const { outcomes } = await store.commit([appendTo("other", "1")], 1);
    expect(outcomes).toMatchObject([{ kind: "appended" }]);
    await store.close();
    expect(await readdir(join(directory, "new"))).toEqual(["db"]);
    expect((await readdir(dataDir)).filter((name) => name.startsWith("."))).toEqual([]);
    const { ino, mode } = before;
    expect(await stat(dataDir)).toMatchObject({ ino, mode });
  },
);

test("a directory that holds files, and no database, is refused and left as it is", async () => {
  const dataDir = join(directory, "files");
  await mkdir(dataDir);
  await writeFile(join(dataDir, "a file"), "");
  await expect(createPgliteStore({ dataDir, cacheDir }).open()).rejects.toMatchObject({
    code: storeRefused,
    message: expect.stringContaining(dataDir),
  });
  expect(await readdir(dataDir)).toEqual(["a file"]);
  expect(await readdir(directory)).toEqual(["db", "files"]);
});

test("a restore that was killed before it wrote anything is unfinished too; restored again, nothing is left of it", async () => {
  const dataDir = join(directory, "restored");
  // What a first start and a restore leave behind that are killed at their beginnings.
  await mkdir(join(dataDir, ".viable-making", "base"), { recursive: true });
  await mkdir(join(dataDir, ".viable-restoring"));
  const store = createPgliteStore({ dataDir, cacheDir });
  await expect(store.open()).rejects.toMatchObject({ code: "log.restore_unfinished" });
  await store.restore(createMemoryStore().snapshot());
  await store.close();
  expect(await readdir(directory)).toEqual(["db", "restored"]);
  expect((await readdir(dataDir)).filter((name) => name.startsWith("."))).toEqual([]);
});

test("a second process is refused, told by whom the directory is held, and harms nothing", async () => {
  const dataDir = join(directory, "db");
  const store = createPgliteStore({ dataDir, cacheDir });
  await store.open();
  await store.commit([appendTo("s", "1")], 1);
  const second = startWriter(dataDir, 0);
  const [said] = await once(createInterface({ input: second.stdout as NodeJS.ReadableStream }), "line");
  expect(said).toBe(`log.database_in_use ${process.pid}`);
  if (second.exitCode === null) await once(second, "exit");
  await store.commit([appendTo("s", "2")], 1);
  await store.close();
  await store.open();
  expect((await store.head()).ordinal).toBe(2);
  await store.close();
  expect(await readdir(directory)).toEqual(["db"]);
});

test("a second store of the same process is refused too, also by another name of the directory", async () => {
  const dataDir = join(directory, "db");
  const store = createPgliteStore({ dataDir, cacheDir });
  await store.open();
  const otherName = join(directory, "link");
  await symlink(dataDir, otherName);
  for (const name of [dataDir, otherName]) {
    await expect(createPgliteStore({ dataDir: name, cacheDir }).open()).rejects.toMatchObject({
      code: "log.database_in_use",
      details: { pid: process.pid },
    });
  }
  await store.close();
});

/** The worker threads that were sent anything, so that a test can end one as a crash would. */
function watchWorkers(): () => Worker {
  const posts = vi.spyOn(Worker.prototype, "postMessage");
  return () => posts.mock.contexts.at(-1) as Worker;
}

test("a lost worker thread: what was under way is unavailable, what was answered is kept, the next request reopens", async () => {
  const lastWorker = watchWorkers();
  const store = createPgliteStore({ dataDir: join(directory, "db"), cacheDir });
  await store.open();
  await store.commit([appendTo("s", "1")], 1);
  const underWay = [store.commit([appendTo("s", "2")], 1), ...Array.from({ length: 20 }, () => store.head())];
  void lastWorker().terminate();
  const outcomes = await Promise.allSettled(underWay);
  // Those that waited behind are served by the next worker; those that were with the lost one were rejected.
  const rejected = outcomes.filter((outcome) => outcome.status === "rejected");
  expect(rejected.length).toBeGreaterThan(0);
  for (const { reason } of rejected) expect(reason).toMatchObject({ code: storeUnavailable, retryable: true });
  const [again] = (await store.commit([appendTo("s", "2")], 1)).outcomes;
  expect(again).toMatchObject({ kind: "appended", firstVersions: [2] });
  expect((await store.readStream("s", 1, 10, "forward")).events.map((event) => event.id)).toEqual(["1", "2"]);
  await store.close();
});

test("a database in memory that lost its thread refuses to go on as if it were empty", async () => {
  const lastWorker = watchWorkers();
  const store = createPgliteStore({ cacheDir });
  expect(store.durability).toBe("nothing");
  await store.open();
  await store.commit([appendTo("s", "1")], 1);
  await lastWorker().terminate();
  await expect(store.head()).rejects.toMatchObject({ code: storeRefused, retryable: false });
  await store.close();
});

/** What may stand where a database was when its volume has gone, or is another. */
const inItsPlace: [string, (dataDir: string) => Promise<unknown>][] = [
  ["nothing, not even the directory", async () => {}],
  ["an empty directory", (dataDir) => mkdir(dataDir)],
  ["somebody's files", (dataDir) => mkdir(join(dataDir, "files"), { recursive: true })],
  ["a restore that was cut short", (dataDir) => mkdir(join(dataDir, ".viable-restoring"), { recursive: true })],
  ["no directory", (dataDir) => writeFile(dataDir, "a file")],
  ["another database", (dataDir) => startedElsewhere(dataDir)],
];

async function startedElsewhere(dataDir: string): Promise<void> {
  const other = createPgliteStore({ dataDir: `${dataDir}-other`, cacheDir });
  await other.open();
  await other.close();
  await rename(`${dataDir}-other`, dataDir);
}

test.each(inItsPlace)(
  "W1: a thread that finds %s where its database was answers nothing and makes nothing, and goes on when that is back",
  async (_what, putThere) => {
    const lastWorker = watchWorkers();
    const dataDir = join(directory, "db");
    const store = createPgliteStore({ dataDir, cacheDir });
    await store.open();
    await store.commit([appendTo("s", "1")], 1);
    const worker = lastWorker();
    await rename(dataDir, join(directory, "volume"));
    await putThere(dataDir);
    const names = () => readdir(dataDir).catch(({ code }) => code);
    const before = await names();
    await worker.terminate();
    const gone = { code: storeUnavailable, retryable: true, message: expect.stringContaining(dataDir) };
    await expect(store.commit([appendTo("s", "2")], 1)).rejects.toMatchObject(gone);
    await expect(store.head()).rejects.toMatchObject(gone);
    expect(await names()).toEqual(before);
    await rm(dataDir, { recursive: true, force: true });
    await rename(join(directory, "volume"), dataDir);
    const { outcomes } = await store.commit([appendTo("s", "2")], 1);
    expect(outcomes).toMatchObject([{ kind: "appended", firstVersions: [2] }]);
    await store.close();
  },
);

test("more requests than can wait are turned away, and the others answered", async () => {
  const store = createPgliteStore({ dataDir: join(directory, "db"), cacheDir });
  await store.open();
  const results = await Promise.allSettled(Array.from({ length: 4_100 }, () => store.head()));
  const rejected = results.filter((result) => result.status === "rejected");
  expect(rejected.length).toBeGreaterThan(0);
  expect(rejected.length).toBeLessThanOrEqual(100);
  for (const { reason } of rejected) expect(reason).toMatchObject({ code: storeUnavailable, retryable: true });
  await store.close();
});

test("a directory that holds no database and cannot be one is an error, and the lock is let go", async () => {
  const dataDir = join(directory, "file");
  await writeFile(dataDir, "a file");
  await expect(createPgliteStore({ dataDir, cacheDir }).open()).rejects.toThrow();
  expect(await readdir(directory)).toEqual(["db", "file"]);
});

test("before it is opened, and after it is closed, a store is unavailable", async () => {
  const store = createPgliteStore({ dataDir: join(directory, "db"), cacheDir });
  await expect(store.head()).rejects.toMatchObject({ code: storeUnavailable });
  await store.open();
  await store.close();
  await expect(store.head()).rejects.toMatchObject({ code: storeUnavailable });
  await store.close();
});
