import type { Context, JsonValue } from "@viable/kernel";
import { keepJson, ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import { eventPattern, eventRule } from "./definition-rules.ts";
import { invalidSend } from "./errors.ts";
import { awaitedStream } from "./open-runs.ts";
import { maxResultChars } from "./run-bounds.ts";
import { findKeyProblem } from "./run-start.ts";

/** How something is sent. */
export interface SendOptions {
  /** Sent again under the same, it counts once. */
  readonly id?: string;
  /** The log's event it was made of. */
  readonly source?: string;
}

/**
 * Puts something where runs look that wait for this event and key. Throws `reactor.invalid_input`, also for a payload that no step could keep as
 * its result, and `reactor.not_taken` where the log is busy.
 */
export async function sendEvent(
  ctx: Context,
  log: Log,
  event: string,
  key: string,
  payload: JsonValue,
  { id, source }: SendOptions = {},
): Promise<void> {
  if (!eventPattern.test(event)) throw invalidSend("event", eventRule);
  const problem = findKeyProblem(key);
  if (problem !== undefined) throw invalidSend("key", problem);
  const kept = keepJson(payload, maxResultChars, "payload");
  if (typeof kept === "string") throw invalidPayload(kept);
  const data = { event, key, payload, ...(source !== undefined && { source }) };
  const outcome = await log.append(ctx, {
    streams: [
      {
        stream: awaitedStream(ctx.tenant, event, key),
        expected: "any",
        events: [{ type: "event.received", data, ...(id !== undefined && { id }) }],
      },
    ],
  });
  if (!outcome.ok)
    throw new ViableError("reactor.not_taken", `The log did not take ${event} for ${key}: ${outcome.reason}.`, {
      retryable: true,
      next: "Send it again with the same id.",
    });
}

/** `reactor.invalid_input`: what is sent could not be kept as a step's result. Nothing was recorded. */
const invalidPayload = (reason: string): ViableError =>
  new ViableError("reactor.invalid_input", `send, ${reason.startsWith("payload") ? reason : `payload: ${reason}`}.`, {
    next: "Send plain JSON; keep the bulk in a file or in memory and send where.",
    details: { path: "payload", reason },
  });
