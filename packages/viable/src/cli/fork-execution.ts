import type { Client } from "@viable/client";
import type { JsonObject } from "@viable/kernel";
import type { ExecutionView } from "@viable/protocol";
import { wrongUsage } from "./exit-status.ts";

/** What is sent to have an execution done once more. */
export interface Fork {
  readonly command: string;
  readonly args: JsonObject;
}

export interface ForkOptions {
  /** Arguments that take the place of those of the same names. */
  readonly args: JsonObject;
  /** Of an execution that began a run: the step from which on that is repeated. */
  readonly from?: string | undefined;
}

/**
 * The command that does an execution once more: the same one with the same arguments, those excepted that are given. Where it began a run of a reactor and
 * a step is named, `reactor.fork` of that run, with the arguments as its other input. Throws `cli.usage` where a step is named and no run was begun.
 */
export function forkOf({ command, args, result }: ExecutionView, { args: others, from }: ForkOptions): Fork {
  if (from === undefined) return { command, args: { ...(args as JsonObject), ...others } };
  const runId = (result as { runId?: unknown } | null | undefined)?.runId;
  if (command !== "reactor.start" || typeof runId !== "string")
    throw wrongUsage(
      `--from names a step, and this execution began no run: its command is ${command}.`,
      "Leave it out: all of it is done once more. What a run of a reactor is repeated from, see: viable reactors fork --help",
    );
  const hasOthers = Object.keys(others).length > 0;
  return { command: "reactor.fork", args: { runId, from, ...(hasOthers && { input: others }) } };
}

/** What a command of the system takes; nothing where it has gone meanwhile, which the gateway then says. */
export async function inputOf(client: Client, command: string): Promise<JsonObject> {
  const { commands } = await client.commands();
  return commands.find((each) => each.command === command)?.input ?? {};
}
