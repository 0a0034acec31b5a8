import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { isDiskFull } from "./is-disk-full.ts";

// Linux's /proc says of itself that it has no size, as some file systems in user space do.
test.runIf(process.platform === "linux")(
  "a file system that tells no size is not full, unless that is what was said",
  async () => {
    expect(await isDiskFull("/proc", new Error("it does not start"))).toBe(false);
    expect(await isDiskFull("/proc", new Error("ENOSPC: no space left on device, write"))).toBe(true);
  },
);

test("a disk with room on it is not full", async () => {
  expect(await isDiskFull(tmpdir(), new Error("it does not start"))).toBe(false);
});
