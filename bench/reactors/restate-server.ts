import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const peersOf = createRequire(new URL("../peers/package.json", import.meta.url));

/** Its server, as far as the benchmark asks it. */
export interface RestateServer {
  /** Registers whoever serves HTTP/2 there. */
  register(url: string): Promise<void>;
  /** Calls a handler and waits for its result. */
  call<Result>(service: string, handler: string, input: object): Promise<Result>;
  /** Its own tables, by its own SQL. */
  query<Row>(sql: string): Promise<readonly Row[]>;
  /** Processor time of all its threads since it started, in milliseconds. */
  cpuMs(): number;
  stop(): Promise<void>;
}

/**
 * All else is as it comes, `rocksdb-disable-wal-fsync = false` among it: a step's outcome is in the log of its RocksDB, and on the disk,
 * before the server acknowledges it. That is what PostgreSQL is asked for here, too.
 */
const config = (folder: string): string => `
node-name = "bench"
base-dir = ${JSON.stringify(folder)}
# Nothing is said of its runs to anybody, and nobody asks for metrics or pages. That it asks once, when it starts, whether there is a
# newer release has no setting; where it gets no answer it goes on.
disable-telemetry = true
disable-prometheus = true
log-filter = "error,octocrab=off"
# All of its doors are sockets in its folder: no port can be taken already.
listen-mode = "unix"
# It comes with 24, for many cores. On two, 32 callers had half as much again with one, and fewer or more callers no less.
default-num-partitions = 1
[admin]
disable-web-ui = true
`;

/** How long its start may take, in milliseconds. */
const startMs = 60_000;
/** Between two knocks at its door. */
const knockMs = 20;
/** Of the processor times in /proc. */
const ticksPerSecond = 100;

export async function startRestateServer(folder: string): Promise<RestateServer> {
  const binary = peersOf.resolve(`@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`);
  await mkdir(folder, { recursive: true });
  const configFile = join(folder, "restate.toml");
  await writeFile(configFile, config(folder));
  const server = spawn(binary, ["--no-logo", "--config-file", configFile], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, DO_NOT_TRACK: "1" },
  });
  const kill = () => server.kill("SIGKILL");
  process.once("exit", kill);
  const exited = once(server, "exit");

  /** A connection for each caller, kept: making one costs more than a call. */
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const post = (door: "ingress" | "admin", path: string, body: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const socketPath = join(folder, "bench", `${door}.sock`);
      const headers = { "content-type": "application/json", accept: "application/json" };
      const call = request({ agent, socketPath, path, method: "POST", headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.once("end", () => {
          if ((response.statusCode ?? 500) < 300) resolve(text);
          else reject(new Error(`${path}: ${response.statusCode} ${text}`));
        });
      });
      call.once("error", reject);
      call.end(JSON.stringify(body));
    });

  const query = async <Row>(sql: string): Promise<readonly Row[]> =>
    (JSON.parse(await post("admin", "/query", { query: sql })) as { rows: Row[] }).rows;

  const deadlineMs = Date.now() + startMs;
  for (;;) {
    const answered = await query("SELECT 1 AS one").then(
      () => true,
      () => false,
    );
    if (answered) break;
    if (server.exitCode !== null || Date.now() > deadlineMs) throw new Error("Restate's server did not come up.");
    await sleep(knockMs);
  }

  return {
    register: async (uri) => {
      await post("admin", "/deployments", { uri });
    },
    call: async (service, handler, input) => JSON.parse(await post("ingress", `/${service}/${handler}`, input)),
    query,
    cpuMs: () => {
      // After the name, which may hold anything: state is the first field, user and system time the twelfth and the thirteenth.
      const stat = readFileSync(`/proc/${server.pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond;
    },
    stop: async () => {
      agent.destroy();
      server.kill("SIGTERM");
      await exited;
      process.off("exit", kill);
    },
  };
}
