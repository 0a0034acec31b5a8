import type { Column } from "./table.ts";

/** What a reader is shown, before it is Markdown or HTML: texts as they came, to be escaped by whoever writes them. */
export type Page = { readonly title: string; readonly chapters: readonly Chapter[] };

export type Chapter = { readonly title: string; readonly blocks: readonly Block[] };

export type Block =
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "list"; readonly entries: readonly string[]; readonly more: number }
  | {
      readonly kind: "table";
      readonly caption: string;
      readonly columns: readonly Column[];
      readonly rows: readonly (readonly string[])[];
      readonly more: number;
    };

/** Text with paragraphs and lists in it (lines that begin with a dash), as blocks. */
export function toBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  for (const paragraph of text.split(/\r?\n\s*\r?\n/)) {
    let entries: string[] = [];
    let lines: string[] = [];
    const close = (): void => {
      if (lines.length > 0) blocks.push({ kind: "paragraph", text: lines.join(" ") });
      if (entries.length > 0) blocks.push({ kind: "list", entries, more: 0 });
      entries = [];
      lines = [];
    };
    for (const line of paragraph.split(/\r?\n/)) {
      const entry = /^\s*[-*•]\s+(.*)$/.exec(line)?.[1];
      if (entry === undefined) {
        if (entries.length > 0) close();
        if (line.trim() !== "") lines.push(line.trim());
      } else {
        if (lines.length > 0) close();
        entries.push(entry);
      }
    }
    close();
  }
  return blocks;
}
