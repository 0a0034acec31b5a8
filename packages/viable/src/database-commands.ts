import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import type { AgentContext, AgentDefinition } from "@viable/swarm";
import { agent } from "@viable/swarm";
import { z } from "zod";
import { backupTimeoutMs, checkBackup, describeBackup, isThere, writeBackup } from "./backup-file.ts";

/** What the commands about the database need to know of the system. */
export interface DatabaseCommandSources {
  readonly store: Store;
  /** The system's name: a backup says whose it is. */
  readonly system: string;
  /** The only folder that backups are written into; undefined where the system keeps no state on a disk. */
  readonly backups: string | undefined;
}

/** Backs the running database up, and has it explain its queries. */
export function databaseCommands(sources: DatabaseCommandSources): AgentDefinition[] {
  let isRunning = false;
  return [
    agent({
      name: "database-backup",
      capability: "database.backup",
      description: "Writes the whole database, as it is at one moment, into a file among the backups; appends go on.",
      risk: "high",
      timeoutMs: backupTimeoutMs,
      input: z.strictObject({
        name: z
          .string()
          .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "begins with a letter or digit and has only those and . _ -")
          .max(100)
          .describe("Of the file, without a folder: backups lie in one place"),
      }),
      handle: async (ctx, { name }) => {
        if (isRunning) {
          throw new ViableError("backup.running", "A backup is being written already.", {
            retryable: true,
            next: "Wait for it: a second one at the same time would only slow both down.",
          });
        }
        isRunning = true;
        try {
          return await backUp(sources, ctx, name);
        } finally {
          isRunning = false;
        }
      },
    }),
    agent({
      name: "database-explain",
      capability: "database.explain",
      description:
        "How the database goes about a query: one of the log's own statements, which is run, or a SELECT, which is only planned.",
      risk: "high",
      input: z
        .strictObject({
          statement: z.string().min(1).max(100).optional().describe("A statement of the log's own, by its name"),
          sql: z.string().min(1).max(10_000).optional().describe("A single SELECT; it is not run"),
        })
        .refine(
          ({ statement, sql }) => (statement === undefined) !== (sql === undefined),
          "needs either a statement or sql",
        ),
      handle: async (_ctx, { statement, sql }) => {
        const explained = await sources.store.explain(sql === undefined ? { statement: statement ?? "" } : { sql });
        if (explained !== undefined) return explained as unknown as JsonValue;
        throw new ViableError("database.none", "There is no database behind this log: it is kept in memory.", {
          next: "Ask a system that runs on the embedded database or on a PostgreSQL server.",
        });
      },
    }),
  ];
}

async function backUp(sources: DatabaseCommandSources, ctx: AgentContext, name: string): Promise<JsonObject> {
  const { store, system, backups } = sources;
  if (backups === undefined) {
    throw new ViableError("backup.no_folder", "This system has no folder for backups.", {
      next: "Start it with `viable start`: backups lie beside its state.",
    });
  }
  await mkdir(backups, { recursive: true, mode: 0o700 });
  const file = join(backups, name.endsWith(".jsonl") ? name : `${name}.jsonl`);
  // A process that ended between the file and the outcome has done the work: begun again, the task finds its own.
  if (ctx.attempt > 1 && (await isThere(file))) {
    const finished = await checkBackup(file, ctx.signal);
    if (finished.id === ctx.executionId) return describeBackup(file, finished);
  }
  const at = new Date(ctx.runtime.clock.now()).toISOString();
  const summary = await writeBackup(file, { system, id: ctx.executionId, at }, store.snapshot(), {
    signal: ctx.signal,
    onPage(written, total) {
      if (total === undefined) ctx.progress(0, "Writing records");
      else ctx.progress(Math.floor((written / Math.max(1, total)) * 100), `${written} of ${total} events written`);
    },
  });
  return describeBackup(file, summary);
}
