/** The inventory of this machine against what its own programs say of it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { resourceInventory } from "./resource-inventory.ts";

/** The size of a disk as `df` says it, in bytes. */
function sizeByDf(path: string): number {
  const [, line = ""] = execFileSync("df", ["-P", "-k", path], { encoding: "utf8" }).split("\n");
  return Number(line.split(/\s+/)[1]) * 1_024;
}

followsInput(resourceInventory, "the disk of each path that is asked for", async (bench) => {
  const root = await bench.run(resourceInventory, { paths: ["/"] });
  expect(root).toMatchObject({ disks: [{ path: "/", totalBytes: sizeByDf("/") }] });
  const two = await bench.run(resourceInventory, { paths: ["/proc", `${tmpdir()}/there/is/no/such/folder`] });
  expect(two).toMatchObject({
    disks: [
      { path: "/proc", totalBytes: 0 },
      { path: `${tmpdir()}/there/is/no/such/folder`, reason: "there is no such path" },
    ],
  });
  return [root, two];
});

test("host and process as the kernel has them", async () => {
  await using bench = await openBench();
  const { host, effective, process: own } = await bench.run(resourceInventory, {});
  const [, kibibytes] = /^MemTotal:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  const processors = readFileSync("/proc/cpuinfo", "utf8").match(/^processor\s*:/gm)?.length;
  expect(host).toMatchObject({ platform: "linux", cpus: processors, memoryBytes: Number(kibibytes) * 1_024 });
  const { cpus, memoryBytes } = effective as { cpus: number; memoryBytes: number };
  expect(cpus).toBeGreaterThan(0);
  expect(cpus).toBeLessThanOrEqual(processors ?? 0);
  expect(memoryBytes).toBeLessThanOrEqual(Number(kibibytes) * 1_024);
  expect(own).toMatchObject({ pid: process.pid, node: process.versions.node });
  const { rssBytes, eventLoopUtilisation } = own as { rssBytes: number; eventLoopUtilisation: number };
  expect(rssBytes).toBeGreaterThan(10_000_000);
  expect(eventLoopUtilisation).toBeGreaterThanOrEqual(0);
  expect(eventLoopUtilisation).toBeLessThanOrEqual(1);
});

test("without paths the disk on which the system runs; a file's disk is its folder's", async () => {
  await using bench = await openBench();
  expect(await bench.run(resourceInventory, {})).toMatchObject({ disks: [{ path: process.cwd() }] });
  await using tree = await plantTree({ a: "1" });
  expect(await bench.run(resourceInventory, { paths: [`${tree.path}/a`] })).toMatchObject({
    disks: [{ totalBytes: sizeByDf(tree.path) }],
  });
});

test.for([{ paths: [] }, { paths: [""] }, { paths: Array(21).fill("/") }, { path: "/" }])("%j does not fit", (args) => {
  expect(resourceInventory.input.safeParse(args).success).toBe(false);
});
