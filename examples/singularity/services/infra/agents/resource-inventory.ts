import { statfs } from "node:fs/promises";
import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import { agent } from "viable";
import { z } from "zod";
import { type CgroupLimits, type Limit, readCgroup } from "../read-cgroup.ts";
import { readHost } from "../read-host.ts";

/** More disks are not asked for at once by anybody. */
const maxPaths = 20;

/** What the host has, what of it this process may use, and what it uses. */
export const resourceInventory = agent({
  name: "resource-inventory",
  capability: "resource_inventory",
  description: "Processors, memory, load, limits of the control group, disks, and what this process uses",
  input: z.strictObject({
    paths: z
      .array(z.string().min(1).max(4_096))
      .min(1)
      .max(maxPaths)
      .default(["."])
      .describe("Folders whose disks are measured; a relative one counts from where the system runs"),
  }),
  risk: "low",
  async handle(ctx, { paths }) {
    const host = await readHost("");
    const cgroup = await readCgroup("");
    return {
      at: new Date(ctx.runtime.clock.now()).toISOString(),
      origin: "read from the operating system when asked",
      host,
      cgroup: cgroup ?? "unknown",
      effective: findEffective(host, cgroup),
      disks: await Promise.all(paths.map(measureDisk)),
      process: measureProcess(),
    };
  },
});

/** What may be used in the end: the least of what there is and what is allowed. A limit that is not known limits nothing here. */
export function findEffective(
  host: { readonly cpus: number; readonly memoryBytes: number },
  cgroup: CgroupLimits | undefined,
): { cpus: number; memoryBytes: number; limitedBy: "host" | "host and control group" } {
  const least = (amount: number, ...limits: readonly (Limit | undefined)[]): number =>
    Math.min(amount, ...limits.filter((limit) => typeof limit === "number"));
  const cpus = least(host.cpus, cgroup?.cpus, cgroup?.cpusAllowed);
  const memoryBytes = least(host.memoryBytes, cgroup?.memoryBytes);
  const isLess = cpus < host.cpus || memoryBytes < host.memoryBytes;
  return { cpus, memoryBytes, limitedBy: isLess ? "host and control group" : "host" };
}

async function measureDisk(path: string) {
  const absolute = resolve(path);
  try {
    const { blocks, bfree, bavail, bsize } = await statfs(absolute);
    return {
      path: absolute,
      totalBytes: blocks * bsize,
      freeBytes: bfree * bsize,
      // What is free to everybody; the rest is kept for the system.
      availableBytes: bavail * bsize,
    };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
    return { path: absolute, reason: code === "ENOENT" ? "there is no such path" : `it cannot be measured: ${code}` };
  }
}

function measureProcess() {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return {
    pid: process.pid,
    node: process.versions.node,
    uptimeSeconds: Math.floor(process.uptime()),
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    heapBytes: heapTotal,
    heapLimitBytes: getHeapStatistics().heap_size_limit,
    externalBytes: external,
    // Since the process began: the share of time in which it was busy.
    eventLoopUtilisation: performance.eventLoopUtilization().utilization,
  };
}
