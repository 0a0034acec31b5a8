/**
 * Reads the tree of processes under one, as Linux shows it. Of a command its name is read and never its arguments, which may hold
 * secrets.
 */
import { readdir, readlink } from "node:fs/promises";
import { posix } from "node:path";
import { readSmallFile } from "./read-small-file.ts";

export type ProcessFacts = {
  readonly pid: number;
  /** Who started it; 0 where that is nobody here. */
  readonly parent: number;
  /** How many generations below the one that was asked for. */
  readonly depth: number;
  /** What it calls itself, in 15 letters at most. */
  readonly name: string;
  /** The file that it runs, without the folder. */
  readonly program: string;
  readonly state: string;
  readonly rssBytes: number | "unknown";
  /** In user and system mode together, since it began. */
  readonly cpuMs: number | "unknown";
  readonly threads: number | "unknown";
  readonly openFiles: number | "unknown";
};

/** Linux counts the time of processes in hundredths of a second for programs, whatever the kernel's own clock. */
const ticksPerSecond = 100;
/** Processes looked at: those of a large machine. */
const maxProcesses = 20_000;
/** Files read at once. */
const atOnce = 64;

export interface ProcessTree {
  /** The one asked for first, then its children, each before its own. */
  readonly processes: readonly ProcessFacts[];
  /** Processes of the machine that were not looked at. */
  readonly unread: number;
}

/** The process and all under it, as the files under `root` tell them, `/` on a real machine; undefined where there are none. */
export async function readProcesses(root: string, pid: number, signal: AbortSignal): Promise<ProcessTree | undefined> {
  const pids = await listPids(`${root}/proc`);
  if (!pids.includes(pid)) return undefined;
  const looked = pids.slice(0, maxProcesses);
  const children = new Map<number, number[]>();
  for (const [each, parent] of await inTurns(
    looked,
    signal,
    async (each) => [each, await readParent(root, each)] as const,
  )) {
    // Who started the first is none of its tree. Were it, then by a number that was given anew meanwhile, and the tree a circle.
    if (parent !== undefined && each !== pid) children.set(parent, [...(children.get(parent) ?? []), each]);
  }
  const tree = listTree(pid, children);
  const read = await inTurns(tree, signal, async ({ pid: each, depth }) => await readProcess(root, each, depth));
  // One that ended in the meantime is not there any more.
  return { processes: read.filter((each) => each !== undefined), unread: pids.length - looked.length };
}

async function listPids(folder: string): Promise<number[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => /^\d+$/.test(name)).map(Number);
  } catch {
    return [];
  }
}

function listTree(pid: number, children: ReadonlyMap<number, readonly number[]>): { pid: number; depth: number }[] {
  const tree: { pid: number; depth: number }[] = [];
  const waiting = [{ pid, depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    tree.push(next);
    const { pid: parent, depth } = next;
    const below = [...(children.get(parent) ?? [])].sort((a, b) => b - a);
    waiting.push(...below.map((child) => ({ pid: child, depth: depth + 1 })));
  }
  return tree;
}

async function readParent(root: string, pid: number): Promise<number | undefined> {
  const stat = await readSmallFile(`${root}/proc/${pid}/stat`);
  return stat.ok ? parseStat(stat.text)?.parent : undefined;
}

async function readProcess(root: string, pid: number, depth: number): Promise<ProcessFacts | undefined> {
  const folder = `${root}/proc/${pid}`;
  const stat = await readSmallFile(`${folder}/stat`);
  const found = stat.ok ? parseStat(stat.text) : undefined;
  if (found === undefined) return undefined;
  const status = await readSmallFile(`${folder}/status`);
  return {
    pid,
    depth,
    ...found,
    program: await readProgram(`${folder}/exe`),
    rssBytes: status.ok ? parseRss(status.text) : "unknown",
    openFiles: await countFiles(`${folder}/fd`),
  };
}

/** The line of `stat`. The name stands in brackets and may hold brackets and spaces itself: the last one ends it. */
export function parseStat(
  text: string,
): Pick<ProcessFacts, "parent" | "name" | "state" | "cpuMs" | "threads"> | undefined {
  const [open, close] = [text.indexOf("("), text.lastIndexOf(")")];
  if (open === -1 || close < open) return undefined;
  const fields = text.slice(close + 2).split(" ");
  const number = (index: number): number | "unknown" =>
    /^\d+$/.test(fields[index] ?? "") ? Number(fields[index]) : "unknown";
  const [state = "", parent, user, system] = [fields[0], number(1), number(11), number(12)];
  if (parent === "unknown") return undefined;
  const cpuMs = user === "unknown" || system === "unknown" ? "unknown" : ((user + system) * 1_000) / ticksPerSecond;
  return { parent, name: text.slice(open + 1, close), state: stateNames[state] ?? state, cpuMs, threads: number(17) };
}

const stateNames: { readonly [letter: string]: string } = {
  R: "running",
  S: "sleeping",
  D: "waiting for a device",
  Z: "ended, not yet seen by its parent",
  T: "stopped",
  t: "traced",
  I: "idle",
  X: "dead",
};

/** Memory that is there for it, of `status`; a process that has ended has none. */
export function parseRss(text: string): number | "unknown" {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? "unknown" : Number(kibibytes) * 1_024;
}

async function readProgram(link: string): Promise<string> {
  try {
    return posix.basename(await readlink(link));
  } catch {
    return "unknown";
  }
}

async function countFiles(folder: string): Promise<number | "unknown"> {
  try {
    return (await readdir(folder)).length;
  } catch {
    return "unknown";
  }
}

/** Some at once, and then the next: a large machine has more processes than we may open files. */
async function inTurns<T, R>(items: readonly T[], signal: AbortSignal, act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += atOnce) {
    signal.throwIfAborted();
    results.push(...(await Promise.all(items.slice(at, at + atOnce).map(act))));
  }
  return results;
}
