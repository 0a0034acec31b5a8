// A directory has a whole database or none, at whatever moment the process that fills it ends, and stays the directory that it was.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { databaseMark, lookInto, making, moving, restoring } from "./database-directory.ts";
import { beginPart, finishMove, moveUp } from "./move-up.ts";

let folder: string;
let directory: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "viable-move-"));
  directory = join(folder, "db");
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** The names of what stands for a database, as they come from the disk, with files in its folders. */
const names = [databaseMark, "base", "global", "pg_wal", "postgresql.conf"];
const folders = ["base", "global", "pg_wal"];

function fill(part: string): void {
  for (const name of names) {
    if (folders.includes(name)) mkdirSync(join(part, name));
    writeFileSync(folders.includes(name) ? join(part, name, "file") : join(part, name), name);
  }
}

const contents = () => readdirSync(directory, { recursive: true }).sort();
const whole = [...names, ...folders.map((name) => join(name, "file"))].sort();

test("what was left of a part is cleared away, and what is filled moves up and leaves nothing behind", async () => {
  mkdirSync(join(directory, making, "left"), { recursive: true });
  expect(await lookInto(directory)).toBe("nothing");
  const part = await beginPart(directory, making);
  expect(readdirSync(part)).toEqual([]);
  fill(part);
  await moveUp(part);
  expect(contents()).toEqual(whole);
  expect(await lookInto(directory)).toBe("database");
});

test("the directory stays the same, with its owner and its mode", async () => {
  mkdirSync(directory);
  chmodSync(directory, 0o2750);
  // Only root may give it away.
  if (process.getuid?.() === 0) chownSync(directory, 65_534, 65_534);
  const { ino, uid, gid, mode } = statSync(directory);
  const part = await beginPart(directory, making);
  fill(part);
  await moveUp(part);
  expect(statSync(directory)).toMatchObject({ ino, uid, gid, mode });
});

test.each(names)("a move that ends at %s has not moved the mark, counts as whole, and goes on", async (name) => {
  const part = await beginPart(directory, making);
  fill(part);
  // Where a folder of that name stands nothing moves.
  mkdirSync(join(directory, name, "in the way"), { recursive: true });
  await expect(moveUp(part)).rejects.toThrow();
  expect(readdirSync(join(directory, moving))).toEqual(expect.arrayContaining([databaseMark, name]));
  expect(await lookInto(directory)).toBe("database");
  rmSync(join(directory, name), { recursive: true });
  await finishMove(directory);
  expect(contents()).toEqual(whole);
});

test("a move of which only its folder is left goes on, too, and where there is none nothing happens", async () => {
  mkdirSync(join(directory, moving), { recursive: true });
  writeFileSync(join(directory, databaseMark), "");
  await finishMove(directory);
  await finishMove(directory);
  expect(contents()).toEqual([databaseMark]);
});

test.each([
  [[], "nothing"],
  [[making], "nothing"],
  // A volume that is a whole file system.
  [["lost+found"], "nothing"],
  [["lost+found", restoring], "restore"],
  [[restoring, making], "restore"],
  [["notes"], "files"],
  [[making, "notes"], "files"],
  [[restoring, "notes"], "files"],
  [[moving, "base"], "database"],
  [[databaseMark, "base"], "database"],
])("a directory with %j in it holds: %s", async (inside, found) => {
  for (const name of inside) mkdirSync(join(directory, name), { recursive: true });
  expect(await lookInto(directory)).toBe(found);
});

/** Runs something as somebody who is not root: root may read everything. */
async function asSomebody(run: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return await run();
  chownSync(folder, 65_534, 65_534);
  process.seteuid?.(65_534);
  try {
    await run();
  } finally {
    process.seteuid?.(0);
  }
}

test("a folder that may be written and not read is no obstacle: its names are the system's to keep", async () => {
  chmodSync(folder, 0o300);
  await asSomebody(async () => {
    const part = await beginPart(directory, making);
    fill(part);
    await moveUp(part);
  });
  chmodSync(folder, 0o700);
  expect(contents()).toEqual(whole);
});

test("a directory that cannot be read is an error, and not one that holds files", async () => {
  mkdirSync(directory, { mode: 0o300 });
  await asSomebody(async () => {
    await expect(lookInto(directory)).rejects.toMatchObject({ code: "EACCES" });
  });
});

/** Has the system refuse to write directories' names (a directory can be asked, and the answer is an error), with what it says then. */
async function refuseDirectories(code: string): Promise<{ refused: number }> {
  await using handle = await open(folder);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  const counted = { refused: 0 };
  const sync = prototype.sync;
  vi.spyOn(prototype, "sync").mockImplementation(async function (this: FileHandle) {
    if (!(await this.stat()).isDirectory()) return await sync.call(this);
    counted.refused += 1;
    throw Object.assign(new Error(`${code}: fsync`), { code });
  });
  return counted;
}

test.each(["EINVAL", "EBADF"])(
  "a file system that cannot be told to write directories (%s) is no obstacle",
  async (code) => {
    const counted = await refuseDirectories(code);
    const part = await beginPart(directory, making);
    fill(part);
    await moveUp(part);
    expect(counted.refused).toBeGreaterThan(folders.length);
    expect(contents()).toEqual(whole);
  },
);

test("a disk that fails to write them is", async () => {
  await refuseDirectories("EIO");
  const part = await beginPart(directory, making);
  fill(part);
  await expect(moveUp(part)).rejects.toMatchObject({ code: "EIO" });
  expect(await lookInto(directory)).toBe("nothing");
});
