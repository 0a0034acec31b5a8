/** The tree of the test's own process, before and after it starts another whose arguments hold a secret. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { describeOwn, processInventory } from "./process-inventory.ts";

type Inventory = {
  count: number;
  rssBytes: number;
  processes: { pid: number; parent: number; program: string; depth: number }[];
};

followsInput(processInventory, "a process that was started is there, and gone when it has ended", async (bench) => {
  const child = spawn(
    process.execPath,
    ["-e", "process.stdin.on('end', () => {}).resume()", "--", "secret-in-arguments"],
    {
      stdio: ["pipe", "ignore", "inherit"],
    },
  );
  await once(child, "spawn");
  const during = await bench.run(processInventory, {});
  const { processes, rssBytes } = during as unknown as Inventory;
  expect(processes[0]).toMatchObject({ pid: process.pid, parent: process.ppid, depth: 0 });
  expect(processes.find(({ pid }) => pid === child.pid)).toMatchObject({ parent: process.pid, depth: 1 });
  expect(rssBytes).toBeGreaterThan(10_000_000);
  expect(JSON.stringify(during)).not.toContain("secret-in-arguments");
  child.stdin.end();
  await once(child, "exit");
  const after = await bench.run(processInventory, {});
  expect((after as unknown as Inventory).processes.map(({ pid }) => pid)).not.toContain(child.pid);
  return [during, after];
});

test("where there is no tree, what this process knows of itself", () => {
  const { processes, unread } = describeOwn();
  expect(unread).toBe(0);
  expect(processes).toMatchObject([
    { pid: process.pid, parent: process.ppid, threads: "unknown", openFiles: "unknown" },
  ]);
  expect(processes[0]?.rssBytes).toBeGreaterThan(10_000_000);
});

test("whoever cancels waits no longer", async () => {
  await using bench = await openBench();
  const abort = new AbortController();
  abort.abort(new Error("enough"));
  await expect(bench.run(processInventory, {}, { signal: abort.signal })).rejects.toThrow("enough");
});

test("it takes no arguments", () => {
  expect(processInventory.input.safeParse({ pid: 1 }).success).toBe(false);
});
