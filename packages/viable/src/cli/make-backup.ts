import { constants, existsSync, mkdirSync } from "node:fs";
import { copyFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Client } from "@viable/client";
import type { JsonObject } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import { backupExists, backupTimeoutMs, checkBackup, describeBackup, writeBackup } from "../backup-file.ts";
import { loadConfig } from "../config-file.ts";
import { readSettings } from "../settings.ts";
import { stateDirectory } from "../state-directory.ts";
import { printOutcome } from "./exec.ts";
import { interrupted } from "./exit-status.ts";
import type { GatewayOptions } from "./gateway.ts";
import { findRunning } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { printData, renderJson } from "./output.ts";
import { createProgressDisplay } from "./progress-display.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { configOf } from "./start.ts";

export interface BackupOptions extends GatewayOptions, OutputOptions {
  readonly file?: string;
}

/** Writes a backup: of a running system by its own command, else by opening the database. Prints what was made. */
export async function makeBackup(shell: Shell, options: BackupOptions): Promise<void> {
  const file = options.file === undefined ? undefined : resolve(shell.cwd, options.file);
  if (file !== undefined && existsSync(file)) throw backupExists(file);
  // A colon is no character for a file's name everywhere.
  const at = new Date(shell.runtime.clock.now()).toISOString();
  const name = at.replaceAll(/[:.]/g, "-");
  const client = findRunning(shell, options);
  if (client !== undefined) await backUpRunning(shell, client, options, name, file);
  else {
    const made = await backUpStopped(shell, options, { name, at, file });
    printData(shell, options.output, made, () => renderJson(shell, made));
  }
}

async function backUpRunning(
  shell: Shell,
  client: Client,
  options: BackupOptions,
  name: string,
  file: string | undefined,
): Promise<void> {
  const display = createProgressDisplay(shell.err, shell.runtime.clock);
  shell.whenUnread = "interrupt";
  const view = await runCommand(shell, client, {
    command: "database.backup",
    args: { name },
    timeoutMs: backupTimeoutMs,
    onEvent: display.show,
  }).finally(() => display.end());
  if (view.status !== "completed" || file === undefined) return printOutcome(shell, options, view);
  const made = view.result as JsonObject;
  await moveBackup(String(made.file), file);
  printOutcome(shell, options, { ...view, result: { ...made, file } });
}

/** A backup that the system has made, moved to where it was asked for and read again there. */
async function moveBackup(from: string, to: string): Promise<void> {
  if (!existsSync(from)) {
    throw new ViableError("backup.elsewhere", `The backup lies on the system's own machine, at ${from}.`, {
      next: "Fetch it from there: only the system's own folder of backups can be written from afar.",
    });
  }
  const partial = join(dirname(to), `.${basename(to)}.partial`);
  const { sha256 } = await checkBackup(from);
  try {
    await copyFile(from, partial, constants.COPYFILE_EXCL);
    const copied = await checkBackup(partial);
    if (copied.sha256 !== sha256) throw new ViableError("backup.damaged", `${partial} is not what ${from} is.`);
    await rename(partial, to);
  } catch (error) {
    await rm(partial, { force: true });
    throw new ViableError("backup.not_moved", `The backup could not be moved to ${to}.`, {
      next: `It lies at ${from}.`,
      cause: error,
    });
  }
  await rm(from);
}

async function backUpStopped(
  shell: Shell,
  options: BackupOptions,
  { name, at, file }: { readonly name: string; readonly at: string; readonly file: string | undefined },
): Promise<JsonObject> {
  const config = configOf(shell, options.config);
  const definition = await loadConfig(config);
  const settings = readSettings(definition, config, shell.environment);
  const state = stateDirectory(settings.stateDir);
  if (settings.databaseUrl === undefined && !existsSync(state.database)) {
    throw new ViableError("backup.no_database", `There is no database in ${settings.stateDir}.`, {
      next: "Start the system once, or name its config with --config.",
    });
  }
  const signal = shell.catchInterrupt();
  // Here and not above: to ask a running system no database is loaded.
  const { openStore } = await import("../open-system.ts");
  const store = openStore(settings, state);
  await store.open();
  try {
    if (file === undefined) mkdirSync(state.backups, { recursive: true, mode: 0o700 });
    const path = file ?? join(state.backups, `${name}.jsonl`);
    const about = { system: definition.name, id: shell.runtime.ids.next("exe"), at };
    return describeBackup(path, await writeBackup(path, about, store.snapshot(), { signal }));
  } catch (error) {
    throw signal.aborted ? interrupted("Interrupted; there is no backup.") : error;
  } finally {
    await store.close();
  }
}
