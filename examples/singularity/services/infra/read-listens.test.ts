/** Tables of sockets as Linux shows them, planted; and its own, held against a server that listens. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { plantTree } from "../../testing/plant-tree.ts";
import { parseSockets, readListens } from "./read-listens.ts";

const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const line = (local: string, state: string) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 0 0 1\n`;

test("listens of both families, each once; connections are none", async () => {
  await using tree = await plantTree({
    "proc/net/tcp": `${header}${line("0100007F:1F90", "0A")}${line("00000000:0016", "0A")}${line("0100007F:1F91", "01")}`,
    "proc/net/tcp6": `${header}${line("00000000000000000000000001000000:0FA5", "0A")}${line("00000000000000000000000000000000:0016", "0A")}${line("B80D0120000000000000000001000000:0050", "0A")}${line("B80D0120000000000000000001000000:0050", "0A")}`,
  });
  expect(await readListens(tree.path)).toEqual([
    { address: "0.0.0.0", port: 22 },
    { address: "::", port: 22 },
    { address: "2001:db8::1", port: 80 },
    { address: "::1", port: 4005 },
    { address: "127.0.0.1", port: 8080 },
  ]);
});

test("a machine that keeps numbers the other way round writes addresses in order", () => {
  expect(parseSockets(header + line("7F000001:1F90", "0A"), false)).toEqual([{ address: "127.0.0.1", port: 8080 }]);
});

test("without the tables nothing is made up, and broken lines are left out", async () => {
  await using tree = await plantTree();
  expect(await readListens(tree.path)).toBeUndefined();
  expect(parseSockets(`${header}\nnonsense\n   0: 0100007F 0A\n`)).toEqual([]);
});

test("a server of our own is among what the kernel lists", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  expect(await readListens("")).toContainEqual({ address: "127.0.0.1", port });
  server.close();
});
