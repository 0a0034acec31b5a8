import type { Context, JsonObject } from "@viable/kernel";
import type { Log } from "@viable/log";
import { endNotRecorded } from "./errors.ts";
import { leaseKey } from "./lease.ts";

/** For how long it is kept how a process ended, in milliseconds: no task that it may have begun has longer. */
const keptMs = 24 * 3_600_000;

const endKey = (processId: string): string => `cluster/ended/${processId}`;

/**
 * Records how a process ended, for whoever has seen its end, such as who started it: `how` goes on a sentence, as in "ended with status 3". Its
 * lease goes with that, so all others hold it for gone at once and not only when the lease is over. Not for a process that may still run.
 */
export async function recordEnd(ctx: Context, log: Log, processId: string, how: string): Promise<void> {
  const outcome = await log.append(ctx, {
    lane: "urgent",
    records: [
      { key: endKey(processId), value: { how }, expected: "any", expiresAt: ctx.runtime.clock.now() + keptMs },
      { key: leaseKey(processId), value: null, expected: "any" },
    ],
  });
  if (!outcome.ok) throw endNotRecorded(processId);
}

/** How a process ended, where somebody has seen and recorded it. */
export async function readEnd(ctx: Context, log: Log, processId: string): Promise<string | undefined> {
  const value = (await log.getRecord(ctx, endKey(processId)))?.value as JsonObject | undefined;
  return typeof value?.how === "string" ? value.how : undefined;
}
