/** What the last look at each provider found. */
import type { Memory } from "viable";
import { z } from "zod";
import type { Provider, ProviderName } from "./providers.ts";

const state = z.enum(["up", "refused", "limited", "failing", "unreachable", "no-models"]);

/**
 * `up` lists models; `refused` does not take the key; `limited` takes no more requests now; `failing` answered with an error;
 * `unreachable` did not answer; `no-models` is there and has no list of models.
 */
export type HealthState = z.infer<typeof state>;

const remembered = z.object({
  state,
  /** Where it was looked for: what stands elsewhere now is another one. */
  address: z.string(),
  /** Wall times in milliseconds: of the last look, and since when the state is this one. */
  checkedAt: z.number(),
  since: z.number(),
  ms: z.number(),
  reason: z.string().optional(),
  models: z.array(z.string()),
  /** Whether `models` is all there is. */
  listsAll: z.boolean(),
});

export type Health = z.infer<typeof remembered>;

const namespace = "provider-health";

export async function readHealth(
  memory: Memory,
  { name, baseUrl }: Pick<Provider, "name" | "baseUrl">,
): Promise<Health | undefined> {
  const found = remembered.safeParse((await memory.get(name, namespace))?.value);
  return found.success && found.data.address === baseUrl ? found.data : undefined;
}

/** Remembers a look. Where two look at the same moment the later one stands. */
export async function writeHealth(memory: Memory, provider: ProviderName, health: Health): Promise<void> {
  await memory.set(provider, health, { namespace });
}
