// A restore is whole or it is nothing, also when its process is killed: what it has begun is no database that anybody opens.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { SnapshotPage, Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPgliteStore } from "./pglite-store.ts";
import { createPostgresStore } from "./postgres-store.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

const events = 3_000;
/** What is restored: the snapshot of a store in memory. */
let source: Store;
beforeAll(async () => {
  source = createMemoryStore();
  for (let nr = 1; nr <= events; nr++) {
    const event = { id: `e${nr}`, type: "t", data: `{"nr":${nr}}`, tenant: "d", session: null, correlation: null };
    await source.commit(
      [
        {
          id: `e${nr}`,
          streams: [{ stream: `s${nr % 7}`, expected: -1, events: [{ ...event, metadata: "{}", time: nr }] }],
          records: [{ key: `r${nr % 50}`, expected: -1, value: `${nr}`, expiresAt: null }],
        },
      ],
      nr,
    );
  }
});

/** A place for a database, and the text of a program that makes a store for it. */
interface Place extends AsyncDisposable {
  readonly store: Store;
  readonly program: string;
}

const kinds: Record<string, () => Promise<Place>> = {
  PGlite: async () => {
    const directory = await mkdtemp(join(tmpdir(), "viable-restore-"));
    const options = { dataDir: join(directory, "db"), cacheDir };
    return {
      store: createPgliteStore(options),
      program: `createPgliteStore(${JSON.stringify(options)})`,
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
    };
  },
  PostgreSQL: async () => {
    const options = { connectionString: await server.createDatabase() };
    return {
      store: createPostgresStore(options),
      program: `createPostgresStore(${JSON.stringify(options)})`,
      [Symbol.asyncDispose]: async () => {},
    };
  },
};

async function collect(pages: AsyncIterable<SnapshotPage>) {
  const found: SnapshotPage[] = [];
  for await (const page of pages) found.push(page);
  return {
    records: found.flatMap((page) => (page.kind === "records" ? page.records : [])).sort((a, b) => a.change - b.change),
    events: found.flatMap((page) => (page.kind === "events" ? page.events : [])),
    head: found.find((page) => page.kind === "head"),
  };
}

/** Begins a restore in a process of its own, which says `begun` when some of it has been written and then goes no further. */
async function killInRestore(program: string): Promise<void> {
  const child = spawn(
    process.execPath,
    [
      "--conditions=viable-source",
      "--liftoff-only",
      "--input-type=module",
      "-e",
      `
      import { createPgliteStore, createPostgresStore } from "@viable/log-postgres";
      const event = (ordinal) => ({ ordinal, stream: "s", version: ordinal, id: "e" + ordinal, type: "t", data: "{}", tenant: "d",
        session: null, correlation: null, metadata: "{}", time: 1 });
      async function* pages() {
        yield { kind: "head", head: { ordinal: 3, change: 0, records: 0 } };
        yield { kind: "events", events: [event(1)] };
        yield { kind: "events", events: [event(2)] };
        console.log("begun");
        setInterval(() => {}, 1_000);
        await new Promise(() => {});
      }
      await ${program}.restore(pages());`,
    ],
    { cwd: import.meta.dirname, stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(child, "exit");
  const [said] = await once(createInterface({ input: child.stdout }), "line");
  expect(said).toBe("begun");
  child.kill("SIGKILL");
  expect((await exited)[1]).toBe("SIGKILL");
}

describe.each(Object.keys(kinds))("on %s", (kind) => {
  const place = () => (kinds[kind] as () => Promise<Place>)();

  test("kill -9 during a restore leaves nothing that opens, and says what to do; restored again it is whole", async () => {
    await using target = await place();
    const { store } = target;
    await killInRestore(target.program);
    await expect(store.open()).rejects.toMatchObject({
      code: "log.restore_unfinished",
      next: expect.stringContaining("viable restore"),
    });
    // Looking has changed nothing.
    await expect(store.open()).rejects.toMatchObject({ code: "log.restore_unfinished" });
    await store.restore(source.snapshot());
    expect(await collect(store.snapshot())).toEqual(await collect(source.snapshot()));
    await store.close();
    await store.open();
    expect((await store.head()).ordinal).toBe(events);
    await store.close();
  });

  test("a restore that fails leaves the place empty: it can be opened as new", async () => {
    await using target = await place();
    const failing = async function* (): AsyncGenerator<SnapshotPage> {
      for await (const page of source.snapshot()) {
        yield page;
        if (page.kind === "events") throw new Error("the disk is gone");
      }
    };
    await expect(target.store.restore(failing())).rejects.toThrow("the disk is gone");
    await target.store.open();
    expect(await target.store.head()).toEqual({ ordinal: 0, change: 0 });
    await target.store.close();
  });

  test("whoever opens the database while it is restored finds it whole, or is told who has it", async () => {
    await using target = await place();
    const other = (kind === "PGlite" ? createPgliteStore : createPostgresStore)(
      JSON.parse(target.program.replace(/^[^(]*\(|\)$/g, "")),
    );
    let opening: Promise<string> | undefined;
    const pages = async function* (): AsyncGenerator<SnapshotPage> {
      for await (const page of source.snapshot()) {
        yield page;
        opening ??= other.open().then(
          () => "open",
          (error) => error.code,
        );
      }
    };
    await target.store.restore(pages());
    const came = await opening;
    expect(came).toBe(kind === "PGlite" ? "log.database_in_use" : "open");
    if (came === "open") {
      expect((await other.head()).ordinal).toBe(events);
      await other.close();
    }
    await target.store.close();
  });
});

test("kill -9 at any moment of a restore: what is there then is unfinished, or all of it", {
  timeout: 180_000,
}, async () => {
  await using target = await (kinds.PGlite as () => Promise<Place>)();
  const { dataDir } = JSON.parse(target.program.replace(/^[^(]*\(|\)$/g, ""));
  const program = `
    import { createPgliteStore } from "@viable/log-postgres";
    const event = { ordinal: 1, stream: "s", version: 1, id: "e", type: "t", data: "{}", tenant: "d", session: null, correlation: null,
      metadata: "{}", time: 1 };
    async function* pages() {
      yield { kind: "head", head: { ordinal: 1, change: 0, records: 0 } };
      yield { kind: "events", events: [event] };
    }
    await ${target.program}.restore(pages());
    setInterval(() => {}, 1_000);`;
  // With so many files and folders there, of nearly a thousand; the last time as it moves up. Whoever looks too late finds it whole.
  const isReached = async (moment: number | string) =>
    typeof moment === "string"
      ? (await readdir(dataDir).catch(() => [])).some((name) => [moment, "PG_VERSION"].includes(name))
      : (await readdir(dataDir, { recursive: true }).catch(() => [])).length >= moment;
  for (const moment of [1, 2, 300, 900, ".viable-moving"]) {
    const args = ["--conditions=viable-source", "--liftoff-only", "--input-type=module", "-e", program];
    const child = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: "inherit" });
    const exited = once(child, "exit");
    while (child.exitCode === null && !(await isReached(moment)));
    child.kill("SIGKILL");
    expect((await exited)[1]).toBe("SIGKILL");
    if (typeof moment === "number") {
      await expect(target.store.open()).rejects.toMatchObject({ code: "log.restore_unfinished" });
      await rm(dataDir, { recursive: true });
    }
  }
  await target.store.open();
  expect((await target.store.head()).ordinal).toBe(1);
  await target.store.close();
});

test("a directory with anything in it is not restored into, and one that is empty is", async () => {
  const directory = await mkdtemp(join(tmpdir(), "viable-restore-"));
  await mkdir(join(directory, "full", "notes"), { recursive: true });
  await expect(
    createPgliteStore({ dataDir: join(directory, "full"), cacheDir }).restore(source.snapshot()),
  ).rejects.toMatchObject({ code: "log.not_empty" });
  expect(await readdir(join(directory, "full"))).toEqual(["notes"]);
  await mkdir(join(directory, "empty"));
  const store = createPgliteStore({ dataDir: join(directory, "empty"), cacheDir });
  await store.restore(source.snapshot());
  await store.close();
  expect((await readdir(directory)).sort()).toEqual(["empty", "full"]);
  await rm(directory, { recursive: true });
});

test("a schema of that name that somebody else made is left alone", async () => {
  const connectionString = await server.createDatabase();
  await using client = await connect(connectionString);
  await client.query("CREATE SCHEMA viable; CREATE FUNCTION viable.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'");
  await expect(createPostgresStore({ connectionString }).restore(source.snapshot())).rejects.toMatchObject({
    code: "log.not_empty",
  });
  expect(await client.query("SELECT viable.mine()")).toEqual([{ mine: 1 }]);
});

test("a database in memory is restored and goes on", async () => {
  const store = createPgliteStore({ cacheDir });
  await store.restore(source.snapshot());
  expect(await collect(store.snapshot())).toEqual(await collect(source.snapshot()));
  await expect(store.restore(source.snapshot())).rejects.toMatchObject({ code: "log.not_empty" });
  await store.close();
});

test("on PGlite nothing is purged while a snapshot is read, and then again", async () => {
  const store = createPgliteStore({ cacheDir });
  await store.open();
  await store.commit([{ streams: [], records: [{ key: "gone", expected: 0, value: "1", expiresAt: 5 }] }], 1);
  for await (const page of store.snapshot()) {
    expect(page.kind).toBe("records");
    expect(await store.purgeRecords(10, 10)).toBe(0);
    break;
  }
  expect(await store.purgeRecords(10, 10)).toBe(1);
  await store.close();
});

async function connect(connectionString: string) {
  const { default: pg } = await import("pg");
  const client = new pg.Client(connectionString);
  await client.connect();
  return {
    query: async (text: string) => (await client.query<Record<string, unknown>>(text)).rows,
    [Symbol.asyncDispose]: () => client.end(),
  };
}
