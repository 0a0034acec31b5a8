/**
 * The gateway over real sockets, with requests that in-process calls cannot make: bodies of no stated length, connections cut in the
 * middle, a port that is taken.
 */
import { request } from "node:http";
import { connect } from "node:net";
import { createRuntime, rootContext } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { agent, defineSystem, service } from "viable";
import { createSystem } from "viable/run";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";

const echo = agent({
  name: "echo",
  capability: "echo",
  description: "Says it again.",
  input: z.looseObject({}),
  handle: (_ctx, input) => input as never,
});
const definition = defineSystem({
  name: "sockets",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [echo] })],
});
const ctx = rootContext(createRuntime());
const start = async (port: number) => {
  const system = createSystem(
    definition,
    { store: createMemoryStore() },
    { gateway: { host: "127.0.0.1", port }, servicePorts: "any" },
  );
  await system.start(ctx);
  return system;
};

let system: Awaited<ReturnType<typeof start>>;
let session: { sessionId: string; token: string };
let url: URL;
beforeAll(async () => {
  system = await start(0);
  url = new URL(system.gatewayUrl as string);
  const opened = await send("POST", "/v1/sessions", system.ownerToken, ['{"clientType":"cli"}']);
  session = opened.body as unknown as typeof session;
});
afterAll(async () => {
  await system.stop(ctx);
});

/** Sends a request in pieces, without saying how long it is. */
function send(
  method: string,
  path: string,
  token: string,
  pieces: readonly string[],
): Promise<{ status: number; body: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, url),
      { method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (more: string) => {
          text += more;
        });
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: text === "" ? {} : JSON.parse(text) }));
      },
    );
    sent.on("error", reject);
    for (const piece of pieces) sent.write(piece);
    sent.end();
  });
}

const commands = () => `/v1/sessions/${session.sessionId}/commands`;

test("a body of no stated length is read like any other", async () => {
  const answer = await send("POST", commands(), session.token, ['{"command":"echo",', '"args":{"n":1}}']);
  expect(answer).toMatchObject({ status: 200, body: { result: { n: 1 } } });
});

test("one that goes on for more than a mebibyte is cut off, and the next is served", async () => {
  const pieces = ['{"command":"echo","args":{"x":"', ...Array.from({ length: 40 }, () => "y".repeat(64 * 1024)), '"}}'];
  expect(await send("POST", commands(), session.token, pieces)).toMatchObject({
    status: 413,
    body: { code: "gateway.body_too_large" },
  });
  expect(await send("POST", commands(), session.token, ['{"command":"echo"}'])).toMatchObject({ status: 200 });
});

test("an execution's feed is closed after its outcome, and whoever resumes after that is told that nothing comes", async () => {
  const { body } = await send("POST", commands(), session.token, ['{"command":"echo","args":{},"mode":"sync"}']);
  const follow = async (headers: Record<string, string>) => {
    const accept = "text/event-stream";
    const authorization = `Bearer ${session.token}`;
    const feed = await fetch(new URL(`/v1/executions/${body.executionId}/events`, url), {
      headers: { accept, authorization, ...headers },
    });
    return { status: feed.status, text: await feed.text() };
  };
  const whole = await follow({});
  expect([...whole.text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type)).toEqual([
    "execution.accepted",
    "execution.completed",
  ]);
  const last = [...whole.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] as string;
  expect(await follow({ "last-event-id": last })).toEqual({ status: 204, text: "" });
});

test("a DELETE without a body cancels and ends", async () => {
  const { body } = await send("POST", commands(), session.token, ['{"command":"echo","args":{},"mode":"async"}']);
  expect(await send("DELETE", `/v1/executions/${body.executionId}`, session.token, [])).toMatchObject({ status: 200 });
  const other = await send("POST", "/v1/sessions", system.ownerToken, ['{"clientType":"cli"}']);
  expect(await send("DELETE", `/v1/sessions/${other.body.sessionId}`, system.ownerToken, [])).toMatchObject({
    status: 200,
    body: { status: "ended" },
  });
});

test("what is no HTTP, and what is cut in the middle, harms nobody", async () => {
  for (const bytes of [
    "\u0000\u0001\u0002 nonsense\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
    `POST ${commands()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${session.token}\r\nContent-Length: 1000\r\n\r\n{"command":`,
    `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  ]) {
    await new Promise<void>((resolve) => {
      const socket = connect(Number(url.port), url.hostname, () =>
        socket.write(bytes, () => setImmediate(() => socket.destroy())),
      );
      socket.on("error", () => undefined);
      socket.on("close", () => resolve());
    });
    expect(await send("POST", commands(), session.token, ['{"command":"echo"}'])).toMatchObject({ status: 200 });
  }
});

test("a port that is in use is named, and what had begun is let go", async () => {
  await expect(start(Number(url.port))).rejects.toMatchObject({
    code: "gateway.port_in_use",
    message: `gateway: port ${url.port} on 127.0.0.1 is in use.`,
  });
});
