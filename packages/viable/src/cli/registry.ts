import type { DeadLetterPage, Discovery } from "@viable/protocol";
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
import { toWholeNumber } from "./whole-number.ts";

type Options = GatewayOptions & OutputOptions;

interface DiscoverOptions extends Options {
  readonly tenant?: string;
  readonly version?: string;
  readonly subsystem?: string;
  readonly tag?: readonly string[];
}

interface DeadLetterOptions extends Options {
  readonly limit: string;
  readonly before?: string;
}

/** `viable registry`: who offers what, why a task went where it went, and which came to nothing. */
export function addRegistry(program: Command, shell: Shell): void {
  const registry = program
    .command("registry")
    .description("who offers what, why a task went where it went, and which came to nothing")
    .addHelpText("after", "\nExample:\n  $ viable registry discover secret_scan");

  const discover = registry
    .command("discover [capability]")
    .description("the swarms that offer a capability, or fit what else is asked for; ends with 1 if none does")
    .option("--version <range>", "of these versions, as npm writes ranges: ^1.4")
    .option("--tenant <name>", "open to this tenant, which must be your own")
    .option("--subsystem <name>", "of this subsystem")
    .option("--tag <tag...>", "with each of these tags")
    .addHelpText("after", "\nExample:\n  $ viable registry discover code_analysis.complexity --version ^2 --tag gpu");
  addGatewayOptions(discover);
  addOutputOption(discover).action(async (capability: string | undefined, options: DiscoverOptions) => {
    const { version, tenant, subsystem, tag: tags } = options;
    const found = await connect(shell, options).discover(capability, {
      ...(version !== undefined && { version }),
      ...(tenant !== undefined && { tenant }),
      ...(subsystem !== undefined && { subsystem }),
      ...(tags !== undefined && { tags }),
    });
    printData(shell, options.output, found, () => renderDiscovery(shell, found));
    if (found.swarms.length > 0) return;
    const near = found.near.length === 0 ? "" : ` Did you mean ${found.near.join(", ")}?`;
    const what = capability === undefined ? "is" : `offers "${capability}" and is`;
    const other = version ?? tenant ?? subsystem ?? tags;
    shell.err.write(
      other === undefined ? `No swarm offers "${capability}".${near}\n` : `No swarm ${what} as you asked for.${near}\n`,
    );
    shell.exitStatus = exitStatus.failed;
  });

  const deadLetters = registry
    .command("dead-letters")
    .description("tasks that came to nothing before anybody ended them, the newest first")
    .option("--limit <number>", "how many at most, up to 1000", "50")
    .option("--before <position>", "those before this position, which the page before ended with")
    .addHelpText("after", "\nExample:\n  $ viable registry dead-letters --limit 20");
  addGatewayOptions(deadLetters);
  addOutputOption(deadLetters).action(async (options: DeadLetterOptions) => {
    const page = await connect(shell, options).deadLetters({
      limit: toWholeNumber("--limit", options.limit, 1, 1_000),
      ...(options.before !== undefined && { before: options.before }),
    });
    printData(shell, options.output, page, () => renderDeadLetters(shell, page));
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

function renderDeadLetters(shell: Shell, { deadLetters, next }: DeadLetterPage): string {
  const more = next === undefined ? "" : `\nOlder ones: --before ${next}\n`;
  if (deadLetters.length === 0) return `${next === undefined ? "None.\n" : "None among the newest.\n"}${more}`;
  return (
    renderTable(
      shell.out,
      ["TIME", "KIND", "COMMAND", "EXECUTION OR PARENT", "MORE", "REASON"],
      deadLetters.map((each) => [
        each.time,
        each.kind,
        each.command,
        each.executionId ?? each.parentId ?? "",
        each.more === undefined ? "" : String(each.more),
        each.reason,
      ]),
    ) + more
  );
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
