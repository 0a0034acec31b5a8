// Proves that a message stays below 20 KB whatever an execution holds, says what it left out, and is signed as the specification has it.
import { createHmac } from "node:crypto";
import type { ExecutionView } from "@viable/protocol";
import { webhookMessage } from "@viable/protocol";
import { expect, test } from "vitest";
import type { Delivery } from "./delivery.ts";
import { messageText } from "./message-text.ts";
import { signMessage, webhookSecret } from "./sign-message.ts";

const delivery = { topic: "execution.failed", dueAt: 0, executionId: "exe_1" } as Delivery;
const at = new Date(0).toISOString();
const view: ExecutionView = {
  executionId: "exe_1",
  command: "say",
  status: "failed",
  service: "system",
  agent: "sayer",
  args: { letters: 3 },
  attempts: 1,
  correlationId: "exe_1",
  principal: "owner",
  acceptedAt: at,
  deadlineAt: at,
};
const read = (more: Partial<ExecutionView>) => {
  const text = messageText(delivery, { ...view, ...more });
  expect(Buffer.byteLength(text)).toBeLessThan(20_000);
  return webhookMessage.parse(JSON.parse(text)).data;
};
// Of one character and three bytes: bytes are what counts.
const large = "€".repeat(6_000);
const error = { code: "a.b", message: large, retryable: true, next: large, details: { large } };

test("what fits is all there", () => {
  expect(read({ result: "r" })).toEqual({ ...view, result: "r", pollUrl: "/v1/executions/exe_1" });
});

test.each([
  [{ args: { large, more: large } }, ["args"]],
  [{ result: large + large }, ["args", "result"]],
  [{ args: { large }, result: large }, ["args"]],
  [{ progress: { percent: 1, message: large, metadata: { large } } }, ["args", "progress"]],
  [{ args: { large }, result: large + large, error }, ["args", "result", "error"]],
])("what does not is left out, and that is said: %#", (more, omitted) => {
  expect(read(more).omitted).toEqual(omitted);
});

test("of an error its code and the beginning of what it says are left", () => {
  const { error: told } = read({ error });
  expect(told).toEqual({ code: "a.b", message: large.slice(0, 1_000), retryable: true });
});

test("the signature is that of Standard Webhooks", () => {
  const secret = webhookSecret(new Uint8Array(32), "ses_1");
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const expected = createHmac("sha256", key).update("msg_1.1767225600.{}").digest("base64");
  expect(signMessage(secret, "msg_1", Date.UTC(2026, 0, 1) + 999, "{}")).toEqual({
    "webhook-id": "msg_1",
    "webhook-timestamp": "1767225600",
    "webhook-signature": `v1,${expected}`,
  });
});
