import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const lookEveryMs = 20;
/** How long it may take until it answers, in milliseconds: it takes 50 where the machine is idle. */
const startTimeoutMs = 30_000;

/**
 * A server on a free port with a folder of its own, which has on the disk what it answers for: each write is flushed before its answer, as
 * PostgreSQL is asked to. Throws where there is no `redis-server`.
 */
export async function startRedis() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, "close");
  const folder = await mkdtemp(join(tmpdir(), "viable-redis-"));
  const settings = ["--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const server = spawn(
    "redis-server",
    ["--port", String(port), "--dir", folder, "--logfile", "redis.log", ...settings],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const kill = () => server.kill("SIGKILL");
  process.once("exit", kill);
  let problem: unknown;
  server.once("error", (error) => {
    problem = new Error("There is no redis-server to measure with: on Debian, apt-get install redis-server.", {
      cause: error,
    });
  });
  server.once("exit", (status) => {
    problem ??= new Error(`redis-server ended with status ${status}.`);
  });
  const stop = async () => {
    process.off("exit", kill);
    if (server.pid !== undefined && server.exitCode === null && server.signalCode === null) {
      const exited = once(server, "exit");
      kill();
      await exited;
    }
    await rm(folder, { recursive: true, force: true });
  };
  for (let waitedMs = 0; !(await isOpen(port)); waitedMs += lookEveryMs) {
    if (waitedMs > startTimeoutMs) problem ??= new Error("redis-server did not answer.");
    if (problem !== undefined) {
      await stop();
      throw problem;
    }
    await sleep(lookEveryMs);
  }
  return { port, [Symbol.asyncDispose]: stop };
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
