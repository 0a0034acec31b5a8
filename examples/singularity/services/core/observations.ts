import type { AgentContext, MemoryEntry } from "viable";

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

/**
 * Remembers a look under the execution that made it, so that one begun again is remembered once. The oldest make room. Answers the looks
 * that were before, oldest first.
 */
export async function addObservation(
  memory: AgentContext["memory"],
  executionId: string,
  observation: Observation,
): Promise<Observation[]> {
  const entries = await listAll(memory);
  await memory.set(keyOf(observation, executionId), observation, { namespace, expiresInMs: keptMs });
  const isOwn = ({ key }: MemoryEntry): boolean => key.endsWith(`-${executionId}`);
  const former = entries.filter((entry) => !isOwn(entry));
  const kept = former.slice(-(maxObservations - 1));
  const own = entries.filter((entry) => isOwn(entry) && entry.key !== keyOf(observation, executionId));
  for (const { key } of [...own, ...former.slice(0, former.length - kept.length)]) await memory.delete(key, namespace);
  return kept.map((entry) => entry.value as Observation);
}

/** In the order of their keys, which begin with their time. Looks at the same moment may be some more than are to be kept. */
async function listAll(memory: AgentContext["memory"]): Promise<MemoryEntry[]> {
  const entries: MemoryEntry[] = [];
  for (;;) {
    const after = entries.at(-1)?.key;
    const page = await memory.list(namespace, { limit: maxObservations, ...(after !== undefined && { after }) });
    entries.push(...page);
    if (page.length < maxObservations) return entries;
  }
}

const keyOf = ({ at }: Observation, executionId: string): string => `${String(at).padStart(16, "0")}-${executionId}`;
