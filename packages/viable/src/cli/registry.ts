import type { Discovery } from "@viable/protocol";
import type { Command } from "commander";
import { exitStatus } from "./exit-status.ts";
import type { Explanation } from "./explain-execution.ts";
import { explainExecution } from "./explain-execution.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import { lookUp } from "./look-up.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import { paint } from "./paint.ts";
import type { Shell } from "./shell.ts";
import { renderPairs, renderTable } from "./table.ts";

type Options = GatewayOptions & OutputOptions;

/** `viable registry`: who offers what, and why a task went where it went. */
export function addRegistry(program: Command, shell: Shell): void {
  const registry = program
    .command("registry")
    .description("who offers what, and why a task went where it went")
    .addHelpText("after", "\nExample:\n  $ viable registry discover secret_scan");

  const discover = registry
    .command("discover <capability>")
    .description("the swarms that offer a capability; ends with 1 if none does")
    .addHelpText("after", "\nExample:\n  $ viable registry discover code_analysis.complexity");
  addGatewayOptions(discover);
  addOutputOption(discover).action(async (capability: string, options: Options) => {
    const found = await connect(shell, options).discover(capability);
    printData(shell, options.output, found, () => renderDiscovery(shell, found));
    if (found.swarms.length > 0) return;
    const near = found.near.length === 0 ? "" : ` Did you mean ${found.near.join(", ")}?`;
    shell.err.write(`No swarm offers "${capability}".${near}\n`);
    shell.exitStatus = exitStatus.failed;
  });

  const explain = registry
    .command("explain <execution>")
    .description("why an execution went where it went: candidates, scores, claims and outcome")
    .addHelpText("after", "\nExample:\n  $ viable registry explain exe_01jd8q5k3v7x2m9c4h6t8w0y1z");
  addGatewayOptions(explain);
  addOutputOption(explain).action(async (id: string, options: Options) => {
    const explanation = await lookUp(explainExecution(connect(shell, options), id), "executions list");
    printData(shell, options.output, explanation, () => renderExplanation(shell, explanation));
  });
}

function renderDiscovery(shell: Shell, found: Discovery): string {
  const refused = found.refused ?? [];
  const failing = found.swarms.filter(({ outlier }) => outlier !== undefined);
  return [
    renderSwarms(shell, found),
    ...(failing.length === 0 ? [] : ["\n", renderFailing(shell, failing)]),
    ...(refused.length === 0 ? [] : ["\n", renderRefused(shell, refused)]),
  ].join("");
}

/** Swarms that get less than their share of tasks, since too many failed there. */
const renderFailing = (shell: Shell, failing: Discovery["swarms"]): string =>
  renderTable(
    shell.out,
    ["FAILING", "PROCESS", "STATE", "REASON"],
    failing.map(({ service, processId, outlier }) => [
      service,
      processId,
      outlier?.share === undefined
        ? (outlier?.state ?? "")
        : `${outlier.state}, at ${Math.round(outlier.share * 100)} %`,
      outlier?.reason ?? "",
    ]),
  );

/** Entries that stand in the log and are not obeyed. */
const renderRefused = (shell: Shell, refused: NonNullable<Discovery["refused"]>): string =>
  renderTable(
    shell.out,
    ["REFUSED ENTRY OF", "PROCESS", "REASON"],
    refused.map(({ service, processId, reason }) => [service, processId, reason]),
  );

function renderSwarms(shell: Shell, found: Discovery): string {
  if (found.swarms.length === 0) return "";
  return renderTable(
    shell.out,
    ["SERVICE", "VERSION", "PROCESS", "EPOCH", "SUBSYSTEM", "TAGS", "HEALTH", "CAPABILITIES"],
    found.swarms.map((each) => [
      each.service,
      each.version,
      each.processId,
      String(each.epoch),
      each.subsystem ?? "",
      each.tags.join(", "),
      each.healthUrl ?? "",
      each.capabilities.join(", "),
    ]),
  );
}

function renderExplanation(shell: Shell, explanation: Explanation): string {
  const { route, authority } = explanation;
  const section = (title: string, text: string) => (text === "" ? "" : `\n${paint(shell.out, "bold", title)}\n${text}`);
  const table = (headings: string[], rows: string[][]) =>
    rows.length === 0 ? "" : renderTable(shell.out, headings, rows);
  return [
    renderPairs(shell.out, [
      ["execution", explanation.executionId],
      ["command", explanation.command],
      ["status", explanation.status],
      ["asked by", `${authority.principal} (${authority.clientType}: ${authority.operations.join(", ")})`],
      ...(explanation.parentId === undefined ? [] : [["parent", explanation.parentId] as const]),
      ["went to", `${route.chosen.service} in ${route.chosen.processId}, epoch ${route.chosen.epoch}`],
      ["because", `${route.reason} (policy ${route.policy}, capability ${route.capability})`],
      ...(route.rule === undefined ? [] : [["routing rule", route.rule] as const]),
    ]),
    section(
      "Candidates, the chosen one first",
      table(
        ["SERVICE", "PROCESS", "SCORE", "RUNNING", "QUEUED", "WORKERS", "LATENCY MS"],
        route.candidates.map((each) => [
          each.service,
          each.processId,
          ...[each.score, each.running, each.queued, each.workers, each.latencyMs].map(String),
        ]),
      ),
    ),
    section(
      "Left out",
      table(
        ["SERVICE", "PROCESS", "REASON"],
        (route.leftOut ?? []).map((each) => [each.service, each.processId, each.reason]),
      ),
    ),
    section(
      "Claims",
      table(
        ["TRY", "PROCESS", "EPOCH", "TIME", "REASON"],
        explanation.claims.map((each) => [
          String(each.attempt),
          each.processId,
          String(each.epoch),
          each.time,
          each.reason,
        ]),
      ),
    ),
    section(
      "Given back",
      table(
        ["PROCESS", "TIME", "REASON"],
        explanation.releases.map((each) => [each.processId, each.time, each.reason]),
      ),
    ),
    section(
      "Joined to equal work",
      table(
        ["EXECUTION", "TIME", "REASON"],
        explanation.joined.map((each) => [each.executionId ?? "none any more", each.time, each.reason]),
      ),
    ),
    section(
      "Outcome",
      explanation.outcome === undefined
        ? "none yet\n"
        : table(
            ["OUTCOME", "TIME", "REASON"],
            [[explanation.outcome.type, explanation.outcome.time, explanation.outcome.reason]],
          ),
    ),
    section(
      "Delegated",
      table(
        ["EXECUTION", "COMMAND", "SERVICE", "STATUS", "REASON"],
        explanation.children.map((each) => [
          each.executionId,
          each.command,
          each.service,
          each.status,
          each.reason ?? "",
        ]),
      ),
    ),
  ].join("");
}
