#!/usr/bin/env node
// The `viable` command. Plain JavaScript on built-in modules only, for Node 20 and up: it finds a Node that can run the rest.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import module, { createRequire } from "node:module";
import { constants, homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const neededMajor = 24;
const condition = "--conditions=viable-source";
const folder = dirname(dirname(fileURLToPath(import.meta.url)));
// Published packages carry no tsconfig.json: where there is one, this is the repository, which runs from its sources.
const fromSource = existsSync(join(folder, "tsconfig.json"));
const main = join(folder, ...(fromSource ? ["src", "cli", "main.ts"] : ["dist", "cli", "main.js"]));
const args = process.argv.slice(2);

// What was compiled once is kept: a third less to wait for at each call. Node's own place for that is a folder that all users share.
const compiled = findCompiled();
if (compiled === undefined) delete process.env.NODE_COMPILE_CACHE;
else process.env.NODE_COMPILE_CACHE = compiled;

const newEnough = Number.parseInt(process.versions.node, 10) >= neededMajor;
const flags =
  fromSource && !process.execArgv.includes(condition) ? [...process.execArgv, condition] : [...process.execArgv];

if (newEnough && flags.length === process.execArgv.length) {
  process.argv[1] = main;
  if (compiled !== undefined) module.enableCompileCache(compiled);
  await (fromSource ? import("../src/cli/main.ts") : import(pathToFileURL(main).href));
} else if (newEnough) {
  runUnder(process.execPath, process.env);
} else {
  const node = findPackagedNode();
  if (node === undefined) {
    console.error(
      `error: viable needs Node ${neededMajor} or later; this is Node ${process.versions.node}, and none is packaged here for ${process.platform}-${process.arch}.\nInstall Node ${neededMajor} and run this again with it.`,
    );
    process.exit(1);
  }
  runUnder(node, { ...process.env, PATH: dirname(node) + delimiter + process.env.PATH });
}

/**
 * Where the user has said, or in the user's cache folder. It is code that will be run: so nowhere where others may write, and never in the
 * folder one happens to stand in, as a relative or an empty path would have it.
 */
function findCompiled() {
  const { NODE_COMPILE_CACHE: named, XDG_CACHE_HOME: caches } = process.env;
  if (named !== undefined && isAbsolute(named)) return named;
  try {
    const cache = join(caches !== undefined && isAbsolute(caches) ? caches : join(homedir(), ".cache"), "viable");
    const folder = join(cache, "compiled");
    if (!isAbsolute(folder)) return undefined;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return isOurs(cache) && isOurs(folder) ? folder : undefined;
  } catch {
    // There is no home folder, or none that can be written.
    return undefined;
  }
}

/** Where folders have no such owners, as on Windows, those above them keep others out. */
function isOurs(folder) {
  const { uid, mode } = statSync(folder);
  return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
}

/** Goes on as another process. Where the platform allows it takes this one's place, so that its id and its signals are the same. */
function runUnder(node, env) {
  if (process.execve !== undefined && process.platform !== "win32") {
    process.execve(node, [node, ...flags, main, ...args], env);
  }
  const child = spawn(node, [...flags, main, ...args], { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`error: could not start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

/** The Node that a package of this platform brings, as in the repository, where it is pinned. */
function findPackagedNode() {
  const windows = process.platform === "win32";
  try {
    const manifest = createRequire(import.meta.url).resolve(
      `node-${windows ? "win" : process.platform}-${process.arch}/package.json`,
    );
    const node = join(dirname(manifest), "bin", windows ? "node.exe" : "node");
    return existsSync(node) ? node : undefined;
  } catch {
    return undefined;
  }
}
