import { createHash } from "node:crypto";
import { writeBase32 } from "@viable/kernel";

/** A run id that follows from what it is of: the same again for the same. */
export function runIdFor(parts: readonly (string | number)[]): string {
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest();
  const word = (at: number): number => digest.readUInt32BE(at);
  return `run_${writeBase32([word(0), word(4), word(8), word(12)])}`;
}
