import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Violation } from "./check-log.ts";
import type { FillDiskSettings } from "./fill-disk.ts";

/** What came of a database whose disk was full for a while. */
export interface FullDisk {
  readonly acknowledged: number;
  readonly acknowledgedWithRoomAgain: number;
  /** How often writers were told `log.no_space`, and how often that nobody knows. */
  readonly toldNoSpace: number;
  readonly toldUnavailable: number;
  /** How many appends had been written though their writer was told that they were not. */
  readonly toldNoSpaceAndKept: number;
  /** Whether the server had ended by itself and had to be started again. */
  readonly serverEnded: boolean;
  readonly freeAtFullMb: number;
  readonly violations: readonly Violation[];
}

/** An empty database takes 40 MB, PostgreSQL's write-ahead log up to 80 MB. */
const fileSystemMb = 300;

/**
 * Fills a file system of its own up. It is mounted in a namespace of its own and gone with it; who is not root is allowed to in a user
 * namespace, and stays who he is there, since PostgreSQL runs under no root.
 */
export async function fillDisk(settings: Omit<FillDiskSettings, "folder">): Promise<FullDisk> {
  const folder = mkdtempSync(join(tmpdir(), "viable-full-"));
  const isRoot = process.getuid?.() === 0;
  const script = `mount -t tmpfs -o size=${fileSystemMb}m,mode=777 tmpfs "$0" && exec "$@"`;
  const program = fileURLToPath(new URL("./fill-disk.ts", import.meta.url));
  const child = spawn(
    "unshare",
    [
      ...(isRoot ? [] : ["--user", "--map-current-user", "--keep-caps"]),
      ...["--mount", "sh", "-c", script, folder],
      ...[process.execPath, "--conditions=viable-source", program, JSON.stringify({ ...settings, folder })],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const [status, signal] = await once(child, "close");
  rmSync(folder, { recursive: true, force: true });
  if (status !== 0) throw new Error(`The program that fills the disk ended with ${status ?? signal}.\n${err}`);
  return JSON.parse(out) as FullDisk;
}
