import { createHash } from "node:crypto";
import { agent, ViableError } from "viable";
import { z } from "zod";

const namespace = "cache";
const key = z.string().min(1).max(200);
const day = 24 * 3_600_000;
/**
 * Places in the cache. Each key has its own by its checksum, and of two that have the same the later is remembered: so the cache never
 * outgrows them, nobody has to count, and of a thousand keys about thirty have to share theirs.
 */
const places = 16_384;

/** Where a key is remembered. */
export function placeOf(wanted: string): string {
  const number = createHash("sha256").update(wanted).digest().readUInt32BE() % places;
  return `place-${String(number).padStart(5, "0")}`;
}

/** What lies in a place: what was put, and under which key. */
const remembered = z.object({ key: z.string(), value: z.json() });

/** Remembers values for a while. */
export const cache = agent({
  name: "cache",
  capability: "data_persistence.cache",
  description: "Puts, gets and forgets values that expire",
  input: z.discriminatedUnion("operation", [
    z.strictObject({ operation: z.literal("get"), key }),
    z.strictObject({ operation: z.literal("forget"), key }),
    z.strictObject({
      operation: z.literal("put"),
      key,
      value: z.json(),
      expiresInMs: z.coerce
        .number()
        .int()
        .min(1)
        .max(30 * day)
        .default(3_600_000),
    }),
  ]),
  risk: "low",
  async handle(ctx, input) {
    const place = placeOf(input.key);
    const entry = await ctx.memory.get(place, namespace);
    const found = remembered.safeParse(entry?.value).data;
    const isOwn = found?.key === input.key;
    switch (input.operation) {
      case "get":
        if (entry === undefined || !isOwn) return { key: input.key, hit: false };
        return { key: input.key, hit: true, value: found.value, expiresAt: toTime(entry.expiresAt) };
      case "forget":
        if (isOwn) await ctx.memory.delete(place, namespace);
        return { key: input.key, hit: false };
      case "put": {
        if (input.value === null) {
          throw new ViableError("cache.no_value", "null is not cached: it could not be told from a miss.", {
            next: "Forget the key instead.",
          });
        }
        const { key: own, value, expiresInMs } = input;
        await ctx.memory.set(place, { key: own, value }, { namespace, expiresInMs });
        return { key: own, expiresAt: toTime(ctx.runtime.clock.now() + expiresInMs) };
      }
    }
  },
});

const toTime = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
