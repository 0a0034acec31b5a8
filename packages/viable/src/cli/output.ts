import type { JsonValue } from "@viable/kernel";
import type { Command } from "commander";
import { Option } from "commander";
import type { Shell } from "./shell.ts";
import { renderPairs, renderTable } from "./table.ts";
import { toYaml } from "./to-yaml.ts";

export type OutputFormat = "table" | "json" | "yaml";

export interface OutputOptions {
  readonly output: OutputFormat;
}

/** Lets a verb that prints data print it as people or as programs read it. */
export function addOutputOption(command: Command, preset: OutputFormat = "table"): Command {
  return command.addOption(
    new Option("--output <format>", "how to print the result").choices(["table", "json", "yaml"]).default(preset),
  );
}

/** Prints a result on stdout: the data itself for programs, what `toTable` makes of it for people. */
export function printData(shell: Shell, format: OutputFormat, data: unknown, toTable: () => string): void {
  shell.out.write(format === "table" ? toTable() : toText(format, data));
}

/** One item of a stream: a line of JSON, a YAML document, or a line for people. */
export function printItem(shell: Shell, format: OutputFormat, item: unknown, toLine: () => string): void {
  if (format === "json") shell.out.write(`${JSON.stringify(item)}\n`);
  else if (format === "yaml") shell.out.write(`---\n${toYaml(item)}`);
  else shell.out.write(`${toLine()}\n`);
}

/** An array as `printData` prints one, item by item as they come: it may be larger than memory. */
export async function printArray(
  shell: Shell,
  format: Exclude<OutputFormat, "table">,
  items: AsyncIterable<unknown>,
): Promise<void> {
  let count = 0;
  for await (const item of items) {
    if (format === "yaml") shell.out.write(toYaml([item]));
    else shell.out.write(`${count === 0 ? "[" : ","}\n${JSON.stringify(item, null, 2).replace(/^/gm, "  ")}`);
    count += 1;
  }
  if (count === 0) shell.out.write("[]\n");
  else if (format === "json") shell.out.write("\n]\n");
}

/** Any JSON for people: a table where it is a list of objects, pairs where it is an object, else its text. */
export function renderJson(shell: Shell, value: JsonValue): string {
  if (Array.isArray(value) && value.length > 0 && value.every(isObject)) {
    const headings = [...new Set(value.flatMap((each) => Object.keys(each)))];
    return renderTable(
      shell.out,
      headings,
      value.map((each) => headings.map((heading) => renderCell(each[heading]))),
    );
  }
  if (isObject(value)) {
    return renderPairs(
      shell.out,
      Object.entries(value).map(([name, each]): [string, string] => [name, renderCell(each)]),
    );
  }
  return `${renderCell(value)}\n`;
}

const renderCell = (value: JsonValue | undefined): string =>
  value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);

const isObject = (value: JsonValue): value is { [key: string]: JsonValue } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const toText = (format: "json" | "yaml", data: unknown): string =>
  format === "json" ? `${JSON.stringify(data, null, 2)}\n` : toYaml(data);
