/**
 * A backup as a file of lines, each a JSON value: a head that says what it is, one line for each kept version with its text and
 * checksum, and an end with their number and a checksum over all lines before it. A file without its end was cut off.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, lstat, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ViableError } from "viable";
import { z } from "zod";
import { sha256Of } from "./documents.ts";

const format = "viable-storage-backup";
/** A document has 4 Mi characters of JSON, each of three bytes at most, and its name and checksum beside it. */
const maxLineBytes = 16 * 1024 * 1024;

/** Versions have eight digits, and are in order by them. */
const maxVersion = 99_999_999;

const head = z.strictObject({
  format: z.literal(format),
  formatVersion: z.literal(1),
  tenant: z.string(),
  at: z.string(),
  /** The execution that wrote it; files of earlier releases do not say. */
  id: z.string().optional(),
});
const line = z.strictObject({
  name: z.string(),
  version: z.number().int().min(1).max(maxVersion),
  sha256: z.string(),
  keptAt: z.string(),
  text: z.string(),
});
const end = z.strictObject({ documents: z.number().int(), sha256: z.string() });

export type BackupLine = z.infer<typeof line>;

/** What came of a backup. */
export type Written = { readonly documents: number; readonly bytes: number; readonly sha256: string };

/**
 * Writes a backup beside its place and moves it there when it is whole, so that no half of one is ever found under its name. It takes
 * the place of another of the same tenant where that is asked for, and of nothing else.
 */
export async function writeBackup(
  path: string,
  about: { readonly tenant: string; readonly at: string; readonly overwrite: boolean; readonly id: string },
  documents: AsyncIterable<BackupLine>,
): Promise<Written> {
  const { tenant, at, overwrite, id } = about;
  await refuseToReplace(path, tenant, overwrite);
  const partial = `${path}.${id}.partial`;
  // Of an earlier try of the same execution.
  await rm(partial, { force: true });
  const hash = createHash("sha256");
  let count = 0;
  let bytes = 0;
  const handle = await open(partial, "wx", 0o600).catch((error: unknown) => {
    throw new ViableError("backup.not_writable", `No file can be written in ${dirname(path)}.`, {
      next: "Name a file in a folder that exists and that the system may write to.",
      cause: error,
    });
  });
  try {
    const write = async (value: unknown, counted: boolean): Promise<void> => {
      const text = `${JSON.stringify(value)}\n`;
      if (counted) hash.update(text);
      bytes += Buffer.byteLength(text);
      await handle.appendFile(text);
    };
    await write({ format, formatVersion: 1, tenant, at, id }, true);
    for await (const document of documents) {
      await write(document, true);
      count++;
    }
    const sha256 = hash.digest("hex");
    await write({ documents: count, sha256 }, false);
    await handle.sync();
    await handle.close();
    if (overwrite) await rename(partial, path);
    else await moveToFree(partial, path);
    return { documents: count, bytes, sha256 };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

/** Moves a file where none is: another may have come there since that was looked at, which a rename would take the place of. */
async function moveToFree(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") throw alreadyThere(to);
    // A file system without links can only rename.
    return await rename(from, to);
  }
  await rm(from);
}

const alreadyThere = (path: string): ViableError =>
  new ViableError("backup.exists", `${path} is there already.`, { next: "Name another file, or say overwrite." });

async function refuseToReplace(path: string, tenant: string, overwrite: boolean): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) return;
  const found = overwrite && there.isFile() ? await readHead(path) : undefined;
  if (found?.tenant === tenant) return;
  if (!overwrite) throw alreadyThere(path);
  throw new ViableError("backup.exists", `${path} is there already, and no backup of these documents.`, {
    next: "Name another file.",
  });
}

/** The head of a file; undefined where it begins otherwise than a backup of documents. */
async function readHead(path: string): Promise<z.infer<typeof head> | undefined> {
  try {
    for await (const text of readLines(path)) return head.safeParse(JSON.parse(text)).data;
  } catch {
    // What cannot be read is none.
  }
  return undefined;
}

/** What an execution that is begun again has written before, where it came to the end of that. */
export async function findOwnBackup(
  path: string,
  tenant: string,
  id: string,
  signal: AbortSignal,
): Promise<(Written & { readonly at: string }) | undefined> {
  const found = await readHead(path);
  if (found === undefined || found.id !== id) return undefined;
  return { at: found.at, ...(await checkBackup(path, tenant, signal)) };
}

/** Reads a backup twice: first to the end, to know that it is whole and unaltered, then line by line for `take`. */
export async function readBackup(
  path: string,
  tenant: string,
  signal: AbortSignal,
  take: (document: BackupLine) => Promise<void>,
): Promise<{ documents: number }> {
  const { documents } = await checkBackup(path, tenant, signal);
  let index = 0;
  for await (const text of readLines(path, signal)) {
    if (index > 0 && index <= documents) await take(line.parse(JSON.parse(text)));
    index++;
  }
  return { documents };
}

async function checkBackup(path: string, tenant: string, signal: AbortSignal): Promise<Written> {
  const found = await lstat(path).catch((error: unknown) => {
    throw new ViableError("backup.not_found", `There is no file ${path}.`, { next: "Check its name.", cause: error });
  });
  // A link would lead out of the folder.
  if (!found.isFile()) throw damaged(path, 0, "it is not a file");
  const hash = createHash("sha256");
  let index = 0;
  let last: z.infer<typeof end> | undefined;
  for await (const text of readLines(path, signal)) {
    if (last !== undefined) throw damaged(path, index + 1, "there is more after its end");
    const value = parseLine(path, index, text);
    if (index === 0) checkHead(path, value, tenant);
    else {
      last = end.safeParse(value).data;
      if (last !== undefined) continue;
      const document = line.safeParse(value);
      if (!document.success) throw damaged(path, index + 1, "it is no document");
      if (sha256Of(document.data.text) !== document.data.sha256) {
        throw damaged(path, index + 1, `the text of "${document.data.name}" does not fit its checksum`);
      }
    }
    index++;
    hash.update(`${text}\n`);
  }
  if (last === undefined) throw damaged(path, index + 1, "its end is missing: it was cut off");
  const documents = index - 1;
  if (last.documents !== documents || last.sha256 !== hash.digest("hex")) {
    throw damaged(path, index + 1, "its lines do not fit the checksum at its end");
  }
  return { documents, bytes: found.size, sha256: last.sha256 };
}

function checkHead(path: string, value: unknown, tenant: string): void {
  const found = head.safeParse(value);
  if (!found.success) throw damaged(path, 1, "it does not begin as a backup does");
  if (found.data.tenant === tenant) return;
  throw new ViableError("backup.other_tenant", `${path} is a backup of another tenant.`, {
    next: "Restore it as that tenant: one tenant's data never becomes another's.",
  });
}

function parseLine(path: string, index: number, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(path, index + 1, "it is not JSON");
  }
}

/** Lines end with a line feed and nothing else: what other readers take for an end of line may stand in a document. */
async function* readLines(path: string, signal?: AbortSignal): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  let bytes = 0;
  let lines = 0;
  for await (const chunk of createReadStream(path, {
    ...(signal !== undefined && { signal }),
  }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let to = chunk.indexOf("\n"); to >= 0; to = chunk.indexOf("\n", from)) {
      begun.push(chunk.subarray(from, to));
      lines++;
      yield Buffer.concat(begun).toString();
      begun = [];
      bytes = 0;
      from = to + 1;
    }
    begun.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > maxLineBytes) throw damaged(path, lines + 1, `it is longer than ${maxLineBytes} bytes`);
  }
  if (bytes > 0) throw damaged(path, lines + 1, "it was cut off");
}

const damaged = (path: string, at: number, reason: string): ViableError =>
  new ViableError("backup.damaged", `${path}${at > 0 ? `, line ${at}` : ""}: ${reason}.`, {
    next: "Nothing was restored. Take another backup file.",
  });
