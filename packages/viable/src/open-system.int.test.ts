// A system opened as a machine's settings say: on servers that keep less than they should, and with others in the same state folder.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime, rootContext } from "@viable/kernel";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Notice } from "./create-system.ts";
import { defineSystem } from "./define-system.ts";
import type { OpenedSystem } from "./open-system.ts";
import { openSystem } from "./open-system.ts";
import type { Settings } from "./settings.ts";

const definition = defineSystem({ name: "opened", services: [] });
const ctx = rootContext(createRuntime());
let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** A state folder, and systems opened on it, all let go of together. */
class Folder implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "viable-open-"));
  readonly notices: Notice[] = [];
  readonly #opened: OpenedSystem[] = [];

  async open(databaseUrl: string | undefined): Promise<OpenedSystem> {
    const settings: Settings = {
      stateDir: join(this.path, ".viable"),
      databaseUrl,
      cacheDir: process.env.VIABLE_TEST_CACHE_DIR,
      host: "127.0.0.1",
      port: 0,
      threads: 1,
      servicePorts: "any",
    };
    const opened = await openSystem(ctx, definition, settings, { onNotice: (notice) => this.notices.push(notice) });
    this.#opened.push(opened);
    return opened;
  }

  async close(): Promise<void> {
    for (const opened of this.#opened.splice(0)) await opened.close(ctx);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}

describe("what a server does not keep is said at start and in health", () => {
  test("with synchronous_commit = off nothing is durable when it is acknowledged", async () => {
    const databaseUrl = await server.createDatabase();
    const database = new URL(databaseUrl).pathname.slice(1);
    await server.query(`ALTER DATABASE ${database} SET synchronous_commit = off`);
    await using folder = new Folder();
    const { system } = await folder.open(databaseUrl);
    expect(folder.notices).toContainEqual({
      level: "warn",
      message: expect.stringMatching(/answers before it has written.*Set synchronous_commit = on/),
    });
    const health = await system.health();
    expect(health).toMatchObject({ status: "degraded", durability: "nothing" });
    expect(health.durabilityNote).toMatch(/PostgreSQL server answers before it has written/);
    expect(health.checks).toContainEqual({
      name: "database",
      status: "degraded",
      detail: expect.stringContaining("commits of the last second may be lost"),
    });
  });

  test("with fsync = off a power cut is not survived, and nobody takes the server for the embedded database", async () => {
    // A server that we were given may flush.
    const [row] = await server.query("SELECT current_setting('fsync') AS fsync");
    const flushes = row?.fsync === "on";
    await using folder = new Folder();
    const { system } = await folder.open(await server.createDatabase());
    const health = await system.health();
    expect(health.durability).toBe(flushes ? "power-loss" : "process-crash");
    expect(health.durabilityNote).toContain("PostgreSQL server");
    expect(health.durabilityNote).not.toContain("embedded");
    expect(folder.notices.filter(({ message }) => message.includes("fsync = off"))).toHaveLength(flushes ? 0 : 1);
    expect(health.checks.filter(({ name }) => name === "database")).toHaveLength(flushes ? 0 : 1);
  });
});

describe("several systems in one state folder, on one server", () => {
  test("each removes only its own address: the one that started last is found until it stops", async () => {
    const databaseUrl = await server.createDatabase();
    await using folder = new Folder();
    const first = await folder.open(databaseUrl);
    const second = await folder.open(databaseUrl);
    const address = { url: second.system.gatewayUrl, pid: process.pid };
    expect(second.state.readGateway()).toEqual(address);
    await first.close(ctx);
    expect(second.state.readGateway()).toEqual(address);
    await second.close(ctx);
    expect(existsSync(join(folder.path, ".viable", "gateway.json"))).toBe(false);
  });

  test("a file that somebody has damaged keeps no system from stopping, and stays", async () => {
    await using folder = new Folder();
    const { system } = await folder.open(await server.createDatabase());
    const file = join(folder.path, ".viable", "gateway.json");
    writeFileSync(file, "{");
    await folder.close();
    expect(readFileSync(file, "utf8")).toBe("{");
    await expect(fetch(`${system.gatewayUrl}/health`)).rejects.toThrow();
  });

  test("they share the owner's token", async () => {
    const databaseUrl = await server.createDatabase();
    await using folder = new Folder();
    const first = await folder.open(databaseUrl);
    const second = await folder.open(databaseUrl);
    expect(second.system.ownerToken).toBe(first.system.ownerToken);
    expect(second.state.readToken()).toBe(first.system.ownerToken);
  });
});
