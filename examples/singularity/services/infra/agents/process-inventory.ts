import { basename } from "node:path";
import { agent } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { type ProcessFacts, type ProcessTree, readProcesses } from "../read-processes.ts";

/** Processes named in one result. The sums are over all. */
const maxListed = 500;

/** This process and those that it started, with what they use. */
export const processInventory = agent({
  name: "process-inventory",
  capability: "process_inventory",
  description: "This process and all under it: name, memory, processor time, threads, open files; never arguments",
  input: z.strictObject({}),
  risk: "low",
  async handle(ctx) {
    const tree = await readProcesses("", process.pid, ctx.signal);
    const { processes, unread } = tree ?? describeOwn();
    const truncated: Truncated = unread > 0 ? { unread } : {};
    return {
      at: new Date(ctx.runtime.clock.now()).toISOString(),
      origin: tree === undefined ? "this process alone, as it knows itself" : "read from /proc",
      count: processes.length,
      rssBytes: sumKnown(processes.map((each) => each.rssBytes)),
      cpuMs: sumKnown(processes.map((each) => each.cpuMs)),
      processes: cutList("processes", processes, maxListed, truncated),
      truncated,
    };
  },
});

/** Where the system shows no tree, what a process knows of itself. */
export function describeOwn(): ProcessTree {
  const { user, system } = process.cpuUsage();
  const own: ProcessFacts = {
    pid: process.pid,
    parent: process.ppid,
    depth: 0,
    // Not its title, which may hold arguments.
    name: basename(process.execPath),
    program: basename(process.execPath),
    state: "running",
    rssBytes: process.memoryUsage.rss(),
    cpuMs: Math.round((user + system) / 1_000),
    threads: "unknown",
    openFiles: "unknown",
  };
  return { processes: [own], unread: 0 };
}

/** Memory that several share is counted for each. */
function sumKnown(values: readonly (number | "unknown")[]): number {
  return values.reduce<number>((sum, value) => sum + (value === "unknown" ? 0 : value), 0);
}
