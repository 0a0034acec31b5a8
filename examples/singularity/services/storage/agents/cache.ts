import { agent, ViableError } from "viable";
import { z } from "zod";

const namespace = "cache";
const key = z.string().min(1).max(200);
const day = 24 * 3_600_000;

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
    switch (input.operation) {
      case "get": {
        const entry = await ctx.memory.get(input.key, namespace);
        if (entry === undefined) return { key: input.key, hit: false };
        return { key: input.key, hit: true, value: entry.value, expiresAt: toTime(entry.expiresAt) };
      }
      case "forget":
        await ctx.memory.delete(input.key, namespace);
        return { key: input.key, hit: false };
      case "put": {
        if (input.value === null) {
          throw new ViableError("cache.no_value", "null is not cached: it could not be told from a miss.", {
            next: "Forget the key instead.",
          });
        }
        await ctx.memory.set(input.key, input.value, { namespace, expiresInMs: input.expiresInMs });
        return { key: input.key, expiresAt: toTime(ctx.runtime.clock.now() + input.expiresInMs) };
      }
    }
  },
});

const toTime = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
