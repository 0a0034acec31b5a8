import Table from "cli-table3";
import { paint } from "./paint.ts";
import { cutTo, toPlainLine } from "./plain-text.ts";
import type { Screen } from "./shell.ts";

const noBorders = Object.fromEntries(
  ["top", "bottom", "mid", "left", "right"]
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat(["left-mid", "mid-mid", "right-mid", "top-mid", "bottom-mid", "middle"])
    .map((name) => [name, ""]),
);
/** Between two columns. */
const gap = 2;
/** A column is not cut below this, however narrow the terminal. */
const minColumn = 8;

/** Rows under their headings, without lines around them. On a terminal the widest column gives way; in a pipe nothing is cut. */
export function renderTable(screen: Screen, headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const plain = rows.map((row) => row.map(toPlainLine));
  const widths = headings.map((heading, column) =>
    plain.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), heading.length),
  );
  if (screen.isTerminal) narrow(widths, screen.columns);
  const table = new Table({
    head: headings.map((heading) => paint(screen, "bold", heading)),
    chars: { ...noBorders, middle: " ".repeat(gap) },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  for (const row of plain) table.push(row.map((cell, column) => cutTo(cell, widths[column] ?? cell.length)));
  return `${trimLines(table.toString())}\n`;
}

/** Names and values, one pair a line. */
export function renderPairs(screen: Screen, pairs: readonly (readonly [string, string])[]): string {
  const width = pairs.reduce((widest, [name]) => Math.max(widest, name.length), 0);
  return pairs.map(([name, value]) => `${paint(screen, "bold", name.padEnd(width))}  ${toPlainLine(value)}\n`).join("");
}

function narrow(widths: number[], columns: number): void {
  let over = widths.reduce((sum, width) => sum + width, gap * (widths.length - 1)) - columns;
  while (over > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    if ((widths[widest] ?? 0) <= minColumn) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
    over -= 1;
  }
}

const trimLines = (text: string): string =>
  text
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
