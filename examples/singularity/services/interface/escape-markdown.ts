import { toPlainText } from "./plain-text.ts";

/**
 * A text as Markdown that shows it and does nothing else: no emphasis, code, links, images, tables, entities or HTML, whatever
 * it holds; nor a heading or a list where a line begins with it.
 */
export function escapeMarkdown(text: string, maxChars?: number): string {
  return (
    toPlainText(text, maxChars)
      .replace(/[\\`*_[\]<>|~&$]/g, "\\$&")
      .replace(/^([#+=-])/, "\\$1")
      .replace(/^(\d{1,9})([.)])/, "$1\\$2")
      // Addresses become links by themselves on many sites, those of the analysed code too.
      .replace(/:(?=\/\/)/g, "\\:")
      .replace(/@/g, "\\@")
      .replace(/\bwww\./gi, (www) => `${www.slice(0, 3)}\\.`)
  );
}
