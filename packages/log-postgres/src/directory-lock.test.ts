// Who may have a directory. The claims of other processes are written by hand: what matters is what their names say.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockDirectory } from "./directory-lock.ts";

let parent: string;
let directory: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "viable-lock-"));
  directory = join(parent, "db");
});
afterEach(() => rm(parent, { recursive: true }));

const claim = async (name: string) => {
  await mkdir(`${directory}.lock`, { recursive: true });
  await writeFile(join(`${directory}.lock`, name), "");
};
const inUse = { code: "log.database_in_use" };

test("one claim at a time; released, it can be had again and leaves nothing behind", async () => {
  const lock = await lockDirectory(directory);
  await expect(lockDirectory(directory)).rejects.toMatchObject({ ...inUse, details: { pid: process.pid } });
  await lock.release();
  const again = await lockDirectory(directory);
  await again.release();
  expect(await readdir(parent)).toEqual([]);
});

test("of many who ask at once, never two have it", async () => {
  for (let round = 0; round < 20; round++) {
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => lockDirectory(directory)));
    const held = results.filter((result) => result.status === "fulfilled");
    expect(held.length).toBeLessThanOrEqual(1);
    for (const { value } of held) await value.release();
  }
});

test("the claim of a process that is gone is taken over", async () => {
  const child = spawn("true");
  await once(child, "exit");
  await claim(`${child.pid}-12345-aa`);
  await claim(`${child.pid}-unknown-bb`);
  const lock = await lockDirectory(directory);
  expect(await readdir(`${directory}.lock`)).toHaveLength(1);
  await lock.release();
});

test.runIf(existsSync("/proc/self/stat"))("a reused process number is not mistaken for its former owner", async () => {
  await claim(`${process.pid}-1-aa`);
  await (await lockDirectory(directory)).release();
});

test.runIf(existsSync("/proc/self/stat"))("the claim of another living process holds", async () => {
  const child = spawn("sleep", ["60"]);
  const stat = await readFile(`/proc/${child.pid}/stat`, "utf8");
  await claim(`${child.pid}-${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}-aa`);
  await expect(lockDirectory(directory)).rejects.toMatchObject({ ...inUse, details: { pid: child.pid } });
  child.kill();
  await once(child, "exit");
  await (await lockDirectory(directory)).release();
});

test("files that are no claims do not keep anybody out", async () => {
  await claim("notes.txt");
  await (await lockDirectory(directory)).release();
});
