import { nearestNames } from "@viable/kernel";
import type { QueryDescriptor } from "@viable/protocol";
import type { Command } from "commander";
import { parseCommandArguments, parseJsonObject, resolvePaths } from "./command-arguments.ts";
import { wrongUsage } from "./exit-status.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData, renderJson } from "./output.ts";
import type { Shell } from "./shell.ts";

interface AskOptions extends GatewayOptions, OutputOptions {
  readonly json?: string;
}

/** `viable ask`: a query, from its words to its answer. */
export function addAsk(program: Command, shell: Shell): void {
  const command = program
    .command("ask")
    .description("ask a query and print its answer; nothing is recorded")
    .argument("[query]", "what to ask; without it, the queries there are")
    .argument("[arguments...]", "its arguments, as --key value; after -- also those that are named like options of ask")
    .option("--json <object>", "all arguments as one JSON object")
    .allowUnknownOption()
    .addHelpText("after", "\nExample:\n  $ viable ask storage.usage --path reports");
  addGatewayOptions(command);
  addOutputOption(command, "json").action(async (name: string | undefined, words: string[], options: AskOptions) => {
    await ask(shell, name, words, options);
  });
}

async function ask(shell: Shell, name: string | undefined, words: string[], options: AskOptions): Promise<void> {
  const given = options.json === undefined ? undefined : parseJsonObject(options.json);
  if (given !== undefined && words.length > 0)
    throw wrongUsage("Arguments are given both one by one and by --json.", "Use one of the two.");
  const client = connect(shell, options);
  const { queries } = await client.queries();
  const { query, input } = findQuery(name, queries);
  const args = resolvePaths(given ?? parseCommandArguments(query, words, input), shell.cwd);
  const { sessionId } = await client.openSession({ clientType: "cli", purpose: `viable ask ${query}` });
  try {
    const { result } = await client.ask(sessionId, { query, args });
    printData(shell, options.output, result, () => renderJson(shell, result));
  } finally {
    // A session that nobody ends expires by itself.
    await client.endSession(sessionId).catch(() => undefined);
  }
}

function findQuery(name: string | undefined, queries: readonly QueryDescriptor[]): QueryDescriptor {
  const names = queries.map(({ query }) => query);
  const there = names.length === 0 ? "This system has none." : `There are ${names.join(", ")}.`;
  if (name === undefined) throw wrongUsage("Name the query to ask.", there);
  const found = queries.find(({ query }) => query === name);
  if (found !== undefined) return found;
  const near = nearestNames(name, names);
  if (near.length === 0) throw wrongUsage(`There is no query "${name}".`, there);
  throw wrongUsage(`There is no query "${name}". Did you mean ${near.join(", ")}?`);
}
