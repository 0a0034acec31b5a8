import type { Row } from "./row.ts";

/** The rows as a table for people: a line for each case, a column for each subject with its median and its spread. */
export function printTable(rows: readonly Row[]): string {
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  const lines = new Map<string, Row[]>();
  for (const row of rows) {
    const key = [row.bench, row.case, row.unit].join("\n");
    lines.set(key, [...(lines.get(key) ?? []), row]);
  }
  const head = ["case", "unit", ...subjects];
  const body = [...lines.values()].map((line) => {
    const [first] = line as [Row];
    const cells = subjects.map((subject) => {
      const row = line.find((each) => each.subject === subject);
      return row === undefined ? "" : `${show(row.value)} (${show(row.min)}–${show(row.max)})`;
    });
    return [`${first.bench}: ${first.case}`, first.unit, ...cells];
  });
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((cells) => cells[column]?.length ?? 0)));
  const toLine = (cells: readonly string[]) =>
    cells.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)));
  return [head, widths.map((width) => "-".repeat(width)), ...body]
    .map((cells) => toLine(cells).join("  ").trimEnd())
    .join("\n");
}

const show = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
