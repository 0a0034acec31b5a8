import { resolve } from "node:path";
import type { JsonObject } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import type { BackupSummary } from "../backup-file.ts";
import { checkBackup, describeBackup, readBackup } from "../backup-file.ts";
import { loadConfig } from "../config-file.ts";
import { secretSource } from "../secret-source.ts";
import type { Settings } from "../settings.ts";
import { readSettings } from "../settings.ts";
import type { StateDirectory } from "../state-directory.ts";
import { stateDirectory } from "../state-directory.ts";
import { interrupted, wrongUsage } from "./exit-status.ts";
import { isAlive } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import type { Shell } from "./shell.ts";
import { configOf } from "./start.ts";

export interface RestoreOptions extends OutputOptions {
  readonly into?: string;
  readonly config?: string;
}

/** Fills an empty database with a backup, after the file was checked to its end, and reads back what has come of it. */
export async function restoreDatabase(shell: Shell, file: string, options: RestoreOptions): Promise<JsonObject> {
  const config = configOf(shell, options.config);
  const definition = await loadConfig(config);
  const settings = placeOf(shell, readSettings(definition, config, shell.environment), options.into);
  const state = stateDirectory(settings.stateDir);
  refuseRunning(settings, state);
  const signal = shell.catchInterrupt();
  const summary = await checkBackup(file, signal).catch((error: unknown) => {
    throw signal.aborted ? nothingRestored() : error;
  });
  if (summary.system !== definition.name) {
    throw new ViableError(
      "backup.other_system",
      `${file} is a backup of "${summary.system}", not of "${definition.name}".`,
      {
        next: "Name that system's config with --config.",
      },
    );
  }
  state.prepare();
  // Here already, so that one that holds no secret is told of before anything is written.
  const hasSecret = secretSource(settings).read() !== undefined;
  await fill(settings, state, file, summary, signal);
  return {
    ...describeBackup(file, summary),
    into: settings.databaseUrl === undefined ? state.database : "the database of DATABASE_URL",
    token:
      state.readToken() === undefined
        ? "the next start mints a new owner token; those of before are valid with its secret"
        : `the one in ${state.path} is kept, and valid if it is of the system's secret`,
    secret: hasSecret
      ? "the one that is here must be the system's own; else the start says so"
      : "none here: bring the system's secret.key or VIABLE_SECRET_KEY, if it had one",
  };
}

/** Where the database is to be: a folder that is named, or what the environment and the config say. */
function placeOf(shell: Shell, settings: Settings, into: string | undefined): Settings {
  if (into === undefined) return settings;
  if (settings.databaseUrl !== undefined)
    throw wrongUsage("--into names a folder, and DATABASE_URL a server.", "Take one of the two away.");
  return { ...settings, stateDir: resolve(shell.cwd, into) };
}

/** What runs has a database that holds something; this says so in words that lead to the process. */
function refuseRunning(settings: Settings, state: StateDirectory): void {
  const running = state.readGateway();
  if (settings.databaseUrl !== undefined || running === undefined || !isAlive(running.pid)) return;
  throw new ViableError("cli.already_running", `A system is running on ${state.path}.`, {
    next: `It is process ${running.pid}, at ${running.url}. Restore into another folder with --into.`,
  });
}

async function fill(
  settings: Settings,
  state: StateDirectory,
  file: string,
  summary: BackupSummary,
  signal: AbortSignal,
): Promise<void> {
  const { openStore } = await import("../open-system.ts");
  const store = openStore(settings, state);
  await store.restore(readBackup(file, summary, signal)).catch((error: unknown) => {
    throw signal.aborted ? nothingRestored() : error;
  });
  try {
    await readBack(store, summary);
  } finally {
    await store.close();
  }
}

/** Reads from the database itself what has come of the file. A process that waited for it may have begun to append. */
async function readBack(store: Store, { events, records }: BackupSummary): Promise<void> {
  let found = { events: 0, records: 0 };
  for await (const page of store.snapshot()) {
    if (page.kind === "head") found = { ...found, records: page.head.records };
    if (page.kind === "events") found = { ...found, events: found.events + page.events.length };
  }
  if (found.events >= events && found.records >= records) return;
  throw new ViableError(
    "backup.not_restored",
    `The database has ${found.events} events and ${found.records} records; the backup has ${events} and ${records}.`,
    { next: "Do not use it. Remove it and restore again; if it goes on, report it." },
  );
}

const nothingRestored = (): ViableError => interrupted("Interrupted; nothing was restored.");
