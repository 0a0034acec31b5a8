import { resolve } from "node:path";
import type { Command } from "commander";
import { configFileName } from "../config-file.ts";
import { addOutputOption, printData, renderJson } from "./output.ts";
import type { RestoreOptions } from "./restore-database.ts";
import type { Shell } from "./shell.ts";

/** `viable restore`: an empty database filled with what a backup holds, exactly as it was. */
export function addRestore(program: Command, shell: Shell): void {
  const command = program
    .command("restore")
    .argument("<file>", "a backup that `viable backup` has written")
    .description("fill an empty database with a backup, exactly as it was; nothing is overwritten")
    .option("--into <folder>", "a state folder without a database; else the config's own, or DATABASE_URL")
    .option("--config <file>", `the config of the system that the backup is of; else the nearest ${configFileName}`)
    .addHelpText(
      "after",
      `
The file is checked to its end before anything is written. The restored system goes on with what was under way when the backup was
taken: do not let it run beside the one that it was taken of.

Examples:
  $ viable restore .viable/backups/2026-11-20T08-30-00-000Z.jsonl --into /srv/standby/.viable
  $ DATABASE_URL=postgres://viable@host/empty viable restore monday.jsonl`,
    );
  addOutputOption(command).action(async (file: string, options: RestoreOptions) => {
    // Here and not above: what knows the log's records is loaded where one is filled.
    const { restoreDatabase } = await import("./restore-database.ts");
    const restored = await restoreDatabase(shell, resolve(shell.cwd, file), options);
    printData(shell, options.output, restored, () => renderJson(shell, restored));
  });
}
