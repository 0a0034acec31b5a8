/**
 * Sockets on a real listener, over a log in memory and in simulated time: who gets in, what frames come to, that the events of a session
 * reach all of its sockets in one order, and how a socket ends. Nothing executes commands here.
 */
import { once } from "node:events";
import { connect } from "node:net";
import type { MemoryHub } from "@viable/bus";
import { createMemoryBus, createMemoryHub } from "@viable/bus";
import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore, storeUnavailable } from "@viable/log";
import type { ClientType, ServerFrame } from "@viable/protocol";
import { serverFrame } from "@viable/protocol";
import { baseClientLimits, createCapabilities, createHmacChain, mintOwnerToken } from "@viable/security";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { listen } from "../listen.ts";
import { createReceive } from "../receive.ts";
import { createSessionPresences } from "../session-presences.ts";
import { createSessions } from "../sessions.ts";
import { createSockets } from "./create-sockets.ts";

interface WorldOptions {
  readonly store?: Store;
  readonly hub?: MemoryHub;
  readonly processId?: string;
  readonly maxSockets?: number;
}

/** A gateway of its own, with a log that is appended to by hand. */
async function startWorld({
  store = createMemoryStore(),
  hub = createMemoryHub(),
  processId = "prc_a",
  maxSockets = 4_000,
}: WorldOptions = {}) {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  const capabilities = createCapabilities({ log, open: async () => createHmacChain(new Uint8Array(32)) });
  await capabilities.start(ctx);
  const bus = createMemoryBus(runtime, { hub });
  await bus.start(ctx);
  const sessions = createSessions({ log, capabilities, clientLimits: baseClientLimits });
  const absent = {} as never;
  const receive = createReceive({
    runtime,
    capabilities,
    sessions,
    executions: { get: async () => undefined, owner: async () => undefined } as never,
    // What a command comes to is not this test's: here there is none.
    intake: { submit: async () => noCommand } as never,
    queries: absent,
    register: absent,
    violations: { note: () => undefined },
    coordinations: absent,
    webhooks: absent,
  });
  const errors: unknown[] = [];
  let subscribed = 0;
  const sockets = createSockets({
    runtime,
    receive,
    log: {
      ...log,
      subscribe(...asked) {
        subscribed += 1;
        return log.subscribe(...asked);
      },
    },
    presences: createSessionPresences({
      runtime,
      presence: bus.presence,
      processId,
      onUnheard: (error) => errors.push(error),
    }),
    maxSockets,
    onError: (error) => errors.push(error),
  });
  const listener = await listen(
    () => new Response("not here", { status: 404 }),
    { host: "127.0.0.1", port: 0, name: "test" },
    sockets,
  );
  const url = `${listener.url.replace("http", "ws")}/v1/socket`;
  const owner = mintOwnerToken(ctx, capabilities);
  const grant = capabilities.verify(ctx, owner.token);
  if (grant === undefined) throw new Error("The owner's token opens nothing.");
  const clients: SocketUser[] = [];
  return {
    time,
    ctx,
    log,
    bus,
    capabilities,
    errors,
    subscribed: () => subscribed,
    stats: () => sockets.stats(),
    url,
    owner,
    port: listener.port,
    sessions,
    async session(clientType: ClientType = "web") {
      const opened = await sessions.create(ctx, { grant, token: owner.token }, { clientType });
      if (!opened.ok) throw new Error("No session was opened.");
      return { sessionId: opened.session.sessionId, token: opened.token, session: opened.session };
    },
    /** Appends events to a session, in portions that one append can hold. */
    async append(sessionId: string, count: number, data: JsonObject = {}) {
      for (let done = 0; done < count; done += 500) {
        const events = Array.from({ length: Math.min(500, count - done) }, () => ({ type: "test.happened", data }));
        await log.append(ctx, {
          streams: [{ stream: `test:${sessionId}`, expected: "any", events, session: sessionId }],
        });
      }
    },
    async open(token: string): Promise<SocketUser> {
      const user = useSocket(new WebSocket(url, "viable.v1", { headers: { authorization: `Bearer ${token}` } }));
      clients.push(user);
      await user.opened;
      return user;
    },
    close: () => listener.close(rootContext(createRuntime(), { signal: AbortSignal.abort() })),
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.ws.terminate();
      await listener.close(rootContext(createRuntime(), { signal: AbortSignal.abort() }));
      await bus.stop(ctx);
      await capabilities.stop(ctx);
      await log.stop(ctx);
    },
  };
}

const noCommand = {
  ok: false,
  kind: "unknown",
  code: "intake.unknown_command",
  message: "There is none.",
  reasons: [],
};

type SocketUser = ReturnType<typeof useSocket>;

/** A client that writes down what it is told, and holds each frame against the protocol. */
function useSocket(ws: WebSocket) {
  const frames: ServerFrame[] = [];
  const end: { code?: number; reason?: string } = {};
  const opened = once(ws, "open");
  ws.on("message", (data) => frames.push(serverFrame.parse(JSON.parse(String(data)))));
  ws.on("error", () => undefined);
  ws.on("close", (code, reason) => Object.assign(end, { code, reason: String(reason) }));
  return {
    ws,
    frames,
    end,
    opened,
    send: (frame: unknown) => ws.send(typeof frame === "string" ? frame : JSON.stringify(frame)),
    of: <T extends ServerFrame["type"]>(type: T) =>
      frames.filter((frame): frame is Extract<ServerFrame, { type: T }> => frame.type === type),
    positions: (sessionId?: string) =>
      frames.flatMap((frame) =>
        frame.type === "event" && (sessionId === undefined || frame.sessionId === sessionId) ? [frame.position] : [],
      ),
    codes: () => frames.flatMap((frame) => (frame.type === "error" ? [frame.problem.code] : [])),
  };
}

/** Asks for a socket and tells how that was answered, as text. */
async function askFor(port: number, path: string, headers: Record<string, string>): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const fields = {
    host: `127.0.0.1:${port}`,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  socket.write(
    `GET ${path} HTTP/1.1\r\n${Object.entries(fields)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}\r\n`,
  );
  const answer = await new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (data) => {
      text += data;
      if (text.includes("\r\n\r\n") && text.startsWith("HTTP/1.1 101")) resolve(text);
    });
    socket.on("close", () => resolve(text));
    socket.on("error", () => resolve(text));
  });
  socket.destroy();
  return answer;
}

describe("who gets in", () => {
  const protocols = (token: string) => ({ "sec-websocket-protocol": `viable.v1, bearer.${token}` });

  test("nobody without a token, with another's, with one that is revoked or narrowed to nothing, or at another path", async () => {
    await using world = await startWorld();
    const { ctx, log, capabilities, owner, port } = world;
    const { token } = await world.session();
    const revoked = capabilities.attenuate(owner.token, { label: "to be revoked" });
    const write = capabilities.revocation("default", revoked.capabilityId, null);
    if (write === undefined) throw new Error("Nothing can be revoked.");
    await log.append(ctx, { records: [write] });
    await expect.poll(() => capabilities.verify(ctx, revoked.token)).toBeUndefined();
    const ended = await world.session();
    await world.sessions.end(ctx, ended.session, "test");
    const over = capabilities.attenuate(owner.token, { expiresAt: world.time.now() - 1 });
    const ask = (headers: Record<string, string>, path = "/v1/socket") => askFor(port, path, headers);
    for (const wrong of ["", "x", revoked.token, over.token, ended.token, `${token}x`]) {
      const answer = await ask(protocols(wrong));
      expect(answer).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/);
      expect(answer).toContain("application/problem+json");
      expect(answer).toContain('"code":"gateway.unauthenticated"');
      expect(answer).toMatch(/www-authenticate: Bearer/);
    }
    expect(await ask({ "sec-websocket-protocol": "viable.v1" })).toMatch(/^HTTP\/1\.1 401 /);
    expect(await ask({ ...protocols(token), authorization: "Basic x" })).toMatch(/^HTTP\/1\.1 401 /);
    expect(await ask(protocols(token), "/v1/sockets")).toMatch(/^HTTP\/1\.1 404 /);
    expect(await ask({ "sec-websocket-protocol": `bearer.${token}` })).toMatch(/^HTTP\/1\.1 400 .*subprotocol_needed/s);
    const admitted = await ask(protocols(token));
    expect(admitted).toMatch(/^HTTP\/1\.1 101 /);
    expect(admitted).toMatch(/sec-websocket-protocol: viable\.v1\r\n/i);
    expect(admitted).not.toContain(token);
  });

  test("no page of another origin, whatever token it has; who sends the header is no page", async () => {
    await using world = await startWorld();
    const { port, owner } = world;
    const ask = (headers: Record<string, string>) => askFor(port, "/v1/socket", headers);
    for (const origin of ["http://evil.invalid", `http://127.0.0.1:${port + 1}`, "null", "nonsense"]) {
      expect(await ask({ ...protocols(owner.token), origin })).toMatch(/^HTTP\/1\.1 403 .*gateway\.foreign_origin/s);
    }
    expect(await ask({ ...protocols(owner.token), origin: `http://127.0.0.1:${port}` })).toMatch(/^HTTP\/1\.1 101 /);
    const header = { authorization: `Bearer ${owner.token}`, "sec-websocket-protocol": "viable.v1" };
    expect(await ask({ ...header, origin: "http://evil.invalid" })).toMatch(/^HTTP\/1\.1 101 /);
  });

  test("the platform's own WebSocket, with its token as a subprotocol", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const socket = new globalThis.WebSocket(world.url, ["viable.v1", `bearer.${token}`]);
    const seen: string[] = [];
    socket.addEventListener("message", ({ data }) => seen.push(JSON.parse(data).type));
    await once(socket, "open");
    expect(socket.protocol).toBe("viable.v1");
    socket.send(JSON.stringify({ type: "join", sessionId }));
    await expect.poll(() => seen).toEqual(["joined", "event"]);
    socket.close();
    await once(socket, "close");
  });

  test("what asks for something else is answered as any request", async () => {
    await using world = await startWorld();
    const answer = await askFor(world.port, "/x", { upgrade: "h2c", connection: "Upgrade, close" });
    expect(answer).toMatch(/^HTTP\/1\.1 404 .*not here/s);
  });
});

describe("the events of a session", () => {
  test("reach all of its sockets in one order, whenever they join, and no other session's socket", async () => {
    await using world = await startWorld();
    const a = await world.session();
    const b = await world.session();
    await world.append(a.sessionId, 700, { of: "a" });
    const early = await world.open(a.token);
    early.send({ type: "join", id: "1", sessionId: a.sessionId });
    const appending = (async () => {
      for (let portion = 0; portion < 40; portion++) {
        await world.append(a.sessionId, 7, { of: "a" });
        await world.append(b.sessionId, 3, { of: "b" });
      }
    })();
    const late = [await world.open(a.token), await world.open(world.owner.token)];
    for (const user of late) user.send({ type: "join", sessionId: a.sessionId });
    const other = await world.open(b.token);
    other.send({ type: "join", sessionId: b.sessionId });
    await appending;
    // With the event that says that the session was opened.
    const all = [early, ...late];
    for (const user of all) await expect.poll(() => user.positions().length).toBe(1 + 700 + 280);
    const events = await world.log.readAll(world.ctx, { filter: { session: a.sessionId }, limit: 2_000 });
    for (const user of all) expect(user.positions()).toEqual(events.map(({ position }) => position));
    await expect.poll(() => other.positions().length).toBe(1 + 120);
    expect(JSON.stringify(other.frames)).not.toContain(a.sessionId);
    expect(early.frames[0]).toEqual({ type: "joined", id: "1", sessionId: a.sessionId, position: "0" });
    expect(world.errors).toEqual([]);
  });

  test("are followed once for all sockets of the session", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const users = await Promise.all(Array.from({ length: 20 }, () => world.open(token)));
    for (const user of users) user.send({ type: "join", sessionId });
    for (const user of users) await expect.poll(() => user.positions().length).toBe(1);
    await world.append(sessionId, 50);
    for (const user of users) await expect.poll(() => user.positions().length).toBe(51);
    expect(world.subscribed()).toBe(1);
  });

  test.each([1, 2, 3, 4, 5])("are missed and repeated by nobody who is cut again and again (seed %i)", async (seed) => {
    await using world = await startWorld();
    const random = seededRandom(seed);
    const { sessionId, token } = await world.session();
    const total = 3_000;
    let appended = 0;
    const appending = (async () => {
      while (appended < total) {
        const count = Math.min(total - appended, 1 + Math.floor(random.next() * 60));
        await world.append(sessionId, count, { text: "x".repeat(Math.floor(random.next() * 2_000)) });
        appended += count;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const seen: string[] = [];
    let cuts = 0;
    while (seen.length < total + 1) {
      const user = await world.open(token);
      const acks = random.next() < 0.5;
      user.send({ type: "join", sessionId, acks, ...(seen.length > 0 && { after: seen.at(-1) }) });
      const goal = Math.min(total + 1 - seen.length, 1 + Math.floor(random.next() * 900));
      user.ws.on("message", () => {
        const last = user.positions().at(-1);
        if (acks && last !== undefined) user.send({ type: "ack", sessionId, position: last });
      });
      await expect.poll(() => user.positions().length, { interval: 1 }).toBeGreaterThanOrEqual(goal);
      user.ws.terminate();
      seen.push(...user.positions());
      cuts += 1;
    }
    await appending;
    const events = await world.log.readAll(world.ctx, { filter: { session: sessionId }, limit: 10_000 });
    expect(seen).toEqual(events.map(({ position }) => position));
    expect(cuts).toBeGreaterThan(2);
    expect(world.errors).toEqual([]);
  });

  test("are gone on with at another gateway on the same log, where they were not appended", async () => {
    const store = { ...createMemoryStore(), exclusive: false };
    await using here = await startWorld({ store });
    await using there = await startWorld({ store, processId: "prc_b" });
    const { sessionId, token } = await here.session();
    await here.append(sessionId, 250);
    const [first, second] = [await here.open(token), await there.open(token)];
    for (const user of [first, second]) user.send({ type: "join", sessionId });
    await expect.poll(() => second.of("joined").length).toBe(1);
    // It looks each second for what others have appended.
    await there.time.advance(2_000);
    for (const user of [first, second]) await expect.poll(() => user.positions().length).toBe(251);
    first.ws.terminate();
    await here.append(sessionId, 450);
    await there.time.advance(2_000);
    const again = await there.open(token);
    again.send({ type: "join", sessionId, after: first.positions().at(-1) });
    await here.append(sessionId, 5);
    await there.time.advance(2_000);
    await expect.poll(() => again.positions().length).toBe(455);
    await expect.poll(() => second.positions().length).toBe(706);
    expect([...first.positions(), ...again.positions()]).toEqual(second.positions());
  });

  test("from a position that the log has not come to are refused", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const user = await world.open(token);
    user.send({ type: "join", id: "far", sessionId, after: "1000" });
    user.send({ type: "join", id: "no", sessionId, after: "x1" });
    await expect.poll(() => user.codes().toSorted()).toEqual(["gateway.invalid_position", "gateway.position_ahead"]);
  });

  test("of several sessions come over one socket, each from its own position; one that is left is told of no more", async () => {
    await using world = await startWorld();
    const [a, b] = [await world.session(), await world.session()];
    const user = await world.open(world.owner.token);
    for (const { sessionId } of [a, b]) user.send({ type: "join", sessionId });
    await expect.poll(() => user.of("event").length).toBe(2);
    await world.append(a.sessionId, 5);
    await world.append(b.sessionId, 5);
    await expect.poll(() => user.of("event").length).toBe(12);
    user.send({ type: "leave", sessionId: a.sessionId });
    user.send({ type: "leave", id: "again", sessionId: a.sessionId });
    await expect.poll(() => user.codes()).toEqual(["gateway.not_joined"]);
    await world.append(a.sessionId, 5);
    await world.append(b.sessionId, 5);
    await expect.poll(() => user.positions(b.sessionId).length).toBe(11);
    expect(user.positions(a.sessionId)).toHaveLength(6);
  });
});

describe("a client that takes events too slowly", () => {
  test("is told where to go on, and cut; others go on, and it goes on from there without loss", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const [slow, quick] = [await world.open(token), await world.open(token)];
    for (const user of [slow, quick]) user.send({ type: "join", sessionId });
    for (const user of [slow, quick]) await expect.poll(() => user.positions().length).toBe(1);
    slow.ws.pause();
    // More than the network between holds, and a mebibyte besides.
    for (let n = 0; n < 40; n++) await world.append(sessionId, 5, { text: "x".repeat(60_000) });
    await expect.poll(() => quick.positions().length).toBe(201);
    await world.time.advance(29_000);
    expect(world.subscribed()).toBe(1);
    await world.time.advance(2_000);
    slow.ws.resume();
    await expect.poll(() => slow.end.code).toBe(4008);
    expect(world.stats()).toEqual({ open: 1, sessions: 1, refused: 0, slow: 1 });
    const told = slow.of("error")[0];
    expect(told).toMatchObject({ sessionId, problem: { code: "gateway.slow_consumer" } });
    expect(told?.position).toBe(slow.positions().at(-1));
    expect(slow.positions().length).toBeLessThan(201);
    const again = await world.open(token);
    again.send({ type: "join", sessionId, after: told?.position });
    await expect.poll(() => again.positions().length).toBe(201 - slow.positions().length);
    expect([...slow.positions(), ...again.positions()]).toEqual(quick.positions());
  });

  test("and does take them is fed at its own pace, however large a burst is", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const user = await world.open(token);
    user.send({ type: "join", sessionId });
    await expect.poll(() => user.positions().length).toBe(1);
    // All in one turn of the loop.
    await world.append(sessionId, 400, { text: "x".repeat(20_000) });
    user.ws.pause();
    await world.time.advance(20_000);
    user.ws.resume();
    await expect.poll(() => user.positions().length).toBe(401);
    await world.append(sessionId, 1);
    await expect.poll(() => user.positions().length).toBe(402);
    expect(new Set(user.positions()).size).toBe(402);
    expect(user.ws.readyState).toBe(WebSocket.OPEN);
  });

  test("by its own account: no more than a thousand events are sent without an ack, then as it acknowledges", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    await world.append(sessionId, 2_500);
    const user = await world.open(token);
    user.send({ type: "join", sessionId, acks: true });
    await expect.poll(() => user.positions().length).toBe(1_000);
    user.send({ type: "ack", sessionId, position: user.positions().at(-1) });
    await expect.poll(() => user.positions().length).toBe(2_000);
    user.send({ type: "ack", sessionId, position: user.positions().at(-1) });
    await expect.poll(() => user.positions().length).toBe(2_501);
    // Live from here on.
    user.send({ type: "ack", sessionId, position: "999999" });
    await expect.poll(() => user.codes()).toEqual(["gateway.invalid_ack"]);
    await world.append(sessionId, 1_000);
    await expect.poll(() => user.positions().length).toBe(3_000);
    await world.time.advance(15_000);
    await world.time.advance(16_000);
    await expect.poll(() => user.end.code).toBe(4008);
    expect(user.codes()).toEqual(["gateway.invalid_ack", "gateway.slow_consumer"]);
    expect(user.of("error").at(-1)?.position).toBe(user.positions().at(-1));
  });

  test("while it catches up holds nobody else up, and is cut when it takes nothing for half a minute", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    for (let n = 0; n < 40; n++) await world.append(sessionId, 10, { text: "x".repeat(60_000) });
    // More than may read at once.
    const stuck = await Promise.all(Array.from({ length: 12 }, () => world.open(token)));
    for (const user of stuck) {
      user.ws.pause();
      user.send({ type: "join", sessionId });
    }
    const quick = await world.open(token);
    quick.send({ type: "join", sessionId });
    await expect.poll(() => quick.positions().length).toBe(401);
    expect(quick.ws.readyState).toBe(WebSocket.OPEN);
    await world.time.advance(29_000);
    // Its pings are not answered either while it reads nothing; here it is what it does not take that ends it.
    await world.time.advance(2_000);
    for (const user of stuck) user.ws.resume();
    for (const user of stuck) await expect.poll(() => user.end.code).toBeDefined();
    for (const user of stuck) expect(user.codes()).toEqual(["gateway.slow_consumer"]);
    await world.append(sessionId, 1);
    await expect.poll(() => quick.positions().length).toBe(402);
  });

  test("and asks without reading the answers is cut", async () => {
    await using world = await startWorld();
    const { token } = await world.session();
    const before = world.time.pending;
    const user = await world.open(token);
    user.ws.pause();
    const frame = JSON.stringify({ type: "no such frame", id: "x".repeat(200) });
    for (let n = 0; n < 60_000; n++) user.ws.send(frame);
    // Its timers are gone with it.
    await expect.poll(() => world.time.pending, { timeout: 60_000 }).toBe(before);
    user.ws.resume();
    await expect.poll(() => user.end.code).toBeDefined();
    expect([4008, 1006]).toContain(user.end.code);
  });
});

describe("what is no frame", () => {
  test("is answered, and the socket goes on", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const user = await world.open(token);
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    for (const message of ["", "{", "null", "[]", '"join"', deep]) user.send(message);
    await expect.poll(() => user.codes().length).toBe(6);
    expect(user.codes()).toEqual([
      "gateway.malformed_frame",
      "gateway.malformed_frame",
      "gateway.invalid_frame",
      "gateway.invalid_frame",
      "gateway.invalid_frame",
      "gateway.malformed_frame",
    ]);
    user.send({ type: "shout", id: "c1", coordinationId: "x" });
    await expect
      .poll(() => user.of("error").at(-1))
      .toMatchObject({ id: "c1", problem: { code: "gateway.unknown_frame" } });
    user.send({ type: "join", id: "j1", sessionId, more: 1 });
    await expect
      .poll(() => user.of("error").at(-1))
      .toMatchObject({ id: "j1", problem: { code: "gateway.invalid_frame" } });
    user.send({ type: "join", sessionId });
    await expect.poll(() => user.of("joined").length).toBe(1);
    user.send({ type: "join", id: "j2", sessionId });
    await expect
      .poll(() => user.of("error").at(-1))
      .toMatchObject({ id: "j2", problem: { code: "gateway.already_joined" } });
  });

  test("closes the socket where it is bytes, text that is none, or more than a mebibyte", async () => {
    await using world = await startWorld();
    const { token } = await world.session();
    const bytes = await world.open(token);
    bytes.ws.send(Buffer.from("{}"), { binary: true });
    await expect.poll(() => bytes.end.code).toBe(1003);
    const broken = await world.open(token);
    broken.ws.send(Buffer.from([0xff, 0xfe, 0xfd]), { binary: false });
    await expect.poll(() => broken.end.code).toBe(1007);
    const large = await world.open(token);
    large.send(JSON.stringify({ type: "join", sessionId: "x".repeat(2 * 1024 * 1024) }));
    await expect.poll(() => large.end.code).toBe(1009);
    const most = await world.open(token);
    most.send(" ".repeat(1024 * 1024));
    await expect.poll(() => most.codes()).toEqual(["gateway.malformed_frame"]);
    expect(world.errors).toEqual([]);
  });

  test.each([1, 2, 3])("does no harm, a thousand at random (seed %i), nor tells of another session", async (seed) => {
    await using world = await startWorld();
    const random = seededRandom(seed);
    const [own, other] = [await world.session(), await world.session()];
    await world.append(other.sessionId, 20, { secret: "of the other" });
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T;
    const junk = (): unknown =>
      pick<() => unknown>([
        () => own.sessionId,
        () => other.sessionId,
        () => "0",
        () => "5",
        () => "exe_00000000000000000000000001",
        () => random.next() * 1e9 - 5e8,
        () => null,
        () => true,
        () => [],
        () => ({ __proto__: null, toString: 1, constructor: "x" }),
        () => "\u0000\ud800",
        () => undefined,
      ])();
    const members: Record<string, readonly string[]> = {
      join: ["id", "sessionId", "after", "acks"],
      leave: ["id", "sessionId"],
      command: ["id", "sessionId", "command", "args", "mode", "deadlineMs", "idempotencyKey"],
      cancel: ["id", "executionId", "reason"],
      ack: ["sessionId", "position"],
      confirm: ["id"],
      event: ["sessionId", "position"],
      __proto__: [],
    };
    const types = Object.keys(members);
    const fitting: Record<string, readonly unknown[]> = {
      id: ["1"],
      sessionId: [own.sessionId, other.sessionId],
      after: ["0", "5"],
      acks: [true, false],
      command: ["x"],
      args: [{}],
      mode: ["sync", "async"],
      deadlineMs: [1_000],
      idempotencyKey: ["k"],
      executionId: ["exe_00000000000000000000000001"],
      reason: ["none"],
      position: ["0", "5"],
    };
    const fit = (name: string) => (random.next() < 0.8 ? pick(fitting[name] ?? [null]) : junk());
    const seen: string[] = [];
    let user = await world.open(own.token);
    const codes = new Set<number>();
    for (let n = 0; n < 1_000; n++) {
      if (user.ws.readyState !== WebSocket.OPEN) {
        await expect.poll(() => user.end.code).toBeDefined();
        codes.add(user.end.code as number);
        seen.push(JSON.stringify(user.frames));
        user = await world.open(own.token);
      }
      const type = pick(types);
      const frame = Object.fromEntries([
        ["type", random.next() < 0.95 ? type : junk()],
        ...(members[type] ?? []).filter(() => random.next() < 0.8).map((name) => [name, fit(name)]),
        ...(random.next() < 0.1 ? [["more", junk()]] : []),
      ]);
      const text = JSON.stringify(frame);
      const roll = random.next();
      if (roll < 0.9) user.send(text);
      else if (roll < 0.97) user.send(text.slice(0, Math.floor(random.next() * text.length)));
      else user.ws.send(random.bytes(50), { binary: true });
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    user.ws.close();
    await expect.poll(() => user.end.code).toBeDefined();
    seen.push(JSON.stringify(user.frames));
    expect(seen.join("")).not.toContain("of the other");
    expect(seen.join("")).not.toMatch(/"tenant":"(?!default)/);
    for (const code of codes) expect([1003, 1005]).toContain(code);
    // It lives on, for others too.
    const well = await world.open(other.token);
    well.send({ type: "join", sessionId: other.sessionId });
    await expect.poll(() => well.positions().length).toBe(21);
    expect(world.errors).toEqual([]);
  });

  test("another session's token joins nothing but its own, and one that may not read nothing at all", async () => {
    await using world = await startWorld();
    const [own, other] = [await world.session(), await world.session()];
    const user = await world.open(own.token);
    user.send({ type: "join", id: "1", sessionId: other.sessionId });
    user.send({ type: "cancel", id: "2", executionId: "exe_00000000000000000000000001" });
    user.send({ type: "command", id: "3", sessionId: other.sessionId, command: "x" });
    await expect.poll(() => user.codes()).toEqual(["gateway.not_found", "gateway.not_found", "gateway.not_found"]);
    const narrowed = world.capabilities.attenuate(own.token, { operations: ["write"] });
    const blind = await world.open(narrowed.token);
    blind.send({ type: "join", id: "1", sessionId: own.sessionId });
    await expect.poll(() => blind.codes()).toEqual(["security.denied"]);
  });
});

describe("a socket ends", () => {
  test("within a second when its token is revoked, and hears nothing after that", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const narrowed = world.capabilities.attenuate(token, { label: "one tab" });
    const [user, other] = [await world.open(narrowed.token), await world.open(token)];
    for (const each of [user, other]) each.send({ type: "join", sessionId });
    for (const each of [user, other]) await expect.poll(() => each.positions().length).toBe(1);
    const write = world.capabilities.revocation("default", narrowed.capabilityId, null);
    if (write === undefined) throw new Error("Nothing can be revoked.");
    await world.log.append(world.ctx, { records: [write] });
    await expect.poll(() => world.capabilities.verify(world.ctx, narrowed.token)).toBeUndefined();
    await world.time.advance(1_000);
    await expect.poll(() => user.end).toMatchObject({ code: 4001 });
    expect(user.codes()).toEqual(["gateway.unauthenticated"]);
    await world.append(sessionId, 1);
    await expect.poll(() => other.positions().length).toBe(2);
    expect(user.positions()).toHaveLength(1);
  });

  test("when its token expires", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const short = world.capabilities.attenuate(token, { expiresAt: world.time.now() + 5_500 });
    const user = await world.open(short.token);
    user.send({ type: "join", sessionId });
    await expect.poll(() => user.positions().length).toBe(1);
    await world.time.advance(5_000);
    expect(user.end.code).toBeUndefined();
    await world.time.advance(1_000);
    await expect.poll(() => user.end.code).toBe(4001);
  });

  test("when the hours of the day are over in which its token may read", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const daily = { from: "00:00", to: "00:01", timeZone: "UTC" };
    const atNight = world.capabilities.attenuate(token, { daily });
    const user = await world.open(atNight.token);
    user.send({ type: "join", sessionId });
    await expect.poll(() => user.positions().length).toBe(1);
    for (let beats = 1; beats <= 3; beats++) {
      await world.time.advance(15_000);
      await expect.poll(() => user.of("beat").length).toBe(beats);
    }
    await world.time.advance(14_000);
    expect(user.end.code).toBeUndefined();
    await world.time.advance(2_000);
    await expect.poll(() => user.end.code).toBe(4001);
    expect(user.codes()).toEqual(["security.denied"]);
  });

  test("with its session, after the session's last event; the owner's socket stays", async () => {
    await using world = await startWorld();
    const { sessionId, token, session } = await world.session();
    await world.append(sessionId, 300);
    const [live, owner] = [await world.open(token), await world.open(world.owner.token)];
    for (const each of [live, owner]) each.send({ type: "join", sessionId });
    for (const each of [live, owner]) await expect.poll(() => each.positions().length).toBe(301);
    const apart = await world.open(token);
    const behind = await world.open(token);
    behind.send({ type: "join", sessionId, acks: true });
    await expect.poll(() => behind.positions().length).toBe(301);
    await world.sessions.end(world.ctx, session, "test");
    await world.append(sessionId, 5);
    for (const each of [live, behind]) {
      await expect.poll(() => each.end.code).toBe(4001);
      expect(each.of("event").at(-1)?.event.type).toBe("session.ended");
    }
    await world.time.advance(1_000);
    await expect.poll(() => apart.end.code).toBe(4001);
    await expect.poll(() => owner.positions().length).toBe(302);
    expect(owner.of("event").at(-1)?.event.type).toBe("session.ended");
    expect(owner.ws.readyState).toBe(WebSocket.OPEN);
    owner.send({ type: "join", sessionId });
    await expect.poll(() => owner.positions().length).toBe(2 * 302);
  });

  test("one that catches up with a session that is over hears of it to the last", async () => {
    await using world = await startWorld();
    const { sessionId, token, session } = await world.session();
    await world.append(sessionId, 1_500);
    const user = await world.open(token);
    user.send({ type: "join", sessionId, acks: true });
    await expect.poll(() => user.positions().length).toBe(1_000);
    await world.sessions.end(world.ctx, session, "test");
    await world.time.advance(3_000);
    expect(user.end.code).toBeUndefined();
    user.send({ type: "ack", sessionId, position: user.positions().at(-1) });
    await expect.poll(() => user.end.code).toBe(4001);
    expect(user.positions()).toHaveLength(1_502);
    expect(user.of("event").at(-1)?.event.type).toBe("session.ended");
  });

  test("by a client that is gone without a word: two heartbeats, then it is cut", async () => {
    await using world = await startWorld();
    const { sessionId, token } = await world.session();
    const [gone, there] = [await world.open(token), await world.open(token)];
    for (const each of [gone, there]) each.send({ type: "join", sessionId });
    for (const each of [gone, there]) await expect.poll(() => each.positions().length).toBe(1);
    await world.time.advance(100);
    await expect.poll(() => there.of("presence").at(-1)?.count).toBe(2);
    gone.ws.pause();
    for (let beat = 0; beat < 3; beat++) {
      const beats = there.of("beat").length;
      await world.time.advance(15_000);
      await expect.poll(() => there.of("beat").length).toBe(beats + 1);
    }
    await world.time.advance(100);
    await expect.poll(() => there.of("presence").at(-1)?.count).toBe(1);
    expect(there.ws.readyState).toBe(WebSocket.OPEN);
    gone.ws.resume();
    await expect.poll(() => gone.end.code).toBe(1006);
  });

  test("when the gateway stops, with 1001, and no other is opened", async () => {
    await using world = await startWorld();
    const { token } = await world.session();
    const users = await Promise.all([world.open(token), world.open(token), world.open(world.owner.token)]);
    await world.close();
    for (const user of users) await expect.poll(() => user.end.code).toBe(1001);
    expect(await askFor(world.port, "/v1/socket", {})).toBe("");
  });

  test.each([
    [new ViableError(storeUnavailable, "The database is away.", { retryable: true }), 1013, storeUnavailable, 0],
    [new Error("a defect"), 1011, "gateway.internal", 1],
  ] as const)(
    "where the log cannot be read for now, or by a defect, which is told of (%s)",
    async (failure, code, problem, told) => {
      const store = createMemoryStore();
      let isAway = false;
      await using world = await startWorld({
        store: {
          ...store,
          readAll: async (...asked) => {
            if (isAway) throw failure;
            return await store.readAll(...asked);
          },
        },
      });
      const { sessionId, token } = await world.session();
      await world.append(sessionId, 300);
      const user = await world.open(token);
      isAway = true;
      user.send({ type: "join", sessionId });
      await expect.poll(() => user.end.code).toBe(code);
      expect(user.of("error")).toMatchObject([{ sessionId, position: "0", problem: { code: problem } }]);
      expect(world.errors).toHaveLength(told);
    },
  );
});

describe("who is there", () => {
  test("is told when somebody comes, leaves or dies, at another gateway too", async () => {
    const hub = createMemoryHub();
    const store = { ...createMemoryStore(), exclusive: false };
    await using here = await startWorld({ store, hub, processId: "prc_a" });
    await using there = await startWorld({ store, hub, processId: "prc_b" });
    const { sessionId, token } = await here.session();
    const seen = (user: SocketUser) =>
      user
        .of("presence")
        .at(-1)
        ?.clients.map(({ clientType }) => clientType);
    const settle = async () => {
      for (const { time } of [here, there, here]) await time.advance(1_100);
    };
    const first = await here.open(token);
    first.send({ type: "join", sessionId });
    await expect.poll(() => first.of("joined").length).toBe(1);
    await settle();
    await expect.poll(() => seen(first)).toEqual(["web"]);
    const second = await here.open(here.owner.token);
    second.send({ type: "join", sessionId });
    const third = await there.open(here.owner.token);
    third.send({ type: "join", sessionId });
    for (const user of [second, third]) await expect.poll(() => user.of("joined").length).toBe(1);
    await settle();
    for (const user of [first, second, third])
      await expect.poll(() => seen(user)?.toSorted()).toEqual(["owner", "owner", "web"]);
    expect(first.of("presence").at(-1)?.clients[0]).toEqual({
      clientType: "web",
      principal: "owner",
      since: new Date(Date.UTC(2026, 0, 1)).toISOString(),
      via: "socket",
    });
    third.ws.terminate();
    second.send({ type: "leave", sessionId });
    await expect.poll(() => here.bus.presence.present(`session.${sessionId}`).length).toBe(1);
    await settle();
    await expect.poll(() => seen(first)).toEqual(["web"]);
    first.ws.close();
    await expect.poll(() => here.bus.presence.present(`session.${sessionId}`)).toEqual([]);
  });
});

test("no more sockets are opened with one session's tokens than its people need, however they are narrowed", async () => {
  await using world = await startWorld();
  const { token } = await world.session();
  const tokens = Array.from({ length: 100 }, (_, n) => world.capabilities.attenuate(token, { label: String(n) }).token);
  const users = await Promise.all(tokens.map((each) => world.open(each)));
  const ask = () =>
    askFor(world.port, "/v1/socket", { authorization: `Bearer ${token}`, "sec-websocket-protocol": "viable.v1" });
  expect(await ask()).toMatch(/^HTTP\/1\.1 429 .*gateway\.too_many_sockets/s);
  expect(world.stats()).toEqual({ open: 100, sessions: 0, refused: 1, slow: 0 });
  users[0]?.ws.close();
  await expect.poll(ask).toMatch(/^HTTP\/1\.1 101 /);
});

test("no more sockets are opened than the process may have, and a quarter of them with one token that is bound to no session", async () => {
  await using world = await startWorld({ maxSockets: 8 });
  const ask = (token: string) =>
    askFor(world.port, "/v1/socket", { authorization: `Bearer ${token}`, "sec-websocket-protocol": "viable.v1" });
  for (let n = 0; n < 2; n++) await world.open(world.owner.token);
  expect(await ask(world.owner.token)).toMatch(/^HTTP\/1\.1 429 .*2 sockets are open with this token/s);
  const { token } = await world.session();
  const users = await Promise.all(Array.from({ length: 6 }, () => world.open(token)));
  expect(await ask(token)).toMatch(/^HTTP\/1\.1 503 .*8 sockets are open at this gateway/s);
  users[0]?.ws.close();
  await expect.poll(() => ask(token)).toMatch(/^HTTP\/1\.1 101 /);
});

test("nothing is kept of sockets that are gone", async () => {
  await using world = await startWorld();
  const { sessionId, token } = await world.session();
  const before = world.time.pending;
  const users = await Promise.all(Array.from({ length: 10 }, () => world.open(token)));
  for (const user of users) user.send({ type: "join", sessionId });
  for (const user of users) await expect.poll(() => user.positions().length).toBe(1);
  expect(world.time.pending).toBeGreaterThan(before);
  for (const user of users) user.ws.terminate();
  await expect.poll(() => world.time.pending).toBe(before);
  expect(world.log.stats().slowestSubscription).toBeUndefined();
  expect(world.stats()).toEqual({ open: 0, sessions: 0, refused: 0, slow: 0 });
});
