import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import type { PublicKey } from "@viable/security";
import { parsePublicKey, readPublicKeys } from "@viable/security";
import type { AgentDefinition } from "@viable/swarm";
import { agent } from "@viable/swarm";
import { z } from "zod";
import { verifyDatabase, verifyTimeoutMs } from "./verify-events.ts";

/** What the commands about seals need to know of the system. */
export interface SealCommandSources {
  readonly store: Store;
  /** Where the seals are kept besides the log, and the folder of the keys that are trusted; undefined where nothing is sealed. */
  readonly seals: { readonly file: string; readonly keys: string } | undefined;
}

/** Keys that may be given: more processes than share a log. */
const maxKeys = 100;

/** Holds the running log against its seals. */
export function sealCommands({ store, seals }: SealCommandSources): AgentDefinition[] {
  let isRunning = false;
  return [
    agent({
      name: "events-verify",
      capability: "events.verify",
      description: "Holds every event of the log against its seals, and says what is proven and what is not.",
      // It reads the whole log as often as it is asked to, and what it finds is other tenants' too.
      risk: "high",
      timeoutMs: verifyTimeoutMs,
      input: z.strictObject({
        publicKeys: z
          .array(z.string().max(1_000))
          .max(maxKeys)
          .default([])
          .describe("Public keys (PEM) that are trusted besides the system's own"),
        expected: z
          .strictObject({ number: z.number().int().min(1), hash: z.string().max(100) })
          .optional()
          .describe("The last seal that was kept elsewhere, by its number and hash: the log must have it"),
      }),
      handle: async (ctx, { publicKeys, expected }) => {
        // It reads the whole log: one at a time keeps what it takes from others bounded.
        if (isRunning) {
          throw new ViableError("events.verifying", "The log is being verified already.", {
            retryable: true,
            next: "Wait for it, and ask again.",
          });
        }
        const keys = seals === undefined ? new Map<string, PublicKey>() : readPublicKeys(seals.keys);
        for (const pem of publicKeys) {
          const key = parsePublicKey(pem, "A given key");
          keys.set(key.id, key);
        }
        isRunning = true;
        try {
          const verdict = await verifyDatabase(store, {
            keys,
            sealsFile: seals?.file,
            expected,
            signal: ctx.signal,
            onProgress: (read, total) =>
              ctx.progress(Math.floor((read / Math.max(1, total)) * 100), `${read} of ${total} events`),
          });
          return verdict as unknown as JsonValue;
        } finally {
          isRunning = false;
        }
      },
    }),
  ];
}
