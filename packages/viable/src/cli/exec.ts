import type { Client } from "@viable/client";
import { nearestNames } from "@viable/kernel";
import type { CommandDescriptor, ExecutionView } from "@viable/protocol";
import { isOutcome, maxDeadlineMs } from "@viable/protocol";
import type { Command } from "commander";
import { parseCommandArguments, parseJsonObject, resolvePaths } from "./command-arguments.ts";
import { exitStatus, wrongUsage } from "./exit-status.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData, renderJson } from "./output.ts";
import { printWireError } from "./print-error.ts";
import { createProgressDisplay } from "./progress-display.ts";
import type { RunCommandOptions } from "./run-command.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";

interface ExecOptions extends GatewayOptions, OutputOptions {
  readonly json?: string;
  readonly async?: boolean;
  readonly timeout?: string;
  readonly detachOnInterrupt?: boolean;
}

/** `viable exec`: a command, from its words to its result. */
export function addExec(program: Command, shell: Shell): void {
  const command = program
    .command("exec")
    .description("run a command and wait for its result")
    .argument("[command]", "what to run; without it, the commands there are")
    .argument(
      "[arguments...]",
      "its arguments, as --key value; after -- also those that are named like options of exec",
    )
    .option("--json <object>", "all arguments as one JSON object")
    .option("--async", "do not wait: print the execution's id as soon as it is accepted")
    .option("--timeout <seconds>", "end it after this time; else its own limit holds, and this waits 30 minutes")
    .option("--detach-on-interrupt", "Ctrl-C ends the waiting, not the execution")
    .allowUnknownOption()
    .addHelpText(
      "after",
      `
A relative --path is taken from this folder. What a policy asks a person for waits, and what to do is said on stderr; where nobody has decided when this ends
(with --async at once), it ends with 5. Ctrl-C cancels the execution; a second one does not wait for that.

Examples:
  $ viable exec analyze --path .
  $ viable exec memory.set --json '{"key": "colour", "value": "blue"}' --timeout 5`,
    );
  addGatewayOptions(command);
  addOutputOption(command, "json").action(async (name: string | undefined, words: string[], options: ExecOptions) => {
    await exec(shell, name, words, options);
  });
}

async function exec(shell: Shell, name: string | undefined, words: string[], options: ExecOptions): Promise<void> {
  const timeoutMs = toTimeoutMs(options.timeout);
  const given = options.json === undefined ? undefined : parseJsonObject(options.json);
  const client = connect(shell, options);
  const { commands } = await client.commands();
  const descriptor = findCommand(name, commands);
  if (given !== undefined && words.length > 0)
    throw wrongUsage("Arguments are given both one by one and by --json.", "Use one of the two.");
  const args = resolvePaths(given ?? parseCommandArguments(descriptor.command, words, descriptor.input), shell.cwd);
  await runAndShow(shell, client, { ...options, command: descriptor.command, args, timeoutMs });
}

/** Runs a command, shows on stderr how far it is, and prints its result; with `async`, only that it is accepted. */
export async function runAndShow(
  shell: Shell,
  client: Client,
  { output, ...options }: OutputOptions & Omit<RunCommandOptions, "onEvent">,
): Promise<void> {
  const display = createProgressDisplay(shell.err, shell.runtime.clock);
  shell.whenUnread = "interrupt";
  let view: ExecutionView;
  try {
    view = await runCommand(shell, client, { ...options, onEvent: display.show });
  } finally {
    display.end();
  }
  if (options.async === true) {
    const { executionId, status, approval } = view;
    const answer = { executionId, status, ...(approval !== undefined && { approvalId: approval.approvalId }) };
    printData(shell, output, answer, () => `${executionId}\n`);
    if (waitsForPerson(view)) shell.exitStatus = exitStatus.waitsForPerson;
  } else printOutcome(shell, { output }, view);
}

/** The result on stdout, or why there is none on stderr. */
export function printOutcome(shell: Shell, options: OutputOptions, view: ExecutionView): void {
  if (view.status === "completed") {
    const result = view.result ?? null;
    printData(shell, options.output, result, () => renderJson(shell, result));
    return;
  }
  if (isOutcome(view.status)) {
    printWireError(
      shell.err,
      view.error ?? { code: "internal", message: `It ended as ${view.status}.`, retryable: false },
    );
  }
  shell.exitStatus = waitsForPerson(view) ? exitStatus.waitsForPerson : exitStatus.failed;
}

const waitsForPerson = ({ waitingFor }: ExecutionView): boolean => typeof waitingFor === "object";

function findCommand(name: string | undefined, commands: readonly CommandDescriptor[]): CommandDescriptor {
  const names = commands.map((each) => each.command);
  if (name === undefined) throw wrongUsage("Name the command to run.", `There are ${names.join(", ")}.`);
  const found = commands.find((each) => each.command === name);
  if (found !== undefined) return found;
  const near = nearestNames(name, names);
  throw wrongUsage(
    `There is no command "${name}".${near.length === 0 ? "" : ` Did you mean ${near.join(", ")}?`}`,
    near.length === 0 ? `There are ${names.join(", ")}.` : undefined,
  );
}

/** Throws `cli.usage`. */
export function toTimeoutMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Math.round(Number(text) * 1_000);
  if (!(ms >= 1 && ms <= maxDeadlineMs))
    throw wrongUsage(`--timeout: "${text}" is not a number of seconds from 0.001 to ${maxDeadlineMs / 1_000}.`);
  return ms;
}
