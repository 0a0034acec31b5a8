import { agent } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { type PortState, probePort } from "../probe-port.ts";
import { readListens } from "../read-listens.ts";

/** Ports tried in one task; who wants to know of all reads the list of listens. */
const maxPorts = 200;
/** Ports tried at once: each takes two sockets. */
const atOnce = 16;
/** Listens named in one result. */
const maxListens = 500;

const loopback = ["127.0.0.1", "::1"] as const;

/** Which ports of this machine are in use, found out by trying. */
export const portInventory = agent({
  name: "port-inventory",
  capability: "port_inventory",
  description: "Which of the given ports are in use on loopback, tried one by one, and what listens on this machine",
  input: z.strictObject({
    ports: z
      .array(z.number().int().min(1).max(65_535))
      .max(maxPorts)
      .default([])
      .describe("Ports to try; without any only the listens are read"),
  }),
  risk: "low",
  async handle(ctx, { ports }) {
    const wanted = [...new Set(ports)];
    const tried: { port: number; isInUse: boolean | "unknown"; addresses: { address: string; state: PortState }[] }[] =
      [];
    for (let at = 0; at < wanted.length; at += atOnce) {
      const some = wanted.slice(at, at + atOnce);
      tried.push(...(await Promise.all(some.map(async (port) => judge(port, await probeLoopback(port))))));
      ctx.progress(Math.floor((tried.length / wanted.length) * 95), `${tried.length} of ${wanted.length} ports tried`);
    }
    const listens = await readListens("");
    const truncated: Truncated = {};
    return {
      origin: "connecting and listening on loopback; listens as the kernel lists them",
      ports: tried,
      listens: listens === undefined ? "unknown" : cutList("listens", listens, maxListens, truncated),
      truncated,
    };

    async function probeLoopback(port: number) {
      const addresses: { address: string; state: PortState }[] = [];
      // One after the other: a listen on both at once could meet itself.
      for (const address of loopback) addresses.push({ address, state: await probePort(ctx, address, port) });
      return addresses;
    }
  },
});

function judge(port: number, addresses: { address: string; state: PortState }[]) {
  const has = (...states: PortState[]) => addresses.some(({ state }) => states.includes(state));
  const isInUse = has("answers", "held") ? true : has("forbidden", "unknown") || !has("free") ? "unknown" : false;
  return { port, isInUse, addresses } as const;
}
