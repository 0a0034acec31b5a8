import { deriveKey } from "@viable/security";
import { Webhook } from "standardwebhooks";

/** The secret of a session's webhooks, of 32 bytes. It follows from a key of the system's, so that nothing of it is kept and every process has it. */
export const webhookSecret = (key: Uint8Array, sessionId: string): string =>
  `whsec_${Buffer.from(deriveKey(key, sessionId)).toString("base64")}`;

/** The headers of a message (Standard Webhooks). The time is that of the try: receivers refuse what was signed long ago. */
export function signMessage(secret: string, id: string, now: number, text: string): Record<string, string> {
  const at = new Date(now);
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now / 1_000)),
    "webhook-signature": new Webhook(secret).sign(id, at, text),
  };
}
