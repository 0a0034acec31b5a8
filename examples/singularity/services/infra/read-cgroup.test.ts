/** What is read of file trees such as Linux shows them, planted in a folder. */
import { expect, test } from "vitest";
import { plantTree } from "../../testing/plant-tree.ts";
import { findEffective } from "./agents/resource-inventory.ts";
import { countCpus, parseCpuMax, parseLimit, readCgroup } from "./read-cgroup.ts";
import { parseAvailable } from "./read-host.ts";

const gibibyte = 1024 ** 3;

async function read(files: { readonly [path: string]: string }) {
  await using tree = await plantTree(files);
  return await readCgroup(tree.path);
}

test("version 2: the least limit of our group and those above it", async () => {
  expect(
    await read({
      "proc/self/cgroup": "0::/system.slice/viable.service\n",
      "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
      "sys/fs/cgroup/system.slice/memory.max": `${4 * gibibyte}\n`,
      "sys/fs/cgroup/system.slice/cpu.max": "max 100000\n",
      "sys/fs/cgroup/system.slice/pids.max": "max\n",
      "sys/fs/cgroup/system.slice/viable.service/memory.max": `${8 * gibibyte}\n`,
      "sys/fs/cgroup/system.slice/viable.service/memory.current": "123456\n",
      "sys/fs/cgroup/system.slice/viable.service/cpu.max": "150000 100000\n",
      "sys/fs/cgroup/system.slice/viable.service/cpuset.cpus.effective": "0-3\n",
      "sys/fs/cgroup/system.slice/viable.service/pids.max": "max\n",
      "sys/fs/cgroup/system.slice/viable.service/pids.current": "17\n",
    }),
  ).toEqual({
    version: 2,
    cpus: 1.5,
    cpusAllowed: 4,
    memoryBytes: 4 * gibibyte,
    memoryUsedBytes: 123_456,
    processes: "unlimited",
    processesUsed: 17,
  });
});

test("version 2 in a container that sees only its own part, which begins elsewhere outside", async () => {
  const files = {
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    "sys/fs/cgroup/memory.max": "536870912\n",
    "sys/fs/cgroup/memory.current": "1000\n",
    "sys/fs/cgroup/cpu.max": "50000 100000\n",
  };
  const expected = { version: 2, cpus: 0.5, memoryBytes: gibibyte / 2, memoryUsedBytes: 1_000, processes: "unlimited" };
  expect(await read({ ...files, "proc/self/cgroup": "0::/\n" })).toMatchObject(expected);
  expect(await read({ ...files, "proc/self/cgroup": "0::/docker/0123456789abcdef\n" })).toMatchObject(expected);
  expect(await read({ ...files, "proc/self/cgroup": "0::/../other\n" })).toMatchObject(expected);
});

test("version 1: a folder for each controller, and no limit written as the largest number", async () => {
  expect(
    await read({
      "proc/self/cgroup": "12:pids:/job\n7:memory:/job\n4:cpu,cpuacct:/job\n3:cpuset:/\n1:name=systemd:/job\n0::/job\n",
      "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
      "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/cpuset/cpuset.cpus": "0,2,4-5\n",
      "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "5000\n",
      "sys/fs/cgroup/pids/job/pids.max": "100\n",
      "sys/fs/cgroup/pids/job/pids.current": "3\n",
    }),
  ).toEqual({
    version: 1,
    cpus: 2.5,
    cpusAllowed: 4,
    memoryBytes: "unlimited",
    memoryUsedBytes: 5_000,
    processes: 100,
    processesUsed: 3,
  });
});

test("where there are no control groups, or what stands there is none of theirs, nothing is made up", async () => {
  expect(await read({})).toBeUndefined();
  expect(await read({ "proc/self/cgroup": "1:name=systemd:/\n" })).toBeUndefined();
  expect(
    await read({
      "proc/self/cgroup": "0::/\n",
      "sys/fs/cgroup/cgroup.controllers": "",
      "sys/fs/cgroup/memory.max": "a lot\n",
      "sys/fs/cgroup/cpu.max": "\n",
    }),
  ).toEqual({
    version: 2,
    cpus: "unknown",
    cpusAllowed: "unknown",
    memoryBytes: "unknown",
    memoryUsedBytes: "unknown",
    processes: "unlimited",
    processesUsed: "unknown",
  });
});

test("version 1: a quota that cannot be read might be the least, and a group without one sets none", async () => {
  const files = {
    "proc/self/cgroup": "4:cpu:/a/b\n",
    "sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us": "200000\n",
    "sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us": "100000\n",
  };
  expect(await read(files)).toMatchObject({ cpus: 2 });
  // A folder is not read as a file, whoever asks.
  expect(await read({ ...files, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us/x": "" })).toMatchObject({ cpus: "unknown" });
});

test("single values", () => {
  expect(["max", "0", "1024", "-1", "", "x"].map(parseLimit)).toEqual([
    "unlimited",
    0,
    1024,
    "unknown",
    "unknown",
    "unknown",
  ]);
  expect(["max 100000", "200000 100000", "1 0", "5"].map(parseCpuMax)).toEqual(["unlimited", 2, "unknown", "unknown"]);
  expect(["0", "0-7", "0-1,8-9", "", "a-b"].map(countCpus)).toEqual([1, 8, 4, "unknown", "unknown"]);
  expect(parseAvailable("MemTotal:  100 kB\nMemAvailable:    50 kB\n")).toBe(51_200);
  expect(parseAvailable("MemTotal:  100 kB\n")).toBe("unknown");
});

test("what may be used is the least of host and group, and of an unknown limit the host's", () => {
  const host = { cpus: 8, memoryBytes: 100 };
  const none = { memoryUsedBytes: 0, processes: "unlimited", processesUsed: 0 } as const;
  const effective = (limits: object) => findEffective(host, { version: 2, ...none, ...limits } as never);
  expect(effective({ cpus: 2.5, cpusAllowed: 2, memoryBytes: 50 })).toMatchObject({ cpus: 2, memoryBytes: 50 });
  expect(effective({ cpus: 1.5, cpusAllowed: 4, memoryBytes: 500 })).toMatchObject({ cpus: 1.5, memoryBytes: 100 });
  expect(effective({ cpus: "unlimited", cpusAllowed: "unknown", memoryBytes: "unknown" })).toMatchObject(host);
  expect(findEffective(host, undefined)).toEqual({ ...host, limitedBy: "host" });
  expect(effective({ cpus: 1.5 }).limitedBy).toBe("host and control group");
  expect(effective({ memoryBytes: 99 }).limitedBy).toBe("host and control group");
  expect(effective({ cpus: 8, cpusAllowed: 8, memoryBytes: "unlimited" }).limitedBy).toBe("host");
});
