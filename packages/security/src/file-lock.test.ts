/** That a file is one claimant's at a time, that a dead one's claim is taken away, and that whoever lost a claim can know it. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { afterAll, expect, test } from "vitest";
import { lockFile } from "./file-lock.ts";

const folder = mkdtempSync(join(tmpdir(), "viable-file-lock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A context in simulated time, which goes on until a promise is settled: files are in the machine's own. */
function simulated() {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time }));
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const end = () => {
      done = true;
    };
    promise.then(end, end);
    while (!done) await time.advance(10);
    return await promise;
  };
  return { time, ctx, settled };
}

test("of many that want it at once each gets it, and no two have it", { timeout: 30_000 }, async () => {
  const ctx = rootContext(createRuntime());
  const path = join(folder, "wanted");
  let holders = 0;
  let turns = 0;
  const takeTurn = async () => {
    const lock = await lockFile(ctx, path);
    holders += 1;
    expect(holders).toBe(1);
    expect(await lock.isHeld()).toBe(true);
    turns += 1;
    holders -= 1;
    await lock.release();
  };
  await Promise.all(Array.from({ length: 8 }, takeTurn));
  expect(turns).toBe(8);
  expect(readdirSync(folder)).not.toContain("wanted.lock");
});

test("the claim of one that died is taken away after ten seconds", async () => {
  const { time, ctx, settled } = simulated();
  const path = join(folder, "dead");
  mkdirSync(`${path}.lock`);
  writeFileSync(join(`${path}.lock`, "1-dead"), "");
  const beganMs = time.now();
  const lock = await settled(lockFile(ctx, path));
  expect(time.now() - beganMs).toBeGreaterThanOrEqual(10_000);
  expect(readdirSync(`${path}.lock`)).toHaveLength(1);
  await lock.release();
});

test("whoever stood still for longer has lost it, and can know", async () => {
  const { ctx, settled } = simulated();
  const path = join(folder, "asleep");
  const asleep = await settled(lockFile(ctx, path));
  const next = await settled(lockFile(ctx, path));
  expect([await asleep.isHeld(), await next.isHeld()]).toEqual([false, true]);
  // What it lets go of is not the other's.
  await asleep.release();
  expect(await next.isHeld()).toBe(true);
  await next.release();
});

test("nobody waits without end for others that have it by turns", async () => {
  const { time, ctx } = simulated();
  const path = join(folder, "busy");
  mkdirSync(`${path}.lock`);
  writeFileSync(join(`${path}.lock`, "2-0"), "");
  let refused: unknown;
  lockFile(ctx, path).catch((error: unknown) => {
    refused = error;
  });
  for (let turn = 1; refused === undefined; turn++) {
    // The next one comes before the one before it goes.
    writeFileSync(join(`${path}.lock`, `2-${turn}`), "");
    rmSync(join(`${path}.lock`, `2-${turn - 1}`));
    await time.advance(100);
  }
  expect(refused).toMatchObject({
    code: "security.file_locked",
    message: expect.stringContaining("30 s"),
  });
});
