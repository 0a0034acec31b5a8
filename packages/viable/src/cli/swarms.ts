import type { JsonObject } from "@viable/kernel";
import type { SwarmView } from "@viable/protocol";
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

/** `viable swarms`: the swarms of the process that answers, and changes to them. */
export function addSwarms(program: Command, shell: Shell): void {
  const swarms = program
    .command("swarms")
    .description("the swarms, how they are, and changes to them")
    .addHelpText("after", "\nExample:\n  $ viable swarms list");

  const list = swarms
    .command("list")
    .description("every swarm with its load")
    .addHelpText("after", "\nExample:\n  $ viable swarms list --output yaml");
  addGatewayOptions(list);
  addOutputOption(list).action(async (options: Options) => {
    const answer = await connect(shell, options).swarms();
    printData(shell, options.output, answer, () => renderSwarms(shell, answer.swarms));
  });

  const show = swarms
    .command("show <service>")
    .description("one swarm: its agents, its parts and its workers")
    .addHelpText("after", "\nExample:\n  $ viable swarms show storage");
  addGatewayOptions(show);
  addOutputOption(show).action(async (service: string, options: Options) => {
    const swarm = await lookUp(connect(shell, options).swarm(service), "swarms list");
    printData(shell, options.output, swarm, () => renderSwarm(shell, swarm));
  });

  const scale = swarms
    .command("scale <service> <workers>")
    .description("set how many workers a swarm has, until it is started again (the command swarm.scale)")
    .addHelpText("after", "\nExample:\n  $ viable swarms scale storage 5");
  addGatewayOptions(scale);
  addOutputOption(scale).action(async (service: string, workers: string, options: Options) => {
    const args = { service, workers: toWholeNumber("workers", workers, 1, 1_000) };
    await change(shell, "swarm.scale", args, options);
  });

  const restart = swarms
    .command("restart <service> <part>")
    .description(
      "end a part (queen, workers, memory, worker-1 …) so that its supervisor starts it again (swarm.restart)",
    )
    .addHelpText("after", "\nExample:\n  $ viable swarms restart storage queen");
  addGatewayOptions(restart);
  addOutputOption(restart).action(async (service: string, part: string, options: Options) => {
    await change(shell, "swarm.restart", { service, part }, options);
  });
}

async function change(shell: Shell, command: string, args: JsonObject, options: Options): Promise<void> {
  printOutcome(shell, options, await runCommand(shell, connect(shell, options), { command, args }));
}

export function renderSwarms(shell: Shell, swarms: readonly SwarmView[]): string {
  return renderTable(
    shell.out,
    ["SERVICE", "STATUS", "WORKERS", "RUNNING", "QUEUED", "COMPLETED", "FAILED", "LATENCY", "WHY"],
    swarms.map(({ service, status, reasons, measurement }) => [
      service,
      status,
      String(measurement.workers),
      String(measurement.running),
      String(measurement.queued),
      String(measurement.completed),
      String(measurement.failed),
      formatDuration(measurement.latencyMs),
      reasons.join("; "),
    ]),
  );
}

function renderSwarm(shell: Shell, swarm: SwarmView): string {
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
