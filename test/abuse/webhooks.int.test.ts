/**
 * Addresses that a client names to have the gateway call them: those of this machine and its network, in every spelling, redirects to them, and names
 * that lead elsewhere at the next question, by a name server of the test's own. And messages that somebody sends again to a receiver.
 */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { GatewayProblem } from "@viable/client";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import type { AttackedGateway } from "./attacked-gateway.ts";
import { startGateway } from "./attacked-gateway.ts";
import { startNameServer } from "./name-server.ts";

interface Arrived {
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function startReceiver(host: string, port = 0, answer: { status: number; location?: string } = { status: 204 }) {
  const arrived: Arrived[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
    arrived.push({ headers: Object.fromEntries(headers), body });
    response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location }).end();
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    arrived,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function openSession(gateway: AttackedGateway) {
  const { sessionId, webhookSecret } = await gateway.client.openSession({ clientType: "api" });
  return {
    sessionId,
    secret: webhookSecret,
    send: (webhookUrl: string) =>
      gateway.client.send(sessionId, { command: "echo", args: { to: webhookUrl }, mode: "async", webhookUrl }),
    deliveries: async () => (await gateway.client.webhooks()).webhooks,
  };
}

test("an address that is not the internet's is refused in whatever way it is written, and nothing is recorded", async () => {
  await using gateway = await startGateway();
  const { send, sessionId } = await openSession(gateway);
  const urls = [
    ...["127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "0", "127.0.0.1."],
    ...["１２７.０.０.１", "①②⑦.⓪.⓪.①", "127。0。0。1", "%31%32%37.0.0.1", "localhost", "LOCALHOST.", "a.localhost"],
    ...["[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"],
    ...["[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[fd00::1]", "[fe80::1]", "10.0.0.1", "172.16.0.1", "192.168.0.1"],
    ...["169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "224.0.0.1", "255.255.255.255"],
  ].map((host) => `http://${host}:${gateway.port}/v1/health`);
  const others = [
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "http://user:word@example.com/",
    "http://example.com:22/",
    "//example.com",
    "nonsense",
    `http://example.com/${"a".repeat(3_000)}`,
  ];
  for (const url of [...urls, ...others]) {
    const refusal = await send(url).catch((error: unknown) => error);
    expect(refusal, url).toBeInstanceOf(GatewayProblem);
    expect((refusal as GatewayProblem).problem, url).toMatchObject({
      status: 422,
      code: expect.stringMatching(/^gateway\.(webhook_refused|invalid_command)$/),
    });
  }
  expect((await gateway.client.executions({ session: sessionId })).executions).toEqual([]);
  await gateway.expectServes();
});

test("a name that leads elsewhere at the next question, and a redirect, lead nowhere else", async () => {
  await using good = await startReceiver("127.0.0.1");
  // What must not be called listens at the same port of other addresses of this machine.
  await using trap = await startReceiver("127.0.0.2", good.port);
  await using turning = await startReceiver("127.0.0.1", 0, {
    status: 307,
    location: `http://127.0.0.2:${trap.port}/`,
  });
  await using names = await startNameServer({
    "turns.example": ["127.0.0.1", "127.0.0.2"],
    "inside.example": ["127.0.0.2"],
    "clouds.example": ["169.254.169.254"],
  });
  await using gateway = await startGateway({ allow: ["127.0.0.1"], nameServer: names.address });
  const { send, deliveries } = await openSession(gateway);
  await send(`http://turns.example:${good.port}/`);
  await expect.poll(() => good.arrived.length).toBe(1);
  // One question for one call: what was judged is what is connected to.
  expect(names.asked).toEqual(["turns.example"]);
  await send(`http://turns.example:${good.port}/`);
  await send(`http://inside.example:${good.port}/`);
  await send(`http://clouds.example:${good.port}/`);
  await send(`http://127.0.0.1:${turning.port}/`);
  await expect.poll(() => turning.arrived.length).toBe(1);
  const codes = async () =>
    (await deliveries()).flatMap(({ tries }) => tries.map(({ code, status }) => code ?? status));
  await expect.poll(async () => (await codes()).length).toBe(5);
  expect((await codes()).filter((code) => code === "egress.refused_address")).toHaveLength(3);
  expect(trap.arrived).toEqual([]);
  expect(good.arrived).toHaveLength(1);
  await gateway.expectServes();
});

test("a message that somebody sends again, late, altered, or under another id, does nothing at a receiver as the guide has it", async () => {
  await using there = await startReceiver("127.0.0.1");
  await using gateway = await startGateway({ allow: ["127.0.0.1"] });
  const [mine, others] = [await openSession(gateway), await openSession(gateway)];
  await mine.send(`http://127.0.0.1:${there.port}/`);
  await expect.poll(() => there.arrived.length).toBe(1);
  const { headers, body } = there.arrived[0] as Arrived;
  const webhook = new Webhook(mine.secret);
  const seen = new Set<string>();
  /** As `docs/how-to/receive-webhooks.md` receives. */
  const receive = (given: Record<string, string>, text: string): "done" | "done before" | "refused" => {
    try {
      webhook.verify(text, given);
    } catch {
      return "refused";
    }
    const id = given["webhook-id"] ?? "";
    if (seen.has(id)) return "done before";
    seen.add(id);
    return "done";
  };
  expect(receive(headers, body)).toBe("done");
  expect(receive(headers, body)).toBe("done before");
  expect(receive({ ...headers, "webhook-id": "msg_00000000000000000000000000" }, body)).toBe("refused");
  const late = String(Number(headers["webhook-timestamp"]) - 301);
  expect(receive({ ...headers, "webhook-timestamp": late }, body)).toBe("refused");
  expect(receive(headers, body.replace("completed", "failed"))).toBe("refused");
  expect(receive(headers, `${body} `)).toBe("refused");
  expect(receive({ ...headers, "webhook-signature": "v1,AAAA" }, body)).toBe("refused");
  expect(receive({ ...headers, "webhook-signature": "" }, body)).toBe("refused");
  // Of another session's secret it is none.
  expect(() => new Webhook(others.secret).verify(body, headers)).toThrow();
  // What the system itself sends again has the id of the first, and is done once.
  const [delivery] = await mine.deliveries();
  await gateway.client.send(mine.sessionId, {
    command: "webhook.replay",
    args: { deliveryId: delivery?.deliveryId ?? "" },
    mode: "sync",
  });
  await expect.poll(() => there.arrived.length).toBe(2);
  const again = there.arrived[1] as Arrived;
  expect(again.headers["webhook-id"]).toBe(headers["webhook-id"]);
  expect(receive(again.headers, again.body)).toBe("done before");
});
