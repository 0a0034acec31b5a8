import type { JsonObject } from "@viable/kernel";
import type { ServiceSwarms, SwarmHealthChange, SwarmHistory, SwarmReport } from "@viable/protocol";
import type { Command } from "commander";
import { printOutcome } from "./exec.ts";
import { formatDuration } from "./format-duration.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import { lookUp } from "./look-up.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { renderPairs, renderTable } from "./table.ts";
import { toWholeNumber } from "./whole-number.ts";

type Options = GatewayOptions & OutputOptions;

interface TargetOptions extends Options {
  readonly process?: string;
}

interface HistoryOptions {
  readonly limit: string;
  readonly from?: string;
}

/** `viable swarms`: the swarms of all processes, what they were, and changes to them. */
export function addSwarms(program: Command, shell: Shell): void {
  const swarms = program
    .command("swarms")
    .description("the swarms, how they are and were, and changes to them")
    .addHelpText("after", "\nExample:\n  $ viable swarms list");

  const list = swarms
    .command("list")
    .description("every swarm of every process, with its load")
    .addHelpText("after", "\nExample:\n  $ viable swarms list --output yaml");
  addGatewayOptions(list);
  addOutputOption(list).action(async (options: Options) => {
    const answer = await connect(shell, options).swarms();
    printData(shell, options.output, answer, () => renderSwarms(shell, answer.swarms));
    if (answer.isPartial) shell.err.write("There are more swarms than the process that answers keeps.\n");
  });

  const show = swarms
    .command("show <service>")
    .description("a service's swarm in each process: its agents, its parts and its workers")
    .addHelpText("after", "\nExample:\n  $ viable swarms show storage");
  addGatewayOptions(show);
  addOutputOption(show).action(async (service: string, options: Options) => {
    const swarm = await lookUp(connect(shell, options).swarm(service), "swarms list");
    printData(shell, options.output, swarm, () => renderService(shell, swarm));
  });

  const history = swarms
    .command("history <service>")
    .description(
      "how a service's swarms were: the changes of their health, and what was measured in the last half hour",
    )
    .option("--limit <number>", "how many changes, and how many samples of each process", "20")
    .option("--from <number>", "only changes, from this number on downwards")
    .addHelpText("after", "\nExample:\n  $ viable swarms history storage --limit 50");
  addGatewayOptions(history);
  addOutputOption(history).action(async (service: string, options: Options & HistoryOptions) => {
    const query = {
      limit: toWholeNumber("--limit", options.limit, 1, 500),
      ...(options.from !== undefined && { from: toWholeNumber("--from", options.from, 1, Number.MAX_SAFE_INTEGER) }),
    };
    const answer = await lookUp(connect(shell, options).swarmHistory(service, query), "swarms list");
    printData(shell, options.output, answer, () => renderHistory(shell, answer));
    if (answer.isPartial) shell.err.write("There are more processes than are shown.\n");
    if (answer.next !== undefined) shell.err.write(`There are older ones: --from ${answer.next}\n`);
  });

  const scale = swarms
    .command("scale <service> <workers>")
    .description("set how many workers a swarm has, until it is started again (the command swarm.scale)")
    .option("--process <id>", onlyThere)
    .addHelpText("after", "\nExample:\n  $ viable swarms scale storage 5");
  addGatewayOptions(scale);
  addOutputOption(scale).action(async (service: string, workers: string, options: TargetOptions) => {
    const args = { ...toTarget(service, options), workers: toWholeNumber("workers", workers, 1, 1_000) };
    await change(shell, "swarm.scale", args, options);
  });

  const drain = swarms
    .command("drain <service>")
    .description("have a swarm asked for nothing more; what it holds comes to its end (the command swarm.drain)")
    .option("--undo", "have it asked again")
    .option("--process <id>", onlyThere)
    .addHelpText("after", "\nExample:\n  $ viable swarms drain storage --process prc_01k…");
  addGatewayOptions(drain);
  addOutputOption(drain).action(async (service: string, options: TargetOptions & { readonly undo?: boolean }) => {
    await change(shell, "swarm.drain", { ...toTarget(service, options), undo: options.undo === true }, options);
  });

  const restart = swarms
    .command("restart <service> <part>")
    .description(
      "end a part (queen, workers, memory, worker-1 …) so that its supervisor starts it again (swarm.restart)",
    )
    .option("--process <id>", onlyThere)
    .addHelpText("after", "\nExample:\n  $ viable swarms restart storage queen");
  addGatewayOptions(restart);
  addOutputOption(restart).action(async (service: string, part: string, options: TargetOptions) => {
    await change(shell, "swarm.restart", { ...toTarget(service, options), part }, options);
  });
}

const onlyThere = "only in this process; else in each that runs it";

const toTarget = (service: string, { process }: TargetOptions): JsonObject =>
  process === undefined ? { service } : { service, process };

async function change(shell: Shell, command: string, args: JsonObject, options: Options): Promise<void> {
  printOutcome(shell, options, await runCommand(shell, connect(shell, options), { command, args }));
}

/** One line for each swarm; why, where one is not healthy. */
export function renderSwarms(shell: Shell, swarms: readonly SwarmReport[]): string {
  const hasReasons = swarms.some(({ reasons }) => reasons.length > 0);
  return renderTable(
    shell.out,
    [
      ...["SERVICE", "PROCESS", "STATUS", "WORKERS", "LOAD", "QUEUED", "DONE", "FAILED", "LATENCY", "AGE"],
      ...(hasReasons ? ["WHY"] : []),
    ],
    swarms.map(({ service, processId, status, reasons, measurement, ageMs }) => [
      service,
      processId,
      status,
      String(measurement.workers),
      toPercent(measurement.workers === 0 ? undefined : measurement.running / measurement.workers),
      String(measurement.queued),
      String(measurement.completed),
      String(measurement.failed),
      // Before the first task nobody has measured how long one takes.
      toDuration(measurement.completed + measurement.failed === 0 ? undefined : measurement.latencyMs),
      toDuration(ageMs),
      ...(hasReasons ? [reasons.join("; ")] : []),
    ]),
  );
}

/** Of each process that runs it, as far as the gateway knows of several. */
function renderService(shell: Shell, { processes, ...swarm }: ServiceSwarms): string {
  return (processes ?? [swarm]).map((each) => renderSwarm(shell, each)).join("\n");
}

function renderSwarm(shell: Shell, swarm: SwarmReport): string {
  const parts = [...swarm.parts, ...swarm.workers].map((part) => [
    part.id,
    part.state,
    String(part.restarts),
    part.lastError ?? "",
  ]);
  return [
    renderPairs(shell.out, [
      ["service", swarm.service],
      ["about", swarm.description],
      ["status", [swarm.status, ...swarm.reasons].join("; ")],
      ["process", swarm.processId],
      ["measured", tellAge(swarm)],
      ["health", swarm.healthUrl ?? "none"],
      ["metrics", swarm.metricsUrl ?? "none"],
    ]),
    "\n",
    renderTable(
      shell.out,
      ["AGENT", "CAPABILITY", "RUNS IN"],
      swarm.agents.map(({ name, capability, isolation }) => [name, capability, isolation]),
    ),
    "\n",
    renderTable(shell.out, ["PART", "STATE", "RESTARTS", "LAST ERROR"], parts),
  ].join("");
}

function renderHistory(shell: Shell, { processes, changes }: SwarmHistory): string {
  const samples = processes.flatMap(({ processId, samples }) =>
    samples.map((each) => [
      processId,
      each.at,
      each.status,
      toPercent(each.utilisation),
      String(each.queued),
      String(each.completed),
      String(each.failed),
      toDuration(each.latencyMs),
    ]),
  );
  const told =
    changes.length === 0
      ? "No changes are recorded.\n"
      : renderTable(
          shell.out,
          ["CHANGE", "MEASURED", "PROCESS", "FROM", "TO", "WHY"],
          changes.map((each) => [
            String(each.number),
            each.measuredAt,
            each.processId,
            each.from,
            each.to,
            tellWhy(each).join("; "),
          ]),
        );
  if (samples.length === 0) return told;
  const headings = ["PROCESS", "MEASURED", "STATUS", "LOAD", "QUEUED", "DONE", "FAILED", "LATENCY"];
  return `${told}\n${renderTable(shell.out, headings, samples)}`;
}

/** The reasons, and what is not in the log. */
const tellWhy = ({ reasons, unrecorded, isFlapping }: SwarmHealthChange): string[] => [
  ...reasons,
  ...(unrecorded === undefined ? [] : [`${unrecorded} changes before it are not recorded`]),
  ...(isFlapping ? ["it changes too often: what follows is only counted"] : []),
];

const tellAge = ({ measuredAt, ageMs }: SwarmReport): string =>
  [measuredAt ?? "", ageMs === undefined ? "nobody measured how long ago that is" : `${formatDuration(ageMs)} ago`]
    .filter((text) => text !== "")
    .join(", ");

const toPercent = (share: number | undefined): string => (share === undefined ? "" : `${Math.round(share * 100)}%`);

/** Empty where nobody has measured it. */
const toDuration = (ms: number | undefined): string => (ms === undefined ? "" : formatDuration(ms));
