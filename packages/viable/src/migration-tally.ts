import { ViableError } from "@viable/kernel";
import type { Memory } from "@viable/swarm";
import { z } from "zod";

/** What came of having both sides of a migration do the same. */
export type Comparison = {
  /** Of the execution that was compared. */
  readonly executionId: string;
  /** Of the other side's; undefined where it was refused before there was one. */
  readonly comparedWith: string | undefined;
} & (
  | {
      readonly status: "equal" | "different";
      /** Where the answers differ, and how many such places are not named. */
      readonly paths: readonly string[];
      readonly more: number;
      /** From the beginning to the outcome, in milliseconds. */
      readonly ms: { readonly service: number; readonly legacy: number };
    }
  | { readonly status: "unanswered"; readonly reason: string }
);

const last = { at: z.string(), executionId: z.string(), comparedWith: z.string().optional() };
const migrationTally = z.object({
  /** When the first comparison was counted. */
  since: z.string(),
  compared: z.number(),
  equal: z.number(),
  different: z.number(),
  /** The other side was refused, cancelled or out of time: that says nothing of its answer. */
  unanswered: z.number(),
  /** Means over what was compared, in milliseconds. */
  meanMs: z.object({ service: z.number(), legacy: z.number() }),
  lastDifference: z.object({ ...last, paths: z.array(z.string()), more: z.number() }).optional(),
  lastUnanswered: z.object({ ...last, reason: z.string() }).optional(),
  /** The comparisons counted last, so that one that is begun again after a crash counts once. */
  counted: z.array(z.string()),
});
/** The comparisons of one capability of one service, added up. */
export type MigrationTally = z.infer<typeof migrationTally>;

/** The namespace of the memory that all services share in which tallies are kept, by service and capability. */
const namespace = "migration";
/** Comparisons whose ids are remembered: more than are under way at once. */
const maxCounted = 20;
/** How often a lost race for the tally is run again: comparisons of one service come one by one, those that people ask for beside them. */
const maxTries = 10;

const keyOf = (service: string, capability: string): string => `${service}/${capability}`;

/** The tally with one more comparison in it. Pure; one that is in it already changes nothing. */
export function countComparison(
  tally: MigrationTally | undefined,
  comparison: Comparison,
  by: { readonly comparisonId: string; readonly at: string },
): MigrationTally {
  const before = tally ?? emptyTally(by.at);
  if (before.counted.includes(by.comparisonId)) return before;
  const { executionId, comparedWith, status } = comparison;
  const counted = [...before.counted, by.comparisonId].slice(-maxCounted);
  const entry = { at: by.at, executionId, ...(comparedWith !== undefined && { comparedWith }) };
  if (status === "unanswered") {
    const lastUnanswered = { ...entry, reason: comparison.reason };
    return { ...before, counted, unanswered: before.unanswered + 1, lastUnanswered };
  }
  const { ms, paths, more } = comparison;
  const compared = before.compared + 1;
  const mean = (side: "service" | "legacy") => before.meanMs[side] + (ms[side] - before.meanMs[side]) / compared;
  return {
    ...before,
    counted,
    compared,
    [status]: before[status] + 1,
    meanMs: { service: mean("service"), legacy: mean("legacy") },
    ...(status === "different" && { lastDifference: { ...entry, paths: [...paths], more } }),
  };
}

/** Counts a comparison in the memory that all services share. Throws `migration.contended`, and then it is not counted. */
export async function keepComparison(
  memory: Memory,
  of: { readonly service: string; readonly capability: string },
  comparison: Comparison,
  by: { readonly comparisonId: string; readonly at: string },
): Promise<void> {
  const key = keyOf(of.service, of.capability);
  for (let tries = 0; tries < maxTries; tries++) {
    const entry = await memory.get(key, namespace);
    const tally = countComparison(parseTally(entry?.value), comparison, by);
    const outcome = await memory.set(key, tally, { namespace, expected: entry?.version ?? 0 });
    if (outcome.ok) return;
  }
  throw new ViableError(
    "migration.contended",
    `The tally of ${key} was changed by others ${maxTries} times in a row.`,
    {
      retryable: true,
      next: "Compare it again.",
    },
  );
}

/** The tally of a capability of a service; undefined where nothing was compared yet. */
export async function readTally(
  memory: Memory,
  service: string,
  capability: string,
): Promise<MigrationTally | undefined> {
  return parseTally((await memory.get(keyOf(service, capability), namespace))?.value);
}

/** What is no tally is none: counting begins anew. */
const parseTally = (value: unknown): MigrationTally | undefined => migrationTally.safeParse(value).data;

const emptyTally = (since: string): MigrationTally => ({
  since,
  compared: 0,
  equal: 0,
  different: 0,
  unanswered: 0,
  meanMs: { service: 0, legacy: 0 },
  counted: [],
});
