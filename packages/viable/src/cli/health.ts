import type { HealthView } from "@viable/protocol";
import type { Command } from "commander";
import { exitStatus } from "./exit-status.ts";
import { formatDuration } from "./format-duration.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import type { Paint } from "./paint.ts";
import { paint } from "./paint.ts";
import type { Shell } from "./shell.ts";
import { renderTable } from "./table.ts";

/** `viable health`: how the system is, as measured at the moment of asking. */
export function addHealth(program: Command, shell: Shell): void {
  const command = program
    .command("health")
    .description("how the system is now; ends with 1 if it is down")
    .addHelpText("after", "\nExample:\n  $ viable health --output json");
  addGatewayOptions(command);
  addOutputOption(command).action(async (options: GatewayOptions & OutputOptions) => {
    const health = await connect(shell, options).health();
    printData(shell, options.output, health, () => renderHealth(shell, health));
    if (health.status === "down") shell.exitStatus = exitStatus.failed;
  });
}

const styles: Readonly<Record<HealthView["status"], Paint>> = { ok: "green", degraded: "yellow", down: "red" };

export function renderHealth(shell: Shell, health: HealthView): string {
  const status = paint(shell.out, styles[health.status], health.status);
  return [
    `${health.system} is ${status}, up for ${formatDuration(health.uptimeMs)} (viable ${health.version})\n`,
    `${health.durabilityNote}\n\n`,
    renderTable(
      shell.out,
      ["CHECK", "STATUS", "DETAIL"],
      health.checks.map((check) => [check.name, check.status, check.detail]),
    ),
  ].join("");
}
