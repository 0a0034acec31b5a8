import { toPlainText } from "./plain-text.ts";
import type { Table } from "./table.ts";

/** A wider column pushes the others out of sight. */
const maxColumnWidth = 60;
const gap = "  ";

export interface TextTable {
  readonly text: string;
  /** Cells that were cut to the width of a column. */
  readonly cut: number;
}

/** A table for a terminal: columns under their headings, nothing in it that a terminal would obey. */
export function writeTextTable({ columns, rows }: Table): TextTable {
  if (columns.length === 0) return { text: "", cut: 0 };
  let cut = 0;
  const shorten = (text: string): string => {
    const plain = toPlainText(text);
    if (widthOf(plain) <= maxColumnWidth) return plain;
    cut++;
    return `${cutToWidth(plain, maxColumnWidth - 1)}…`;
  };
  const headings = columns.map(({ title }) => shorten(title));
  const body = rows.map((row) => columns.map((_, index) => shorten(row[index] ?? "")));
  const widths = headings.map((heading, index) =>
    body.reduce((widest, row) => Math.max(widest, widthOf(row[index] as string)), widthOf(heading)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => {
        const space = " ".repeat((widths[index] as number) - widthOf(cell));
        return columns[index]?.align === "right" ? space + cell : cell + space;
      })
      .join(gap)
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join(gap);
  return { text: [line(headings), rule, ...body.map(line), ""].join("\n"), cut };
}

const characters = new Intl.Segmenter("en", { granularity: "grapheme" });
/**
 * What takes two places: wide and full-width characters of Unicode's East Asian Width (16.0, with what lies unassigned between them),
 * pictures, and a half-width sound mark with the character before it.
 */
const wide =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\u3247\u3250-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{RGI_Emoji}|.[\uff9e\uff9f])/v;

function widthOf(text: string): number {
  // Most text is plain, and most tables have many cells.
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of characters.segment(text)) width += wide.test(segment) ? 2 : 1;
  return width;
}

function cutToWidth(text: string, maxWidth: number): string {
  let width = 0;
  let end = 0;
  for (const { segment, index } of characters.segment(text)) {
    width += wide.test(segment) ? 2 : 1;
    if (width > maxWidth) break;
    end = index + segment.length;
  }
  return text.slice(0, end);
}
