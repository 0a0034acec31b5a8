import { statfs } from "node:fs/promises";
import { messageOf } from "./message-of.ts";

/** Less than this and the database cannot even start: its write-ahead log comes in files of 16 MiB. */
const minFreeBytes = 16 * 1024 * 1024;

/** How the system says it, and whoever passes on what it said. */
export const saysNoSpace = (message: string): boolean => /no space left on device/i.test(message);

/**
 * Whether something failed since the disk of a database is full. Where PGlite does not start it may not say why; of the reasons, this is
 * the one that an operator can do something about. A file system that tells no size (some in user space) tells nothing by what is free, either.
 */
export async function isDiskFull(dataDir: string | undefined, error: unknown): Promise<boolean> {
  if (dataDir === undefined) return false;
  if (saysNoSpace(messageOf(error))) return true;
  const disk = await statfs(dataDir).catch(() => undefined);
  return disk !== undefined && disk.blocks > 0 && disk.bavail * disk.bsize < minFreeBytes;
}
