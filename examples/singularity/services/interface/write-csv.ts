import type { Table } from "./table.ts";

export interface Csv {
  readonly text: string;
  /** Cells that a spreadsheet would have run as a formula, and that begin with an apostrophe now. */
  readonly guarded: number;
}

/** What makes a spreadsheet take a cell for a formula, in half and in full width. */
const formulaStart = /^[=+\-@\t\r\n＝＋－＠]/;
const plainNumber = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/** A table as CSV after RFC 4180: a heading, CRLF after each row, quotes doubled. Cells that begin like a formula are made text. */
export function writeCsv({ columns, rows }: Table): Csv {
  if (columns.length === 0) return { text: "", guarded: 0 };
  let guarded = 0;
  const write = (cell: string): string => {
    const isFormula = formulaStart.test(cell) && !plainNumber.test(cell);
    if (isFormula) guarded++;
    const text = (isFormula ? `'${cell}` : cell).toWellFormed();
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map((_, index) => row[index] ?? ""))];
  const text = lines.map((cells) => `${cells.map(write).join(",")}\r\n`).join("");
  return { text, guarded };
}
