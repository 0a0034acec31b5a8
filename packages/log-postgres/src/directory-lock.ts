import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { databaseInUse } from "./errors.ts";

/** A directory that is ours until it is released, or this process ends, however it ends. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Claims a directory for this process, or throws `log.database_in_use`. PGlite itself would let a second process in, and the
 * two would destroy each other's pages.
 *
 * Beside the directory stands `<directory>.lock/`, with one empty file for each claim, named after the claiming process. Each
 * claimant first adds its own file and then looks for others': of two, at least the later one sees the other and goes, so no
 * two ever stay; that the name says all, and is never used again, spares taking over a file that somebody else may be taking
 * over too. Of two that start at the very same moment both may be refused. Claims of processes that are gone count for nothing.
 *
 * Holds between processes of one machine, not between machines or containers that share a directory.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const claims = `${directory}.lock`;
  const own = `${process.pid}-${(await processStart(process.pid)) ?? "unknown"}-${randomBytes(6).toString("hex")}`;
  await addClaim(claims, own);
  const release = async () => {
    await rm(join(claims, own), { force: true });
    // Left standing where another claim is in it.
    await rmdir(claims).catch(() => {});
  };
  try {
    for (const name of await readdir(claims)) {
      if (name === own) continue;
      const pid = await livingOwner(name);
      if (pid !== undefined) throw databaseInUse(directory, pid);
      await rm(join(claims, name), { force: true });
    }
  } catch (error) {
    await release();
    throw error;
  }
  return { release };
}

/** How often the claims' directory may vanish under us, because its last owner leaves, before something else is wrong. */
const maxTries = 10;

async function addClaim(claims: string, own: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    await mkdir(claims, { recursive: true });
    try {
      await (await open(join(claims, own), "wx")).close();
      return;
    } catch (error) {
      if (tries >= maxTries || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** The process behind a claim, where it still runs. A file that is no claim, or of a process whose number was reused, has none. */
async function livingOwner(claim: string): Promise<number | undefined> {
  const match = /^(\d+)-(\d+|unknown)-[0-9a-f]+$/.exec(claim);
  if (match === null) return undefined;
  const pid = Number(match[1]);
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return undefined;
  }
  if (match[2] === "unknown") return pid;
  return (await processStart(pid)) === match[2] ? pid : undefined;
}

/**
 * When a process started, in clock ticks since boot: with its number, its name for as long as the machine runs. Undefined for
 * a process that is gone or only waits to be reaped, and where there is no /proc.
 */
async function processStart(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in brackets, which may hold anything; the rest are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
