import { createReadStream } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Context } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { FileLock } from "./file-lock.ts";
import { lockFile } from "./file-lock.ts";
import type { Seal } from "./seal.ts";
import { findBreak, hashOfSeal, readSeal } from "./seal.ts";

/** The seals of a log in a file outside its database, a line of JSON each, oldest first: what a database alone cannot show, it does. */
export interface SealFile {
  readonly path: string;
  /** The last seal in it; undefined where there is none yet. Throws `security.seal_file_damaged`. */
  last(): Promise<Seal | undefined>;
  /**
   * Adds seals behind the one that was last (undefined: there was none), and answers when they are on the disk; false, with nothing
   * added, where another is last by now.
   */
  append(ctx: Context, seals: readonly Seal[], after: Seal | undefined): Promise<boolean>;
}

/** A seal with all its tags is 11,300 characters. */
const maxLineBytes = 16 * 1024;
/** How each of them begins. */
const lineBegin = '{"number":';
/**
 * Seals that may stand there twice and are read once: by processes of releases that did not wait for each other, or where one has lost its
 * lock at the very moment in which it wrote.
 */
const maxRepeated = 1_000;

/**
 * A file of seals. Nothing of it is held open or remembered: it may be moved away at any time, and then begins anew. Processes may share
 * it: each looks, cuts off what a killed one left unfinished and appends while no other does (`file-lock.ts`).
 */
export function sealFile(path: string): SealFile {
  return {
    path,
    async last() {
      const handle = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
      if (handle === undefined) return undefined;
      try {
        const { line } = await readEnd(path, handle);
        return parseLast(path, line);
      } finally {
        await handle.close();
      }
    },
    async append(ctx, seals, after) {
      const lock = await lockFile(ctx, path);
      try {
        return await appendBehind(path, seals, after, lock);
      } finally {
        await lock.release();
      }
    },
  };
}

async function appendBehind(
  path: string,
  seals: readonly Seal[],
  after: Seal | undefined,
  lock: FileLock,
): Promise<boolean> {
  const handle = await open(path, "a+", 0o600);
  let isNew: boolean;
  try {
    const { size, wholeBytes, line } = await readEnd(path, handle);
    isNew = size === 0;
    const last = parseLast(path, line);
    if ((last && hashOfSeal(last)) !== (after && hashOfSeal(after)) || !(await lock.isHeld())) return false;
    // What a process wrote that was killed at it.
    if (wholeBytes < size) await handle.truncate(wholeBytes);
    await handle.appendFile(seals.map((seal) => `${JSON.stringify(seal)}\n`).join(""));
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (isNew) await flushFolder(dirname(path));
  return true;
}

const parseLast = (path: string, line: string | undefined): Seal | undefined =>
  line === undefined ? undefined : (parseLine(line) ?? fail(path, "its last line is no seal"));

/** The last whole line, and how many bytes there are up to its end. */
async function readEnd(
  path: string,
  handle: FileHandle,
): Promise<{ readonly size: number; readonly wholeBytes: number; readonly line: string | undefined }> {
  const { size } = await handle.stat();
  const from = Math.max(0, size - 2 * maxLineBytes);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
  const text = buffer.subarray(0, bytesRead);
  const end = text.lastIndexOf("\n");
  const partial = text.toString("utf8", end + 1);
  // What is cut off must be ours: the path of another file may have been given by mistake.
  if (!partial.startsWith(lineBegin.slice(0, partial.length)) || partial.length > maxLineBytes)
    fail(path, "it does not end as a file of seals does");
  if (end < 0) return { size, wholeBytes: 0, line: undefined };
  const begin = end === 0 ? 0 : text.lastIndexOf("\n", end - 1) + 1;
  return { size, wholeBytes: from + end + 1, line: text.toString("utf8", begin, end) };
}

/** How far a file of seals reaches now, in bytes; undefined where there is none. */
export const sizeOfSealFile = async (path: string): Promise<number | undefined> =>
  await stat(path).then(
    ({ size }) => size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    },
  );

/**
 * The seals of a file up to a size in order, each following on the one before. Throws `security.seal_file_damaged`, naming the line.
 */
export async function* readSealFile(path: string, bytes: number): AsyncGenerator<Seal> {
  if (bytes === 0) return;
  /** The hashes of the latest seals, to know those that stand there twice. */
  const latest = new Map<number, string>();
  let last: Seal | undefined;
  let at = 0;
  for await (const line of readLines(path, bytes)) {
    at += 1;
    const seal = parseLine(line) ?? fail(path, "it is no seal", at);
    if (latest.get(seal.number) === hashOfSeal(seal)) continue;
    const reason = findBreak(last, seal);
    if (reason !== undefined) fail(path, reason, at);
    last = seal;
    latest.set(seal.number, hashOfSeal(seal));
    latest.delete(seal.number - maxRepeated);
    yield seal;
  }
}

/** The whole lines of a file up to a size. One that is still being written, or was cut off, is no line yet. */
async function* readLines(path: string, bytes: number): AsyncGenerator<string> {
  let rest = "";
  let at = 0;
  for await (const chunk of createReadStream(path, { encoding: "utf8", end: bytes - 1 }) as AsyncIterable<string>) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      at += 1;
      yield line;
    }
    if (rest.length > maxLineBytes) fail(path, "it is too long for a seal", at + 1);
  }
}

function parseLine(line: string): Seal | undefined {
  try {
    return readSeal(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** Throws `security.seal_file_damaged`. */
function fail(path: string, reason: string, at?: number): never {
  throw new ViableError("security.seal_file_damaged", `${path}${at === undefined ? "" : `, line ${at}`}: ${reason}.`, {
    next: "Keep it, it may be evidence, and move it away: a new one is then begun from the seals in the log.",
  });
}

/** The new name is on the disk too, where the file system lets a folder be flushed. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}
