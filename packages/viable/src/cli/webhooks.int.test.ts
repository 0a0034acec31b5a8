// That a person on the command line sees what became of messages to receivers, and has one sent again, over a real socket.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@viable/client";
import type { WebhookPage } from "@viable/protocol";
import { expect, onTestFinished, test, vi } from "vitest";
import { defineSystem } from "../index.ts";
import { commandLine } from "./testing/command-line.ts";

const telling = defineSystem({ name: "telling", services: [], egress: { allow: ["127.0.0.1"] } });

test("what was given up is listed with why, and sent again by hand", async () => {
  const statuses = [410];
  const got: string[] = [];
  const server = createServer((request, response) => {
    got.push(String(request.headers["webhook-id"]));
    request.resume();
    response.writeHead(statuses.shift() ?? 204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const webhookUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const { system, viable: run } = await commandLine(onTestFinished, telling, { servicePorts: "none" });
  const client = createClient({ url: system.gatewayUrl ?? "", token: system.ownerToken });
  const { sessionId } = await client.openSession({ clientType: "api" });
  await client.send(sessionId, { command: "system.health", mode: "sync", webhookUrl });

  const listed = () => run("webhooks", "list", "--output", "json").then(({ out }) => JSON.parse(out) as WebhookPage);
  await vi.waitUntil(async () => (await listed()).webhooks[0]?.status === "dead", { timeout: 20_000 });
  const [given] = (await listed()).webhooks;
  const deliveryId = given?.deliveryId ?? "";
  const table = await run("webhooks", "list");
  expect(table).toMatchObject({ status: 0, err: "" });
  expect(table.out).toContain(`${deliveryId}  execution.completed  `);
  expect(table.out).toContain("dead    1      410 webhook.gone");

  expect(await run("webhooks", "replay", deliveryId)).toMatchObject({ status: 0 });
  await vi.waitUntil(async () => (await listed()).webhooks[0]?.status === "delivered", { timeout: 20_000 });
  expect(got).toEqual([deliveryId, deliveryId]);

  const unknown = await run("webhooks", "replay", "msg_00000000000000000000000000");
  expect(unknown.status).toBe(1);
  expect(unknown.err).toContain("webhook.not_found");
});
