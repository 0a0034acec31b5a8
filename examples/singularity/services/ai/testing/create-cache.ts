/** A cache that answers as Storage's does, since no service knows another's code. */
import type { DelegateOutcome, JsonValue } from "viable";
import { z } from "zod";

const key = z.string().min(1).max(200);
const asked = z.discriminatedUnion("operation", [
  z.strictObject({ operation: z.literal("get"), key }),
  z.strictObject({
    operation: z.literal("put"),
    key,
    value: z.json(),
    expiresInMs: z
      .number()
      .int()
      .min(1)
      .max(30 * 24 * 3_600_000),
  }),
]);

export interface TestCache {
  /** What lies in it, by key. */
  readonly values: Map<string, { value: JsonValue; expiresAt: number }>;
  delegate(capability: string, args: JsonValue): Promise<DelegateOutcome>;
}

/** Offers `data_persistence.cache` and nothing else. */
export function createCache(now: () => number): TestCache {
  const values: TestCache["values"] = new Map();
  return {
    values,
    async delegate(capability, args) {
      if (capability !== "data_persistence.cache") return refuse(capability);
      const request = asked.parse(args);
      if (request.operation === "put") {
        values.set(request.key, { value: request.value as JsonValue, expiresAt: now() + request.expiresInMs });
        return { ok: true, executionId: "exe_1", result: { key: request.key } };
      }
      const found = values.get(request.key);
      const result =
        found === undefined || found.expiresAt <= now()
          ? { key: request.key, hit: false }
          : { key: request.key, hit: true, value: found.value };
      return { ok: true, executionId: "exe_1", result };
    },
  };
}

/** What a system answers where nobody offers the capability. */
export async function refuse(capability: string): Promise<DelegateOutcome> {
  const error = { code: "route.unknown", message: `No swarm offers ${capability}.`, retryable: false };
  return { ok: false, status: "refused", executionId: undefined, error };
}
