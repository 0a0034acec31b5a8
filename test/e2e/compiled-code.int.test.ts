// Where the command line keeps what it has compiled: code that a later call runs, so nowhere that others write, and never in the folder
// one happens to stand in.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { viableCommand } from "./cli.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "viable-compiled-"));
  for (const name of ["home", "here"]) mkdirSync(join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** `viable --version` in the folder `here`, by a shell that others' write permission is given by, with this environment and no more. */
function askVersion(environment: Record<string, string>, uid?: number): void {
  const command = ["-c", 'umask 002; exec "$@"', "sh", process.execPath, viableCommand, "--version"];
  const env = { PATH: process.env.PATH, ...environment };
  const done = spawnSync("sh", command, {
    cwd: join(folder, "here"),
    env,
    encoding: "utf8",
    ...(uid !== undefined && { uid }),
  });
  expect(done.stderr).toBe("");
  expect(done.stdout).toMatch(/^\d+\.\d+\.\d+/);
  expect(done.status).toBe(0);
  expect(readdirSync(join(folder, "here"))).toEqual([]);
}

/** How many files there are below a folder of the test's. */
const filesIn = (...path: string[]): number =>
  readdirSync(join(folder, ...path), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;

test.each([
  ["no folder is named", {}],
  ["a relative one is", { XDG_CACHE_HOME: "caches" }],
  ["an empty one is", { XDG_CACHE_HOME: "", NODE_COMPILE_CACHE: "" }],
])("in the home folder where %s, in a folder of the user alone", (_when, environment) => {
  askVersion({ HOME: join(folder, "home"), ...environment });
  expect(filesIn("home", ".cache", "viable", "compiled")).toBeGreaterThan(0);
  expect(statSync(join(folder, "home", ".cache", "viable")).mode & 0o777).toBe(0o700);
});

test.each([
  ["no home folder", { HOME: "" }],
  ["one that is relative", { HOME: "home" }],
])("nowhere where there is %s", (_what, environment) => {
  askVersion(environment);
});

// Only root may run something as somebody else.
test.runIf(process.getuid?.() === 0)("nowhere for a user whom the system knows nothing of", () => {
  chmodSync(folder, 0o755);
  askVersion({}, 64_321);
});

test.each([
  ["the folder", []],
  ["the one inside of it", ["compiled"]],
])("nowhere where others may write %s", (_which, below) => {
  const cache = join(folder, "caches", "viable");
  mkdirSync(join(cache, "compiled"), { recursive: true, mode: 0o700 });
  chmodSync(join(cache, ...below), 0o770);
  askVersion({ XDG_CACHE_HOME: join(folder, "caches") });
  expect(filesIn("caches")).toBe(0);
});

test("where the user has said", () => {
  askVersion({ HOME: join(folder, "home"), NODE_COMPILE_CACHE: join(folder, "elsewhere") });
  expect(filesIn("elsewhere")).toBeGreaterThan(0);
  expect(readdirSync(join(folder, "home"))).toEqual([]);
});
