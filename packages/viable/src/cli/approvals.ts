import type { ApprovalList, ApprovalView } from "@viable/protocol";
import type { Command } from "commander";
import { Argument } from "commander";
import { printOutcome } from "./exec.ts";
import { formatDuration } from "./format-duration.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { renderTable } from "./table.ts";
import { toWholeNumber } from "./whole-number.ts";

type Options = GatewayOptions & OutputOptions;

/** `viable approvals`: what runs and commands ask persons for, and the answers. */
export function addApprovals(program: Command, shell: Shell): void {
  const approvals = program
    .command("approvals")
    .description("what persons are asked for, and their answers")
    .addHelpText("after", "\nExample:\n  $ viable approvals list");

  const list = approvals
    .command("list")
    .description("what is asked for and not decided")
    .option("--limit <count>", "how many, at most 500", "100")
    .option("--after <position>", "those after the page that ended here")
    .addHelpText("after", "\nExample:\n  $ viable approvals list --output json");
  addGatewayOptions(list);
  addOutputOption(list).action(async ({ limit, after, ...options }: Options & { limit: string; after?: string }) => {
    const page = { limit: toWholeNumber("--limit", limit, 1, 500), ...(after !== undefined && { after }) };
    const answer = await connect(shell, options).approvals(page);
    printData(shell, options.output, answer, () => renderApprovals(shell, answer.approvals));
    const unshown = tellUnshown(answer);
    if (options.output === "table" && unshown !== undefined) shell.err.write(`${unshown}\n`);
  });

  const decide = approvals
    .command("decide <approval>")
    .description("answer (the command approval.decide); what your own token asked for is another's to decide")
    .addArgument(new Argument("<answer>", "whether it may be").choices(["yes", "no"]))
    .option("--reason <text>", "why; kept with who said so")
    .addHelpText(
      "after",
      '\nExample:\n  $ viable approvals decide apr_01jd8q5k3v7x2m9c4h6t8w0y1z no --reason "too much"',
    );
  addGatewayOptions(decide);
  addOutputOption(decide).action(
    async (approvalId: string, answer: string, { reason, ...options }: Options & { reason?: string }) => {
      const args = {
        approvalId,
        decision: answer === "yes" ? "approved" : "rejected",
        ...(reason !== undefined && { reason }),
      };
      const view = await runCommand(shell, connect(shell, options), { command: "approval.decide", args });
      printOutcome(shell, options, view);
    },
  );
}

/** What of what is asked for a list does not show, and how to see it; undefined where it shows all. */
export function tellUnshown({ more, next }: ApprovalList): string | undefined {
  if (more === 0) return undefined;
  const isOne = more === 1;
  // Where all were looked at, the rest are those of runs that cannot be read.
  if (next === undefined)
    return `${more} ${isOne ? "approval is" : "approvals are"} asked for by runs that cannot be read: viable reactors runs names those`;
  return `${more} more ${isOne ? "approval is" : "approvals are"} asked for: --after ${next} shows those of them that can be read`;
}

/** What is decided on: of a command its arguments as they are, or where they can be read. */
function tellDetails({ details, areDetailsOmitted, executionId }: ApprovalView): string {
  if (areDetailsOmitted === true && executionId !== undefined) return `viable executions show ${executionId}`;
  return details === undefined ? "" : JSON.stringify(details);
}

function renderApprovals(shell: Shell, approvals: readonly ApprovalView[]): string {
  const nowMs = shell.runtime.clock.now();
  return renderTable(
    shell.out,
    ["APPROVAL", "TITLE", "FOR", "ASKED", "UNTIL", "DETAILS"],
    approvals.map((asked) => [
      asked.approvalId,
      asked.title,
      asked.executionId === undefined
        ? `${asked.step} of ${asked.reactor} in ${asked.runId}`
        : `${asked.executionId} by ${asked.service}`,
      `${formatDuration(nowMs - Date.parse(asked.askedAt))} ago`,
      asked.untilAt ?? "",
      tellDetails(asked),
    ]),
  );
}
