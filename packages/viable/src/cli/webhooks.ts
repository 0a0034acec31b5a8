import type { WebhookView } from "@viable/protocol";
import type { Command } from "commander";
import { printOutcome } from "./exec.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { renderTable } from "./table.ts";
import { toWholeNumber } from "./whole-number.ts";

type Options = GatewayOptions & OutputOptions;

/** `viable webhooks`: what receivers were told, what waits, and how to have it sent again. */
export function addWebhooks(program: Command, shell: Shell): void {
  const webhooks = program
    .command("webhooks")
    .description("messages to receivers: what was sent, what waits, and what was given up")
    .addHelpText("after", "\nExample:\n  $ viable webhooks list");

  const list = webhooks
    .command("list")
    .description("deliveries, the newest first")
    .option("--limit <count>", "how many, at most 100", "50")
    .option("--before <position>", "those before the page that ended here")
    .addHelpText("after", "\nExample:\n  $ viable webhooks list --output json");
  addGatewayOptions(list);
  addOutputOption(list).action(async ({ limit, before, ...options }: Options & { limit: string; before?: string }) => {
    const page = { limit: toWholeNumber("--limit", limit, 1, 100), ...(before !== undefined && { before }) };
    const answer = await connect(shell, options).webhooks(page);
    printData(shell, options.output, answer, () => renderWebhooks(shell, answer.webhooks));
    if (options.output === "table" && answer.next !== undefined)
      shell.err.write(`there are more: --before ${answer.next} shows the next\n`);
  });

  const replay = webhooks
    .command("replay <delivery>")
    .description("have one that was made or given up sent again (the command webhook.replay)")
    .addHelpText("after", "\nExample:\n  $ viable webhooks replay msg_01jd8q5k3v7x2m9c4h6t8w0y1z");
  addGatewayOptions(replay);
  addOutputOption(replay).action(async (deliveryId: string, options: Options) => {
    const view = await runCommand(shell, connect(shell, options), { command: "webhook.replay", args: { deliveryId } });
    printOutcome(shell, options, view);
  });
}

function renderWebhooks(shell: Shell, webhooks: readonly WebhookView[]): string {
  return renderTable(
    shell.out,
    ["DELIVERY", "TOPIC", "EXECUTION", "STATUS", "TRIES", "LAST", "NEXT", "URL"],
    webhooks.map(({ deliveryId, topic, executionId, status, attempts, tries, nextAt, url }) => {
      const last = tries.at(-1);
      const answered = last?.status === undefined ? [] : [String(last.status)];
      return [
        deliveryId,
        topic,
        executionId,
        status,
        String(attempts),
        [...answered, ...(last?.code === undefined ? [] : [last.code])].join(" "),
        nextAt ?? "",
        url,
      ];
    }),
  );
}
