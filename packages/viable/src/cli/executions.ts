import type { ExecutionView } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import type { Command } from "commander";
import { Option } from "commander";
import { parseCommandArguments, parseJsonObject, resolvePaths } from "./command-arguments.ts";
import { printOutcome, runAndShow, toTimeoutMs } from "./exec.ts";
import { exitStatus, interrupted, wrongUsage } from "./exit-status.ts";
import { followExecution } from "./follow-execution.ts";
import { forkOf, inputOf } from "./fork-execution.ts";
import { formatDuration } from "./format-duration.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import { lookUp } from "./look-up.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData, renderJson } from "./output.ts";
import { toPlainLine } from "./plain-text.ts";
import { createProgressDisplay } from "./progress-display.ts";
import type { Shell } from "./shell.ts";
import { renderPairs, renderTable } from "./table.ts";
import { toWholeNumber } from "./whole-number.ts";

type ReadOptions = GatewayOptions & OutputOptions;

interface ReplayOptions extends ReadOptions {
  readonly until?: string;
}

interface ForkOptions extends ReadOptions {
  readonly json?: string;
  readonly from?: string;
  readonly async?: boolean;
  readonly timeout?: string;
  readonly detachOnInterrupt?: boolean;
}

interface ListOptions extends ReadOptions {
  readonly limit: string;
  readonly session?: string;
  readonly before?: string;
  readonly risk?: "high";
}

/** `viable executions`: what was asked of the system, and what became of it. */
export function addExecutions(program: Command, shell: Shell): void {
  const executions = program
    .command("executions")
    .description("what was asked of the system and what became of it")
    .addHelpText("after", "\nExample:\n  $ viable executions list --limit 5");

  const list = executions
    .command("list")
    .description("executions, newest first")
    .option("--limit <count>", "how many, at most 500", "20")
    .option("--session <id>", "only of this session")
    .option("--before <position>", "older than the page that ended here")
    .addOption(new Option("--risk <risk>", "only those that were accepted with this risk").choices(["high"]))
    .addHelpText("after", "\nExample:\n  $ viable executions list --output json");
  addGatewayOptions(list);
  addOutputOption(list).action(async ({ limit, session, before, risk, ...options }: ListOptions) => {
    const page = await connect(shell, options).executions({
      limit: toWholeNumber("--limit", limit, 1, 500),
      ...(session !== undefined && { session }),
      ...(before !== undefined && { before }),
      ...(risk !== undefined && { risk }),
    });
    printData(shell, options.output, page, () => renderExecutions(shell, page.executions));
    // In the other formats they stand in the page.
    if (options.output === "table")
      for (const { executionId, undecodable } of page.undecodable ?? [])
        shell.err.write(`${executionId} cannot be read: ${toPlainLine(undecodable)}\n`);
    if (options.output === "table" && page.next !== undefined)
      shell.err.write(`There are older ones: --before ${page.next}\n`);
  });

  const show = executions
    .command("show <execution>")
    .description("one execution with its arguments and its result")
    .addHelpText("after", "\nExample:\n  $ viable executions show exe_01jd8q5k3v7x2m9c4h6t8w0y1z");
  addGatewayOptions(show);
  addOutputOption(show).action(async (id: string, options: ReadOptions) => {
    const view = await lookUp(connect(shell, options).execution(id), "executions list");
    printData(shell, options.output, view, () => renderExecution(shell, view));
  });

  const watch = executions
    .command("watch <execution>")
    .description("follow an execution to its result; Ctrl-C ends the watching, not the execution")
    .addHelpText("after", "\nExample:\n  $ viable executions watch exe_01jd8q5k3v7x2m9c4h6t8w0y1z");
  addGatewayOptions(watch);
  addOutputOption(watch, "json").action(async (id: string, options: ReadOptions) => {
    const view = await watchExecution(shell, id, options);
    printOutcome(shell, options, view);
  });

  const replay = executions
    .command("replay <execution>")
    .description("each event of an execution and what it changed, from its acceptance on; nothing is done again")
    .option("--until <event>", "the last event: by its version, such as 3, or by its position, such as @1042")
    .addHelpText(
      "after",
      "\nAs JSON or YAML: an array of {event, state}, state being what the system makes of the events so far. Ends with 1 where an event cannot be folded; from there on state is null.\n\nExample:\n  $ viable executions replay exe_01jd8q5k3v7x2m9c4h6t8w0y1z --until 3",
    );
  addGatewayOptions(replay);
  addOutputOption(replay).action(async (id: string, { until, ...options }: ReplayOptions) => {
    // Here and not above: what folds events is most of a system.
    const { printReplay, toUntil } = await import("./print-replay.ts");
    const { replayExecution } = await import("./replay-execution.ts");
    const steps = replayExecution(connect(shell, options), id, toUntil(until));
    await lookUp(printReplay(shell, options.output, steps), "executions list");
  });

  const fork = executions
    .command("fork <execution>")
    .description(
      "do an execution once more, as a new one: the same command, with the same arguments unless others are given",
    )
    .argument(
      "[arguments...]",
      "arguments that take the place of its own, as --key value; after -- also those named like options of fork",
    )
    .option("--json <object>", "those arguments as one JSON object")
    .option(
      "--from <step>",
      "of an execution that began a run of a reactor: repeat that run from this step on, with them as its input",
    )
    .option("--async", "do not wait: print the new execution's id as soon as it is accepted")
    .option("--timeout <seconds>", "end it after this time; else its own limit holds, and this waits 30 minutes")
    .option("--detach-on-interrupt", "Ctrl-C ends the waiting, not the execution")
    .allowUnknownOption()
    .addHelpText(
      "after",
      "\nThe new session says which execution it is a fork of. Whoever forks needs the same leave as for the command itself.\n\nExamples:\n  $ viable executions fork exe_01jd8q5k3v7x2m9c4h6t8w0y1z\n  $ viable executions fork exe_01jd8q5k3v7x2m9c4h6t8w0y1z --path ../other --async",
    );
  addGatewayOptions(fork);
  addOutputOption(fork, "json").action(async (id: string, words: string[], options: ForkOptions) => {
    await forkExecution(shell, id, words, options);
  });

  const cancel = executions
    .command("cancel <execution>")
    .description("end an execution and what it has delegated; ends with 1 if it had ended otherwise before")
    .addHelpText("after", "\nExample:\n  $ viable executions cancel exe_01jd8q5k3v7x2m9c4h6t8w0y1z");
  addGatewayOptions(cancel);
  addOutputOption(cancel).action(async (id: string, options: ReadOptions) => {
    const { executionId, status } = await lookUp(connect(shell, options).cancel(id), "executions list");
    printData(shell, options.output, { executionId, status }, () => `${executionId} ${status}\n`);
    if (status !== "cancelled") shell.exitStatus = exitStatus.failed;
  });
}

async function forkExecution(shell: Shell, id: string, words: string[], options: ForkOptions): Promise<void> {
  const { json, from, timeout, async, detachOnInterrupt, output } = options;
  const timeoutMs = toTimeoutMs(timeout);
  if (json !== undefined && words.length > 0)
    throw wrongUsage("Arguments are given both one by one and by --json.", "Use one of the two.");
  const client = connect(shell, options);
  const view = await lookUp(client.execution(id), "executions list");
  // A run's input has the shape that its reactor says, which no command tells.
  const input = words.length === 0 || from !== undefined ? {} : await inputOf(client, view.command);
  const others = json === undefined ? parseCommandArguments(view.command, words, input) : parseJsonObject(json);
  const { command, args } = forkOf(view, { args: resolvePaths(others, shell.cwd), from });
  const purpose = `viable executions fork ${id}`;
  await runAndShow(shell, client, { output, command, args, purpose, timeoutMs, async, detachOnInterrupt });
}

async function watchExecution(shell: Shell, id: string, options: GatewayOptions): Promise<ExecutionView> {
  const client = connect(shell, options);
  const view = await lookUp(client.execution(id), "executions list");
  if (isOutcome(view.status)) return view;
  const signal = shell.catchInterrupt();
  const display = createProgressDisplay(shell.err, shell.runtime.clock);
  // A session may be long: begin where the execution does, with its acceptance, which the position stands behind.
  const [accepted] = (await client.executionEvents(id)).events;
  if (accepted !== undefined) display.show(accepted);
  try {
    const ended = await followExecution(shell.runtime, client, {
      sessionId: view.sessionId,
      executionId: id,
      correlationId: view.correlationId,
      after: accepted?.position,
      signal,
      onEvent: display.show,
    });
    if (!isOutcome(ended.status)) throw interrupted(`${id} goes on.`);
    return ended;
  } finally {
    display.end();
  }
}

export function renderExecutions(shell: Shell, executions: readonly ExecutionView[]): string {
  const nowMs = shell.runtime.clock.now();
  return renderTable(
    shell.out,
    ["EXECUTION", "COMMAND", "SERVICE", "STATUS", "PROGRESS", "TOOK", "BEGAN"],
    executions.map((view) => [
      view.executionId,
      view.command,
      view.service,
      view.status,
      // Work that has ended is done or not; how far it last said to be is of no use then.
      view.progress === undefined || isOutcome(view.status) ? "" : `${Math.round(view.progress.percent)} %`,
      formatDuration((view.endedAt === undefined ? nowMs : Date.parse(view.endedAt)) - Date.parse(view.acceptedAt)),
      `${formatDuration(nowMs - Date.parse(view.acceptedAt))} ago`,
    ]),
  );
}

function renderExecution(shell: Shell, view: ExecutionView): string {
  const { args, result, error, progress, ...rest } = view;
  const pairs = Object.entries(rest).map(([name, value]): [string, string] => [
    name,
    typeof value === "object" ? JSON.stringify(value) : String(value),
  ]);
  if (progress !== undefined) pairs.push(["progress", `${Math.round(progress.percent)} % ${progress.message}`]);
  pairs.push(["args", JSON.stringify(args)]);
  if (error !== undefined) pairs.push(["error", `${error.message} [${error.code}]`]);
  const text = renderPairs(shell.out, pairs);
  return result === undefined ? text : `${text}\n${renderJson(shell, result)}`;
}
