import { stripVTControlCharacters } from "node:util";

/** Text that came from elsewhere, as one line without anything that a terminal would obey. */
export function toPlainLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return stripVTControlCharacters(text).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
}

/** At most so many characters; what was cut shows as `…`. */
export function cutTo(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, Math.max(0, maxChars - 1))}…`;
}
