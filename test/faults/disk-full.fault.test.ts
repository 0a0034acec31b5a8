/**
 * No disk space: the system's state lies on a small file system of its own, which fills up while commands arrive. What cannot be
 * kept is refused with the reason, what was acknowledged is there, and when there is space again it goes on by itself. An agent that
 * ended while the disk was full has worked once: its outcome waits for the space.
 */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@viable/client";
import { expect, test } from "vitest";
import { eventually, Place, viableCommand } from "../e2e/cli.ts";

/** An empty embedded database takes about 40 MB, and its write-ahead log grows by 16 MB at a time. */
const fileSystemMb = 160;
const ballastMb = 70;

/** `linger` notes in a file that it was begun, waits for another file, and returns more than a full disk has room for. */
const config = `
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync } from "node:fs";
import { agent, defineSystem } from "viable";
import { z } from "zod";
const linger = agent({
  name: "linger",
  capability: "linger",
  description: "Waits to be let go.",
  timeoutMs: 600_000,
  input: z.strictObject({}),
  handle: async () => {
    appendFileSync("begun", "once\\n");
    while (!existsSync("go")) await new Promise((resolve) => setTimeout(resolve, 50));
    return randomBytes(2_000_000).toString("base64");
  },
});
export default defineSystem({
  name: "small",
  services: [],
  commands: [linger],
  clients: { api: { commandsPerHour: 1000000 } },
});
`;

test("a full disk is an answer; what was acknowledged is kept; with space it goes on", async () => {
  await using place = new Place(config);
  const mount = mkdtempSync(join(tmpdir(), "viable-full-"));
  // A mount of its own, in a namespace of its own: it is gone with the process. Without root, as root of a user namespace.
  const isRoot = process.getuid?.() === 0;
  const script = `mount -t tmpfs -o size=${fileSystemMb}m tmpfs "$0" && dd if=/dev/zero of="$0/ballast" bs=1M count=${ballastMb} status=none && exec "$@"`;
  const child = spawn(
    "unshare",
    [
      ...(isRoot ? [] : ["--user", "--map-root-user"]),
      "--mount",
      "sh",
      "-c",
      script,
      mount,
      process.execPath,
      viableCommand,
      "start",
    ],
    {
      cwd: place.folder,
      env: { PATH: process.env.PATH, HOME: place.folder, VIABLE_PORT: "0", VIABLE_STATE_DIR: join(mount, "state") },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = once(child, "close");
  try {
    await eventually(
      () => output.includes("durability") || child.exitCode !== null,
      () => output,
    );
    expect(child.exitCode, output).toBeNull();
    // The mount is seen only from inside the process's namespace.
    const inside = join("/proc", String(child.pid), "root", mount);
    const read = (name: string) => JSON.parse(readFileSync(join(inside, "state", name), "utf8"));
    const client = createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
    const { sessionId } = await client.openSession({ clientType: "api" });
    // Chance does not compress.
    const set = (key: string) =>
      client.send(
        sessionId,
        { command: "memory.set", args: { key, value: randomBytes(150_000).toString("base64") }, mode: "sync" },
        { idempotencyKey: key },
      );

    const inFlight = await client.send(sessionId, { command: "linger", args: {}, mode: "async" });
    const kept: string[] = [];
    let refusal: unknown;
    for (let index = 0; index < 2_000 && refusal === undefined; index++) {
      try {
        // One that was accepted as the disk filled up is pending: it is not acknowledged as done, and counts as neither.
        if ((await set(`key-${index}`)).status === "completed") kept.push(`key-${index}`);
      } catch (error) {
        refusal = error;
      }
    }
    expect(refusal, `after ${kept.length} writes`).toMatchObject({
      retryable: true,
      problem: { status: 503, code: expect.stringMatching(/^log\./) },
    });
    expect(kept.length).toBeGreaterThan(10);

    writeFileSync(place.path("go"), "");
    await eventually(
      () => output.includes("cannot record outcomes"),
      () => `The outcome found room. ${output}`,
    );
    rmSync(join(inside, "ballast"));
    await eventually(
      async () => {
        try {
          return (await set("afterwards")).status === "completed";
        } catch {
          return false;
        }
      },
      () => `It did not go on when there was space. ${output}`,
    );
    await eventually(
      async () => (await client.execution(inFlight.executionId)).status === "completed",
      () => `The outcome was not recorded. ${output}`,
    );
    expect((await client.execution(inFlight.executionId)).attempts).toBe(1);
    expect(readFileSync(place.path("begun"), "utf8")).toBe("once\n");
    expect(output).not.toContain("gave up");
    for (const key of kept) {
      const { entries } = await client.memory({ key });
      expect(
        entries.map((entry) => entry.key),
        key,
      ).toEqual([key]);
    }
  } finally {
    child.kill("SIGKILL");
    await ended;
    rmSync(mount, { recursive: true, force: true });
  }
  // The mount is gone with its namespace.
  expect(execFileSync("cat", ["/proc/mounts"], { encoding: "utf8" })).not.toContain(mount);
}, 180_000);
