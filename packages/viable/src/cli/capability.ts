import type { JsonObject } from "@viable/kernel";
import type { CapabilityView, MintCapability, Restrictions } from "@viable/protocol";
import { mintCapability, toFieldProblems } from "@viable/protocol";
import type { Command } from "commander";
import { printOutcome } from "./exec.ts";
import { wrongUsage } from "./exit-status.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect, findToken } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { renderTable } from "./table.ts";
import { toDuration } from "./to-duration.ts";
import type { InspectedToken } from "./token-text.ts";
import { toWholeNumber } from "./whole-number.ts";

type Options = GatewayOptions & OutputOptions;

interface NarrowOptions extends Options {
  readonly operations?: string;
  readonly resource?: readonly string[];
  readonly deny?: readonly string[];
  readonly expiresIn: string;
  readonly notBefore?: string;
  readonly daily?: string;
  readonly session?: string;
  readonly execution?: string;
  readonly clientType?: string;
  readonly commandsPerHour?: string;
  readonly maxConcurrent?: string;
  readonly maxUses?: string;
  readonly maxDelegations?: string;
  readonly requireWebhook?: boolean;
  readonly maxRequestBytes?: string;
  readonly label?: string;
}

const maxCount = 1_000_000_000;
const nonceBytes = 12;

/** `viable capability`: tokens that allow less, and their end. */
export function addCapability(program: Command, shell: Shell): void {
  const capability = program
    .command("capability")
    .description("tokens that allow less than yours, and their end")
    .addHelpText(
      "after",
      "\nExample:\n  $ viable capability mint --resource command/analyze --resource 'view/**' --expires-in 7d --label ci",
    );

  const mint = addRestrictions(capability.command("mint"))
    .description("have your token narrowed and recorded, so that it is listed; the new one is printed once")
    .addHelpText(
      "after",
      "\nExample:\n  $ viable capability mint --operations read --expires-in 12h --label dashboard --output json",
    );
  addGatewayOptions(mint);
  addOutputOption(mint).action(async (options: NarrowOptions) => {
    const minted = await connect(shell, options).mintCapability(toRequest(options));
    printData(shell, options.output, minted, () => {
      shell.err.write(`${minted.capabilityId}, until ${minted.expiresAt}. It is not shown again.\n`);
      return `${minted.token}\n`;
    });
  });

  const narrow = addRestrictions(capability.command("attenuate [token]"))
    .description("narrow a token, yours unless another is given, without asking anybody; nothing is recorded")
    .addHelpText(
      "after",
      "\nExample:\n  $ viable capability attenuate --operations read --max-uses 1 --expires-in 10min",
    );
  addGatewayOptions(narrow);
  addOutputOption(narrow).action(async (given: string | undefined, options: NarrowOptions) => {
    const { expiresInMs, ...request } = toRequest(options);
    const { clock, random } = shell.runtime;
    const restrictions: Restrictions = {
      ...request,
      expiresAt: Math.floor(clock.now()) + expiresInMs,
      nonce: Buffer.from(random.bytes(nonceBytes)).toString("base64url"),
    };
    const { narrowToken } = await import("./token-text.ts");
    const narrowed = narrowToken(given ?? requireToken(shell, options), restrictions);
    printData(shell, options.output, narrowed, () => {
      shell.err.write(`${narrowed.capabilityId}\n`);
      return `${narrowed.token}\n`;
    });
  });

  const inspect = capability
    .command("inspect [token]")
    .description("what a token, yours unless another is given, says of itself; nobody is asked whether it holds")
    .addHelpText("after", "\nExample:\n  $ viable capability inspect");
  addGatewayOptions(inspect);
  addOutputOption(inspect).action(async (given: string | undefined, options: Options) => {
    const { inspectToken } = await import("./token-text.ts");
    const told = inspectToken(given ?? requireToken(shell, options));
    printData(shell, options.output, told, () => renderInspected(shell, told));
  });

  const revoke = capability
    .command("revoke <capability>")
    .description("end one, by its id or its token, and whatever came of it (the command capability.revoke)")
    .option("--reason <text>", "why; kept with who said so")
    .addHelpText("after", "\nExample:\n  $ viable capability revoke cap_01jd8q5k3v7x2m9c4h6t8w0y1z --reason leaked");
  addGatewayOptions(revoke);
  addOutputOption(revoke).action(async (named: string, { reason, ...options }: Options & { reason?: string }) => {
    const args = { ...(await toRevocable(named)), ...(reason !== undefined && { reason }) };
    const view = await runCommand(shell, connect(shell, options), { command: "capability.revoke", args });
    printOutcome(shell, options, view);
  });

  const list = capability
    .command("list")
    .description("those that were minted, the latest first")
    .option("--limit <count>", "how many, at most 100", "50")
    .option("--before <position>", "those before the page that ended here")
    .addHelpText("after", "\nExample:\n  $ viable capability list");
  addGatewayOptions(list);
  addOutputOption(list).action(async ({ limit, before, ...options }: Options & { limit: string; before?: string }) => {
    const page = await connect(shell, options).capabilities({
      limit: toWholeNumber("--limit", limit, 1, 100),
      ...(before !== undefined && { before }),
    });
    printData(shell, options.output, page, () => renderCapabilities(shell, page.capabilities));
    if (options.output === "table" && page.next !== undefined)
      shell.err.write(`There are earlier ones: --before ${page.next}\n`);
  });
}

const collect = (each: string, before: readonly string[] = []): readonly string[] => [...before, each];

function addRestrictions(command: Command): Command {
  return command
    .option("--operations <list>", "some of read, write, execute, with commas between")
    .option(
      "--resource <address>",
      "what may be asked for: command/NAME, query/NAME, view/NAME, * and ** at the end; repeatable",
      collect,
    )
    .option("--deny <address>", "what may not be, by whatever is done with it either; repeatable", collect)
    .option("--expires-in <duration>", "how long it holds: 90s, 30min, 12h, 7d, at most a year", "30d")
    .option("--not-before <time>", "from when it holds, such as 2027-01-01T08:00:00Z")
    .option("--daily <hours>", "hours of the day, such as 08:00-18:00@Europe/Berlin; also past midnight")
    .option("--session <id>", "the one session that it opens")
    .option("--execution <id>", "the one execution that it shows and may cancel")
    .option("--client-type <type>", "what its bearer passes for: cli, web or api")
    .option("--commands-per-hour <count>", "as many commands an hour")
    .option("--max-concurrent <count>", "as many commands at once")
    .option("--max-uses <count>", "as many commands and queries in all")
    .option("--max-delegations <count>", "how often it can be narrowed further, 0 to 10")
    .option("--require-webhook", "commands that are not waited for must name a webhook")
    .option("--max-request-bytes <count>", "the most that arguments may have")
    .option("--label <text>", "what it is for");
}

/** Throws `cli.usage`, naming the option. */
function toRequest(options: NarrowOptions): MintCapability {
  const number = (option: string, text: string | undefined, min = 1, max = maxCount) =>
    text === undefined ? undefined : toWholeNumber(option, text, min, max);
  const given = {
    operations: options.operations?.split(",").filter((each) => each !== ""),
    resources: options.resource,
    denied: options.deny,
    expiresInMs: toDuration("--expires-in", options.expiresIn),
    notBefore: options.notBefore === undefined ? undefined : toTime("--not-before", options.notBefore),
    daily: options.daily === undefined ? undefined : toDaily(options.daily),
    sessionId: options.session,
    executionId: options.execution,
    clientType: options.clientType,
    commandsPerHour: number("--commands-per-hour", options.commandsPerHour),
    maxConcurrent: number("--max-concurrent", options.maxConcurrent),
    maxUses: number("--max-uses", options.maxUses),
    maxDelegations: number("--max-delegations", options.maxDelegations, 0, 10),
    requireWebhook: options.requireWebhook,
    maxRequestBytes: number("--max-request-bytes", options.maxRequestBytes),
    label: options.label,
  };
  const named = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const parsed = mintCapability.safeParse(named);
  if (parsed.success) return parsed.data;
  const problems = toFieldProblems(parsed.error, "").map(({ path, reason }) => `${path.replace(/^\./, "")}: ${reason}`);
  throw wrongUsage(`No capability can be narrowed so: ${problems.join("; ")}.`);
}

function toTime(option: string, text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw wrongUsage(`${option}: "${text}" is not a time.`, "Write it like 2027-01-01T08:00:00Z.");
  return time;
}

function toDaily(text: string): { from: string; to: string; timeZone: string } {
  const [, from = "", to = "", timeZone = "UTC"] = /^(\d\d:\d\d)-(\d\d:\d\d)(?:@(.+))?$/.exec(text) ?? [];
  if (from === "") throw wrongUsage(`--daily: "${text}" are no hours.`, "Write them like 22:00-06:00@Europe/Berlin.");
  return { from, to, timeZone };
}

function requireToken(shell: Shell, options: GatewayOptions): string {
  const token = findToken(shell, options);
  if (token === undefined) throw wrongUsage("There is no token here to begin with.", "Give one, or set VIABLE_TOKEN.");
  return token;
}

/** By its id, or by its token, of which then nothing but the id and the end are sent. */
async function toRevocable(named: string): Promise<JsonObject> {
  if (named.startsWith("cap_")) return { capabilityId: named };
  const { inspectToken } = await import("./token-text.ts");
  const { capabilityId, authority, links } = inspectToken(named);
  const ends = [
    (authority.restrictions as JsonObject | undefined)?.expiresAt,
    ...links.map(({ expiresAt }) => expiresAt),
  ];
  const known = ends.filter((each) => typeof each === "number");
  return { capabilityId, ...(known.length > 0 && { expiresAt: Math.min(...known) }) };
}

function renderInspected(shell: Shell, { capabilityId, authority, links }: InspectedToken): string {
  const { restrictions: root = {}, tenant, principal } = authority;
  const rows = [`${principal} in ${tenant}`, ...links.map((_, index) => `narrowed${index === 0 ? "" : " again"}`)];
  const all = [root as JsonObject, ...links];
  const table = renderTable(
    shell.out,
    ["LINK", "RESTRICTS"],
    rows.map((name, index) => [name, tellRestrictions(all[index] ?? {})]),
  );
  return `${capabilityId}\n${table}`;
}

function renderCapabilities(shell: Shell, capabilities: readonly CapabilityView[]): string {
  return renderTable(
    shell.out,
    ["CAPABILITY", "STATUS", "PRINCIPAL", "LABEL", "EXPIRES", "RESTRICTS"],
    capabilities.map(({ capabilityId, status, principal, restrictions, expiresAt }) => [
      capabilityId,
      status,
      principal ?? "",
      restrictions?.label ?? "",
      expiresAt ?? "",
      tellRestrictions(restrictions ?? {}),
    ]),
  );
}

/** In a line: what stands elsewhere in the row is left out. */
function tellRestrictions(restrictions: Readonly<Record<string, unknown>>): string {
  const told = Object.entries(restrictions).flatMap(([name, value]) => {
    if (name === "nonce" || name === "label") return [];
    if (name === "expiresAt" || name === "notBefore") return [`${name} ${new Date(Number(value)).toISOString()}`];
    return [`${name} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`];
  });
  return told.length === 0 ? "nothing" : told.join(", ");
}
