import { toPlainText } from "./plain-text.ts";

/**
 * A text as Markdown that shows it and does nothing else: no emphasis, code, links, images, tables, entities or HTML, whatever
 * it holds; nor a heading or a list where a line begins with it. Some sites make links of addresses in the finished page; nothing in
 * Markdown keeps them from it.
 */
export function escapeMarkdown(text: string, maxChars?: number): string {
  return (
    toPlainText(text, maxChars)
      .replace(/[\\`*_[\]<>|~&$]/g, "\\$&")
      .replace(/^([#+=-])/, "\\$1")
      .replace(/^(\d{1,9})([.)])/, "$1\\$2")
      // To many readers of Markdown addresses are links by themselves, those of the analysed code too.
      .replace(/:(?=\/\/)/g, "\\:")
      .replace(/@/g, "\\@")
      .replace(/www\./gi, (www) => `${www.slice(0, 3)}\\.`)
  );
}
