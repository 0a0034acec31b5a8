import { setTimeout as pause } from "node:timers/promises";
import type { NatsNode } from "@viable/bus-nats/testing";
import type { Random } from "@viable/kernel";
import { isFull } from "../log/result-file.ts";
import type { Cluster, HostName, NodeName } from "./cluster.ts";
import { hostNames, nodeNames, until } from "./cluster.ts";
import type { Cut } from "./host-network.ts";
import { setClock } from "./node-process.ts";
import { thirteen } from "./thirteen/thirteen.ts";

/** What a fault has to do it with. */
export interface FaultPorts {
  readonly cluster: Cluster;
  readonly random: Random;
  /** Counts the rounds of this fault, from 0. */
  readonly round: number;
}

/** What it leaves behind to be measured: the process that was lost, if one was, and its moments on the machine's wall clock. */
export interface Lost {
  readonly pid: number;
  readonly atMs: number;
  /** When it went on, where it did. */
  readonly backAtMs?: number;
}

/** Something that befalls a system, from its beginning until all is in place again. Fails where it had no effect. */
export interface Fault {
  readonly name: string;
  /** How often it happens in the long form; in the short form those with `isShort` happen once. */
  readonly rounds: number;
  readonly isShort?: true;
  befall(ports: FaultPorts): Promise<FaultMarks>;
}

export interface FaultMarks {
  readonly lost?: Lost;
  /** What it measured by itself, in milliseconds, by name. */
  readonly measuredMs?: { readonly [name: string]: number };
}

/** Past a lease, which is four seconds by default: in the short form by little. */
const stopMs = isFull ? 15_000 : 6_000;
const partitionMs = 30_000;
/** Longer than an answer of the database is waited for, in milliseconds. */
const forgottenMs = 20_000;
/** For how long other troubles last, in milliseconds. */
const troubleMs = 12_000;

const nodeOf = (round: number): NodeName => nodeNames[round % nodeNames.length] as NodeName;

/** As an init system does: started again as soon as it is seen to be gone. */
const killed = async (cluster: Cluster, name: HostName): Promise<FaultMarks> => {
  const node = cluster.node(name);
  const atMs = Date.now();
  await node.kill();
  await cluster.startOn(name);
  return { lost: { pid: node.pid, atMs } };
};

const stopped = async (cluster: Cluster, name: HostName): Promise<FaultMarks> => {
  const node = cluster.node(name);
  const before = count(node.said, "lost its lease");
  const atMs = Date.now();
  node.signal("SIGSTOP");
  await pause(stopMs);
  const backAtMs = Date.now();
  node.signal("SIGCONT");
  // It must have noticed, or it was not stopped for long enough.
  await node.saw("lost its lease", before + 1);
  return { lost: { pid: node.pid, atMs, backAtMs } };
};

const count = (text: string, part: string): number => text.split(part).length - 1;

async function partitioned(cluster: Cluster, name: HostName, how: Cut, ms: number): Promise<FaultMarks> {
  const { network } = cluster;
  const host = cluster.host(name);
  const node = cluster.node(name);
  const before = count(node.said, "lost its lease");
  const atMs = Date.now();
  network.cut(host, [cluster.proxy(name).port], how);
  try {
    await pause(ms);
  } finally {
    network.heal(host);
  }
  if (how === "loss") return {};
  const backAtMs = Date.now();
  await node.saw("lost its lease", before + 1);
  return { lost: { pid: node.pid, atMs, backAtMs } };
}

const cuts: readonly Cut[] = ["both ways", "answers lost"];

const killNode: Fault = {
  name: "kill a node",
  rounds: 6,
  befall: ({ cluster, round }) => killed(cluster, nodeOf(round)),
};

/** What befalls a system that has a PostgreSQL server alone. */
export const faults: readonly Fault[] = [
  killNode,
  { name: "stop a node", rounds: 3, befall: ({ cluster, round }) => stopped(cluster, nodeOf(round)) },
  {
    name: "restart the database server",
    rounds: 4,
    isShort: true,
    async befall({ cluster: { database }, round }) {
      const before = database.recoveries;
      await database.die(round % 2 === 0 ? "kill" : "immediate", undefined);
      await database.restart();
      if (database.recoveries !== before + 1) throw new Error("The server did not have to recover.");
      return {};
    },
  },
  { name: "kill the gateway", rounds: 3, befall: ({ cluster }) => killed(cluster, "gateway") },
  { name: "stop the gateway", rounds: 1, befall: ({ cluster }) => stopped(cluster, "gateway") },
  {
    name: "kill a node while another is stopped",
    rounds: 2,
    isShort: true,
    async befall({ cluster, round }) {
      const [marks] = await Promise.all([stopped(cluster, nodeOf(round)), killed(cluster, nodeOf(round + 1))]);
      return marks;
    },
  },
  {
    name: "partition of a node",
    rounds: 3,
    befall: ({ cluster, round }) => partitioned(cluster, nodeOf(round), cuts[round % cuts.length] as Cut, partitionMs),
  },
  {
    name: "partition of the gateway",
    rounds: 2,
    befall: ({ cluster, round }) => partitioned(cluster, "gateway", cuts[round % cuts.length] as Cut, partitionMs),
  },
  {
    name: "one packet in five lost",
    rounds: 2,
    befall: ({ cluster, round }) => partitioned(cluster, nodeOf(round), "loss", troubleMs),
  },
  {
    name: "slow way to the database",
    rounds: 2,
    async befall({ cluster, round }) {
      const proxy = cluster.proxy(nodeOf(round));
      proxy.slowDown({ from: 20, to: 200 });
      await pause(troubleMs);
      proxy.slowDown(undefined);
      return {};
    },
  },
  {
    name: "connections cut",
    rounds: 3,
    async befall({ cluster, random }) {
      let cut = 0;
      for (let times = 0; times < 5; times++) {
        for (const name of hostNames) cut += cluster.proxy(name).cut();
        await pause(500 + random.next() * 1_000);
      }
      // Each host has several when it is at rest, and again within the second.
      if (cut < 3 * hostNames.length) throw new Error(`No more than ${cut} connections were cut.`);
      return {};
    },
  },
  {
    name: "connections half open",
    rounds: 2,
    async befall({ cluster, round }) {
      const name: HostName = round % 2 === 0 ? nodeOf(round) : "gateway";
      if (cluster.proxy(name).forget() === 0) throw new Error("There was nothing to forget.");
      await pause(forgottenMs);
      return {};
    },
  },
  {
    name: "a clock ten minutes off",
    rounds: 2,
    async befall({ cluster, round }) {
      const name = nodeOf(round);
      const file = cluster.path(`clock-${name}`);
      setClock(file, 0);
      await cluster.node(name).leave();
      const node = await cluster.startOn(name, file);
      for (const offSeconds of round % 2 === 0 ? [600, -600] : [-600, 600]) {
        setClock(file, offSeconds);
        // It notices by itself that its clock was set, and says by how much it is off.
        await node.saw(`clock is ${Math.abs(offSeconds)} s ${offSeconds > 0 ? "ahead of" : "behind"}`);
        await pause(troubleMs);
      }
      await node.leave();
      await cluster.startOn(name);
      return {};
    },
  },
  {
    name: "leave and join",
    rounds: 3,
    async befall({ cluster, round }) {
      const name = nodeOf(round);
      const node = cluster.node(name);
      const client = cluster.client();
      const offers = async () =>
        await Promise.all(thirteen.map(async (each) => (await client.discover(`${each}.work`)).swarms.length));
      const areOffered = async () => (await offers()).every((count) => count === nodeNames.length);
      await until(areOffered, () => "Not all nodes are offered.");
      const lost = { pid: node.pid, atMs: Date.now() };
      const atMs = performance.now();
      const leaving = node.leave();
      await until(
        async () => !(await areOffered()),
        () => "Who leaves is still offered.",
      );
      const firstUnofferedMs = performance.now() - atMs;
      await until(
        async () => (await offers()).every((count) => count < nodeNames.length),
        () => "A service of who leaves is still offered.",
      );
      const lastUnofferedMs = performance.now() - atMs;
      const status = await leaving;
      const goneMs = performance.now() - atMs;
      if (status !== 0) throw new Error(`${name} left with ${status}. ${node.said.slice(-2_000)}`);
      const joinAtMs = performance.now();
      await cluster.startOn(name);
      await until(areOffered, () => "Who joined is not offered.");
      const joinMs = performance.now() - joinAtMs;
      return { lost, measuredMs: { firstUnofferedMs, lastUnofferedMs, goneMs, joinMs } };
    },
  },
];

const connected = ({ nats }: Cluster): number => nats.proxies.reduce((sum, { connections }) => sum + connections, 0);
/** Each process is at some server again. */
const allConnected = (cluster: Cluster) =>
  until(
    () => connected(cluster) >= hostNames.length,
    () => `Only ${connected(cluster)} processes are at NATS.`,
  );

/** What befalls one that has NATS as well: it carries nothing that is not in the database, so there is nothing to lose but time. */
export const natsFaults: readonly Fault[] = [
  {
    name: "kill a NATS server",
    rounds: 3,
    async befall({ cluster, round }) {
      await allConnected(cluster);
      const server = cluster.nats.nodes[round] as NatsNode;
      await server.kill();
      await pause(troubleMs / 2);
      await server.start();
      await allConnected(cluster);
      return {};
    },
  },
  {
    name: "kill all NATS servers",
    rounds: 2,
    async befall({ cluster }) {
      const { nodes } = cluster.nats;
      await Promise.all(nodes.map((server) => server.kill()));
      await pause(troubleMs);
      const bus = (await cluster.client().health()).checks.find(({ name }) => name === "bus");
      if (bus?.status !== "degraded") throw new Error("The gateway has not noticed that there is no NATS.");
      await Promise.all(nodes.map((server) => server.start()));
      await allConnected(cluster);
      return {};
    },
  },
  {
    name: "partition of a node from NATS",
    rounds: 2,
    async befall({ cluster, round }) {
      const host = cluster.host(nodeOf(round));
      cluster.network.cut(
        host,
        cluster.nats.proxies.map(({ port }) => port),
        cuts[round % cuts.length] as Cut,
      );
      try {
        await pause(partitionMs);
      } finally {
        cluster.network.heal(host);
      }
      await allConnected(cluster);
      return {};
    },
  },
  { ...killNode, rounds: 3 },
];
