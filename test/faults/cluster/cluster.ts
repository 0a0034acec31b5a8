import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { NatsNode } from "@viable/bus-nats/testing";
import { startNats } from "@viable/bus-nats/testing";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import type { Random } from "@viable/kernel";
import { startPostgres } from "@viable/log-postgres/testing";
import { ServerProcess } from "../log/server-process.ts";
import type { Host, HostNetwork } from "./host-network.ts";
import { separateNetworks, sharedNetwork } from "./host-network.ts";
import { startLedger } from "./ledger-process.ts";
import { NetworkProxy } from "./network-proxy.ts";
import { NodeProcess } from "./node-process.ts";

/** How long what has stopped may take to go on, in milliseconds: a partition, a lease, and a busy machine. */
const maxStuckMs = 120_000;

export const nodeNames = ["n1", "n2", "n3"] as const;
export type NodeName = (typeof nodeNames)[number];
export type HostName = NodeName | "gateway";
export const hostNames: readonly HostName[] = ["gateway", ...nodeNames];

export interface ClusterSettings {
  readonly random: Random;
  /** Each process on a host with a network of its own; else all on this machine. */
  readonly isSeparate: boolean;
  /** Whether they hear each other by NATS, of three servers; else by the database alone. */
  readonly hasNats: boolean;
}

/** The servers of the NATS cluster, and what stands before each of them. */
interface Nats {
  readonly nodes: readonly NatsNode[];
  readonly proxies: readonly NetworkProxy[];
}

/** Three nodes that run all thirteen services, a gateway, a database, and the world outside. */
export class Cluster implements AsyncDisposable {
  readonly database: ServerProcess;
  /** Of the database itself, past the proxies. */
  readonly connectionString: string;
  readonly network: HostNetwork;
  readonly ledgerFile: string;
  /** Nobody, where there is no NATS. */
  readonly nats: Nats;
  readonly #folder: string;
  readonly #port: number;
  readonly #proxies: ReadonlyMap<string, NetworkProxy>;
  readonly #nodes: Map<HostName, NodeProcess>;
  readonly #started: NodeProcess[] = [];
  readonly #parts: AsyncDisposableStack;

  private constructor(
    from: Pick<Cluster, "database" | "connectionString" | "network" | "ledgerFile" | "nats">,
    inside: {
      folder: string;
      port: number;
      proxies: ReadonlyMap<string, NetworkProxy>;
      nodes: Map<HostName, NodeProcess>;
      parts: AsyncDisposableStack;
    },
  ) {
    this.database = from.database;
    this.connectionString = from.connectionString;
    this.network = from.network;
    this.ledgerFile = from.ledgerFile;
    this.nats = from.nats;
    this.#folder = inside.folder;
    this.#port = inside.port;
    this.#proxies = inside.proxies;
    this.#nodes = inside.nodes;
    this.#parts = inside.parts;
  }

  static async start({ random, isSeparate, hasNats }: ClusterSettings): Promise<Cluster> {
    await using parts = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "viable-cluster-"));
    parts.defer(() => rmSync(folder, { recursive: true, force: true }));
    const server = parts.use(await startPostgres({ own: true, fsync: true }));
    const database = parts.use(await ServerProcess.of(server));
    const ledgerFile = join(folder, "arrivals");
    parts.use(await startLedger({ path: join(folder, "ledger.socket"), file: ledgerFile }));
    const network = parts.use(isSeparate ? separateNetworks(hostNames) : sharedNetwork(hostNames));
    const proxies = new Map<string, NetworkProxy>();
    for (const { name } of network.hosts)
      proxies.set(name, parts.use(await NetworkProxy.start(network.center, database.port, random)));
    const nats: { nodes: readonly NatsNode[]; proxies: NetworkProxy[] } = { nodes: [], proxies: [] };
    if (hasNats) {
      // Where the servers are says each process's address list: they would tell of loopback ones, which other hosts have not.
      nats.nodes = parts.use(await startNats({ nodes: 3, own: true, advertise: false })).nodes;
      for (const { url } of nats.nodes)
        nats.proxies.push(parts.use(await NetworkProxy.start(network.center, Number(new URL(url).port), random)));
    }
    const nodes = new Map<HostName, NodeProcess>();
    parts.defer(async () => {
      for (const node of nodes.values()) if (!node.hasEnded) await node.kill();
    });
    // The gateway's is the same in every life of it.
    const port = await freePort();
    const { connectionString } = server;
    const kept = parts.move();
    const cluster = new Cluster(
      { database, connectionString, network, ledgerFile, nats },
      { folder, port, proxies, nodes, parts: kept },
    );
    try {
      // All at once, though one of them has to prepare the database.
      await Promise.all(hostNames.map((name) => cluster.startOn(name)));
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** Starts what runs on a host, by the documented command; with a clock file, under a clock that is set by it. */
  async startOn(name: HostName, clockFile?: string): Promise<NodeProcess> {
    const node = await NodeProcess.start({
      host: this.host(name),
      role: name === "gateway" ? "gateway" : "swarm",
      databaseUrl: `postgres://postgres@${this.network.center}:${this.proxy(name).port}/postgres`,
      ...(this.nats.proxies.length > 0 && {
        natsUrl: this.nats.proxies.map(({ port }) => `nats://${this.network.center}:${port}`).join(","),
      }),
      ledgerPath: join(this.#folder, "ledger.socket"),
      folder: join(this.#folder, name),
      port: this.#port,
      clockFile,
    });
    this.#nodes.set(name, node);
    this.#started.push(node);
    return node;
  }

  host(name: HostName): Host {
    return this.network.hosts.find((host) => host.name === name) as Host;
  }

  /** What any process has said of itself that is an error, with the name of its host. */
  errors(): string[] {
    return this.#started.flatMap((node) =>
      node.said
        .split("\n")
        .filter((line) => line.startsWith("error"))
        .map((line) => `${node.host.name}: ${line}`),
    );
  }

  /** What runs on a host now, or ran there last. */
  node(name: HostName): NodeProcess {
    return this.#nodes.get(name) as NodeProcess;
  }

  /** Between a host and the database. */
  proxy(name: HostName): NetworkProxy {
    return this.#proxies.get(name) as NetworkProxy;
  }

  /** A client of the gateway, as its owner. */
  client(): Client {
    const read = (name: string) => JSON.parse(readFileSync(join(this.#folder, "gateway", ".viable", name), "utf8"));
    return createClient({ url: read("gateway.json").url, token: read("credentials.json").token });
  }

  /** Where a file of the test's own may lie. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** Waits until something holds. */
export async function until(holds: () => boolean | Promise<boolean>, otherwise: () => string): Promise<void> {
  for (const giveUpAtMs = performance.now() + maxStuckMs; !(await holds()); await pause(20))
    if (performance.now() > giveUpAtMs) throw new Error(otherwise());
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
