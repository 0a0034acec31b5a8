import { arch, availableParallelism, cpus, freemem, loadavg, platform, release, totalmem, uptime } from "node:os";
import { readSmallFile } from "./read-small-file.ts";

/** What the operating system says of the machine. */
export async function readHost(root: string) {
  const processors = cpus();
  const meminfo = await readSmallFile(`${root}/proc/meminfo`);
  return {
    platform: platform(),
    release: release(),
    architecture: arch(),
    // Where the system lists none, the number that may be used is still known.
    cpus: processors.length || availableParallelism(),
    cpuModel: processors[0]?.model.trim() || "unknown",
    memoryBytes: totalmem(),
    memoryFreeBytes: freemem(),
    memoryAvailableBytes: meminfo.ok ? parseAvailable(meminfo.text) : ("unknown" as const),
    // Windows has no such average and answers zeros.
    load: platform() === "win32" ? ("unknown" as const) : loadavg(),
    uptimeSeconds: Math.floor(uptime()),
  };
}

/** How much could be had without swapping, of `/proc/meminfo`. */
export function parseAvailable(text: string): number | "unknown" {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? "unknown" : Number(kibibytes) * 1_024;
}
