/** Ports that are held by sockets of the test itself, so what is right is known. */
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { meetsItself } from "../probe-port.ts";
import { portInventory } from "./port-inventory.ts";

interface Held extends AsyncDisposable {
  readonly port: number;
}

/** Listens on a port below those that the system hands out by itself: once let go, nobody else is given it. */
async function listen(host: string): Promise<Held> {
  for (let port = 20_000 + (process.pid % 5_000); ; port++) {
    const server = createServer((socket) => socket.resume().on("error", () => undefined)).listen(port, host);
    const isOurs = await new Promise<boolean>((resolve) => {
      server.once("listening", () => resolve(true)).once("error", () => resolve(false));
    });
    if (isOurs) return { port, [Symbol.asyncDispose]: async () => await close(server) };
  }
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, "close");
}

followsInput(portInventory, "a port that is listened on, and the same when it is not any more", async (bench) => {
  await using held = await listen("127.0.0.1");
  const { port } = held;
  const taken = await bench.run(portInventory, { ports: [port] });
  expect(taken).toMatchObject({
    ports: [{ port, isInUse: true, addresses: [{ address: "127.0.0.1", state: "answers" }, { address: "::1" }] }],
    listens: expect.arrayContaining([{ address: "127.0.0.1", port }]),
  });
  await held[Symbol.asyncDispose]();
  const free = await bench.run(portInventory, { ports: [port] });
  expect(free).toMatchObject({ ports: [{ port, isInUse: false, addresses: [{ state: "free" }, {}] }] });
  return [taken, free];
});

test("what listens on all addresses is in use on loopback too, and looking twice does not hold it", async () => {
  await using bench = await openBench();
  await using everywhere = await listen("0.0.0.0");
  const { port } = everywhere;
  expect(await bench.run(portInventory, { ports: [port, port] })).toMatchObject({ ports: [{ port, isInUse: true }] });
  expect((await bench.run(portInventory, { ports: [port, port] })).ports).toHaveLength(1);
});

test("a port that somebody goes out by is held: nobody answers, and it cannot be had", async () => {
  await using bench = await openBench();
  await using target = await listen("127.0.0.1");
  const socket = connect({ host: "127.0.0.1", port: target.port });
  await once(socket, "connect");
  const { localPort: port } = socket;
  expect(await bench.run(portInventory, { ports: [port ?? 0] })).toMatchObject({
    ports: [{ port, isInUse: true, addresses: [{ address: "127.0.0.1", state: "held" }, {}] }],
  });
  socket.destroy();
});

test("a connection that the system has made with itself is nobody's answer", async () => {
  await using held = await listen("127.0.0.1");
  const { port } = held;
  const reached = connect({ host: "127.0.0.1", port });
  await once(reached, "connect");
  expect(meetsItself(reached)).toBe(false);
  reached.destroy();
  await held[Symbol.asyncDispose]();
  // The system may choose for the way out the very port that is asked for: then the socket answers itself.
  const alone = connect({ host: "127.0.0.1", port, localPort: port });
  await once(alone, "connect");
  expect(meetsItself(alone)).toBe(true);
  alone.destroy();
});

test("without ports only the listens are read", async () => {
  await using bench = await openBench();
  expect(await bench.run(portInventory, {})).toMatchObject({ ports: [], listens: expect.any(Array), truncated: {} });
});

test("many ports are tried in turns, and whoever cancels waits no longer", async () => {
  await using bench = await openBench();
  await using held = await listen("127.0.0.1");
  const ports = Array.from({ length: 40 }, (_, index) => 30_000 + index).concat(held.port);
  const { ports: tried } = await bench.run(portInventory, { ports });
  expect((tried as { port: number }[]).map(({ port }) => port)).toEqual(ports);
  expect(bench.progress.at(-1)).toMatchObject({ message: "41 of 41 ports tried" });
  const abort = new AbortController();
  abort.abort(new Error("enough"));
  await expect(bench.run(portInventory, { ports }, { signal: abort.signal })).rejects.toThrow("enough");
});

test.for([{ ports: [0] }, { ports: [65_536] }, { ports: [1.5] }, { ports: Array(201).fill(1) }])(
  "%j does not fit",
  (args) => {
    expect(portInventory.input.safeParse(args).success).toBe(false);
  },
);
