import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** What a disk may hold, in MB. Sparse: it takes no more room than is written to it. */
const diskMb = 1_500;
/** How often a copy is tried that the kernel wrote into. It does so for moments, every few seconds. */
const maxCopies = 100;

/** A disk as a power cut left it, mounted. */
export interface CutDisk extends Disposable {
  readonly folder: string;
}

/**
 * A file system on a disk of its own, of which one can have what a power cut at this moment would leave. The disk is a file behind a
 * loop device: what a process has written and nobody has flushed is in the memory of the file system above and not in the file.
 *
 * What this does not show: a disk that lies, or that loses what it was sent and not yet told to flush. Everything that reached the
 * device counts as kept.
 */
export class Disk implements Disposable {
  readonly #place: string;
  readonly folder: string;
  readonly #device: string;

  /** Throws, with the reason, where this machine does not let us mount. */
  constructor() {
    if (process.platform !== "linux" || process.getuid?.() !== 0 || !existsSync("/dev/loop-control")) {
      throw new Error(
        "Images of a disk need Linux, root and loop devices: they are made on a file system mounted from a file.",
      );
    }
    this.#place = mkdtempSync(join(tmpdir(), "viable-disk-"));
    // The database's own account must find its way in.
    chmodSync(this.#place, 0o755);
    this.folder = join(this.#place, "disk");
    mkdirSync(this.folder);
    const file = this.#file("disk.img");
    writeFileSync(file, "");
    truncateSync(file, diskMb * 1024 * 1024);
    // Everything is initialised now: what the kernel would write later by itself would disturb the copies.
    execFileSync("mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", file]);
    execFileSync("mount", ["-o", "loop", file, this.folder]);
    chmodSync(this.folder, 0o777);
    const mounted = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .find((line) => line.split(" ")[1] === this.folder);
    this.#device = basename(mounted?.split(" ")[0] ?? "");
  }

  /** Writes out everything that is still in memory: how a disk is that has long been at rest. */
  sync(): void {
    execFileSync("sync", ["-f", this.folder]);
  }

  /**
   * The disk as a power cut at this moment would leave it. Nobody may be writing. The kernel may: a copy during which it wrote would
   * be of no moment at all, and is made again.
   */
  async cut(): Promise<CutDisk> {
    const copy = this.#file("cut.img");
    for (let copies = 1; ; copies++) {
      const before = this.#written();
      execFileSync("cp", ["--sparse=always", this.#file("disk.img"), copy]);
      if (before !== undefined && this.#written() === before) break;
      if (copies === maxCopies) throw new Error(`The disk did not rest for as long as ${maxCopies} copies took.`);
      await setTimeout(20);
    }
    const folder = join(this.#place, "cut");
    mkdirSync(folder);
    execFileSync("mount", ["-o", "loop", copy, folder]);
    return {
      folder,
      [Symbol.dispose]: () => {
        unmount(folder);
        rmSync(folder, { recursive: true });
        rmSync(copy);
      },
    };
  }

  /** How many sectors have ever been written to the device; undefined while some are on their way. */
  #written(): string | undefined {
    const fields = readFileSync(`/sys/block/${this.#device}/stat`, "utf8").trim().split(/\s+/);
    return fields[8] === "0" ? fields[6] : undefined;
  }

  #file(name: string): string {
    return join(this.#place, name);
  }

  [Symbol.dispose](): void {
    unmount(this.folder);
    rmSync(this.#place, { recursive: true });
  }
}

/** Whoever was killed a moment ago may still hold it: it is taken out of sight at once, and goes when the last has let go. */
function unmount(folder: string): void {
  execFileSync("umount", ["--lazy", folder]);
}
