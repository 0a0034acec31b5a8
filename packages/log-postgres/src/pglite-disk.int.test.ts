// The disk under an embedded database: one that is too small for it, and one that is mounted right at its directory, as a container's volume is.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "viable-disk-"));
  mkdirSync(join(folder, "disk"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What a program says that runs with a disk of a size mounted at `<folder>/disk`, in a namespace of its own: the mount is gone with it. */
function runOnDisk(sizeMiB: number, program: string): unknown {
  const script = 'mount -t tmpfs -o size="$0"m tmpfs "$1" && shift && exec "$@"';
  const args = ["--conditions=viable-source", "--input-type=module", "-e", program];
  // Without root, as root of a user namespace.
  const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const words = [
    ...asRoot,
    "--mount",
    "sh",
    "-c",
    script,
    String(sizeMiB),
    join(folder, "disk"),
    process.execPath,
    ...args,
  ];
  return JSON.parse(execFileSync("unshare", words, { cwd: import.meta.dirname, encoding: "utf8" }));
}

const program = (dataDir: string, keptIn: string | undefined, use: string) => `
  import { readdirSync } from "node:fs";
  import { createMemoryStore } from "@viable/log";
  import { createPgliteStore } from "@viable/log-postgres";
  const dataDir = ${JSON.stringify(dataDir)};
  const store = createPgliteStore(${JSON.stringify({ dataDir, cacheDir: keptIn })});
  const append = { streams: [], records: [{ key: "k", expected: -1, value: "1", expiresAt: null }] };
  const codeOf = ({ code, retryable }) => ({ code, retryable });
  console.log(JSON.stringify(await (async () => { ${use} })()));`;

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

test.each([
  ["unpacked", "open()", cacheDir],
  ["made by initdb", "open()", undefined],
  ["restored", "restore(createMemoryStore().snapshot())", cacheDir],
])(
  "a disk that is too small for a new database is told as such when one is %s, and left empty",
  (_how, begin, keptIn) => {
    const dataDir = join(folder, "disk", "db");
    const use = `
    const told = [];
    for (let time = 0; time < 2; time++) told.push(await store.${begin}.catch(codeOf));
    return { told, left: readdirSync(dataDir) };`;
    const full = { code: "log.no_space", retryable: false };
    expect(runOnDisk(20, program(dataDir, keptIn, use))).toEqual({ told: [full, full], left: [] });
  },
);

test.each(["open()", "restore(createMemoryStore().snapshot())"])(
  "a directory that is itself what is mounted: %s",
  (begin) => {
    const use = `
    await store.${begin};
    await store.commit([append], 1);
    await store.close();
    await store.open();
    const { change } = await store.head();
    await store.close();
    return { change, hidden: readdirSync(dataDir).filter((name) => name.startsWith(".")) };`;
    expect(runOnDisk(200, program(join(folder, "disk"), cacheDir, use))).toEqual({ change: 1, hidden: [] });
  },
);
