import type { JsonObject } from "@viable/kernel";
import type { ProjectionView } from "@viable/protocol";
import type { Command } from "commander";
import { printOutcome } from "./exec.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { renderTable } from "./table.ts";

type Options = GatewayOptions & OutputOptions;

/** `viable projections`: what is kept up to date from the log, how far it is, and how to help it on. */
export function addProjections(program: Command, shell: Shell): void {
  const projections = program
    .command("projections")
    .description("what is kept up to date from the log, and how far it is")
    .addHelpText("after", "\nExample:\n  $ viable projections list");

  const list = projections
    .command("list")
    .description("every generation of every projection: how far it is, and what it stands still before")
    .addHelpText("after", "\nExample:\n  $ viable projections list --output json");
  addGatewayOptions(list);
  addOutputOption(list).action(async (options: Options) => {
    const answer = await connect(shell, options).projections();
    printData(shell, options.output, answer, () => renderProjections(shell, answer.projections));
  });

  const skip = projections
    .command("skip <projection> <position>")
    .description("let one that stands still before an event go on without that event (the command projection.skip)")
    .requiredOption("--reason <text>", "why it may be left out; kept with who said so")
    .addHelpText("after", '\nExample:\n  $ viable projections skip totals 8123 --reason "entered twice"');
  addGatewayOptions(skip);
  addOutputOption(skip).action(
    async (projection: string, position: string, { reason, ...options }: Options & { reason: string }) => {
      await change(shell, "projection.skip", { projection, position, reason }, options);
    },
  );

  const rebuild = projections
    .command("rebuild <projection>")
    .description("build it anew beside the one that is read; that goes on until the new one has caught up")
    .addHelpText("after", "\nExample:\n  $ viable projections rebuild totals");
  addGatewayOptions(rebuild);
  addOutputOption(rebuild).action(async (projection: string, options: Options) => {
    await change(shell, "projection.rebuild", { projection }, options);
  });
}

async function change(shell: Shell, command: string, args: JsonObject, options: Options): Promise<void> {
  printOutcome(shell, options, await runCommand(shell, connect(shell, options), { command, args }));
}

function renderProjections(shell: Shell, projections: readonly ProjectionView[]): string {
  return renderTable(
    shell.out,
    ["PROJECTION", "VERSION", "GENERATION", "STATE", "POSITION", "LAG", "WHY"],
    projections.map(({ name, version, generation, state, isKept, position, lagEvents, parked, failure }) => [
      name,
      String(version),
      String(generation),
      [state, ...(parked === undefined ? [] : ["parked"]), ...(isKept ? [] : ["of another release"])].join(", "),
      position,
      String(lagEvents),
      parked === undefined
        ? (failure?.message ?? "")
        : `before event ${parked.position} (${parked.type}): ${parked.message}`,
    ]),
  );
}
