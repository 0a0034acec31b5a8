/** Trees of processes such as Linux shows them, planted in a folder. */
import { expect, test } from "vitest";
import { plantTree } from "../../testing/plant-tree.ts";
import { parseRss, parseStat, readProcesses } from "./read-processes.ts";

const signal = new AbortController().signal;

/** A line of `stat` with what is read of it, and noise elsewhere. */
const stat = (pid: number, name: string, parent: number, ticks = [150, 50], threads = 4): string =>
  `${pid} (${name}) S ${parent} 1 1 0 -1 4194560 900 800 7 6 ${ticks.join(" ")} 3 2 20 0 ${threads} 0 12345 999 88 18446744073709551615\n`;

test("the process asked for and all under it, each before its own children; others are not", async () => {
  await using tree = await plantTree({
    "proc/1/stat": stat(1, "init", 0),
    "proc/10/stat": stat(10, "node", 1),
    "proc/10/status": "Name:\tnode\nVmRSS:\t   2048 kB\n",
    "proc/10/fd/0": "",
    "proc/10/fd/1": "",
    "proc/12/stat": stat(12, "worker", 10),
    "proc/11/stat": stat(11, "git (clone) x", 10, [0, 3], 1),
    "proc/13/stat": stat(13, "deep", 11),
    "proc/20/stat": stat(20, "other", 1),
    "proc/30/stat": "broken",
    "proc/self/stat": "",
    "proc/cpuinfo": "",
  });
  await tree.link("proc/10/exe", "/opt/bin/node-24");
  const found = await readProcesses(tree.path, 10, signal);
  expect(found?.processes.map(({ pid, parent, depth, name }) => [pid, parent, depth, name])).toEqual([
    [10, 1, 0, "node"],
    [11, 10, 1, "git (clone) x"],
    [13, 11, 2, "deep"],
    [12, 10, 1, "worker"],
  ]);
  expect(found?.processes[0]).toEqual({
    pid: 10,
    parent: 1,
    depth: 0,
    name: "node",
    program: "node-24",
    state: "sleeping",
    rssBytes: 2048 * 1024,
    cpuMs: 2_000,
    threads: 4,
    openFiles: 2,
  });
  expect(found?.processes[1]).toMatchObject({
    cpuMs: 30,
    rssBytes: "unknown",
    openFiles: "unknown",
    program: "unknown",
  });
});

test("a number that was given anew while the tree was read, so that it goes in a circle, is gone around once", async () => {
  await using tree = await plantTree({
    "proc/10/stat": stat(10, "node", 11),
    "proc/11/stat": stat(11, "child", 10),
  });
  const found = await readProcesses(tree.path, 10, AbortSignal.timeout(4_000));
  expect(found?.processes.map(({ pid, depth }) => [pid, depth])).toEqual([
    [10, 0],
    [11, 1],
  ]);
});

test("where there is no such process, or no tree at all, there is no answer", async () => {
  await using tree = await plantTree({ "proc/1/stat": stat(1, "init", 0) });
  expect(await readProcesses(tree.path, 2, signal)).toBeUndefined();
  expect(await readProcesses(`${tree.path}/nowhere`, 1, signal)).toBeUndefined();
});

test("single lines", () => {
  expect(parseStat("7 (a b) ) R 1 0 0")).toMatchObject({
    name: "a b) ",
    parent: 1,
    state: "running",
    cpuMs: "unknown",
  });
  expect(parseStat("")).toBeUndefined();
  expect(parseStat("7 (a) S x")).toBeUndefined();
  expect(parseRss("VmRSS:\t 10 kB\nVmData: 5 kB")).toBe(10_240);
  expect(parseRss("Name: zombie")).toBe("unknown");
});
