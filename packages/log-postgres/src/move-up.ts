import { mkdir, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { databaseMark, moving } from "./database-directory.ts";

// How a directory comes by a database that is whole or not there, whenever the process is killed. The directory itself stays what it is: it
// may be what is mounted, and its owner and mode are somebody's choice.
//
// States: empty → being filled (a part, in the directory) → moving (the part is whole, on the disk, and called `moving`; what is in it moves
// up, the mark last) → whole. Killed while it is filled, the part is cleared away and begun anew. Killed while it moves, the rest moves up
// at the next start: so nothing in the directory ever has to be told from what is somebody else's.
//
// Whoever calls this has the directory for himself.

/** As many as Node's threads for files are, where nobody has set another number: more would only wait there. */
const maxSyncs = 4;

/** Makes an empty folder in a directory, to be filled and moved up. What a killed process has left there is cleared away. */
export async function beginPart(directory: string, name: string): Promise<string> {
  const part = join(directory, name);
  await rm(part, { recursive: true, force: true });
  await mkdir(part, { recursive: true });
  return part;
}

/** Moves up what a part holds, a whole database, when it is on the disk. */
export async function moveUp(part: string): Promise<void> {
  const directory = dirname(part);
  await syncBelow(part);
  await rename(part, join(directory, moving));
  await finishMove(directory);
  // Its own name may be new.
  await syncDirectory(dirname(directory));
}

/** Goes on where a move was cut short, if one was. */
export async function finishMove(directory: string): Promise<void> {
  const from = join(directory, moving);
  const names = await readdir(from).catch(unless("ENOENT"));
  if (names === undefined) return;
  const up = (name: string) => rename(join(from, name), join(directory, name));
  for (const name of names) if (name !== databaseMark) await up(name);
  await syncDirectory(directory);
  if (names.includes(databaseMark)) await up(databaseMark);
  await rmdir(from);
  await syncDirectory(directory);
}

/** Returns when the disk has a directory and all that is in it: a name must not outlive a power cut that its content does not. */
async function syncBelow(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const rest = entries.values();
  const work = async () => {
    for (const entry of rest) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isDirectory()) await syncDirectory(path);
      else if (entry.isFile()) await syncFile(path);
    }
  };
  await Promise.all(Array.from({ length: maxSyncs }, work));
  await syncDirectory(directory);
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r+");
  await file.sync();
}

/**
 * Has the disk write a directory's names, where that can be had. As PostgreSQL sees it, it cannot where a directory may not be read, and on
 * file systems (over a network, in user space) that take no such request; Windows knows none.
 */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const opened = await open(path, "r").catch(unless("EACCES", "EISDIR"));
  if (opened === undefined) return;
  await using directory = opened;
  await directory.sync().catch(unless("EINVAL", "EBADF"));
}

/** Passes over errors with one of these codes. */
const unless =
  (...codes: readonly string[]) =>
  (error: NodeJS.ErrnoException): undefined => {
    if (!codes.includes(error.code ?? "")) throw error;
  };
