import type { Context, JsonValue } from "@viable/kernel";
import { codeOf } from "@viable/kernel";
import type { AgentDefinition } from "./agent.ts";
import type { EqualWork } from "./equal-work.ts";
import type { Executions } from "./executions.ts";

/** Larger results are made anew, in characters of JSON: with arguments of the largest size they must fit one append. */
const maxRememberedChars = 1_048_576;

/** What an equal task came to, that answers for another. */
export interface RememberedWork {
  readonly executionId: string;
  readonly result: JsonValue;
}

/**
 * The result of the last equal task, where its agent lets it be remembered for as long as it has been since (S9). Only what completed is:
 * a failure may be another the next time. Undefined where there is none.
 */
export async function findRemembered(
  ctx: Context,
  executions: Executions,
  { rememberMs }: AgentDefinition,
  { finished }: EqualWork,
): Promise<RememberedWork | undefined> {
  const isRecent = ({ time }: { readonly time: number }) => ctx.runtime.clock.now() - time < (rememberMs ?? 0);
  if (finished === undefined || !isRecent(finished)) return undefined;
  const { executionId } = finished;
  const done = await executions.get(ctx, executionId).catch((error) => {
    // One that cannot be read any more must not keep its equals from being done.
    if (codeOf(error) === "log.undecodable_event") return undefined;
    throw error;
  });
  if (done?.status !== "completed" || done.result === undefined) return undefined;
  return JSON.stringify(done.result).length <= maxRememberedChars ? { executionId, result: done.result } : undefined;
}
