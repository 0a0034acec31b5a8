import { escapeMarkdown } from "./escape-markdown.ts";
import type { Table } from "./table.ts";

/** A table as GitHub's Markdown writes it. Nothing of a table without columns. */
export function writeMarkdownTable({ columns, rows }: Table): string {
  if (columns.length === 0) return "";
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const lines = [
    line(columns.map(({ title }) => escapeMarkdown(title))),
    line(columns.map(({ align }) => (align === "right" ? "---:" : "---"))),
    ...rows.map((row) => line(columns.map((_, index) => escapeMarkdown(row[index] ?? "")))),
  ];
  return `${lines.join("\n")}\n`;
}
