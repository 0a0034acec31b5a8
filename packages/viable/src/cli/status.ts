import { isOutcome } from "@viable/protocol";
import type { Command } from "commander";
import { renderExecutions } from "./executions.ts";
import { exitStatus } from "./exit-status.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import { renderHealth } from "./health.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import type { Shell } from "./shell.ts";
import { renderSwarms } from "./swarms.ts";

/** Open executions are looked for among so many of the latest. */
const looked = 200;

/** `viable status`: one page. */
export function addStatus(program: Command, shell: Shell): void {
  const command = program
    .command("status")
    .description("one page: health, swarms and open executions; ends with 1 if the system is down")
    .addHelpText("after", "\nExample:\n  $ viable status");
  addGatewayOptions(command);
  addOutputOption(command).action(async (options: GatewayOptions & OutputOptions) => {
    const client = connect(shell, options);
    const [health, { swarms }, { executions }] = await Promise.all([
      client.health(),
      client.swarms(),
      client.executions({ limit: looked }),
    ]);
    const open = executions.filter((each) => !isOutcome(each.status));
    printData(shell, options.output, { health, swarms, openExecutions: open }, () =>
      [
        renderHealth(shell, health),
        "\n",
        renderSwarms(shell, swarms),
        "\n",
        open.length === 0 ? `No open executions among the latest ${looked}.\n` : renderExecutions(shell, open),
      ].join(""),
    );
    if (health.status === "down") shell.exitStatus = exitStatus.failed;
  });
}
