import { escapeMarkdown } from "./escape-markdown.ts";
import type { Block, Page } from "./page.ts";
import { writeMarkdownTable } from "./write-markdown-table.ts";

/** A page as Markdown. */
export function writeMarkdown({ title, chapters }: Page): string {
  const parts = [`# ${escapeMarkdown(title)}`];
  for (const { title: heading, blocks } of chapters) {
    parts.push(`## ${escapeMarkdown(heading)}`, ...blocks.map(writeBlock));
  }
  return `${parts.join("\n\n")}\n`;
}

function writeBlock(block: Block): string {
  switch (block.kind) {
    case "paragraph":
      return escapeMarkdown(block.text);
    case "list":
      return [...block.entries.map((entry) => `- ${escapeMarkdown(entry)}`), ...moreOf(block.more, "- ")].join("\n");
    case "table": {
      const { caption, more } = block;
      return [`${escapeMarkdown(caption)}:`, "", writeMarkdownTable(block), ...moreOf(more, "")].join("\n").trimEnd();
    }
  }
}

const moreOf = (more: number, mark: string): string[] => (more > 0 ? [`${mark}… ${more} more`] : []);
