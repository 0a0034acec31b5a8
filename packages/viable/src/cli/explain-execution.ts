import type { Client } from "@viable/client";
import { ViableError } from "@viable/kernel";
import type { EventView, ExecutionEventData, ExecutionView, RouteDecision } from "@viable/protocol";
import { outcomeOf } from "./execution-tree.ts";

/** Why an execution went where it went and ended as it did, as far as its own events say. */
export interface Explanation {
  readonly executionId: string;
  readonly command: string;
  readonly status: string;
  readonly route: RouteDecision;
  readonly authority: ExecutionEventData<"execution.accepted">["authority"];
  /** What it was begun with, and anew each time its worker or process was lost. */
  readonly claims: readonly {
    readonly attempt: number;
    readonly processId: string;
    readonly epoch: number;
    readonly time: string;
    readonly reason: string;
  }[];
  /** Whoever gave it back unfinished, in order: such a claim was no failed try. */
  readonly releases: readonly { readonly processId: string; readonly time: string; readonly reason: string }[];
  /** The equal work that it waited for instead of doing it too. */
  readonly joined: readonly {
    readonly executionId: string | undefined;
    readonly time: string;
    readonly reason: string;
  }[];
  readonly outcome: { readonly type: string; readonly time: string; readonly reason: string } | undefined;
  readonly parentId: string | undefined;
  readonly children: readonly {
    readonly executionId: string;
    readonly command: string;
    readonly service: string;
    readonly status: string;
    readonly reason: string | undefined;
  }[];
}

/** Children are looked for in so many pages of so many executions of the same session. */
const maxPages = 10;
const pageSize = 500;

/** Reads an execution's events, and those of what it delegated, and puts their reasons together. Nothing is inferred. */
export async function explainExecution(client: Client, executionId: string): Promise<Explanation> {
  const view = await client.execution(executionId);
  const { events } = await client.executionEvents(executionId);
  const children = await Promise.all(
    (await findChildren(client, view)).map(async (child) => {
      const [accepted] = (await client.executionEvents(child.executionId)).events;
      const { executionId: id, command, service, status } = child;
      return { executionId: id, command, service, status, reason: accepted && reasonOf(accepted) };
    }),
  );
  return explain(view, events, children);
}

const remembers = "the same task was done before, and its result is remembered";

/** The explanation of one execution from what was read. Pure. Throws `cli.undecodable_event`: half of it would be none. */
export function explain(
  view: ExecutionView,
  events: readonly EventView[],
  children: Explanation["children"],
): Explanation {
  const unread = events.find(({ undecodable }) => undecodable !== undefined);
  if (unread !== undefined) {
    const what = `The event at position ${unread.position} (${unread.type}) of ${view.executionId}`;
    throw new ViableError("cli.undecodable_event", `${what} cannot be read: ${unread.undecodable}`, {
      next: `Look at its events as they are stored: viable executions replay ${view.executionId}`,
    });
  }
  const accepted = events.find((event) => event.type === "execution.accepted");
  if (accepted === undefined) throw new Error(`${view.executionId} has no acceptance among its events.`);
  const { route, authority, claim, assigned, joinedTo, remembered } = acceptance(accepted);
  const claims: Explanation["claims"][number][] = [];
  const joined: Explanation["joined"][number][] = [];
  const releases: Explanation["releases"][number][] = [];
  let outcome: Explanation["outcome"];
  if (claim !== undefined) claims.push({ ...claim, time: accepted.time, reason: "claimed with the acceptance" });
  if (assigned !== undefined)
    claims.push({ ...assigned, time: accepted.time, reason: "claimed for it with the acceptance" });
  if (joinedTo !== undefined)
    joined.push({
      executionId: joinedTo,
      time: accepted.time,
      reason: remembered ? remembers : "the same task was already under way",
    });
  for (const event of events) {
    const { type, data, time } = event;
    const ended = outcomeOf(event);
    if (type === "execution.claimed") {
      const { processId, epoch, attempt, reason } = data as unknown as ExecutionEventData<"execution.claimed">;
      claims.push({ attempt, processId, epoch, time, reason });
    } else if (type === "execution.released") {
      const { processId, reason } = data as unknown as ExecutionEventData<"execution.released">;
      releases.push({ processId, time, reason });
    } else if (type === "execution.rejoined") {
      const rejoined = data as unknown as ExecutionEventData<"execution.rejoined">;
      joined.push({ executionId: rejoined.joinedTo, time, reason: rejoined.reason });
    } else if (ended !== undefined) {
      outcome = { type: ended, time, reason: outcomeReason(view, data) };
    }
  }
  return {
    executionId: view.executionId,
    command: view.command,
    status: view.status,
    route,
    authority,
    claims,
    releases,
    joined,
    outcome,
    parentId: view.parentId,
    children,
  };
}

/** Why an accepted execution went where it went; undefined where that cannot be read. */
const reasonOf = (accepted: EventView): string | undefined =>
  accepted.undecodable === undefined ? acceptance(accepted).route.reason : undefined;

const acceptance = (event: EventView): ExecutionEventData<"execution.accepted"> =>
  event.data as unknown as ExecutionEventData<"execution.accepted">;

function outcomeReason(view: ExecutionView, data: EventView["data"]): string {
  const from = typeof data.joinedTo === "string" ? `as ${data.joinedTo}, which it had joined` : "";
  return [view.error?.message ?? "", from].filter((text) => text !== "").join("; ");
}

async function findChildren(client: Client, view: ExecutionView): Promise<ExecutionView[]> {
  const children: ExecutionView[] = [];
  let before: string | undefined;
  for (let page = 0; page < maxPages; page++) {
    const { executions, next } = await client.executions({
      limit: pageSize,
      ...(view.sessionId !== undefined && { session: view.sessionId }),
      ...(before !== undefined && { before }),
    });
    children.push(...executions.filter((each) => each.parentId === view.executionId));
    // Children are younger than their parent: once it has come by, all of them have.
    if (next === undefined || executions.some((each) => each.executionId === view.executionId)) break;
    before = next;
  }
  return children.reverse();
}
