import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { ViableError } from "@viable/kernel";

/** One server of our own, on a port that it keeps. */
export interface NatsNode {
  readonly url: string;
  /** Ends it as a power cut does. */
  kill(): Promise<void>;
  /** Ends it as its operator does: clients are told. */
  stop(): Promise<void>;
  /** Holds it still, as a machine that hangs: its connections stay, and nothing is read or said. */
  pause(): void;
  /** Lets it go on. */
  resume(): void;
  /** Starts it again, empty. Resolves when it lets clients in, and knows the other nodes that run. */
  start(): Promise<void>;
}

export interface NatsServers extends AsyncDisposable {
  /** One for each node. */
  readonly urls: readonly string[];
  /** Empty where the servers are not our own. */
  readonly nodes: readonly NatsNode[];
}

export interface StartNatsOptions {
  /** How many make up the cluster. Default 1. */
  readonly nodes?: number;
  /** Servers of our own in any case, where they are stopped or their settings are what is tested. */
  readonly own?: boolean;
  /** Whether clients are told how to reach the other nodes. Default true. */
  readonly advertise?: boolean;
  /** Further settings, in the language of NATS's configuration. */
  readonly config?: string;
}

/** How long a server may take to answer after it was started: it takes 50 ms where the machine is idle. */
const startTimeoutMs = 30_000;
/** Between two looks whether a server has got so far. */
const lookEveryMs = 20;

/**
 * NATS servers for tests, on free ports of the loopback interface with directories of their own, gone when disposed of. Debian's package may
 * have started one on the default port: it is left alone. Where NATS_URL is set (several by commas), those servers are used instead, unless
 * own ones or more of them are asked for.
 */
export async function startNats(options: StartNatsOptions = {}): Promise<NatsServers> {
  const count = options.nodes ?? 1;
  const given = (process.env.NATS_URL ?? "").split(",").filter((url) => url !== "");
  if (!options.own && given.length >= count) return { urls: given, nodes: [], [Symbol.asyncDispose]: async () => {} };

  const binary = findBinary();
  const directory = await mkdtemp(join(tmpdir(), "viable-nats-"));
  const ports = await Promise.all(Array.from({ length: count * 3 }, freePort));
  const places: readonly Place[] = Array.from({ length: count }, (_, index) => ({
    name: `node-${index}`,
    client: ports[index * 3] as number,
    cluster: ports[index * 3 + 1] as number,
    monitor: ports[index * 3 + 2] as number,
  }));
  const running = new Map<string, ChildProcess>();
  // A test run that is cut short must not leave the servers behind.
  const orphaned = () => {
    for (const server of running.values()) server.kill("SIGKILL");
  };
  process.once("exit", orphaned);

  const end = async (place: Place, signal: NodeJS.Signals): Promise<void> => {
    const server = running.get(place.name);
    running.delete(place.name);
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill(signal);
    await exited;
  };
  const start = async (place: Place): Promise<void> => {
    if (running.has(place.name)) return;
    const own = join(directory, place.name);
    await rm(own, { recursive: true, force: true });
    await mkdir(own);
    const file = join(own, "nats.conf");
    await writeFile(file, writeConfig(place, places, own, options));
    const server = spawn(binary, ["-c", file], { cwd: own, stdio: ["ignore", "ignore", "pipe"] });
    running.set(place.name, server);
    let said = "";
    server.stderr?.setEncoding("utf8").on("data", (text: string) => {
      // Read on for as long as the server lives, or its log would fill the pipe; the end is kept.
      said = (said + text).slice(-20_000);
    });
    await until(
      () => isReady(place),
      () => {
        if (server.exitCode !== null) throw new Error(`nats-server ended with status ${server.exitCode}:\n${said}`);
        return `nats-server did not answer:\n${said}`;
      },
    );
  };
  /** Until each node that runs has a route to each other that runs: what one is told reaches the rest from then on. */
  const untilJoined = () =>
    until(
      async () => {
        const here = places.filter(({ name }) => running.has(name));
        const routed = await Promise.all(here.map(countRoutes));
        return routed.every((known) => known >= here.length - 1);
      },
      () => "the nodes did not find each other",
    );

  const dispose = async () => {
    process.off("exit", orphaned);
    await Promise.all(places.map((place) => end(place, "SIGKILL")));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all(places.map(start));
    await untilJoined();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    urls: places.map(({ client }) => `nats://127.0.0.1:${client}`),
    nodes: places.map((place) => ({
      url: `nats://127.0.0.1:${place.client}`,
      kill: () => end(place, "SIGKILL"),
      stop: () => end(place, "SIGTERM"),
      pause: () => void running.get(place.name)?.kill("SIGSTOP"),
      resume: () => void running.get(place.name)?.kill("SIGCONT"),
      async start() {
        await start(place);
        await untilJoined();
      },
    })),
    [Symbol.asyncDispose]: dispose,
  };
}

interface Place {
  readonly name: string;
  readonly client: number;
  readonly cluster: number;
  readonly monitor: number;
}

function writeConfig(
  place: Place,
  places: readonly Place[],
  directory: string,
  { advertise = true, config = "" }: StartNatsOptions,
): string {
  const routes = places.filter(({ name }) => name !== place.name).map(({ cluster }) => `nats://127.0.0.1:${cluster}`);
  const cluster = `cluster {
  name: viable-test
  listen: "127.0.0.1:${place.cluster}"
  routes: ${JSON.stringify(routes)}
  no_advertise: ${!advertise}
}`;
  return `server_name: ${place.name}
listen: "127.0.0.1:${place.client}"
http: "127.0.0.1:${place.monitor}"
pid_file: "${join(directory, "pid")}"
${places.length > 1 ? cluster : ""}
${config}
`;
}

/** From the path, or where Debian keeps servers. */
function findBinary(): string {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"];
  const found = folders.map((folder) => join(folder, "nats-server")).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new ViableError("testing.no_nats", "There is no nats-server to test with.", {
    next: "Set NATS_URL, install the system's nats-server, or run npm run test:servers as root on Debian.",
  });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function isReady({ monitor }: Place): Promise<boolean> {
  return (await ask(monitor, "varz")) !== undefined;
}

/** To how many others it has a route; a server since 2.10 may have several to one. */
async function countRoutes({ monitor }: Place): Promise<number> {
  const answer = await ask(monitor, "routez");
  return new Set((answer?.routes as { remote_id: string }[] | undefined)?.map(({ remote_id }) => remote_id)).size;
}

async function ask(port: number, page: string): Promise<Record<string, unknown> | undefined> {
  try {
    return (await (await fetch(`http://127.0.0.1:${port}/${page}`)).json()) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

async function until(isDone: () => Promise<boolean>, explain: () => string): Promise<void> {
  for (let waitedMs = 0; !(await isDone()); waitedMs += lookEveryMs) {
    const explained = explain();
    if (waitedMs > startTimeoutMs) throw new Error(explained);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}
