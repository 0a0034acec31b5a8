import { readFile } from "node:fs/promises";
import type { Finding } from "./finding.ts";
import type { SourceFile, SourceTree } from "./read-tree.ts";
import { maxFileBytes, reasonOf } from "./read-tree.ts";

export type TextOutcome =
  | { readonly ok: true; readonly text: string; readonly finding?: Finding }
  | { readonly ok: false; readonly reason: "binary" | "unreadable" | "too_large"; readonly finding?: Finding };

/** How far a file is looked at to tell whether it is binary; Git looks as far. */
const sniffBytes = 8_000;

/** Reads a file as text: UTF-8, UTF-16 by its mark, else Latin-1 where the name says that it is source. */
export async function readText(
  tree: SourceTree,
  file: SourceFile,
  maxBytes: number = maxFileBytes,
): Promise<TextOutcome> {
  let bytes: Buffer;
  try {
    bytes = await readFile(`${tree.root}/${file.path}`);
  } catch (error) {
    const message = `The file cannot be read: ${reasonOf(error)}.`;
    return { ok: false, reason: "unreadable", finding: { kind: "source.unreadable", file: file.path, message } };
  }
  // It may have grown since the walk saw it.
  if (bytes.length > maxBytes) return { ok: false, reason: "too_large" };
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { ok: true, text: new TextDecoder("utf-16le").decode(bytes) };
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { ok: true, text: new TextDecoder("utf-16be").decode(bytes) };
  if (bytes.subarray(0, sniffBytes).includes(0)) return notText(file);
  try {
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    if (file.language === undefined) return notText(file);
    const message = "Not UTF-8; read as Latin-1, so letters outside ASCII may be wrong.";
    return {
      ok: true,
      text: bytes.toString("latin1"),
      finding: { kind: "source.encoding", file: file.path, message },
    };
  }
}

/** Only a file whose name promises source is worth a finding: pictures and archives are binary by right. */
function notText(file: SourceFile): TextOutcome {
  if (file.language === undefined) return { ok: false, reason: "binary" };
  const message = `Named like ${file.language.name}, but binary; not read.`;
  return { ok: false, reason: "binary", finding: { kind: "source.binary", file: file.path, message } };
}

/** How many lines a text has; a last line need not end with a line break. */
export function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return text.length === 0 || text.endsWith("\n") ? count : count + 1;
}
