import type { Client } from "@viable/client";
import type { JsonObject, JsonValue } from "@viable/kernel";
import { rootContext, sleep } from "@viable/kernel";
import type { MemoryEntryView } from "@viable/protocol";
import type { Command } from "commander";
import { printOutcome } from "./exec.ts";
import { exitStatus, interrupted } from "./exit-status.ts";
import { formatDuration } from "./format-duration.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData, printItem, renderJson } from "./output.ts";
import { toPlainLine } from "./plain-text.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { renderTable } from "./table.ts";
import { toWholeNumber } from "./whole-number.ts";

interface PlaceOptions extends GatewayOptions, OutputOptions {
  readonly namespace: string;
  readonly service?: string;
}

interface SetOptions extends GatewayOptions, OutputOptions {
  readonly namespace: string;
  readonly expected?: string;
  readonly expiresIn?: string;
}

interface ListOptions extends PlaceOptions {
  readonly prefix?: string;
  readonly limit: string;
}

/** `watch` looks this often, in milliseconds. */
const lookEveryMs = 1_000;
/** The most entries one look returns. */
const maxEntries = 1_000;

/** `viable memory`: the memory that all services share, or one service's own. */
export function addMemory(program: Command, shell: Shell): void {
  const memory = program
    .command("memory")
    .description("what services remember")
    .addHelpText("after", "\nExample:\n  $ viable memory set colour blue && viable memory get colour");
  const addPlace = (command: Command) =>
    addGatewayOptions(command)
      .option("--namespace <name>", "where to look", "default")
      .option("--service <name>", "this service's own memory; else the one that all share");

  const get = memory
    .command("get <key>")
    .description("the value of a key; ends with 1 if there is none")
    .addHelpText("after", "\nExample:\n  $ viable memory get colour");
  addPlace(get);
  addOutputOption(get, "json").action(async (key: string, options: PlaceOptions) => {
    const { entries } = await connect(shell, options).memory({ ...placeOf(options), key });
    const [entry] = entries;
    if (entry === undefined) {
      shell.err.write(`There is no "${key}" in the namespace "${options.namespace}".\n`);
      shell.exitStatus = exitStatus.failed;
      return;
    }
    printData(shell, options.output, entry.value, () => renderJson(shell, entry.value as JsonValue));
  });

  const set = memory
    .command("set <key> <value>")
    .description("write a key of the shared memory (the command memory.set); a value that parses as JSON is JSON")
    .option("--namespace <name>", "where to write", "default")
    .option("--expected <version>", "only if it is at this version now; 0 if it must not be there")
    .option("--expires-in <seconds>", "forget it after this time")
    .addHelpText("after", "\nExample:\n  $ viable memory set limits '{\"daily\": 20}' --expires-in 3600");
  addGatewayOptions(set);
  addOutputOption(set).action(async (key: string, value: string, options: SetOptions) => {
    const args: JsonObject = {
      namespace: options.namespace,
      key,
      value: toJson(value),
      ...(options.expected !== undefined && {
        expected: toWholeNumber("--expected", options.expected, 0, Number.MAX_SAFE_INTEGER),
      }),
      ...(options.expiresIn !== undefined && {
        expiresInMs: toWholeNumber("--expires-in", options.expiresIn, 1, 10 ** 9) * 1_000,
      }),
    };
    printOutcome(shell, options, await runCommand(shell, connect(shell, options), { command: "memory.set", args }));
  });

  const list = memory
    .command("list")
    .description("keys and values of a namespace, in the order of their keys")
    .option("--prefix <text>", "only keys that begin so")
    .option("--limit <count>", `how many, at most ${maxEntries}`, "100")
    .addHelpText("after", "\nExample:\n  $ viable memory list --prefix report/");
  addPlace(list);
  addOutputOption(list).action(async (options: ListOptions) => {
    const entries = await readEntries(connect(shell, options), options);
    printData(shell, options.output, entries, () => renderEntries(shell, entries));
  });

  const watch = memory
    .command("watch")
    .description("print entries when they change, until Ctrl-C")
    .option("--prefix <text>", "only keys that begin so")
    .addHelpText(
      "after",
      "\nLooks once a second: of several writes to a key in between it sees the last.\n\nExample:\n  $ viable memory watch --prefix report/ --output json",
    );
  addPlace(watch);
  addOutputOption(watch).action(async (options: Omit<ListOptions, "limit">) => {
    await watchEntries(shell, { ...options, limit: String(maxEntries) });
  });
}

async function watchEntries(shell: Shell, options: ListOptions): Promise<void> {
  const client = connect(shell, options);
  const ctx = rootContext(shell.runtime, { signal: shell.catchInterrupt() });
  let known = new Map<string, MemoryEntryView>();
  shell.err.write(`Looking every ${lookEveryMs / 1_000} s for changes in "${options.namespace}"; Ctrl-C ends this.\n`);
  for (let first = true; !ctx.signal.aborted; first = false) {
    const entries = await readEntries(client, options);
    if (entries.length === maxEntries)
      shell.err.write(`Only the first ${maxEntries} keys are watched; --prefix narrows it.\n`);
    const now = new Map(entries.map((entry) => [entry.key, entry]));
    if (!first) for (const change of findChanges(known, now)) printChange(shell, options, change);
    known = now;
    await sleep(ctx, lookEveryMs).catch(() => undefined);
  }
  throw interrupted("Watched until here.");
}

interface MemoryChange {
  readonly change: "written" | "gone";
  readonly entry: MemoryEntryView;
}

/** What was written or went away between two looks. */
export function findChanges(
  before: ReadonlyMap<string, MemoryEntryView>,
  now: ReadonlyMap<string, MemoryEntryView>,
): MemoryChange[] {
  const written = [...now.values()].filter((entry) => before.get(entry.key)?.version !== entry.version);
  const gone = [...before.values()].filter((entry) => !now.has(entry.key));
  return [
    ...written.map((entry) => ({ change: "written" as const, entry })),
    ...gone.map((entry) => ({ change: "gone" as const, entry })),
  ];
}

function printChange(shell: Shell, options: OutputOptions, { change, entry }: MemoryChange): void {
  printItem(shell, options.output, { change, ...entry }, () =>
    change === "gone"
      ? `- ${toPlainLine(entry.key)}`
      : `+ ${toPlainLine(`${entry.key} = ${JSON.stringify(entry.value)}`)} (version ${entry.version})`,
  );
}

async function readEntries(client: Client, options: ListOptions): Promise<MemoryEntryView[]> {
  const { entries } = await client.memory({
    ...placeOf(options),
    limit: toWholeNumber("--limit", options.limit, 1, maxEntries),
    ...(options.prefix !== undefined && { prefix: options.prefix }),
  });
  return entries;
}

const placeOf = ({ namespace, service }: PlaceOptions) => ({ namespace, ...(service !== undefined && { service }) });

const renderEntries = (shell: Shell, entries: readonly MemoryEntryView[]): string =>
  renderTable(
    shell.out,
    ["KEY", "VERSION", "AGE", "READS", "EXPIRES", "VALUE"],
    entries.map((entry) => [
      entry.key,
      String(entry.version),
      formatDuration(shell.runtime.clock.now() - Date.parse(entry.createdAt)),
      String(entry.accessCount),
      entry.expiresAt ?? "",
      JSON.stringify(entry.value),
    ]),
  );

function toJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}
