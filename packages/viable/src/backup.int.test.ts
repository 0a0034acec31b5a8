/**
 * A running system is backed up while others append, and restored elsewhere: what the file holds is the log at one moment, byte for
 * byte; the restored system goes on with what was under way, knows who had a token, and takes what comes. On both databases.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@viable/client";
import { createRuntime, rootContext } from "@viable/kernel";
import type { PlacedEvent, PlacedRecord, SnapshotPage } from "@viable/log";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import { agent, service } from "@viable/swarm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { checkBackup, readBackup } from "./backup-file.ts";
import { defineSystem } from "./define-system.ts";
import type { OpenedSystem } from "./open-system.ts";
import { openStore, openSystem } from "./open-system.ts";
import type { Settings } from "./settings.ts";
import { stateDirectory } from "./state-directory.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(() => server[Symbol.asyncDispose]());

const ctx = rootContext(createRuntime());
/** `linger` never ends at its first try; begun again, it says so. */
const definition = defineSystem({
  name: "kept",
  limits: { drainMs: 0 },
  services: [
    service({
      name: "work",
      description: "Works.",
      port: 0,
      agents: [
        agent({
          name: "echo",
          capability: "echo",
          description: "Says what it is told.",
          input: z.strictObject({ text: z.string() }),
          handle: (_ctx, { text }) => ({ text }),
        }),
        agent({
          name: "linger",
          capability: "linger",
          description: "Waits.",
          timeoutMs: 600_000,
          input: z.strictObject({}),
          handle: async ({ attempt, signal }) => {
            if (attempt === 1)
              await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
            return { attempt };
          },
        }),
      ],
    }),
  ],
});

/** A state folder and the database that goes with it. */
async function makePlace(kind: "PGlite" | "PostgreSQL") {
  const folder = mkdtempSync(join(tmpdir(), "viable-backup-"));
  const settings: Settings = {
    stateDir: join(folder, ".viable"),
    databaseUrl: kind === "PGlite" ? undefined : await server.createDatabase(),
    cacheDir: process.env.VIABLE_TEST_CACHE_DIR,
    host: "127.0.0.1",
    port: 0,
    threads: 1,
    servicePorts: "any",
  };
  const state = stateDirectory(settings.stateDir);
  let opened: OpenedSystem | undefined;
  const close = async () => {
    await opened?.close(ctx);
    opened = undefined;
  };
  return {
    state,
    store: () => openStore(settings, state),
    async open(): Promise<OpenedSystem> {
      opened = await openSystem(ctx, definition, settings);
      return opened;
    },
    close,
    [Symbol.asyncDispose]: async () => {
      await close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const clientOf = ({ system, state }: OpenedSystem) =>
  createClient({ url: system.gatewayUrl ?? "", token: state.readToken() ?? "" });

interface Held {
  readonly events: readonly PlacedEvent[];
  readonly records: ReadonlyMap<string, PlacedRecord>;
  readonly ordinal: number;
}

async function collect(pages: AsyncIterable<SnapshotPage>): Promise<Held> {
  const events: PlacedEvent[] = [];
  const records = new Map<string, PlacedRecord>();
  let ordinal = -1;
  for await (const page of pages) {
    if (page.kind === "events") events.push(...page.events);
    if (page.kind === "records") for (const record of page.records) records.set(record.key, record);
    if (page.kind === "head") ordinal = page.head.ordinal;
  }
  return { events, records, ordinal };
}

describe.each(["PGlite", "PostgreSQL"] as const)("on %s", (kind) => {
  test("what is backed up while a writer appends is restored exactly, and the system goes on", {
    timeout: 120_000,
  }, async () => {
    await using source = await makePlace(kind);
    const running = await source.open();
    const client = clientOf(running);
    const { sessionId } = await client.openSession({ clientType: "api" });
    const echo = async (text: string) =>
      await client.send(sessionId, { command: "echo", args: { text }, mode: "sync" }, { idempotencyKey: text });
    const done = await echo("before");
    const lingering = await client.send(sessionId, { command: "linger", args: {}, mode: "async" });

    // Each append writes events and, with them, a record that says how many there are.
    let appended = 0;
    let writing = true;
    const append = async (count: number) => {
      const numbers = Array.from({ length: count }, (_, index) => appended + 1 + index);
      const nr = appended + count;
      const outcome = await running.system.log.append(ctx, {
        streams: [
          {
            stream: "writer",
            expected: appended,
            events: numbers.map((each) => ({
              type: "session.ended",
              data: { by: `writer ${each}`, reason: "漢\u2028字".repeat(50) },
            })),
          },
        ],
        records: [
          { key: "writer/count", value: nr, expected: "any" },
          ...numbers.map((each) => ({ key: `writer/${each % 700}`, value: { nr: each }, expected: "any" as const })),
        ],
      });
      expect(outcome).toMatchObject({ ok: true });
      appended = nr;
    };
    while (appended < 2_500) await append(25);
    const writer = (async () => {
      while (writing) await append(1);
    })();
    const backup = await client
      .send(sessionId, { command: "database.backup", args: { name: "b" }, mode: "sync" }, { idempotencyKey: "b" })
      .finally(() => {
        writing = false;
      });
    await writer;
    expect(backup.status).toBe("completed");
    const file = join(source.state.backups, "b.jsonl");
    const summary = await checkBackup(file);
    const { events, records, sha256 } = summary;
    expect(backup).toMatchObject({ result: { file, position: String(events), events, records, sha256 } });

    // It was appended to all the while, and what was written together is in it together.
    const held = await collect(readBackup(file, summary));
    const count = Number(held.records.get("writer/count")?.value);
    expect(count).toBeGreaterThanOrEqual(2_500);
    expect(appended).toBeGreaterThan(count);
    expect(held.events.filter(({ stream }) => stream === "writer")).toHaveLength(count);
    expect(held.records.size).toBe(summary.records);
    await source.close();

    await using target = await makePlace(kind);
    const store = target.store();
    await store.restore(readBackup(file, summary));
    const restored = await collect(store.snapshot());
    expect(restored).toEqual(held);
    await store.close();
    const original = source.store();
    await original.open();
    const grownSource = await collect(original.snapshot());
    await original.close();
    expect(grownSource.events.slice(0, held.ordinal)).toEqual(held.events);
    expect(held.ordinal).toBe(held.events.length);

    // Where the credentials and the secret are kept, the token opens the restored system as it did the first.
    mkdirSync(target.state.path, { recursive: true, mode: 0o700 });
    const kept = ["credentials.json", ...(kind === "PGlite" ? ["secret.key"] : [])];
    if (kind === "PGlite") await expect(target.open()).rejects.toMatchObject({ code: "security.other_secret" });
    for (const name of kept) await copyFile(join(source.state.path, name), join(target.state.path, name));
    const again = await target.open();
    const anew = clientOf(again);
    const executions = (await anew.executions({})).executions.map(({ executionId }) => executionId);
    expect(executions).toEqual(expect.arrayContaining([done.executionId, lingering.executionId]));
    expect(await anew.execution(done.executionId)).toMatchObject({ status: "completed", result: { text: "before" } });
    // A repeat of what was answered before is answered alike, also by the restored system.
    const repeat = await anew.send(
      sessionId,
      { command: "echo", args: { text: "before" }, mode: "sync" },
      { idempotencyKey: "before" },
    );
    expect(repeat.executionId).toBe(done.executionId);
    const next = await anew.send(
      sessionId,
      { command: "echo", args: { text: "after" }, mode: "sync" },
      { idempotencyKey: "after" },
    );
    expect(next).toMatchObject({ status: "completed", result: { text: "after" } });
    // The process that had begun it is gone, and is seen to be.
    await expect
      .poll(async () => await anew.execution(lingering.executionId), { timeout: 60_000, interval: 200 })
      .toMatchObject({ status: "completed", attempts: 2, result: { attempt: 2 } });
    // Of a server that does not flush health says so; nothing else may be amiss.
    expect((await anew.health()).checks.filter((check) => check.status !== "ok" && check.name !== "database")).toEqual(
      [],
    );
    expect(again.system.membership.members()).toHaveLength(1);
    await target.close();
    const later = target.store();
    await later.open();
    const grown = await collect(later.snapshot());
    await later.close();
    expect(grown.events.slice(0, held.ordinal)).toEqual(held.events);
    expect(grown.ordinal).toBeGreaterThan(held.ordinal);
  });
});
