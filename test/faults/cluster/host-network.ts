import { execFileSync } from "node:child_process";

/** A machine of the system under test: a network of its own, or this machine's. */
export interface Host {
  readonly name: string;
  /** Where others reach it. */
  readonly address: string;
  /** What stands before a command so that it runs there. */
  readonly prefix: readonly string[];
}

/** How a host is cut off from ports of the center. */
export type Cut =
  /** Nothing passes. */
  | "both ways"
  /** What it sends arrives, and no answer comes back. */
  | "answers lost"
  /** One packet in five is lost, each way. */
  | "loss";

/** Hosts with a network between them, and what can be done to it. */
export interface HostNetwork extends AsyncDisposable {
  readonly hosts: readonly Host[];
  /** The address of the machine that the servers, and whoever tests, are on. */
  readonly center: string;
  cut(host: Host, ports: readonly number[], how: Cut): void;
  heal(host: Host): void;
}

const run = (command: string, args: readonly string[], input?: string): string =>
  execFileSync(command, args, {
    encoding: "utf8",
    stdio: ["pipe", "pipe", "pipe"],
    ...(input !== undefined && { input }),
  });

/** Why hosts cannot be given networks of their own here; undefined where they can. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "It needs Linux and root.";
  for (const tool of ["ip", "nft"]) {
    try {
      run("which", [tool]);
    } catch {
      return `It needs ${tool} (Debian: apt-get install iproute2 nftables faketime).`;
    }
  }
  return undefined;
}

/** All hosts are this machine. */
export const sharedNetwork = (names: readonly string[]): HostNetwork => ({
  hosts: names.map((name) => ({ name, address: "127.0.0.1", prefix: [] })),
  center: "127.0.0.1",
  cut() {
    throw new Error("There is no network between them to be cut.");
  },
  heal() {},
  async [Symbol.asyncDispose]() {},
});

/**
 * Each host is a network namespace, joined to a bridge of this machine by a cable of its own. Their names carry the number of this process:
 * what a run that was killed has left behind is another's.
 */
export function separateNetworks(names: readonly string[]): HostNetwork {
  const tag = process.pid % 100_000;
  const bridge = `vb${tag}`;
  // Of the block that is set aside for tests of networks (RFC 2544): nobody's real addresses.
  const net = `198.18.${tag % 250}`;
  const center = `${net}.1`;
  const namespaces: string[] = [];
  const letGo = () => {
    for (const name of namespaces) tryTo(() => run("ip", ["netns", "del", name]));
    tryTo(() => run("ip", ["link", "del", bridge]));
  };
  process.once("exit", letGo);
  try {
    run("ip", ["link", "add", bridge, "type", "bridge"]);
    run("ip", ["address", "add", `${center}/24`, "dev", bridge]);
    run("ip", ["link", "set", bridge, "up"]);
    const hosts = names.map((name, index): Host => {
      const namespace = `v${tag}-${name}`;
      const outside = `v${tag}o${index}`;
      const address = `${net}.${index + 10}`;
      const prefix = ["ip", "netns", "exec", namespace];
      run("ip", ["netns", "add", namespace]);
      namespaces.push(namespace);
      run("ip", ["link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", namespace]);
      run("ip", ["link", "set", outside, "master", bridge, "up"]);
      for (const [device, ...words] of [["lo"], ["eth0", address]]) {
        for (const each of words) inside(prefix, "ip", ["address", "add", `${each}/24`, "dev", device as string]);
        inside(prefix, "ip", ["link", "set", device as string, "up"]);
      }
      return { name, address, prefix };
    });
    return {
      hosts,
      center,
      cut(host, ports, how) {
        const these = `{ ${ports.join(", ")} }`;
        const part = how === "loss" ? "numgen random mod 100 < 20 " : "";
        const rules = [`add rule inet cut in tcp sport ${these} ${part}drop`];
        if (how !== "answers lost") rules.push(`add rule inet cut out tcp dport ${these} ${part}drop`);
        const table = `add table inet cut
          add chain inet cut in { type filter hook input priority 0; }
          add chain inet cut out { type filter hook output priority 0; }`;
        inside(host.prefix, "nft", ["-f", "-"], [table, ...rules].join("\n"));
      },
      heal: (host) => inside(host.prefix, "nft", ["delete", "table", "inet", "cut"]),
      async [Symbol.asyncDispose]() {
        process.off("exit", letGo);
        letGo();
      },
    };
  } catch (error) {
    process.off("exit", letGo);
    letGo();
    throw error;
  }
}

function inside(prefix: readonly string[], command: string, args: readonly string[], input?: string): void {
  const [first, ...rest] = [...prefix, command, ...args];
  run(first as string, rest, input);
}

function tryTo(act: () => void): void {
  try {
    act();
  } catch {
    // It is gone already.
  }
}
