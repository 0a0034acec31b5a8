import { createHmac } from "node:crypto";
import { canonicalJson, type JsonObject } from "@viable/kernel";
import type { AgentContext } from "viable";

/** The mark of a value under a key. Only this service can make it: the secret lies in its own memory. */
export type Seal = (key: string, value: JsonObject) => string;

const namespace = "seal";
const secretKey = "secret";
const secretBytes = 32;

/**
 * Opens the seal by which this service knows its own values again in a store that others may write to. Without it whoever may write
 * there could put words into a model's mouth.
 */
export async function openSeal({ memory, runtime }: Pick<AgentContext, "memory" | "runtime">): Promise<Seal> {
  let secret = await readSecret(memory);
  if (secret === undefined) {
    const made = Buffer.from(runtime.random.bytes(secretBytes)).toString("hex");
    const written = await memory.set(secretKey, made, { namespace, expected: 0 });
    // Of two that make one at the same moment the first counts.
    secret = (written.ok ? undefined : await readSecret(memory)) ?? made;
  }
  const key = secret;
  return (name, value) =>
    createHmac("sha256", key)
      .update(canonicalJson([name, value]))
      .digest("hex");
}

async function readSecret(memory: AgentContext["memory"]): Promise<string | undefined> {
  const value = (await memory.get(secretKey, namespace))?.value;
  return typeof value === "string" ? value : undefined;
}
