import type { Context, JsonValue } from "@viable/kernel";
import { isId, sleep } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { ReviewDecision, RunEvent } from "@viable/protocol";
import { runNotFound } from "./errors.ts";
import type { OpenRun } from "./open-run.ts";
import type { OpenNode, Progress } from "./progress.ts";
import type { RunSource } from "./read-progress.ts";
import { readProgress } from "./read-progress.ts";
import { firstEvent, isEnding, lastEvent, toRunEvent } from "./read-run.ts";
import { runStream } from "./run-journal.ts";

/** How often an order to a run is decided anew because somebody else wrote first. */
const maxDecisions = 50;
const definitionMissing = "The definition it began with is not here; ask a process that has it.";

/** What came of an order to a run. */
export type Directed = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** What came of an approval's decision, and which step of which run had asked. */
export type Decided =
  | { readonly ok: true; readonly runId: string; readonly step: string }
  | { readonly ok: false; readonly reason: string };

/** What a person says of a run that stands in `needs_review`. */
export interface Review {
  readonly decision: ReviewDecision;
  readonly result?: JsonValue;
  readonly reason?: string;
}

/** What a person says to an approval step. */
export interface ApprovalDecision {
  readonly decision: "approved" | "rejected";
  readonly reason?: string;
}

/** An event to be written, or why there is none. */
type Order = RunEvent | string;

/** Ends a run and has what it did undone. */
export function cancelRun(ctx: Context, source: RunSource, runId: string, reason: string): Promise<Directed> {
  return orderByState(ctx, source, runId, ({ phase }) => {
    if (phase === "ended") return "It has ended.";
    if (phase !== "going") return "It goes no further already, and is being undone.";
    return { type: "run.cancel_requested", data: { by: ctx.principal, reason } };
  });
}

/** Has a run undone that has completed, where its reactor is reversible. */
export async function undoRun(ctx: Context, source: RunSource, runId: string, reason: string): Promise<Directed> {
  const first = isId("run", runId) ? await firstEvent(ctx, source.log, runId) : undefined;
  const started = first && toRunEvent(first);
  if (started?.type !== "run.started") throw runNotFound(runId);
  const { reactor, hash, parent } = started.data;
  const definition = source.definitions.byHash(reactor, hash);
  if (definition === undefined) return { ok: false, reason: definitionMissing };
  if (!definition.reversible) return { ok: false, reason: `"${reactor}" is not declared reversible.` };
  const parentId = parent === undefined ? {} : { parentId: parent.runId };
  const undo: RunEvent = {
    type: "run.undo_requested",
    data: { by: ctx.principal, reason, reactor, hash, ...parentId },
  };
  return await placeOrder(ctx, source.log, runId, async () => {
    const last = await lastEvent(ctx, source.log, runId);
    if (last === undefined) throw runNotFound(runId);
    return { version: last.version, order: afterItCompleted(toRunEvent(last), undo) };
  });
}

/** An order to a run that has completed, whose last event is known. */
function afterItCompleted(last: RunEvent, order: RunEvent): Order {
  if (last.type === "run.completed") return order;
  return isEnding(last) ? "It has not completed." : "It has not ended; cancel it instead.";
}

/** Says how a run goes on that stands in `needs_review`. */
export function reviewRun(ctx: Context, source: RunSource, runId: string, said: Review): Promise<Directed> {
  const { decision, result, reason } = said;
  let asked: number | undefined;
  return orderByState(ctx, source, runId, ({ review, reviewVersion }) => {
    if (review === undefined) return "It does not wait for a review.";
    asked ??= reviewVersion;
    // Somebody else wrote first, and what is asked now was not known to whoever answers.
    if (asked !== reviewVersion) return "What it asked was answered meanwhile, and it asks something else by now.";
    const more = { ...(result !== undefined && { result }), ...(reason !== undefined && { reason }) };
    return { type: "run.reviewed", data: { step: review.step, decision, by: ctx.principal, ...more } };
  });
}

/** Decides what an approval step of a run asks for; `run` is undefined where no open run asks for it. */
export async function decideApproval(
  ctx: Context,
  source: RunSource,
  run: OpenRun | undefined,
  approvalId: string,
  { decision, reason }: ApprovalDecision,
): Promise<Decided> {
  const over = "Nobody waits for it: it was decided, its time is up, or its run goes no further.";
  if (run === undefined || run.tenant !== ctx.tenant) return { ok: false, reason: over };
  const data = { approvalId, decision, by: ctx.principal, ...(reason !== undefined && { reason }) };
  let step = "";
  const outcome = await orderByState(ctx, source, run.runId, ({ phase, open }) => {
    const asks = ({ wait }: OpenNode) => wait?.for === "approval" && wait.approvalId === approvalId;
    const asking = phase === "going" ? [...open.values()].find(asks) : undefined;
    if (asking === undefined) return over;
    step = asking.path;
    return { type: "approval.decided", data };
  });
  return outcome.ok ? { ok: true, runId: run.runId, step } : outcome;
}

/** Writes an order that is decided on all of the run; so its definition must be here. */
function orderByState(
  ctx: Context,
  source: RunSource,
  runId: string,
  order: (state: Progress) => Order,
): Promise<Directed> {
  return placeOrder(ctx, source.log, runId, async () => {
    if (!isId("run", runId) || (await firstEvent(ctx, source.log, runId)) === undefined) throw runNotFound(runId);
    const progress = await readProgress(ctx, source, runId);
    return progress === undefined
      ? { version: 0, order: definitionMissing }
      : { version: progress.version, order: order(progress) };
  });
}

/** Writes an order into a run's stream at the version it was decided at; decided anew where somebody else wrote meanwhile. */
export async function placeOrder(
  ctx: Context,
  log: Log,
  runId: string,
  decide: () => Promise<{ readonly version: number; readonly order: Order }>,
): Promise<Directed> {
  for (let tries = 0; tries < maxDecisions; tries++) {
    const { version, order } = await decide();
    if (typeof order === "string") return { ok: false, reason: order };
    const events = [{ type: order.type, data: order.data as never }];
    const outcome = await log.append(ctx, {
      streams: [{ stream: runStream(runId), expected: version, events, correlation: runId }],
    });
    if (outcome.ok) return { ok: true };
    if (outcome.reason === "overloaded") await sleep(ctx, outcome.retryAfterMs);
  }
  return { ok: false, reason: "It goes on so quickly that the order could not be placed; try again." };
}
