/**
 * Reads the limits that Linux sets for the group of processes we run in, of either version of control groups. A limit of any group
 * above ours holds too, so the least of them counts. Where a container sees only its own part of the tree, that part is read.
 */
import { readSmallFile } from "./read-small-file.ts";

export type Limit = number | "unlimited" | "unknown";

export type CgroupLimits = {
  readonly version: 1 | 2;
  /** How many processors' worth of time, which need not be whole. */
  readonly cpus: Limit;
  /** Which processors may be used at all. */
  readonly cpusAllowed: Limit;
  readonly memoryBytes: Limit;
  readonly memoryUsedBytes: number | "unknown";
  readonly processes: Limit;
  readonly processesUsed: number | "unknown";
};

/** Version 1 writes no limit as the largest number of whole pages; nobody has so much. */
const noLimitFrom = 2 ** 60;

/** The limits as the files under `root` tell them, `/` on a real machine; undefined where there are no control groups. */
export async function readCgroup(root: string): Promise<CgroupLimits | undefined> {
  const memberships = await readSmallFile(`${root}/proc/self/cgroup`);
  if (!memberships.ok) return undefined;
  const groups = parseMemberships(memberships.text);
  const base = `${root}/sys/fs/cgroup`;
  const unified = await readSmallFile(`${base}/cgroup.controllers`);
  if (unified.ok) {
    const folders = foldersUp(base, groups.get("") ?? "/");
    return {
      version: 2,
      cpus: await leastOf(folders, "cpu.max", parseCpuMax),
      cpusAllowed: await nearest(folders, "cpuset.cpus.effective", countCpus),
      memoryBytes: await leastOf(folders, "memory.max", parseLimit),
      memoryUsedBytes: known(await nearest(folders, "memory.current", parseLimit)),
      processes: await leastOf(folders, "pids.max", parseLimit),
      processesUsed: known(await nearest(folders, "pids.current", parseLimit)),
    };
  }
  const foldersOf = (controller: string): string[] => {
    const path = groups.get(controller);
    return path === undefined ? [] : foldersUp(`${base}/${controller}`, path);
  };
  if (!["cpu", "memory", "pids"].some((controller) => groups.has(controller))) return undefined;
  return {
    version: 1,
    cpus: await readQuota(foldersOf("cpu")),
    cpusAllowed: await nearest(foldersOf("cpuset"), "cpuset.cpus", countCpus),
    memoryBytes: await leastOf(foldersOf("memory"), "memory.limit_in_bytes", parseLimit),
    memoryUsedBytes: known(await nearest(foldersOf("memory"), "memory.usage_in_bytes", parseLimit)),
    processes: await leastOf(foldersOf("pids"), "pids.max", parseLimit),
    processesUsed: known(await nearest(foldersOf("pids"), "pids.current", parseLimit)),
  };
}

/** Of `4:cpu,cpuacct:/a` the path of each controller; the unified tree has an empty name. */
function parseMemberships(text: string): Map<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (const controller of controllers.split(",")) groups.set(controller, path);
  }
  return groups;
}

/** Our group's folder and those above it, up to where the tree begins. */
function foldersUp(base: string, path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return parts.map((_, index) => [base, ...parts.slice(0, parts.length - index)].join("/")).concat(base);
}

/** The least of what the groups say. A group without the file sets no limit; one that may not be read might. */
async function leastOf(folders: readonly string[], file: string, parse: (text: string) => Limit): Promise<Limit> {
  const limits: Limit[] = [];
  for (const folder of folders) {
    const read = await readSmallFile(`${folder}/${file}`);
    if (read.ok) limits.push(parse(read.text));
    else if (read.reason === "unreadable") limits.push("unknown");
  }
  return least(limits);
}

function least(limits: readonly Limit[]): Limit {
  if (limits.includes("unknown")) return "unknown";
  const numbers = limits.filter((limit) => typeof limit === "number");
  return numbers.length === 0 ? "unlimited" : Math.min(...numbers);
}

/** What the nearest group that has the file says. */
async function nearest(folders: readonly string[], file: string, parse: (text: string) => Limit): Promise<Limit> {
  for (const folder of folders) {
    const read = await readSmallFile(`${folder}/${file}`);
    if (read.ok) return parse(read.text);
  }
  return "unknown";
}

/** Version 1 has the two numbers of a quota in a file each. */
async function readQuota(folders: readonly string[]): Promise<Limit> {
  const limits: Limit[] = [];
  for (const folder of folders) {
    const quota = await readSmallFile(`${folder}/cpu.cfs_quota_us`);
    const period = await readSmallFile(`${folder}/cpu.cfs_period_us`);
    if (quota.ok && period.ok) {
      limits.push(quota.text === "-1" ? "unlimited" : parseCpuMax(`${quota.text} ${period.text}`));
    } else if ([quota, period].some((read) => !read.ok && read.reason === "unreadable")) limits.push("unknown");
  }
  return least(limits);
}

const known = (limit: Limit): number | "unknown" => (typeof limit === "number" ? limit : "unknown");

/** `max` or a number. */
export function parseLimit(text: string): Limit {
  if (text === "max") return "unlimited";
  if (!/^\d+$/.test(text)) return "unknown";
  const value = Number(text);
  return value >= noLimitFrom ? "unlimited" : value;
}

/** `max 100000`, or the time it may run in each period: `150000 100000` are one and a half processors. */
export function parseCpuMax(text: string): Limit {
  const [quota = "", period = ""] = text.split(/\s+/);
  if (quota === "max") return "unlimited";
  const cpus = Number(quota) / Number(period);
  return quota !== "" && period !== "" && Number.isFinite(cpus) && cpus > 0 ? cpus : "unknown";
}

/** How many processors a list such as `0-3,6` names. */
export function countCpus(text: string): Limit {
  const counts = text.split(",").map((part) => {
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    return from === undefined ? Number.NaN : Number(to) - Number(from) + 1;
  });
  const sum = counts.reduce((total, count) => total + count, 0);
  return sum > 0 ? sum : "unknown";
}
