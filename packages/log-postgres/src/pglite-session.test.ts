// A directory belongs to one thread at a time. The threads here are imagined: they answer like the database's, and end when the test
// says so.
import { EventEmitter } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { simulateTime } from "@viable/kernel";
import { createMemoryStore, storeUnavailable } from "@viable/log";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { databaseMark } from "./database-directory.ts";
import { migrations } from "./migrations.ts";
import { PgliteSession } from "./pglite-session.ts";
import { createPgliteStore } from "./pglite-store.ts";
import type { WorkerReply, WorkerRequest } from "./pglite-worker.ts";

type WorkerSays = { message: [WorkerReply]; error: [Error]; exit: [number] };

const { threads, requests, behaviour } = vi.hoisted(() => ({
  threads: [] as EventEmitter<WorkerSays>[],
  requests: [] as WorkerRequest[],
  behaviour: { ends: true, start: async (): Promise<WorkerReply> => ({ id: 0, rows: [], touched: 0 }) },
}));

vi.mock("node:worker_threads", () => ({
  Worker: class extends EventEmitter<WorkerSays> {
    constructor() {
      super();
      threads.push(this);
      queueMicrotask(async () => this.emit("message", await behaviour.start()));
    }
    postMessage(request: WorkerRequest) {
      requests.push(request);
      const rows = request.kind === "query" ? [{ encoding: "UTF8", version: migrations.length }] : [];
      queueMicrotask(() => this.emit("message", { id: request.id, rows, touched: 0 }));
    }
    async terminate() {
      if (behaviour.ends) this.emit("exit", 1);
    }
  },
}));

const anything = { name: "anything", text: "SELECT" };
const unavailable = { code: storeUnavailable, retryable: true };

const starts = behaviour.start;

/** A directory that says it has a database. */
let somewhere: string;
beforeEach(async () => {
  threads.length = 0;
  behaviour.ends = true;
  behaviour.start = starts;
  somewhere = await mkdtemp(join(tmpdir(), "viable-pglite-"));
  await writeFile(join(somewhere, databaseMark), "");
});
afterEach(() => rm(somewhere, { recursive: true }));

/** An open session whose thread is lost and has not ended yet. */
async function loseThread() {
  const clock = simulateTime();
  const session = new PgliteSession({ dataDir: somewhere }, clock);
  await session.open();
  behaviour.ends = false;
  threads[0]?.emit("error", new Error("lost"));
  return { clock, session };
}

test("the next thread begins when the one that was lost has ended, and not before", async () => {
  const { clock, session } = await loseThread();
  const answered = session.read(anything, []);
  await clock.settle();
  expect(threads).toHaveLength(1);
  threads[0]?.emit("exit", 1);
  expect(await answered).toHaveLength(1);
  expect(threads).toHaveLength(2);
});

test("a database that goes while the next thread starts is gone, and no full disk, whatever the thread says", async () => {
  const { clock, session } = await loseThread();
  behaviour.start = async () => {
    await rm(join(somewhere, databaseMark));
    return { id: 0, error: { message: "no space left on device", sqlState: undefined, fatal: true } };
  };
  const turnedAway = expect(session.read(anything, [])).rejects.toMatchObject({
    ...unavailable,
    message: expect.stringContaining("is gone"),
  });
  behaviour.ends = true;
  threads[0]?.emit("exit", 1);
  await clock.settle();
  await turnedAway;
  await writeFile(join(somewhere, databaseMark), "");
  behaviour.start = starts;
  expect(await session.read(anything, [])).toHaveLength(1);
});

test("W10: while a lost thread does not end, requests are turned away in time", async () => {
  const { clock, session } = await loseThread();
  const refused = expect(session.read(anything, [])).rejects.toMatchObject(unavailable);
  await clock.advance(10_000);
  await refused;
  expect(threads).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

test("who has the connection alone has it between two answers: what is asked for meanwhile waits, however that ends", async () => {
  const session = new PgliteSession({ dataDir: somewhere }, simulateTime());
  await session.open();
  const sent = () => requests.flatMap((request) => (request.kind === "query" ? [request.text] : []));
  requests.length = 0;
  const before = session.read({ name: "before", text: "before" }, []);
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const alone = session.exclusively(async (connection) => {
    await connection.query("alone");
    await held;
    throw new Error("it went wrong");
  });
  const next = session.exclusively(async (connection) => await connection.query("next"));
  await before;
  await expect.poll(sent).toEqual(["before", "alone"]);
  const during = [session.write({ name: "write", text: "write" }, []), session.read(anything, [])];
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(sent()).toEqual(["before", "alone"]);
  letGo();
  await expect(alone).rejects.toThrow("it went wrong");
  await Promise.all([...during, next]);
  expect(sent().sort()).toEqual(["SELECT", "alone", "before", "next", "write"]);
});

test("closing waits for a thread that was lost before, and W10: not for ever", async () => {
  const { clock, session } = await loseThread();
  const tooLong = expect(session.close()).rejects.toMatchObject(unavailable);
  await clock.advance(10_000);
  await tooLong;
  let closed = false;
  const closing = session.close().then(() => {
    closed = true;
  });
  await clock.settle();
  expect(closed).toBe(false);
  threads[0]?.emit("exit", 1);
  await closing;
});

test("a store lets go of its directory when the thread that had it has ended", async () => {
  const directory = await mkdtemp(join(tmpdir(), "viable-pglite-"));
  const dataDir = join(directory, "db");
  const clock = simulateTime();
  const store = createPgliteStore({ dataDir, clock });
  await store.open();
  behaviour.ends = false;
  threads[0]?.emit("error", new Error("lost"));
  const tooLong = expect(store.close()).rejects.toMatchObject(unavailable);
  await clock.advance(10_000);
  await tooLong;
  await expect(createPgliteStore({ dataDir, clock }).open()).rejects.toMatchObject({ code: "log.database_in_use" });
  threads[0]?.emit("exit", 1);
  await store.close();
  expect(await readdir(directory)).toEqual(["db"]);
  await rm(directory, { recursive: true });
});

test("a restore that fails, and whose thread does not end, tells why it failed, and leaves the directory to the thread", async () => {
  const directory = await mkdtemp(join(tmpdir(), "viable-pglite-"));
  const dataDir = join(directory, "db");
  const clock = simulateTime();
  behaviour.ends = false;
  // The imagined database does not give the lock that a restore needs.
  const failed = expect(createPgliteStore({ dataDir, clock }).restore(createMemoryStore().snapshot())).rejects.toThrow(
    "Another process migrates or restores this database.",
  );
  await vi.waitFor(() => expect(clock.pending).toBe(1));
  await clock.advance(10_000);
  await failed;
  expect(await readdir(dataDir)).toEqual([".viable-restoring"]);
  await expect(createPgliteStore({ dataDir, clock }).open()).rejects.toMatchObject({ code: "log.database_in_use" });
  await rm(directory, { recursive: true });
});
