/**
 * Documents with versions, kept in the service's memory. A version is a label that names its checksum and its pieces, and the
 * pieces themselves, since a memory value holds a mebibyte at most. The label is written first, as `writing`, which reserves
 * the number; it says `kept` only after the pieces were read back and their checksum was right. So a crash in between leaves
 * a version that says of itself that it is not whole.
 */
import { createHash } from "node:crypto";
import { canonicalJson, ViableError } from "@viable/kernel";
import type { AgentContext, JsonValue, Memory } from "viable";
import { z } from "zod";

/** What keeping documents needs of an agent's context. */
export type DocumentContext = Pick<AgentContext, "memory" | "signal" | "runtime" | "executionId">;

/** Names leave room for the number behind them in a key of 200 characters. */
export const documentName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]*$/, "starts with a letter or digit and has only those and . _ : / -")
  .max(120);

/** What is known about a version without reading it. */
export type DocumentLabel = {
  readonly name: string;
  readonly version: number;
  readonly sha256: string;
  readonly chars: number;
  readonly pieces: number;
  readonly keptAt: string;
  readonly keptBy: string;
  readonly state: "writing" | "kept";
};

const labels = "document-labels";
const pieces = "document-pieces";

/** Of a document the latest versions are kept; older ones go when a new one comes. */
const maxVersions = 50;
/** A result or an argument is no larger; so what is kept can be answered again. */
const maxDocumentChars = 4 * 1024 * 1024;
/** A piece is written as a JSON string: every second character may need a backslash before it. */
const pieceChars = 500_000;
/** Somebody else may have taken a number; so often in a row nobody is unlucky. */
const maxTries = 20;

const keyOf = (name: string, version: number): string => `${name}@${String(version).padStart(8, "0")}`;
const pieceKey = (name: string, version: number, index: number): string =>
  `${keyOf(name, version)}/${String(index).padStart(3, "0")}`;

export const sha256Of = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

/** Keeps a document as the next version of its name. The same execution asking again, after a crash, gets the version it made. */
export async function keepDocument(ctx: DocumentContext, name: string, document: JsonValue): Promise<DocumentLabel> {
  const versions = await listVersions(ctx.memory, name);
  const mine = versions.find((label) => label.keptBy === ctx.executionId && label.state === "kept");
  if (mine !== undefined) return mine;
  let version = (versions.at(-1)?.version ?? 0) + 1;
  for (let tries = 0; tries < maxTries; tries++, version++) {
    ctx.signal.throwIfAborted();
    const label = await writeDocument(ctx, name, version, canonicalJson(document));
    if (label === undefined) continue;
    await dropVersions(ctx.memory, versions.slice(0, Math.max(0, versions.length + 1 - maxVersions)));
    return label;
  }
  throw new ViableError("document.busy", `${maxTries} others kept "${name}" at the same moment.`, { retryable: true });
}

/** Writes a version under its number and reads it back; undefined when the number was taken. It is kept now, unless it was before. */
export async function writeDocument(
  ctx: DocumentContext,
  name: string,
  version: number,
  text: string,
  keptAt: string = new Date(ctx.runtime.clock.now()).toISOString(),
): Promise<DocumentLabel | undefined> {
  if (text.length > maxDocumentChars) {
    throw new ViableError(
      "document.too_large",
      `"${name}" has ${text.length} characters of JSON; ${maxDocumentChars} are kept at most.`,
      { next: "Keep it in parts, under a name each." },
    );
  }
  const parts = cutText(text);
  const label: DocumentLabel = {
    name,
    version,
    sha256: sha256Of(text),
    chars: text.length,
    pieces: parts.length,
    keptAt,
    keptBy: ctx.executionId,
    state: "writing",
  };
  const reserved = await ctx.memory.set(keyOf(name, version), label, { namespace: labels, expected: 0 });
  if (!reserved.ok) return undefined;
  for (const [index, part] of parts.entries()) {
    ctx.signal.throwIfAborted();
    await ctx.memory.set(pieceKey(name, version, index), part, { namespace: pieces });
  }
  const back = await readText(ctx.memory, label);
  const kept: DocumentLabel = { ...label, state: "kept" };
  const isWhole = back !== undefined && sha256Of(back) === label.sha256;
  // Who makes room, or restores, may have taken it away meanwhile.
  const options = { namespace: labels, expected: reserved.version };
  if (isWhole && (await ctx.memory.set(keyOf(name, version), kept, options)).ok) return kept;
  throw new ViableError("document.not_kept", `Version ${version} of "${name}" was not read back as it was written.`, {
    retryable: true,
    next: "Check the database; keep it again.",
  });
}

/** Versions of a name that are there, whole or not, oldest first. */
export async function listVersions(memory: Memory, name: string): Promise<DocumentLabel[]> {
  const versions: DocumentLabel[] = [];
  // As a rule fewer than one page; restoring several backups may bring more back, until the next one is kept.
  for await (const label of listLabels(memory, `${name}@`)) versions.push(label);
  return versions;
}

/** Labels of all documents, or of those whose key begins so, in the order of their names, page by page. */
export async function* listLabels(memory: Memory, prefix = ""): AsyncGenerator<DocumentLabel> {
  const limit = 200;
  for (let after: string | undefined; ; ) {
    const page = await memory.list(labels, { prefix, limit, ...(after !== undefined && { after }) });
    for (const entry of page) yield entry.value as unknown as DocumentLabel;
    after = page.at(-1)?.key;
    if (page.length < limit) return;
  }
}

/** Whether a version that was listed some time ago is there yet: where it had to make room since, its pieces are not missing. */
export async function isStillKept(memory: Memory, { name, version, sha256 }: DocumentLabel): Promise<boolean> {
  const entry = await memory.get(keyOf(name, version), labels);
  const label = entry?.value as DocumentLabel | undefined;
  return label?.state === "kept" && label.sha256 === sha256;
}

/** The label of a version, of the latest where none is named. Throws `document.not_found`. */
export async function findVersion(memory: Memory, name: string, version?: number): Promise<DocumentLabel> {
  const versions = (await listVersions(memory, name)).filter((label) => label.state === "kept");
  const found = version === undefined ? versions.at(-1) : versions.find((label) => label.version === version);
  if (found !== undefined) return found;
  const there = versions.map((label) => label.version).join(", ");
  throw new ViableError(
    "document.not_found",
    version === undefined ? `No document "${name}" is kept here.` : `No version ${version} of "${name}" is kept here.`,
    { next: there === "" ? "Keep one first by data_persistence.keep." : `There are versions ${there}.` },
  );
}

/** Reads a version and checks it. Throws `document.damaged` when it is not what was kept. */
export async function readDocument(
  memory: Memory,
  label: DocumentLabel,
): Promise<{ readonly text: string; readonly document: JsonValue }> {
  const text = await readText(memory, label);
  if (text === undefined || sha256Of(text) !== label.sha256) {
    throw new ViableError("document.damaged", `Version ${label.version} of "${label.name}" is not what was kept.`, {
      next: "Restore it from a backup (backup.restore); data_persistence.check finds others like it.",
    });
  }
  return { text, document: JSON.parse(text) as JsonValue };
}

/** The text of a version as it lies there; undefined when a piece is missing. */
export async function readText(memory: Memory, label: DocumentLabel): Promise<string | undefined> {
  const parts: string[] = [];
  for (let index = 0; index < label.pieces; index++) {
    const entry = await memory.get(pieceKey(label.name, label.version, index), pieces);
    if (typeof entry?.value !== "string") return undefined;
    parts.push(entry.value);
  }
  return parts.join("");
}

/** Removes versions: the label last, so that what is half removed still says what it was, and from the first that it is not whole. */
export async function dropVersions(memory: Memory, versions: readonly DocumentLabel[]): Promise<void> {
  for (const label of versions) {
    const { name, version, pieces: count } = label;
    const half: DocumentLabel = { ...label, state: "writing" };
    await memory.set(keyOf(name, version), half, { namespace: labels });
    for (let index = 0; index < count; index++) await memory.delete(pieceKey(name, version, index), pieces);
    await memory.delete(keyOf(name, version), labels);
  }
}

/** Cuts a text into pieces that fit, never between the two halves of one character: a lone half cannot be stored. */
function cutText(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + pieceChars, text.length);
    const isHalf = end < text.length && /[\uD800-\uDBFF]/.test(text.charAt(end - 1));
    if (isHalf) end--;
    parts.push(text.slice(at, end));
    at = end;
  }
  return parts;
}
