// What opening the embedded database does not cost: V8's optimising what hardly runs, and buffers for many processes.
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@viable/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PgliteSession } from "./pglite-session.ts";
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

test.each([
  ["in a directory", () => ({ dataDir })],
  ["in memory", () => ({ cacheDir: process.env.VIABLE_TEST_CACHE_DIR })],
])("a database %s has 32 MB of buffers", async (_, place) => {
  const session = new PgliteSession(place(), systemClock);
  await session.open();
  expect(await session.read({ text: "SHOW shared_buffers" }, [])).toEqual([{ shared_buffers: "32MB" }]);
  await session.close();
});
