// The connection of commits: what is sent is on its way at once where nothing else is, nothing comes between a transaction's statements, what
// fails takes nothing else with it, and a broken connection is replaced.
import { systemClock } from "@viable/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PostgresCommits } from "./postgres-commits.ts";
import type { OwnConnection } from "./postgres-connection.ts";
import { connectOwn } from "./postgres-connection.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";
import { startProxy } from "./testing/start-proxy.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

const insert = { name: "insert", text: "INSERT INTO notes (note) VALUES ($1::text)" };

async function setup(through = (connectionString: string) => connectionString) {
  const connectionString = await server.createDatabase();
  const connections: OwnConnection[] = [];
  const connect = async () => {
    const own = await connectOwn({ connectionString: through(connectionString), query_timeout: 1_000 }, systemClock);
    connections.push(own);
    return own;
  };
  await using first = await connectOwn({ connectionString }, systemClock);
  await first.connection.script("CREATE TABLE notes (note text PRIMARY KEY)");
  const commits = new PostgresCommits(connect);
  const notes = async () => {
    const { rows } = await commits.write({ name: "notes", text: "SELECT note FROM notes ORDER BY note" }, []);
    return rows.map(({ note }) => note);
  };
  return { commits, connections, notes, database: new URL(connectionString).pathname.slice(1) };
}

/** Bytes that have been handed to the system, as the driver's socket counts them. */
const sentBytes = (own: OwnConnection): number =>
  (own.client as unknown as { connection: { stream: { bytesWritten: number } } }).connection.stream.bytesWritten;

test("a statement is on its way when it is handed in, not when whoever handed it in has gone on", async () => {
  const { commits, connections } = await setup();
  await commits.write(insert, ["a"]);
  const [own] = connections as [OwnConnection];
  const before = sentBytes(own);
  const written = commits.write(insert, ["b"]);
  expect(sentBytes(own)).toBeGreaterThan(before);
  expect(await written).toMatchObject({ touched: 1 });
  await commits.close();
});

test("W5: a statement that comes during a transaction is no part of it, nor is another transaction", async () => {
  const { commits, notes } = await setup();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const undone = commits.transaction(async (connection) => {
    await connection.execute(insert.text, ["undone"]);
    await held;
    throw new Error("undone");
  });
  const kept = [
    commits.write(insert, ["kept"]),
    commits.transaction((connection) => connection.execute(insert.text, ["kept too"])),
  ];
  release();
  await expect(undone).rejects.toThrow("undone");
  await Promise.all(kept);
  expect(await notes()).toEqual(["kept", "kept too"]);
  await commits.close();
});

test("a broken constraint costs no connection, anything else does, and the next statement finds another", async () => {
  const { commits, connections, notes, database } = await setup();
  await commits.write(insert, ["a"]);
  await expect(commits.write(insert, ["a"])).rejects.toMatchObject({ details: { sqlState: "23505" } });
  expect(await notes()).toEqual(["a"]);
  expect(connections).toHaveLength(1);

  await expect(commits.write({ name: "no", text: "SELECT nothing" }, [])).rejects.toMatchObject({ retryable: false });
  expect(await notes()).toEqual(["a"]);
  expect(connections).toHaveLength(2);

  // Cut while nothing is asked: at worst the next statement meets it, and the one after does not.
  await server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [database]);
  await notes().catch((error: unknown) => expect(error).toMatchObject({ retryable: true }));
  expect(await notes()).toEqual(["a"]);
  await commits.close();
});

test("W5: what comes while a statement is under way that fails is no part of that, and answered", async () => {
  const { commits, connections, notes } = await setup();
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on("warning", warn);
  await commits.write(insert, ["a"]);
  const failing = commits.write({ name: "failing", text: "SELECT pg_sleep(0.1), 1 / $1::int" }, ["0"]);
  const behind = [commits.write(insert, ["b"]), commits.write(insert, ["c"]), commits.write(insert, ["d"])];
  await expect(failing).rejects.toMatchObject({ details: { sqlState: "22012" } });
  expect(await Promise.all(behind)).toMatchObject([{ touched: 1 }, { touched: 1 }, { touched: 1 }]);
  expect(await notes()).toEqual(["a", "b", "c", "d"]);
  expect(connections).toHaveLength(2);
  await commits.close();
  // What the driver says of connections that are used wrongly it says once, a moment later.
  await new Promise<void>((resolve) => setImmediate(resolve));
  process.off("warning", warn);
  expect(warnings).toEqual([]);
});

test("W10: no more wait for their turn than a bound, and the others are answered", async () => {
  const { commits } = await setup();
  const results = await Promise.allSettled(Array.from({ length: 600 }, (_, nr) => commits.write(insert, [`${nr}`])));
  const rejected = results.filter((result) => result.status === "rejected");
  expect(rejected).toHaveLength(100);
  for (const { reason } of rejected) expect(reason).toMatchObject({ code: "log.store_unavailable", retryable: true });
  await commits.close();
});

test("a transaction that is not answered costs its connection, and the next statement finds another", async () => {
  const { commits, notes, connections, database } = await setup(() => proxy.connectionString);
  const url = new URL(server.connectionString);
  url.pathname = database;
  await using proxy = await startProxy(url.href);
  await commits.write(insert, ["a"]);
  const lost = commits.transaction(async (connection) => {
    proxy.stalls = true;
    await connection.execute(insert.text, ["lost"]);
  });
  await expect(lost).rejects.toMatchObject({ code: "log.store_unavailable", retryable: true });
  proxy.stalls = false;
  expect(await notes()).toEqual(["a"]);
  expect(connections).toHaveLength(2);
  await commits.close();
});

test("closing waits until the connections that were dropped are gone too", async () => {
  const connectionString = await server.createDatabase();
  let gone = 0;
  const commits = new PostgresCommits(async () => {
    const own = await connectOwn({ connectionString }, systemClock);
    const end = async () => {
      await own[Symbol.asyncDispose]();
      gone += 1;
    };
    return { ...own, [Symbol.asyncDispose]: end };
  });
  await expect(commits.write({ name: "no", text: "SELECT nothing" }, [])).rejects.toMatchObject({ retryable: false });
  expect(gone).toBe(0);
  await commits.close();
  expect(gone).toBeGreaterThan(0);
});

test("closing waits for what is under way, and refuses what comes after it", async () => {
  const { commits } = await setup();
  await commits.write(insert, ["a"]);
  const slow = commits.write({ name: "slow", text: "SELECT pg_sleep(0.2), 'done' AS answer" }, []);
  const closed = commits.close();
  await expect(commits.write(insert, ["b"])).rejects.toMatchObject({ code: "log.store_unavailable" });
  expect((await slow).rows[0]).toMatchObject({ answer: "done" });
  await closed;
});
