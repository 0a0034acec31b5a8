// npm run bench -- [NAME] [--case CASE] [--quick] [--json FILE]: measures us beside peers and beside the bare thing underneath.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printTable } from "../bench/harness/print-table.ts";
import type { BenchOptions, Row } from "../bench/harness/row.ts";

const root = join(import.meta.dirname, "..");
const folder = join(root, "bench");
const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, "bench.ts")));

const { values, positionals } = parseArgs({
  options: { case: { type: "string" }, quick: { type: "boolean", default: false }, json: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !names.includes(name));
if (unknown !== undefined || positionals.length > 1 || (values.case !== undefined && positionals.length === 0)) {
  console.error(
    `Usage: npm run bench -- [NAME] [--case CASE] [--quick] [--json FILE]\nNAME is one of ${names.join(", ")}.`,
  );
  process.exit(2);
}

installPeers();
const options: BenchOptions = {
  quick: values.quick,
  ...(values.case !== undefined && { case: values.case }),
  note: (line) => console.error(line),
};
const rows: Row[] = [];
for (const name of positionals.length === 0 ? names : positionals) {
  const { bench, cases = [] } = (await import(join(folder, name, "bench.ts"))) as {
    bench(options: BenchOptions): Promise<readonly Row[]>;
    readonly cases?: readonly string[];
  };
  if (values.case !== undefined && !cases.includes(values.case)) {
    console.error(`${name} has ${cases.length === 0 ? "one case only" : `these cases: ${cases.join(", ")}`}.`);
    process.exit(2);
  }
  const measured = await bench(options);
  console.log(`\n${printTable(measured)}`);
  rows.push(...measured);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ ...measuredOn(), rows }, null, 2)}\n`);

/** What was measured, when and where. A measurement is of a commit, or it says that it is not. */
function measuredOn() {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  // Results change nothing of what is measured, and are often not yet committed.
  const isChanged = git("status", "--porcelain", "--", ":(top)", ":(exclude,top)bench/results") !== "";
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: `${git("rev-parse", "--short", "HEAD")}${isChanged ? " and changes" : ""}`,
    form: values.quick ? "quick" : "full",
    node: process.versions.node,
    cores: cpus().length,
    server: process.env.DATABASE_URL ? "DATABASE_URL" : "started from npm's package",
  };
}

/** Peers are installed when somebody measures, and never with us. The stamp says which lockfile was installed to the end. */
function installPeers(): void {
  const peers = join(folder, "peers");
  const stamp = join(peers, "node_modules", ".viable-lock");
  const hash = createHash("sha256")
    .update(readFileSync(join(peers, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  console.error("Installing what we are measured beside ...");
  const flags = ["ci", "--no-workspaces", "--loglevel=error"];
  const npm = process.env.npm_execpath; // set when npm runs us: the same npm again
  const installed = npm
    ? spawnSync(process.execPath, [npm, ...flags], { cwd: peers, stdio: ["ignore", 2, 2] })
    : spawnSync("npm", flags, { cwd: peers, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (installed.status !== 0) process.exit(installed.status ?? 1);
  writeFileSync(stamp, hash);
}
