import type { Command } from "commander";
import { addGatewayOptions } from "./gateway.ts";
import type { BackupOptions } from "./make-backup.ts";
import { addOutputOption } from "./output.ts";
import type { Shell } from "./shell.ts";

/** `viable backup`: the whole database in a file, of a running system by its own command, else by opening the database. */
export function addBackup(program: Command, shell: Shell): void {
  const command = program
    .command("backup")
    .description("write the whole database, as it is at one moment, into a file; a running system goes on meanwhile")
    .option("--file <file>", "where to; else backups/<time>.jsonl in the state folder")
    .addHelpText(
      "after",
      `
A file that is there is not overwritten. Keep backups where the database is not, and as safe: they hold all that it holds.

Examples:
  $ viable backup
  $ viable backup --file /mnt/backups/monday.jsonl`,
    );
  addGatewayOptions(command);
  addOutputOption(command).action(async (options: BackupOptions) => {
    // Here and not above: what knows the log's records is loaded where one is made.
    const { makeBackup } = await import("./make-backup.ts");
    await makeBackup(shell, options);
  });
}
