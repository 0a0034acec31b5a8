import { chmod, mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

/** How many files wait for the disk at once: a file system writes what several wait for together. */
const maxSyncs = 16;

/**
 * Makes a directory that is whole or not there: `fill` fills an empty one beside it, which takes its place (and its mode) when all is in
 * it and on the disk. The directory itself is not there yet, or empty; one that holds anything is left as it is, and this rejects.
 *
 * A process that is killed leaves what lies beside, and the next call clears it away; one that fails clears it away itself. Whoever calls
 * this has the directory for himself.
 */
export async function fillBeside(directory: string, beside: string, fill: () => Promise<void>): Promise<void> {
  await rm(beside, { recursive: true, force: true });
  await mkdir(beside);
  try {
    const placeholder = await stat(directory).catch(ifThere);
    if (placeholder !== undefined) await chmod(beside, placeholder.mode & 0o7777);
    await fill();
    await syncBelow(beside);
    // On Windows nothing takes the place of a directory, even of an empty one.
    await rmdir(directory).catch(ifThere);
    await rename(beside, directory);
  } catch (error) {
    // What cannot be removed either is left to the next call; this is the error to tell.
    await rm(beside, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(directory));
}

function ifThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

/** Returns when the disk has a directory and all that is in it: a name must not outlive a power cut that its content does not. */
async function syncBelow(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const rest = entries.values();
  const work = async () => {
    for (const entry of rest) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isDirectory()) await syncDirectory(path);
      else if (entry.isFile()) await sync(path, "r+");
    }
  };
  await Promise.all(Array.from({ length: maxSyncs }, work));
  await syncDirectory(directory);
}

/** Windows has no such thing, and keeps names in order by itself. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform !== "win32") await sync(directory, "r");
}

async function sync(path: string, flags: "r" | "r+"): Promise<void> {
  await using file = await open(path, flags);
  await file.sync();
}
