/**
 * A backup as a file of lines, each a JSON value: a head that says what it is, one line for each kept version with its text and
 * checksum, and an end with their number and a checksum over all lines before it. A file without its end was cut off.
 */

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import { ViableError } from "viable";
import { z } from "zod";
import { sha256Of } from "./documents.ts";

const format = "viable-storage-backup";
/** Larger files are not read: no memory of documents is. */
const maxFileBytes = 1024 * 1024 * 1024;

const head = z.strictObject({
  format: z.literal(format),
  formatVersion: z.literal(1),
  tenant: z.string(),
  at: z.string(),
});
const line = z.strictObject({
  name: z.string(),
  version: z.number().int().min(1),
  sha256: z.string(),
  keptAt: z.string(),
  text: z.string(),
});
const end = z.strictObject({ documents: z.number().int(), sha256: z.string() });

export type BackupLine = z.infer<typeof line>;

/** Writes a backup beside its place and moves it there when it is whole, so that no half of one is ever found under its name. */
export async function writeBackup(
  file: string,
  about: { readonly tenant: string; readonly at: string; readonly overwrite: boolean; readonly token: string },
  documents: AsyncIterable<BackupLine>,
): Promise<{ documents: number; bytes: number; sha256: string }> {
  const path = resolve(file);
  if (!about.overwrite && (await exists(path))) {
    throw new ViableError("backup.exists", `${path} is there already.`, {
      next: "Name another file, or say overwrite.",
    });
  }
  const partial = `${path}.${about.token}.partial`;
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
    await write({ format, formatVersion: 1, tenant: about.tenant, at: about.at }, true);
    for await (const document of documents) {
      await write(document, true);
      count++;
    }
    const sha256 = hash.digest("hex");
    await write({ documents: count, sha256 }, false);
    await handle.sync();
    await handle.close();
    await rename(partial, path);
    return { documents: count, bytes, sha256 };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

/** Reads a backup twice: first to the end, to know that it is whole and unaltered, then line by line for `take`. */
export async function readBackup(
  file: string,
  tenant: string,
  signal: AbortSignal,
  take: (document: BackupLine) => Promise<void>,
): Promise<{ documents: number }> {
  const path = resolve(file);
  const documents = await checkBackup(path, tenant, signal);
  for await (const [index, text] of readLines(path, signal)) {
    if (index > 0 && index <= documents) await take(line.parse(JSON.parse(text)));
  }
  return { documents };
}

async function checkBackup(path: string, tenant: string, signal: AbortSignal): Promise<number> {
  const size = await stat(path).catch((error: unknown) => {
    throw new ViableError("backup.not_found", `There is no file ${path}.`, { next: "Check the path.", cause: error });
  });
  if (!size.isFile()) throw damaged(path, 0, "it is not a file");
  if (size.size > maxFileBytes) throw damaged(path, 0, `it is larger than ${maxFileBytes} bytes`);
  const hash = createHash("sha256");
  let count = -1;
  let last: z.infer<typeof end> | undefined;
  for await (const [index, text] of readLines(path, signal)) {
    if (last !== undefined) throw damaged(path, index + 1, "there is more after its end");
    const value = parseLine(path, index, text);
    if (index === 0) checkHead(path, value, tenant);
    else {
      const found = end.safeParse(value);
      if (found.success) {
        last = found.data;
        continue;
      }
      const document = line.safeParse(value);
      if (!document.success) throw damaged(path, index + 1, "it is no document");
      if (sha256Of(document.data.text) !== document.data.sha256) {
        throw damaged(path, index + 1, `the text of "${document.data.name}" does not fit its checksum`);
      }
    }
    count++;
    updateHash(hash, text);
  }
  if (last === undefined) throw damaged(path, count + 2, "its end is missing: it was cut off");
  if (last.documents !== count || last.sha256 !== hash.digest("hex")) {
    throw damaged(path, count + 2, "its lines do not fit the checksum at its end");
  }
  return count;
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

function updateHash(hash: Hash, text: string): void {
  hash.update(`${text}\n`);
}

async function* readLines(path: string, signal: AbortSignal): AsyncGenerator<[number, string]> {
  const input = createReadStream(path, { encoding: "utf8", signal });
  let index = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) yield [index++, text];
  } finally {
    input.destroy();
  }
}

const damaged = (path: string, at: number, reason: string): ViableError =>
  new ViableError("backup.damaged", `${path}${at > 0 ? `, line ${at}` : ""}: ${reason}.`, {
    next: "Nothing was restored. Take another backup file.",
  });

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
