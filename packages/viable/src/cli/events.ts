import type { Client, EventsQuery } from "@viable/client";
import { rootContext, sleep } from "@viable/kernel";
import type { EventView } from "@viable/protocol";
import type { Command } from "commander";
import { Option } from "commander";
import { addEventsVerify } from "./events-verify.ts";
import { interrupted } from "./exit-status.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData, printItem } from "./output.ts";
import { cutTo, toPlainLine } from "./plain-text.ts";
import type { Shell } from "./shell.ts";
import { toWholeNumber } from "./whole-number.ts";

interface EventsOptions extends GatewayOptions, OutputOptions {
  readonly follow?: boolean;
  readonly type?: string;
  readonly session?: string;
  readonly after?: string;
  readonly limit: string;
  readonly format?: "cloudevents";
}

/** The most events one answer holds. */
const maxPage = 1_000;
/** `--follow` asks this often once it has caught up, in milliseconds. */
const askEveryMs = 500;

/** `viable events`: the log itself. */
export function addEvents(program: Command, shell: Shell): void {
  const command = program
    .command("events")
    .description("what is in the log: the latest events, or those after a position")
    .option("--follow", "go on with what comes, until Ctrl-C")
    .option("--type <glob>", "only these types, such as execution.* ; several with commas between")
    .option("--session <id>", "only of this session")
    .option("--after <position>", "from this position on; 0 is the beginning")
    .option("--limit <count>", `how many, at most ${maxPage}`, "50")
    .addOption(
      new Option("--format <format>", "each event in this form, as a line of JSON")
        .choices(["cloudevents"])
        .conflicts("output"),
    )
    .addHelpText(
      "after",
      "\nWith --follow and JSON each event is one line. Nothing is missed or told twice: it goes on after the last position.\n\nExamples:\n  $ viable events --follow --type 'execution.*' --output json\n  $ viable events --follow --after 0 --format cloudevents",
    );
  addGatewayOptions(command);
  addOutputOption(command).action(async (options: EventsOptions) => {
    if (options.follow === true) await followEvents(shell, options);
    else await printEvents(shell, options);
  });
  addEventsVerify(command, shell);
}

async function printEvents(shell: Shell, options: EventsOptions): Promise<void> {
  const client = connect(shell, options);
  const query = { ...queryOf(options), ...afterOf(options) };
  if (options.format !== undefined) return (await readPage(shell, client, options, query)).print();
  const page = await client.events(query);
  printData(shell, options.output, page, () =>
    page.events.map((event) => `${renderEvent(event, widthOf(shell))}\n`).join(""),
  );
  if (options.output === "table" && options.after !== undefined && page.events.length > 0)
    shell.err.write(`Go on with: --after ${page.next}\n`);
}

async function followEvents(shell: Shell, options: EventsOptions): Promise<void> {
  const client = connect(shell, options);
  const ctx = rootContext(shell.runtime, { signal: shell.catchInterrupt() });
  let page = await readPage(shell, client, options, { ...queryOf(options), ...afterOf(options) });
  for (;;) {
    page.print();
    if (page.events.length === 0) await sleep(ctx, askEveryMs).catch(() => undefined);
    if (ctx.signal.aborted) throw interrupted(`Followed up to position ${page.next}.`);
    const query = { ...queryOf({ ...options, limit: String(maxPage) }), after: page.next };
    page = await readPage(shell, client, options, query);
  }
}

/** A page in the form that is asked for, to be printed event by event. */
async function readPage(shell: Shell, client: Client, { format, output }: EventsOptions, query: EventsQuery) {
  if (format === "cloudevents") {
    const page = await client.cloudEvents(query);
    const print = () => shell.out.write(page.events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    return { ...page, print };
  }
  const page = await client.events(query);
  const print = () => {
    for (const event of page.events) printItem(shell, output, event, () => renderEvent(event, widthOf(shell)));
  };
  return { ...page, print };
}

const queryOf = ({ type, session, limit }: EventsOptions) => ({
  limit: toWholeNumber("--limit", limit, 1, maxPage),
  ...(type !== undefined && { type }),
  ...(session !== undefined && { session }),
});
const afterOf = ({ after }: EventsOptions) => (after === undefined ? {} : { after });

/** A terminal's line is not broken; a pipe gets it whole. */
export const widthOf = (shell: Shell): number => (shell.out.isTerminal ? shell.out.columns : Number.POSITIVE_INFINITY);

/** An event as a line: when, where in the log, what, about what, by whom, and the rest as JSON. */
export function renderEvent(event: EventView, columns: number): string {
  const line = `${event.time} ${event.position} ${event.type.padEnd(22)} ${event.stream} by ${event.actor} ${JSON.stringify(event.data)}`;
  return cutTo(toPlainLine(line), columns);
}
