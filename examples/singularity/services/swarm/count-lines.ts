import { isUtf8 } from "node:buffer";

/** How many lines the bytes of a file hold; undefined where they are no text. */
export interface CountedLines {
  readonly lines: number;
  /** False where the bytes are no UTF-8: what is not ASCII in them may mean anything, but line ends are line ends. */
  readonly isUnicode: boolean;
}

/** How far a file is looked at to tell whether it is binary; Git looks as far. */
const sniffBytes = 8_000;
const lineEnd = 0x0a;

/** Counts lines by their ends, byte by byte, without reading the text; a last line need not end with a line break. */
export function countLines(bytes: Buffer): CountedLines | undefined {
  const mark = bytes.subarray(0, 3).toString("hex");
  if (mark.startsWith("fffe")) return { lines: countWide(bytes.subarray(2), 0), isUnicode: true };
  if (mark.startsWith("feff")) return { lines: countWide(bytes.subarray(2), 1), isUnicode: true };
  if (bytes.subarray(0, sniffBytes).includes(0)) return undefined;
  // A mark at the beginning is no line.
  const text = mark === "efbbbf" ? bytes.subarray(3) : bytes;
  let ends = 0;
  for (const byte of text) if (byte === lineEnd) ends += 1;
  const isOpen = text.length > 0 && text.at(-1) !== lineEnd;
  return { lines: ends + (isOpen ? 1 : 0), isUnicode: isUtf8(bytes) };
}

/** The same in two bytes each: `low` says which of the two holds the line end, the other is 0 then. */
function countWide(bytes: Buffer, low: 0 | 1): number {
  let ends = 0;
  let isOpen = false;
  for (let at = 0; at < bytes.length; at += 2) {
    isOpen = bytes[at + low] !== lineEnd || bytes[at + 1 - low] !== 0;
    if (!isOpen) ends += 1;
  }
  return ends + (isOpen ? 1 : 0);
}
