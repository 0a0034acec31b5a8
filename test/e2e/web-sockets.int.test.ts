/**
 * A whole system over WebSockets: commands and what comes of them on one connection, by hand and with the client, also over a line
 * that is cut again and again.
 */
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { createClient, openSocket } from "@viable/client";
import { createRuntime, rootContext, seededRandom } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { EventView, ServerFrame } from "@viable/protocol";
import { serverFrame } from "@viable/protocol";
import { agent, defineSystem, service } from "viable";
import { createSystem } from "viable/run";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

const echo = agent({
  name: "echo",
  capability: "echo",
  description: "Says it again.",
  input: z.looseObject({}),
  handle: (_ctx, input) => input as never,
});
const wait = agent({
  name: "wait",
  capability: "wait",
  description: "Waits until it is cancelled.",
  input: z.strictObject({}),
  handle: (ctx) =>
    new Promise<never>((_resolve, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason))),
});
const definition = defineSystem({
  name: "web-sockets",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [echo, wait] })],
});
const ctx = rootContext(createRuntime());
const start = async (store = createMemoryStore(), port = 0) => {
  const system = createSystem(definition, { store }, { gateway: { host: "127.0.0.1", port }, servicePorts: "none" });
  await system.start(ctx);
  return system;
};

let system: Awaited<ReturnType<typeof start>>;
let url: string;
beforeAll(async () => {
  system = await start();
  url = system.gatewayUrl as string;
});
afterAll(async () => {
  await system.stop(ctx);
});

const owner = () => createClient({ url, token: system.ownerToken });

/** A socket of the platform's, and what it is told. */
async function open(token: string) {
  const ws = new WebSocket(`${url.replace("http", "ws")}/v1/socket`, ["viable.v1", `bearer.${token}`]);
  const frames: ServerFrame[] = [];
  ws.addEventListener("message", ({ data }) => frames.push(serverFrame.parse(JSON.parse(data))));
  await once(ws, "open");
  const answerTo = (id: string) => frames.find((frame) => "id" in frame && frame.id === id);
  return { ws, frames, answerTo, send: (frame: object) => ws.send(JSON.stringify(frame)) };
}

describe("a command on a socket", () => {
  test("is answered as over HTTP, with its outcome, its repeat or its refusal", async () => {
    const { sessionId, token } = await owner().openSession({ clientType: "cli" });
    const { ws, frames, answerTo, send } = await open(token);
    const command = { type: "command", sessionId, command: "echo", args: { n: 1 }, mode: "sync", idempotencyKey: "k" };
    send({ ...command, id: "1" });
    await expect
      .poll(() => answerTo("1"))
      .toMatchObject({ type: "reply", answer: { status: "completed", result: { n: 1 } } });
    send({ ...command, id: "2" });
    await expect.poll(() => answerTo("2")).toBeDefined();
    expect(answerTo("2")).toEqual({ ...answerTo("1"), id: "2" });
    send({ ...command, id: "3", args: { n: 2 } });
    send({ type: "command", id: "4", sessionId, command: "ecko" });
    send({ type: "command", id: "5", sessionId, command: "wait", args: { x: 1 } });
    for (const [id, status] of [
      ["3", 422],
      ["4", 404],
      ["5", 422],
    ] as const) {
      await expect.poll(() => answerTo(id)).toMatchObject({ type: "error", problem: { status } });
    }
    const http = createClient({ url, token });
    const refused = await http.send(sessionId, { command: "ecko" }).catch((error: unknown) => error);
    expect(answerTo("4")).toMatchObject({ problem: (refused as { problem: object }).problem });
    expect(frames.some(({ type }) => type === "event")).toBe(false);
    ws.close();
  });

  test("is cancelled by its execution, which a session that has none of it cannot", async () => {
    const { sessionId, token } = await owner().openSession({ clientType: "cli" });
    const foreign = await owner().openSession({ clientType: "cli" });
    const [own, other] = [await open(token), await open(foreign.token)];
    own.send({ type: "command", id: "1", sessionId, command: "wait", mode: "async" });
    await expect.poll(() => own.answerTo("1")).toMatchObject({ answer: { status: "pending" } });
    const [reply] = own.frames;
    const executionId = reply?.type === "reply" ? reply.answer?.executionId : undefined;
    other.send({ type: "cancel", id: "2", executionId });
    await expect.poll(() => other.answerTo("2")).toMatchObject({ problem: { code: "gateway.not_found" } });
    own.send({ type: "cancel", id: "2", executionId, reason: "not needed" });
    await expect.poll(() => own.answerTo("2")).toMatchObject({ execution: { status: "cancelled" } });
    own.ws.close();
    other.ws.close();
  });

  test("decides on what was asked of the session's clients, once, and every socket of the session sees it", async () => {
    const { sessionId, token } = await owner().openSession({ clientType: "web" });
    const asking = createClient({ url, token });
    const share = await asking.share(sessionId, {});
    const [own, guest, foreign] = [
      openSocket({ url, token }),
      openSocket({ url, token: share.token }),
      openSocket({ url, token: (await owner().openSession({ clientType: "web" })).token }),
    ];
    const seen: string[] = [];
    const watched = (async () => {
      for await (const { type } of own.watch(sessionId)) {
        seen.push(type);
        if (type === "coordination.settled") return;
      }
    })();
    const { coordinationId } = await asking.coordinate(sessionId, { operation: "deploy", timeoutMs: 60_000 });
    const word = { decision: "approve" as const };
    await expect(foreign.confirm(coordinationId, word)).rejects.toMatchObject({ code: "gateway.not_found" });
    await expect(own.confirm(coordinationId, word)).rejects.toMatchObject({ code: "gateway.coordination_own" });
    expect(await guest.confirm(coordinationId, word)).toMatchObject({ status: "approved" });
    await expect(guest.confirm(coordinationId, word)).rejects.toMatchObject({ code: "gateway.coordination_settled" });
    await watched;
    expect(seen.slice(-3)).toEqual(["coordination.requested", "coordination.confirmed", "coordination.settled"]);
    for (const socket of [own, guest, foreign]) socket.close();
  });

  test("is refused where too many are under way, with when to come again, and the others are answered", async () => {
    const { sessionId, token } = await owner().openSession({ clientType: "cli" });
    const { ws, frames, send } = await open(token);
    for (let n = 0; n < 80; n++) send({ type: "command", id: String(n), sessionId, command: "wait", mode: "sync" });
    await expect.poll(() => frames.length).toBe(80 - 64);
    for (const frame of frames) {
      expect(frame).toMatchObject({ problem: { code: "gateway.too_many_frames", retryable: true }, retryAfterMs: 100 });
    }
    // What was accepted goes on when the client leaves; here it would go on for ever.
    const { executions } = await owner().executions({ session: sessionId, limit: 100 });
    expect(executions).toHaveLength(64);
    ws.close();
    for (const { executionId } of executions) await owner().cancel(executionId);
  });
});

/** Passes connections on to the gateway, and cuts them all when told to. */
async function startLine() {
  const ends = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(new URL(url).port), "127.0.0.1");
    for (const socket of [near, far]) {
      ends.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        ends.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => {
      for (const socket of ends) socket.destroy();
    },
    [Symbol.dispose]() {
      server.close();
      for (const socket of ends) socket.destroy();
    },
  };
}

describe("the client's socket", () => {
  test.each([1, 2])("misses and repeats nothing over a line that is cut at random (seed %i)", async (seed) => {
    const random = seededRandom(seed);
    using line = await startLine();
    const { sessionId, token } = await owner().openSession({ clientType: "api" });
    const socket = openSocket({ url: line.url, token, random });
    const seen: EventView[] = [];
    const watching = (async () => {
      for await (const event of socket.watch(sessionId)) seen.push(event);
    })();
    const total = 150;
    const commands = (async () => {
      for (let n = 0; n < total; n++) {
        const answer = await socket.send(
          sessionId,
          { command: "echo", args: { n, text: "x".repeat(Math.floor(random.next() * 5_000)) }, mode: "sync" },
          { idempotencyKey: `k${n}` },
        );
        expect(answer).toMatchObject({ status: "completed", result: { n } });
        if (random.next() < 0.06) line.cut();
      }
    })();
    await commands;
    await owner().endSession(sessionId);
    await watching;
    const { events } = await owner().events({ after: "0", session: sessionId, limit: 1_000 });
    expect(seen.map(({ position }) => position)).toEqual(events.map(({ position }) => position));
    // It was opened, used for the first time, and ended.
    expect(seen).toHaveLength(3 + 2 * total);
    expect(seen.at(-1)?.type).toBe("session.ended");
    socket.close();
  });

  test("tells a token that opens nothing from a gateway that is not there", async () => {
    const wrong = openSocket({ url, token: "nonsense" });
    await expect(wrong.watch("ses_1").next()).rejects.toMatchObject({ code: "gateway.unauthenticated" });
    wrong.close();
  });

  test("tells who is there, and goes on when the gateway has stopped and come again", async () => {
    const store = createMemoryStore();
    const first = await start(store);
    const at = first.gatewayUrl as string;
    const { sessionId, token } = await createClient({ url: at, token: first.ownerToken }).openSession({
      clientType: "web",
    });
    const socket = openSocket({ url: at, token });
    const present: number[] = [];
    const seen: EventView[] = [];
    const watching = (async () => {
      for await (const event of socket.watch(sessionId, { onPresence: (_clients, count) => present.push(count) }))
        seen.push(event);
    })();
    await expect.poll(() => present).toEqual([1]);
    await socket.send(sessionId, { command: "echo", mode: "sync" });
    await first.stop(ctx);
    const second = await start(store, Number(new URL(at).port));
    const answer = await socket.send(sessionId, { command: "echo", mode: "sync" }, { idempotencyKey: "k" });
    expect(answer.status).toBe("completed");
    await createClient({ url: at, token }).endSession(sessionId);
    await watching;
    // Its first use is noted beside the first command's outcome, by this gateway or the next.
    const types = seen.map(({ type }) => type);
    expect(types.filter((type) => type === "session.activated")).toHaveLength(1);
    expect(types.filter((type) => type !== "session.activated")).toEqual([
      "session.created",
      "execution.accepted",
      "execution.completed",
      "execution.accepted",
      "execution.completed",
      "session.ended",
    ]);
    socket.close();
    await second.stop(ctx);
  });
});
