/** Reads which addresses somebody listens on from the tables that Linux shows of its sockets. They say nothing of who it is. */
import { endianness } from "node:os";
import { byText } from "../../source/by-text.ts";
import { readSmallFile } from "./read-small-file.ts";

export type Listen = { readonly address: string; readonly port: number };

/** How the tables write that a socket listens. */
const listening = "0A";

/** All listens by port, as the files under `root` tell them, `/` on a real machine; undefined where there are no such tables. */
export async function readListens(root: string): Promise<Listen[] | undefined> {
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => readSmallFile(`${root}/proc/net/${name}`)));
  if (!tables.some((table) => table.ok)) return undefined;
  const listens = tables.flatMap((table) => (table.ok ? parseSockets(table.text) : []));
  return listens.sort((a, b) => a.port - b.port || byText(a.address, b.address));
}

/** The listening sockets of a table, each address and port once. */
export function parseSockets(table: string, isLittleEndian: boolean = endianness() === "LE"): Listen[] {
  const found = new Map<string, Listen>();
  for (const line of table.split("\n").slice(1)) {
    const [, local = "", , state] = line.trim().split(/\s+/);
    const [, hex, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
    if (hex === undefined || port === undefined || state !== listening) continue;
    const listen = { address: toAddress(hex, isLittleEndian), port: Number.parseInt(port, 16) };
    found.set(`${listen.address} ${listen.port}`, listen);
  }
  return [...found.values()];
}

/** Addresses are written as numbers of four bytes, in the order in which the machine keeps them. */
function toAddress(hex: string, isLittleEndian: boolean): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => {
    const inOrder = word.match(/../g) ?? [];
    return isLittleEndian ? inOrder.reverse() : inOrder;
  });
  if (bytes.length === 4) return bytes.map((byte) => Number.parseInt(byte, 16)).join(".");
  const groups = bytes.join("").match(/.{4}/g) ?? [];
  // The shortest way to write it, as everybody does.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
