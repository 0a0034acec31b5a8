// What goes wrong with the servers, and what strangers publish: requests go on, and nothing but messages is lost (W3).
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import type { Bus } from "@viable/bus";
import type { Context, JsonValue, ViableError } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, withContext } from "@viable/kernel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NatsBusOptions } from "./nats-bus.ts";
import { createNatsBus } from "./nats-bus.ts";
import { maxPendingRequests } from "./pending-requests.ts";
import type { StartNatsOptions } from "./testing/index.ts";
import { startNats } from "./testing/index.ts";
import { startProxy } from "./testing/start-proxy.ts";
import { until } from "./testing/until.ts";

const runtime = createRuntime();
const ctx = rootContext(runtime);
let ends: (() => PromiseLike<void>)[];
beforeEach(() => {
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

const soon = (ms: number): Context => withContext(ctx, { deadline: runtime.clock.now() + ms });
const codeOf = (error: unknown): string => (error as ViableError).code;

async function servers(options: StartNatsOptions = {}) {
  const started = await startNats({ own: true, ...options });
  ends.push(() => started[Symbol.asyncDispose]());
  return started;
}

async function open(options: NatsBusOptions): Promise<Bus> {
  const bus = createNatsBus(runtime, options);
  ends.push(() => bus.stop(soon(10)));
  await bus.start(ctx);
  return bus;
}

async function openStranger(url: string): Promise<NatsConnection> {
  const stranger = await connect({ servers: url });
  ends.push(() => stranger.close());
  return stranger;
}

const untilAnswered = (bus: Bus, subject: string): Promise<void> =>
  until(async () => (await bus.request(soon(200), subject, {}).catch(() => undefined)) === true);

describe("servers that go", () => {
  test("a node is killed under load: requests go on over the others, and none is answered wrongly", async () => {
    const { urls, nodes } = await servers({ nodes: 3 });
    // Each bus begins at a node of its own, and hears of the others from it.
    const [asker, ...workers] = [
      await open({ servers: [urls[0] as string] }),
      await open({ servers: [urls[1] as string] }),
      await open({ servers: [urls[2] as string] }),
    ] as const;
    for (const worker of workers) worker.subscribe("double", { group: "g" }, (_ctx, { n }) => (n as number) * 2);
    for (const [nr, worker] of workers.entries()) {
      worker.subscribe(`ready${nr}`, {}, () => true);
      await untilAnswered(asker, `ready${nr}`);
    }

    let asked = 0;
    let goodInARow = 0;
    let enough = 1_000;
    const others = new Set<string>();
    const wrong: unknown[] = [];
    const load = Array.from({ length: 16 }, async () => {
      while (goodInARow < enough) {
        const n = asked++;
        try {
          const answer = await asker.request(soon(500), "double", { n });
          if (answer !== n * 2) wrong.push([n, answer]);
          goodInARow += 1;
        } catch (error) {
          goodInARow = 0;
          others.add(codeOf(error));
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
    });
    // Those of a worker, then that of the asker itself.
    for (const node of [nodes[2], nodes[0]]) {
      const before = asked;
      enough = Number.POSITIVE_INFINITY;
      await until(() => asked > before + 500);
      await node?.kill();
      goodInARow = 0;
      await until(() => goodInARow > 1_000);
    }
    enough = 0;
    await Promise.all(load);
    expect(wrong).toEqual([]);
    const mayHappen = ["bus.disconnected", "bus.no_responder", "context.deadline_exceeded"];
    expect([...others].filter((code) => !mayHappen.includes(code))).toEqual([]);
    // The asker lost its own connection, so it was not all luck.
    expect(others).toContain("bus.disconnected");
    await until(() => [asker, ...workers].every((bus) => bus.stats().connected));
  });

  test("all nodes are killed and started again empty: subscriptions and presence are there again", async () => {
    const { urls, nodes } = await servers({ nodes: 3 });
    const [one, two] = [await open({ servers: urls }), await open({ servers: urls })];
    two.subscribe("ready", { group: "g" }, () => true);
    let heard = 0;
    two.subscribe("news.*", {}, () => void heard++);
    two.presence.announce(ctx, "worker", "w2", { nr: 2 });
    await untilAnswered(one, "ready");
    await until(() => one.presence.present("worker").length === 1);
    const ended = one.request(soon(20_000), "never", {}).catch(codeOf);
    await ended;
    two.subscribe("never", {}, () => new Promise<JsonValue>(() => {}));
    const cutOff = until(() => two.stats().delivered > 0).then(() =>
      one.request(soon(20_000), "never", {}).catch(codeOf),
    );

    await Promise.all(nodes.map((node) => node.kill()));
    await until(() => !one.stats().connected && !two.stats().connected);
    expect(await cutOff).toBe("bus.disconnected");
    await expect(one.request(ctx, "ready", {})).rejects.toMatchObject({ code: "bus.disconnected", retryable: true });
    one.publish(ctx, "news.lost", {});
    expect(one.stats().dropped).toBe(1);

    await Promise.all(nodes.map((node) => node.start()));
    await untilAnswered(one, "ready");
    one.publish(ctx, "news.heard", {});
    await until(() => heard === 1);
    const three = await open({ servers: urls });
    await until(() => three.presence.present("worker").length === 1);
    expect(three.presence.present("worker")).toEqual([{ kind: "worker", id: "w2", info: { nr: 2 } }]);
  });

  test("a bus that falls silent is forgotten after three periods, of the other's own clock", async () => {
    const { urls } = await servers();
    const way = await startProxy(urls[0] as string);
    ends.push(() => way[Symbol.asyncDispose]());
    const time = simulateTime();
    const other = createRuntime({ clock: time });
    const watcher = createNatsBus(other, { servers: urls });
    ends.push(() => watcher.stop(rootContext(other, { deadline: time.now() })));
    await watcher.start(rootContext(other));
    const one = await open({ servers: [way.url] });
    one.presence.announce(ctx, "worker", "w1", {});
    await until(() => watcher.presence.present("worker").length === 1);
    way.cut();
    await until(() => !one.stats().connected);
    await time.advance(14_900);
    expect(watcher.presence.present("worker")).toHaveLength(1);
    await time.advance(101);
    expect(watcher.presence.present("worker")).toHaveLength(0);
  });
});

test.each([
  ["a slow consumer", "-ERR 'Slow Consumer'", "bus.slow_consumer"],
  ["something else", "-ERR 'Maximum Connections Exceeded'", "bus.server_error"],
])("a server that closes for %s, and says so, is told of by that", async (_what, said, code) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.write('INFO {"server_id":"x","version":"2.9.10","headers":true,"max_payload":1048576}\r\n');
    socket.on("data", (data) => {
      if (!data.includes("PING")) return;
      socket.write("PONG\r\n");
      // Once the bus has said what it listens to, it is connected.
      socket.once("data", () => socket.end(`${said}\r\n`));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const problems: string[] = [];
  const bus = createNatsBus(runtime, {
    servers: [`nats://127.0.0.1:${(server.address() as AddressInfo).port}`],
    onProblem: (problem) => problems.push(problem.code),
  });
  ends.push(() => bus.stop(soon(10)));
  await bus.start(ctx);
  await until(() => problems.length === 2);
  expect(problems).toEqual([code, "bus.disconnected"]);
  // It comes again and again, and is told once.
  await until(() => sockets.size > 3);
  expect(problems).toHaveLength(2);
});

describe("what others publish", () => {
  test("garbage on every subject and inbox is counted and dropped: no handler is called, no answer is taken for one, nothing is told back", async () => {
    const { urls } = await servers();
    const bus = await open({ servers: urls });
    const errors: unknown[] = [];
    const quiet = createNatsBus(runtime, { servers: urls, onHandlerError: (error) => errors.push(error) });
    ends.push(() => quiet.stop(soon(10)));
    await quiet.start(ctx);
    const called: string[] = [];
    for (const pattern of [">", "a", "a.*"])
      quiet.subscribe(pattern, {}, (_ctx, _message, subject) => void called.push(subject));
    const gate = Promise.withResolvers<JsonValue>();
    quiet.subscribe("asked", {}, () => gate.promise);
    quiet.subscribe("ready", {}, () => true);
    await untilAnswered(bus, "ready");

    // A stranger who listens to everything knows each subject, and each inbox by the requests that name it.
    const stranger = await openStranger(urls[0] as string);
    const seen = new Set<string>();
    const backs: string[] = [];
    stranger.subscribe("viable.>", {
      callback: (_error, { subject, reply }) => void seen.add(subject).add(reply || subject),
    });
    stranger.subscribe("strangers.inbox", { callback: (_error, msg) => void backs.push(msg.string()) });
    await stranger.flush();
    const answer = bus.request(soon(30_000), "asked", {});
    await until(() => [...seen].some((subject) => subject.startsWith("viable.r.")));
    const inboxes = [...seen].filter((subject) => subject.startsWith("viable.r."));

    const before = quiet.stats().malformed + bus.stats().malformed;
    const random = seededRandom(42);
    const encoder = new TextEncoder();
    const nearly = [
      '1["t","p",null,null]\n',
      '1["t","p",null,null]\n[1]',
      "1+",
      "1-{}",
      "1+{",
      '1-{"code":"x"}',
      '1{"say":"here"}',
      "",
    ];
    const subjects = ["viable.m.a", "viable.m.a.b", "viable.m.asked", "viable.m.ü", "viable.p", ...inboxes];
    const oneOf = <Each>(all: readonly Each[]): Each => all[Math.floor(random.next() * all.length)] as Each;
    for (let nr = 0; nr < 2_000; nr++) {
      const payload = nr % 2 === 0 ? encoder.encode(oneOf(nearly)) : random.bytes(1 + Math.floor(random.next() * 300));
      stranger.publish(oneOf(subjects), payload, random.next() < 0.5 ? { reply: "strangers.inbox" } : undefined);
    }
    // Well formed, to a subject that the port has not.
    stranger.publish("viable.m.ü", '1["t","p",null,null]\n{}');
    // Well formed, and asked for by nobody who may be answered.
    stranger.publish("viable.m.asked", '1["t","p",null,null]\n{}', { reply: "strangers.inbox" });
    // Longer than any message of ours.
    stranger.publish("viable.m.a", `1["t","p",null,null]\n{"a":"${"x".repeat(1_000_000)}"}`);
    await stranger.flush();
    await until(() => quiet.stats().malformed + bus.stats().malformed - before >= 2_000);
    gate.resolve("the answer");
    expect(await answer).toBe("the answer");
    await untilAnswered(bus, "ready");
    await stranger.flush();
    // What came first was handled first, so that nothing is still to come.
    expect(new Set(called)).toEqual(new Set(["ready", "asked"]));
    expect({ backs, errors }).toEqual({ backs: [], errors: [] });
    expect(quiet.stats().handlerErrors).toBe(0);
  });

  test("another system under its own prefix is not heard", async () => {
    const { urls } = await servers();
    const [one, two] = [await open({ servers: urls, prefix: "one" }), await open({ servers: urls, prefix: "two" })];
    let heard = 0;
    two.subscribe(">", {}, () => void heard++);
    two.presence.announce(ctx, "worker", "w", {});
    one.publish(ctx, "a", {});
    await expect(one.request(ctx, "a", {})).rejects.toMatchObject({ code: "bus.no_responder" });
    const third = await open({ servers: urls, prefix: "two" });
    third.publish(ctx, "a", {});
    await until(() => heard === 1);
    await until(() => third.presence.present("worker").length === 1);
    expect(one.presence.present("worker")).toEqual([]);
  });
});

describe("bounds", () => {
  test("more requests than may wait are refused at once, and may be asked again", async () => {
    const { urls } = await servers();
    const bus = await open({ servers: urls });
    const gate = Promise.withResolvers<JsonValue>();
    bus.subscribe("slow", { maxWaiting: 100_000, maxConcurrent: 100_000 }, () => gate.promise);
    const asked = Array.from({ length: maxPendingRequests }, () => bus.request(soon(30_000), "slow", {}));
    await expect(bus.request(soon(30_000), "slow", {})).rejects.toMatchObject({
      code: "bus.overloaded",
      retryable: true,
    });
    gate.resolve(true);
    expect(await Promise.all(asked)).toHaveLength(maxPendingRequests);
    expect(await bus.request(soon(5_000), "slow", {})).toBe(true);
  });

  test("what is longer than this server takes is refused to who sends it, also as an answer", async () => {
    const { urls } = await servers({ config: "max_payload: 2000" });
    const bus = await open({ servers: urls });
    const message = { text: "x".repeat(3_000) };
    const refused = { code: "bus.invalid_message", message: expect.stringContaining("max_payload") };
    expect(() => bus.publish(ctx, "a", message)).toThrow(expect.objectContaining(refused));
    await expect(bus.request(ctx, "a", message)).rejects.toMatchObject(refused);
    bus.subscribe("a", {}, () => message);
    await expect(bus.request(soon(5_000), "a", {})).rejects.toMatchObject(refused);
  });
});
