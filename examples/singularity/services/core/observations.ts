import type { AgentContext } from "viable";

/** One look at the system. */
export type Observation = {
  /** Wall time in milliseconds. */
  readonly at: number;
  readonly status: string;
  readonly services: { readonly [service: string]: string };
};

const namespace = "observations";
/** How many looks are remembered: a day of one each minute and a half. */
const maxObservations = 1_000;
/** Longer than anybody asks back, in milliseconds; what nobody reads any more goes by itself. */
const keptMs = 30 * 24 * 3_600_000;

/** The looks that are remembered, oldest first. */
export async function readObservations(memory: AgentContext["memory"]): Promise<Observation[]> {
  const entries = await memory.list(namespace, { limit: maxObservations });
  return entries.map((entry) => entry.value as Observation).sort((a, b) => a.at - b.at);
}

/** Remembers a look under the execution that made it, so that one begun again remembers it once. The oldest makes room. */
export async function addObservation(
  memory: AgentContext["memory"],
  executionId: string,
  observation: Observation,
): Promise<void> {
  await memory.set(keyOf(observation, executionId), observation, { namespace, expiresInMs: keptMs });
  const entries = await memory.list(namespace, { limit: maxObservations });
  // Keys begin with their time, so the first is the oldest.
  const [oldest] = entries;
  if (entries.length >= maxObservations && oldest !== undefined) await memory.delete(oldest.key, namespace);
}

const keyOf = ({ at }: Observation, executionId: string): string => `${String(at).padStart(16, "0")}-${executionId}`;
