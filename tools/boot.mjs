// node tools/boot.mjs FILE [ARGS]: installs what the lockfile names, then runs FILE under Node 24.
// Plain JavaScript on built-in modules only, for Node 20 and up: it is what runs before there is anything else.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import module from "node:module";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const windows = process.platform === "win32";
const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
/** The first install of a slow line. Whoever waits longer than this for another's install is told what to look at. */
const maxWaitMs = 10 * 60_000;
/** Between making the lock and naming its holder lies no wait: one that is still nameless after this is nobody's. */
const maxNamelessMs = 5_000;

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail("Usage: node --conditions=viable-source tools/boot.mjs FILE [ARGS]", 2);
const target = resolve(root, script);
const lockfileHash = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");
const stamp = join(root, "node_modules", ".viable-lock");

if (!isInstalled()) await installOnce();
await runUnderNode24();

/** `npm ci` empties node_modules first, so the stamp is there only when an install has come to its end. */
function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === lockfileHash;
}

/** Two commands started at once must not install into one folder at once: the second waits and then finds it done. */
async function installOnce() {
  const lock = join(root, ".cache", "install.lock");
  mkdirSync(dirname(lock), { recursive: true });
  const giveUpAt = Date.now() + maxWaitMs;
  for (let waits = 0; !takeLock(lock); waits++) {
    if (waits === 0) console.error("Waiting for another command that is installing packages ...");
    if (Date.now() > giveUpAt) {
      fail(`Another command has been installing for ${maxWaitMs / 60_000} minutes. If none is running, remove ${lock}`);
    }
    await sleep(200);
    if (isInstalled()) return;
  }
  const release = () => rmSync(lock, { recursive: true, force: true });
  process.on("exit", release);
  if (!isInstalled()) await install(lock);
  release();
  process.off("exit", release);
}

/**
 * The lock is a directory, since making one either succeeds or finds it there. One whose holders have died is taken over, not
 * removed: making `after-PID` inside it succeeds for exactly one of those who noticed.
 */
function takeLock(lock) {
  if (!makeDirectory(lock)) {
    const holders = readHolders(lock);
    if (holders === undefined || holders.some(isAlive)) return false;
    if (!makeDirectory(join(lock, `after-${holders[0] ?? "nobody"}`))) return false;
  }
  writeHolders(lock, process.pid);
  return true;
}

/** We, and the npm we started: killed the hard way, we leave it behind, still at work in node_modules. */
function writeHolders(lock, ...pids) {
  writeFileSync(join(lock, "pids"), pids.join(" "));
}

/** Who holds the lock; nobody where its maker died before saying so, undefined where it has just been made or has just gone. */
function readHolders(lock) {
  try {
    const pids = readFileSync(join(lock, "pids"), "utf8").split(" ").map(Number);
    if (pids.every((pid) => pid > 0)) return pids;
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  try {
    return Date.now() - statSync(lock).mtimeMs > maxNamelessMs ? [] : undefined;
  } catch {
    return undefined;
  }
}

function makeDirectory(path) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (error.code === "EEXIST" || error.code === "ENOENT") return false;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

async function install(lock) {
  console.error("Installing packages (only when package-lock.json changed) ...");
  const flags = ["ci", "--include=dev", "--include=optional", "--loglevel=error"];
  const npm = process.env.npm_execpath; // set when npm runs us: the same npm again
  // What npm prints goes to stderr: stdout belongs to the command that was asked for.
  const options = { cwd: root, stdio: ["ignore", 2, 2] };
  const child = npm
    ? spawn(process.execPath, [npm, ...flags], options)
    : spawn("npm", flags, { ...options, shell: windows });
  if (child.pid !== undefined) writeHolders(lock, process.pid, child.pid);
  const status = await runChild(child);
  if (status !== 0) process.exit(status);
  writeFileSync(stamp, lockfileHash);
}

async function runUnderNode24() {
  // Sources are stripped of their types and compiled once, not by each process.
  process.env.NODE_COMPILE_CACHE ||= join(root, ".cache", "compiled");
  const conditioned = process.execArgv.includes("--conditions=viable-source");
  if (Number.parseInt(process.versions.node, 10) >= 24 && conditioned) {
    // Every run after the first through npm, which puts the installed Node first in PATH: no second process.
    process.argv.splice(1, 2, target);
    module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
    await import(pathToFileURL(target).href);
    return;
  }
  const bin = join(root, "node_modules", `node-${windows ? "win" : process.platform}-${process.arch}`, "bin");
  const node = join(bin, windows ? "node.exe" : "node");
  if (!existsSync(node)) {
    fail(`No Node 24 is packaged for ${process.platform}-${process.arch}: install Node 24 and run this again with it.`);
  }
  const flags = conditioned ? process.execArgv : [...process.execArgv, "--conditions=viable-source"];
  const env = { ...process.env, PATH: bin + delimiter + process.env.PATH };
  process.exit(await runChild(spawn(node, [...flags, target, ...args], { stdio: "inherit", env })));
}

/** The exit status of a child, which gets the signals that we get: whoever stops us stops it, and waits until it has stopped. */
function runChild(child) {
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  return new Promise((done) => {
    child.on("error", (error) => fail(`Could not start ${child.spawnfile}: ${error.message}`));
    child.on("exit", (code, signal) => {
      for (const each of signals) process.off(each, forward);
      done(code ?? 128 + constants.signals[signal]);
    });
  });
}

function fail(message, status = 1) {
  console.error(message);
  process.exit(status);
}
