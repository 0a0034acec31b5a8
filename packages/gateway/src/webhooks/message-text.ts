import type { ExecutionView, WebhookMessage } from "@viable/protocol";
import type { Delivery } from "./delivery.ts";

/** What a message holds at most, in bytes: Standard Webhooks asks for less than 20 KB, which receivers and their proxies take. */
const maxBytes = 20_000;
/** What is left of the text of an error that was too large, in characters. */
const maxErrorChars = 1_000;

/** The members that can be large, in the order in which receivers can do without them. */
const large = ["args", "progress", "result", "error"] as const;

/** The body of a delivery's message. The same execution in the same state makes the same text. */
export function messageText({ topic, dueAt, executionId, approval }: Delivery, view: ExecutionView): string {
  const { error } = view;
  let data: WebhookMessage["data"] = {
    ...view,
    pollUrl: `/v1/executions/${executionId}`,
    ...(approval !== undefined && { approval }),
  };
  const omitted: (typeof large)[number][] = [];
  const timestamp = new Date(dueAt).toISOString();
  for (const member of large) {
    const text = JSON.stringify({ type: topic, timestamp, data });
    if (Buffer.byteLength(text) < maxBytes) return text;
    if (data[member] === undefined) continue;
    omitted.push(member);
    data = { ...data, [member]: undefined, omitted };
    if (member === "error" && error !== undefined) {
      const { code, message, retryable } = error;
      data.error = { code, message: message.slice(0, maxErrorChars), retryable };
    }
  }
  return JSON.stringify({ type: topic, timestamp, data });
}
