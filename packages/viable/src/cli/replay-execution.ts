import { isDeepStrictEqual } from "node:util";
import type { Client } from "@viable/client";
import { fromEventView } from "@viable/gateway";
import type { Position } from "@viable/log";
import { comparePositions } from "@viable/log";
import type { EventView } from "@viable/protocol";
import { executionEvents } from "@viable/protocol";
import type { ExecutionState } from "@viable/swarm";
import { foldExecution } from "@viable/swarm";
import { version as release } from "../version.ts";

/** The last event to be shown: by its number in the execution's stream, or by its position in the log. */
export type Until = { readonly version: number } | { readonly position: Position };

/** One event, and what it made of the execution. */
export interface ReplayStep {
  readonly event: EventView;
  readonly before: ExecutionState | undefined;
  /** Undefined from the first event on that cannot be folded. */
  readonly state: ExecutionState | undefined;
  /** Why it cannot be folded. Those after it could be, but on what? */
  readonly problem: string | undefined;
}

/** How many events are held at once: as many as the gateway gives. */
const pageEvents = 1_000;

/**
 * Replays an execution event by event. Only events are asked for, each once, and folded here: states would carry what the execution
 * was given, and its result, once more for each event. The fold is the swarm's own, of this release. What it does not know, because
 * the system is of a later one, is where it stops.
 */
export async function* replayExecution(
  client: Client,
  executionId: string,
  until?: Until,
): AsyncGenerator<ReplayStep, void, void> {
  let state: ExecutionState | undefined;
  let isFolding = true;
  let next: Position | undefined;
  do {
    const page = await client.executionEvents(executionId, {
      limit: pageEvents,
      ...(next !== undefined && { after: next }),
    });
    for (const event of page.events) {
      if (until !== undefined && isAfter(event, until)) return;
      const before = state;
      const problem: string | undefined = isFolding ? findProblem(event) : undefined;
      isFolding &&= problem === undefined;
      state = isFolding ? foldExecution(before, fromEventView(event)) : undefined;
      yield { event, before, state, problem };
    }
    next = page.next;
  } while (next !== undefined);
}

const isAfter = (event: EventView, until: Until): boolean =>
  "version" in until ? event.version > until.version : comparePositions(event.position, until.position) > 0;

/** Why the fold could not take an event; undefined where it can. */
function findProblem({ type, data, undecodable }: EventView): string | undefined {
  if (undecodable !== undefined) return undecodable;
  if (!Object.hasOwn(executionEvents, type)) return `this command line, of release ${release}, knows no such event`;
  const judged = executionEvents[type as keyof typeof executionEvents].safeParse(data);
  const issue = judged.error?.issues[0];
  return issue && `${["data", ...issue.path].map(String).join(".")}: ${issue.message}`;
}

/** What became of one field of the state. */
export interface StateChange {
  readonly field: keyof ExecutionState;
  /** Undefined where it was not there. */
  readonly before: unknown;
  /** Undefined where it is not there any more. */
  readonly after: unknown;
}

/** What an event changed. Not the state's version: that is the event's own. */
export function findStateChanges(before: ExecutionState | undefined, after: ExecutionState): StateChange[] {
  return (Object.keys(after) as (keyof ExecutionState)[])
    .filter((field) => field !== "version" && !isDeepStrictEqual(before?.[field], after[field]))
    .map((field) => ({ field, before: before?.[field], after: after[field] }));
}
