// What opening the embedded database does not do: have V8 optimise what hardly runs, which takes longer than all else.
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPgliteStore } from "./pglite-store.ts";

let folder: string;
let dataDir: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "viable-worker-"));
  dataDir = join(folder, "db");
  const store = createPgliteStore({ dataDir, cacheDir: process.env.VIABLE_TEST_CACHE_DIR });
  await store.open();
  await store.close();
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

test("a process that opens a database, asks and closes it has no function of 100 kB optimised", () => {
  const program = `import { createPgliteStore } from "@viable/log-postgres";
    const store = createPgliteStore(${JSON.stringify({ dataDir })});
    await store.open();
    await store.readAll(0, 100, "forward", {});
    await store.close();`;
  const args = ["--conditions=viable-source", "--trace-wasm-compilation-times", "--input-type=module", "-e", program];
  const told = execFileSync(process.execPath, args, { cwd: import.meta.dirname, encoding: "utf8", maxBuffer: 2 ** 26 });
  // V8 tells of each function that it compiles, and how.
  expect(told).toMatch(/using Liftoff, .*bodysize \d/);
  expect(told).not.toMatch(/using TurboFan, .*bodysize \d{6}/);
});
