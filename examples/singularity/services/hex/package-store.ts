/**
 * Packages in the service's memory. Bytes are kept in pieces under their checksum and manifests under theirs, so writing them again
 * changes nothing and equal files of many versions are kept once. A version is there from the moment its label is, which is one write
 * that only the first makes; a crash before it leaves pieces that nobody names.
 */
import { canonicalJson } from "@viable/kernel";
import type { AgentContext, JsonValue, Memory, MemoryEntry } from "viable";
import { ViableError } from "viable";
import { integrityOf, type Manifest, type PackageContent, type PackageFile, sha256Of } from "./package-content.ts";

type StoreContext = Pick<AgentContext, "memory" | "signal" | "runtime" | "executionId">;

/** What is known of a version without reading it. */
export type PackageLabel = Pick<Manifest, "name" | "version" | "kind" | "description" | "dependencies"> & {
  readonly integrity: string;
  readonly files: number;
  readonly bytes: number;
  readonly publishedAt: string;
  /** The execution that published it: the same one asking again, after a crash, has published it. */
  readonly publishedBy: string;
};

/** What is wrong with a kept version. `file` is absent where it is the manifest. */
export type Damage = { readonly file?: string; readonly reason: string };

const labels = "packages";
const manifests = "package-manifests";
const pieces = "package-pieces";

/** As base64 a piece has 983,040 characters: a memory value holds a mebibyte of JSON. */
const pieceBytes = 720 * 1024;

const labelKey = (name: string, version: string): string => `${name}@${version}`;
const pieceKey = (sha256: string, index: number): string => `${sha256}/${index}`;
const pagesOf = 500;

/** Keeps a version. Answers the label that is there now and whether this execution made it; what is damaged of the same content is mended. */
export async function keepPackage(
  ctx: StoreContext,
  { manifest, integrity, bytes }: PackageContent,
): Promise<{ readonly label: PackageLabel; readonly isNew: boolean; readonly mended: number }> {
  const { name, version, files } = manifest;
  const there = await findLabel(ctx.memory, name, version);
  if (there !== undefined && there.integrity !== integrity) throw taken(there);
  let written = 0;
  for (const { sha256 } of files) written += await writePieces(ctx, sha256, bytes.get(sha256) as Buffer);
  written += await writeValue(ctx.memory, integrity, manifest as unknown as JsonValue, manifests);
  const key = labelKey(name, version);
  if (there !== undefined) {
    const { publishedAt, publishedBy } = there;
    const label: PackageLabel = { ...describe(manifest), integrity, publishedAt, publishedBy };
    written += await writeValue(ctx.memory, key, label, labels);
    return { label, isNew: publishedBy === ctx.executionId, mended: written };
  }

  const label: PackageLabel = {
    ...describe(manifest),
    integrity,
    publishedAt: new Date(ctx.runtime.clock.now()).toISOString(),
    publishedBy: ctx.executionId,
  };
  const set = await ctx.memory.set(key, label, { namespace: labels, expected: 0 });
  if (set.ok) return { label, isNew: true, mended: 0 };
  const first = await findLabel(ctx.memory, name, version);
  if (first?.integrity !== integrity) throw taken(first ?? label);
  return { label: first, isNew: false, mended: 0 };
}

/** What a label says of a manifest. */
const describe = ({ name, version, kind, description, dependencies, files }: Manifest) => ({
  name,
  version,
  kind,
  description,
  dependencies,
  files: files.length,
  bytes: files.reduce((sum, each) => sum + each.bytes, 0),
});

const taken = ({ name, version }: PackageLabel): ViableError =>
  new ViableError("package.version_taken", `${name} ${version} is published with other content.`, {
    next: "A version never changes. Publish the new content under a higher one.",
  });

async function writePieces(ctx: StoreContext, sha256: string, bytes: Buffer): Promise<number> {
  let written = 0;
  for (let index = 0; index < countPieces(bytes.length); index++) {
    ctx.signal.throwIfAborted();
    const piece = bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes).toString("base64");
    written += await writeValue(ctx.memory, pieceKey(sha256, index), piece, pieces);
  }
  return written;
}

/** Empty files have no pieces. */
const countPieces = (bytes: number): number => Math.ceil(bytes / pieceBytes);

/** 1 where something was written, 0 where it was there already. */
async function writeValue(memory: Memory, key: string, value: JsonValue, namespace: string): Promise<number> {
  const there = await memory.get(key, namespace);
  if (there !== undefined && canonicalJson(there.value) === canonicalJson(value)) return 0;
  await memory.set(key, value, { namespace });
  return 1;
}

/** Name and version are those of its key: by them it is asked for, whatever was written below. */
function labelOf({ key, value }: MemoryEntry): PackageLabel {
  const at = key.lastIndexOf("@");
  return { ...(value as unknown as PackageLabel), name: key.slice(0, at), version: key.slice(at + 1) };
}

/** The label of a version, or undefined. */
export async function findLabel(memory: Memory, name: string, version: string): Promise<PackageLabel | undefined> {
  const entry = await memory.get(labelKey(name, version), labels);
  return entry && labelOf(entry);
}

/** Labels of all versions, or of those of one name, in the order of their keys, page by page. */
export async function* listLabels(memory: Memory, name?: string): AsyncGenerator<PackageLabel> {
  const prefix = name === undefined ? {} : { prefix: `${name}@` };
  for (let after: string | undefined; ; ) {
    const page = await memory.list(labels, { limit: pagesOf, ...prefix, ...(after !== undefined && { after }) });
    for (const entry of page) yield labelOf(entry);
    after = page.at(-1)?.key;
    if (page.length < pagesOf) return;
  }
}

/** The manifest of a version, or what is wrong with it. */
export async function readManifest(memory: Memory, label: PackageLabel): Promise<Manifest | Damage> {
  const entry = await memory.get(label.integrity, manifests);
  if (entry === undefined) return { reason: "its manifest is missing" };
  const manifest = entry.value as unknown as Manifest;
  if (integrityOf(manifest) !== label.integrity) return { reason: "its manifest does not fit its integrity" };
  // By the label alone a version is resolved, so what was changed there leads astray as well.
  const { integrity: _, publishedAt: __, publishedBy: ___, ...described } = label;
  const isSame = canonicalJson(described) === canonicalJson(describe(manifest));
  return isSame ? manifest : { reason: "its label does not fit its manifest" };
}

/** The bytes of a file, or what is wrong with them. */
export async function readFile(memory: Memory, { path, bytes, sha256 }: PackageFile): Promise<Buffer | Damage> {
  const parts: Buffer[] = [];
  for (let index = 0; index < countPieces(bytes); index++) {
    const entry = await memory.get(pieceKey(sha256, index), pieces);
    if (typeof entry?.value !== "string") return { file: path, reason: "a piece of it is missing" };
    parts.push(Buffer.from(entry.value, "base64"));
  }
  const read = Buffer.concat(parts);
  return sha256Of(read) === sha256 ? read : { file: path, reason: "its bytes do not fit its checksum" };
}

/** Whether reading found damage. */
export const isDamage = (read: Manifest | Buffer | Damage): read is Damage => "reason" in read;
