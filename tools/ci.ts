// bash .ci/run: type check, lint and every tier of tests, one after the other, and their sum. Nothing is skipped silently.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { countTests } from "./ci-count.ts";

const root = join(import.meta.dirname, "..");
const reports = join(root, ".cache", "ci");
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };
// A tier is a script named `test` or `test:NAME` that hands its arguments on to Vitest. Naming one is all it takes to be run here.
const tiers = Object.keys(scripts).filter((name) => name === "test" || name.startsWith("test:"));
const checks = Object.keys(scripts).filter((name) => name === "check" || name.startsWith("lint:"));

let passed = 0;
const failures: string[] = [];

for (const name of checks) {
  if (runScript(name) === 0) passed += 1;
  else failures.push(`npm run ${name}`);
}
for (const name of tiers) {
  const report = join(reports, `${name.replace(":", "-")}.json`);
  const status = runScript(name, ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`]);
  const count = countTests(name, readReport(report), status);
  passed += count.passed;
  failures.push(...count.failures.map((failure) => failure.replace(`${root}/`, "")));
}

if (failures.length > 0) console.log(`\nFailed:\n${failures.map((failure) => `  ${failure}`).join("\n")}`);
console.log(`\n${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length > 0 ? 1 : 0;

/** Runs an npm script the way a person would, and answers its exit status. */
function runScript(name: string, args: readonly string[] = []): number {
  console.log(`\n> npm run ${name}`);
  const done = spawnSync("npm", ["run", "--silent", name, ...(args.length > 0 ? ["--", ...args] : [])], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (done.error) console.error(done.error.message);
  return done.status ?? 1;
}

/** What Vitest reported; undefined where it died before it could. */
function readReport(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
