import type { Command } from "commander";
import { wrongUsage } from "./exit-status.ts";
import { addGatewayOptions } from "./gateway.ts";
import { addOutputOption } from "./output.ts";
import type { Shell } from "./shell.ts";
import type { VerifyOptions } from "./verify-log.ts";

/** `viable events verify`: whether the log is what was sealed, and what nobody can know. */
export function addEventsVerify(events: Command, shell: Shell): void {
  const command = events
    .command("verify")
    .description("hold the log against its seals; ends with 1 and the first event that is not what it was")
    .option("--backup <file>", "the log in a backup, instead of the system's own")
    .option("--seals <file>", "seals that were kept outside; else VIABLE_SEALS_FILE or seals.jsonl in the state folder")
    .option("--public-key <file...>", "keys that are trusted besides those in the state folder (seal-key-*.pub.pem)")
    .addHelpText(
      "after",
      `
Without seals from outside, nobody can see that the end was cut off, or that whoever has the key wrote history anew. What was proven
and what was not is told. A system that is not running is verified by opening its database, which brings that to the schema of this
release first; a backup is only read.

Examples:
  $ viable events verify
  $ viable events verify --backup monday.jsonl --seals /mnt/elsewhere/seals.jsonl --public-key auditor/seal-key-5c1e02b7a94f3d68.pub.pem`,
    );
  addGatewayOptions(command);
  addOutputOption(command).action(async (options: VerifyOptions) => {
    refuseMisplaced(events);
    // Here and not above: what knows seals and the log's records is loaded where they are held against each other.
    const { verifyLog } = await import("./verify-log.ts");
    await verifyLog(shell, options);
  });
}

/** What stands before `verify` is an option of `events`: left unheeded, another log would be judged than the one that was meant. */
function refuseMisplaced(events: Command): void {
  const misplaced = events.options.find((option) => events.getOptionValueSource(option.attributeName()) === "cli");
  if (misplaced !== undefined)
    throw wrongUsage(
      `${misplaced.long} stands before verify, where it means nothing.`,
      "Write options behind it: viable events verify --config FILE.",
    );
}
