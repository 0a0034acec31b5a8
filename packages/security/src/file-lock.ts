import { mkdir, open, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "@viable/kernel";
import { sleep, ViableError } from "@viable/kernel";

/** A file that is ours to write to until we let go of it. */
export interface FileLock {
  /** Whether it still is: another process may have taken us for dead. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

/** A claim that stands for so long, in milliseconds, is of a process that died: what is done under one takes a thousandth of it. */
const abandonedAfterMs = 10_000;
/** How long to wait for others, in milliseconds: for one that died, and for some that live. */
const waitMs = 30_000;
/** How often to look whether they are done, in milliseconds, give or take a half. */
const lookEveryMs = 20;

/**
 * Claims a file for this process, and waits for whoever has it. Throws `security.file_locked` where that does not end.
 *
 * Beside the file stands `<file>.lock/`, with one empty file for each claim. Each claimant first adds its own and then looks for others':
 * of two, at least the later one sees the other, takes its own back and comes again, so no two ever have it. No name is used twice, so
 * taking a dead process's claim away never takes a living one's. Who lives is told by waiting, not by process numbers: those say nothing
 * between containers and machines that share the folder.
 *
 * Not promised: that whoever stood still for ten seconds, while its machine slept for instance, still has it. So ask `isHeld` last.
 */
export async function lockFile(ctx: Context, path: string): Promise<FileLock> {
  const { clock, random } = ctx.runtime;
  const claims = `${path}.lock`;
  const untilMs = clock.monotonicMs() + waitMs;
  /** When each of the others' claims was first seen. */
  let seenMs: ReadonlyMap<string, number> = new Map();
  for (;;) {
    let others = await listClaims(claims);
    if (others.length === 0) {
      const own = `${process.pid}-${Buffer.from(random.bytes(8)).toString("hex")}`;
      await addClaim(claims, own);
      const release = async () => {
        await rm(join(claims, own), { force: true });
        // Left standing where another claim is in it.
        await rmdir(claims).catch(() => {});
      };
      try {
        others = (await listClaims(claims)).filter((name) => name !== own);
      } catch (error) {
        await release();
        throw error;
      }
      if (others.length === 0) return { isHeld: async () => (await listClaims(claims)).includes(own), release };
      await release();
    }
    const nowMs = clock.monotonicMs();
    if (nowMs >= untilMs) {
      throw new ViableError("security.file_locked", `Others have been writing to ${path} for ${waitMs / 1_000} s.`, {
        retryable: true,
        next: `It is tried again. If it goes on, look which processes write there; their claims lie in ${claims}.`,
      });
    }
    seenMs = new Map(others.map((name) => [name, seenMs.get(name) ?? nowMs]));
    for (const [name, firstMs] of seenMs)
      if (nowMs - firstMs >= abandonedAfterMs) await rm(join(claims, name), { force: true });
    await sleep(ctx, lookEveryMs * (0.5 + random.next()));
  }
}

async function listClaims(claims: string): Promise<string[]> {
  return await readdir(claims).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
}

/** How often the claims' folder may vanish under us, because its last owner leaves, before something else is wrong. */
const maxTries = 10;

async function addClaim(claims: string, own: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    await mkdir(claims, { recursive: true, mode: 0o700 });
    try {
      await (await open(join(claims, own), "wx", 0o600)).close();
      return;
    } catch (error) {
      if (tries >= maxTries || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
