import { createHash } from "node:crypto";

/**
 * Where a task stands among a service's tasks, as a number from 0 up to 100: the same for the same key, and spread evenly. The service
 * is part of it, so that a task which stands low in one service stands anywhere in another.
 */
export function shareOf(service: string, key: string): number {
  const digest = createHash("sha256").update(`${service}/${key}`).digest();
  return (digest.readUInt32BE(0) / 2 ** 32) * 100;
}
