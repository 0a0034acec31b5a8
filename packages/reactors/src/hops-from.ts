import type { Context } from "@viable/kernel";
import { isId, ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import { maxHops } from "@viable/protocol";
import { originOfRun } from "./list-runs.ts";

/**
 * Over how many hops comes what follows from a run or an execution: one for each of them on the way, back to what a person, a client or
 * a schedule began. None where it follows from neither. Counts to one more than there may be, and no further.
 */
export async function hopsFrom(ctx: Context, log: Log, causation: string | undefined): Promise<number> {
  let cause = causation;
  let hops = 0;
  for (; cause !== undefined && isId("run", cause) && hops <= maxHops; hops++)
    cause = (await originOfRun(ctx, log, cause))?.causation;
  if (cause === undefined || !isId("exe", cause)) return hops;
  const depth = await depthOf(ctx, log, cause);
  return depth === undefined ? hops : hops + depth + 1;
}

/** Over how many hops an execution came, as its first event says; undefined where there is none of this tenant's (W11). */
async function depthOf(ctx: Context, log: Log, executionId: string): Promise<number | undefined> {
  const [accepted] = await log.readStream(ctx, `execution:${executionId}`, { limit: 1, decoding: "none" });
  if (accepted?.metadata.tenant !== ctx.tenant) return undefined;
  const { depth } = accepted.data;
  return typeof depth === "number" ? depth : undefined;
}

/**
 * Refuses to begin what would follow from runs over more hops than there may be. Throws `reactor.too_deep`. What an execution begins is
 * not counted again: it came through the door, which counts.
 */
export async function checkHops(ctx: Context, log: Log, reactor: string, causation: string | undefined): Promise<void> {
  if (causation === undefined || !isId("run", causation)) return;
  if ((await hopsFrom(ctx, log, causation)) <= maxHops) return;
  throw new ViableError(
    "reactor.too_deep",
    `A run of "${reactor}" would follow from ${causation} over more than ${maxHops} hops: runs seem to begin runs in a circle.`,
    {
      next: "Have no process manager begin runs by what its own runs, or those that they lead to, come to; what comes round in time is a schedule's.",
      details: { reactor, causation, maxHops },
    },
  );
}
