import { paint } from "./paint.ts";
import { cutTo, padTo, toPlainLine, widthOfText } from "./plain-text.ts";
import type { Screen } from "./shell.ts";

/** Between two columns. */
const gap = 2;
/** A column is not cut below this, however narrow the terminal. */
const minColumn = 8;
/** What is copied to be typed again: half of it is worth nothing. */
const id = /^[a-z]{3}_[0-9a-z]{26}$/;

/**
 * Rows under their headings, columns aligned by blanks, without lines around them. On a terminal the widest column gives way, but not to
 * where ids would be cut; what is still too wide then, the terminal breaks. In a pipe nothing is cut.
 */
export function renderTable(screen: Screen, headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const plain = rows.map((row) => row.map(toPlainLine));
  const widths = headings.map((heading, column) =>
    plain.reduce((widest, row) => Math.max(widest, widthOfText(row[column] ?? "")), widthOfText(heading)),
  );
  if (screen.isTerminal) {
    const least = headings.map((_, column) =>
      plain.some((row) => id.test(row[column] ?? "")) ? (widths[column] ?? 0) : minColumn,
    );
    narrow(widths, least, screen.columns);
  }
  const cellsOf = (row: readonly string[]) => row.map((cell, column) => cutTo(cell, widths[column] ?? 0));
  // A row is as wide as its last cell: blanks at the end would break on a terminal, and be in the way in a pipe.
  const lineOf = (cells: readonly string[]) =>
    cells.map((cell, column) => padTo(cell, widths[column] ?? 0)).join(" ".repeat(gap));
  const head = cellsOf(headings).map((heading) => paint(screen, "bold", heading));
  return [head, ...plain.map(cellsOf)].map((cells) => `${lineOf(cells).trimEnd()}\n`).join("");
}

/** Names and values, one pair a line. */
export function renderPairs(screen: Screen, pairs: readonly (readonly [string, string])[]): string {
  const plain = pairs.map(([name, value]) => [toPlainLine(name), toPlainLine(value)] as const);
  const width = plain.reduce((widest, [name]) => Math.max(widest, widthOfText(name)), 0);
  return plain.map(([name, value]) => `${paint(screen, "bold", padTo(name, width))}  ${value}\n`).join("");
}

function narrow(widths: number[], least: readonly number[], columns: number): void {
  let over = widths.reduce((sum, width) => sum + width, gap * (widths.length - 1)) - columns;
  for (; over > 0; over -= 1) {
    const able = widths.map((width, column) => (width > (least[column] ?? 0) ? width : 0));
    const widest = able.indexOf(Math.max(...able));
    if ((able[widest] ?? 0) === 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}
