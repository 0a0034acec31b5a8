import { createRequire } from "node:module";
import { stripVTControlCharacters } from "node:util";

const require = createRequire(import.meta.url);

/** What turns the direction of the text after it: with those, a line reads otherwise than it is. */
const turning = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069";
const controls = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029";
const unplain = new RegExp(`[${controls}]+`, "g");
const turns = new RegExp(`[${turning}]`, "g");
/** Colours, as `paint` writes them and no others, since some hide text; what a line ends with; or something that a terminal would obey. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const obeyed = /(\u001b\[(?:[012]|22|3[0-79])m|\r?\n)|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g;
/** A letter with more marks than this, in code points, is cut: a column holds any number of them, and a terminal draws them all. */
const maxClusterPoints = 16;
const clusters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Text that came from elsewhere, as one line without anything that a terminal would obey. */
export function toPlainLine(text: string): string {
  return stripVTControlCharacters(text).replace(unplain, " ").replace(turns, "");
}

/**
 * Text of several lines for a terminal, whoever wrote it: colours and ends of lines are kept, and for all else that it would obey it shows `�`.
 * What JSON escapes leaves half of them as they are (U+0080 to U+009F).
 */
export function toSafeText(text: string): string {
  return text.replace(obeyed, (_, kept?: string) => kept ?? "�").replace(turns, "�");
}

/** Text of which each character has a column. */
const plain = /^[ -~]*$/;

/** How many columns a terminal gives a text. What knows that of all letters is loaded when there are such: nobody else waits for it at each call. */
export const widthOfText = (text: string): number =>
  plain.test(text) ? text.length : (require("string-width") as typeof import("string-width")).default(text);

/** At most so many columns of a terminal, whole letters alone; what was cut shows as `…`. */
export function cutTo(text: string, maxColumns: number): string {
  if (maxColumns === Number.POSITIVE_INFINITY) return text;
  let width = 0;
  let kept = "";
  /** What fits when the `…` needs a column, too. */
  let short = "";
  for (const { segment } of clusters.segment(text)) {
    const cluster = [...segment].slice(0, maxClusterPoints).join("");
    width += widthOfText(cluster);
    if (width > maxColumns) return maxColumns < 1 ? "" : `${short}…`;
    kept += cluster;
    if (width < maxColumns) short = kept;
  }
  return kept;
}

/** Blanks behind a text, up to so many columns. */
export const padTo = (text: string, columns: number): string =>
  text + " ".repeat(Math.max(0, columns - widthOfText(text)));
