// Proves what a call to somebody else's address can and cannot do, with real sockets on this machine's loopback addresses, which the config
// allows one by one. Names are resolved by the test, time is the test's.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { createRuntime, rootContext, simulateTime, withContext } from "@viable/kernel";
import { expect, test } from "vitest";
import { createEgress } from "./create-egress.ts";

const allowed = "127.0.0.1";
const refused = "127.0.0.2";

/** A receiver on one of this machine's addresses. */
async function receiver(
  host: string,
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end(),
  port = 0,
) {
  let connections = 0;
  const server = createServer((request, response) => {
    request.resume().once("end", () => answer(request, response));
  });
  server.on("connection", () => {
    connections += 1;
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function world(answers: readonly (readonly string[])[] = []) {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time }));
  const asked: string[] = [];
  const egress = createEgress({
    allow: [allowed],
    resolve: async (name) => {
      asked.push(name);
      return answers[asked.length - 1] ?? [];
    },
  });
  const post = (url: string) => egress.post(ctx, { url, headers: { "content-type": "text/plain" }, body: "word" });
  return { time, ctx, egress, asked, post };
}

test("what is sent arrives as it is, and the status comes back", async () => {
  const got: string[] = [];
  await using there = await receiver(allowed, async (request, response) => {
    got.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers["content-length"]}`);
    response.writeHead(503, { "retry-after": "7" }).end("secret");
  });
  const { post } = world([[allowed]]);
  for (const host of [allowed, "receiver.example."])
    expect(await post(`http://${host}:${there.port}/hook?a=b#c`)).toEqual({ ok: true, status: 503, retryAfter: "7" });
  expect(got).toEqual([allowed, "receiver.example"].map((host) => `POST /hook?a=b ${host}:${there.port} 4`));
});

test("a name that leads elsewhere at the next question gains nothing: what was judged is connected to", async () => {
  await using good = await receiver(allowed);
  await using trap = await receiver(refused, undefined, good.port);
  const { post, asked } = world([[allowed], [refused], [allowed], [refused]]);
  const url = `http://rebinding.example:${good.port}/`;
  expect(await post(url)).toMatchObject({ ok: true, status: 200 });
  expect([asked.length, good.connections, trap.connections]).toEqual([1, 1, 0]);
  expect(await post(url)).toMatchObject({ ok: false, code: "egress.refused_address" });
  expect(await post(url)).toMatchObject({ ok: true, status: 200 });
  expect(await post(url)).toMatchObject({ ok: false, code: "egress.refused_address" });
  expect([good.connections, trap.connections]).toEqual([2, 0]);
});

test.each([
  [[allowed, refused]],
  [[allowed, "169.254.169.254"]],
  [[`::ffff:${refused}`]],
  [["not an address"]],
  [Array.from({ length: 33 }, () => allowed)],
])("a name that leads to one refused address is not called at all: %j", async (addresses) => {
  await using good = await receiver(allowed);
  await using trap = await receiver(refused, undefined, good.port);
  const { post } = world([addresses]);
  expect(await post(`http://two-faced.example:${good.port}/`)).toMatchObject({
    ok: false,
    code: "egress.refused_address",
  });
  expect([good.connections, trap.connections]).toEqual([0, 0]);
});

test("an address that is written in the URL is judged, too: nobody looks it up", async () => {
  await using trap = await receiver(refused);
  const { post, asked } = world();
  expect(await post(`http://${refused}:${trap.port}/`)).toMatchObject({ ok: false, code: "egress.refused_address" });
  expect([asked.length, trap.connections]).toEqual([0, 0]);
});

test("a name that cannot be resolved, or leads nowhere, is told apart from one that is refused", async () => {
  const { ctx, post } = world([[]]);
  expect(await post("http://nowhere.example/")).toMatchObject({ code: "egress.not_resolved" });
  const failing = createEgress({
    resolve: () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" })),
  });
  const answer = await failing.post(ctx, { url: "http://nowhere.example/", headers: {}, body: "" });
  expect(answer).toEqual({
    ok: false,
    code: "egress.not_resolved",
    reason: "nowhere.example could not be resolved (ENOTFOUND)",
  });
});

test("a redirect is an answer, and is not followed", async () => {
  await using trap = await receiver(refused);
  await using there = await receiver(allowed, (_request, response) =>
    response.writeHead(307, { location: `http://${refused}:${trap.port}/` }).end(),
  );
  const { post } = world();
  expect(await post(`http://${allowed}:${there.port}/`)).toMatchObject({ ok: true, status: 307 });
  expect(trap.connections).toBe(0);
});

test("who never answers is left after 15 s", async () => {
  const arrived = Promise.withResolvers<void>();
  await using there = await receiver(allowed, () => arrived.resolve());
  const { post, time } = world();
  const answer = post(`http://${allowed}:${there.port}/`);
  await arrived.promise;
  await time.advance(14_999);
  expect(await Promise.race([answer, Promise.resolve("waiting")])).toBe("waiting");
  await time.advance(1);
  expect(await answer).toMatchObject({ ok: false, code: "egress.timed_out" });
});

test("a name whose servers never answer is left after 5 s", async () => {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time }));
  const asked = Promise.withResolvers<void>();
  const egress = createEgress({
    resolve: () => {
      asked.resolve();
      return new Promise(() => {});
    },
  });
  const answer = egress.post(ctx, { url: "http://slow.example/", headers: {}, body: "" });
  await asked.promise;
  await time.advance(5_000);
  expect(await answer).toMatchObject({ ok: false, code: "egress.not_connected" });
});

test("of an answer without end 64 KiB are read, and its status counts", async () => {
  const closed = Promise.withResolvers<number>();
  await using there = await receiver(allowed, (_request, response) => {
    let written = 0;
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384))) written += 16_384;
    };
    response.on("drain", more).once("close", () => closed.resolve(written));
    more();
  });
  const { post } = world();
  expect(await post(`http://${allowed}:${there.port}/`)).toMatchObject({ ok: true, status: 200 });
  // What the sockets between them hold was written, and not read.
  expect(await closed.promise).toBeLessThan(16 * 1024 * 1024);
});

test("what is no HTTP, or headers without end, is a broken answer", async () => {
  const { post } = world();
  for (const text of ["+OK redis\r\n", `HTTP/1.1 200 OK\r\nx: ${"a".repeat(20_000)}\r\n\r\n`]) {
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(text));
    });
    await new Promise<void>((resolve) => server.listen(0, allowed, resolve));
    const answer = await post(`http://${allowed}:${(server.address() as AddressInfo).port}/`);
    expect(answer).toMatchObject({ ok: false, code: "egress.broken_answer" });
    await new Promise((resolve) => server.close(resolve));
  }
});

test("where nobody listens there is no connection, and the reason tells of none of what is there", async () => {
  const there = await receiver(allowed);
  const { port } = there;
  await there[Symbol.asyncDispose]();
  const { post } = world();
  expect(await post(`http://${allowed}:${port}/`)).toEqual({
    ok: false,
    code: "egress.not_connected",
    reason: "no connection (ECONNREFUSED)",
  });
});

test("it ends with its context, and the connection with it", async () => {
  const left = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  await using there = await receiver(allowed, (request) => {
    request.socket.once("close", () => left.resolve());
    arrived.resolve();
  });
  const { egress, ctx } = world();
  const ending = new AbortController();
  const url = `http://${allowed}:${there.port}/`;
  const answer = egress.post(withContext(ctx, { signal: ending.signal }), { url, headers: {}, body: "" });
  await arrived.promise;
  ending.abort();
  await expect(answer).rejects.toMatchObject({ code: "context.cancelled" });
  await left.promise;
});
