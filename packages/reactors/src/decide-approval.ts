import type { Context } from "@viable/kernel";
import { invariant } from "@viable/kernel";
import type { Log, Position } from "@viable/log";
import type { OpenNode } from "./open-node.ts";
import type { OpenRun } from "./open-run.ts";
import type { Progress } from "./progress.ts";
import { readRun, toRunEvent } from "./read-run.ts";
import { runIdOf } from "./run-journal.ts";
import type { Order, OrderOptions, OrderSource } from "./run-orders.ts";
import { orderByState } from "./run-orders.ts";

/** How many decisions are looked through at once. */
const pageEvents = 1_000;

/** What a person says to an approval step. */
export interface ApprovalDecision {
  readonly decision: "approved" | "rejected";
  readonly reason?: string;
}

/** A step of a run that a person is asked for. */
export interface ApprovalStep {
  readonly runId: string;
  readonly step: string;
}

/** What came of an approval's decision, and which step of which run had asked. */
export type Decided = ({ readonly ok: true } & ApprovalStep) | { readonly ok: false; readonly reason: string };

/** Decides what an approval step of a run asks for; `run` is undefined where no open run asks for it. */
export async function decideApproval(
  ctx: Context,
  source: OrderSource,
  run: OpenRun | undefined,
  approvalId: string,
  { decision, reason }: ApprovalDecision,
  options?: OrderOptions,
): Promise<Decided> {
  const over = "Nobody waits for it: it was decided, its time is up, or its run goes no further.";
  if (run === undefined || run.tenant !== ctx.tenant) return { ok: false, reason: over };
  const { runId } = run;
  const data = { approvalId, decision, by: ctx.principal, ...(reason !== undefined && { reason }) };
  let step: string | undefined;
  const order = ({ phase, open }: Progress): Order => {
    const asks = ({ wait }: OpenNode) => wait?.for === "approval" && wait.approvalId === approvalId;
    const asking = phase === "going" ? [...open.values()].find(asks) : undefined;
    if (asking === undefined) return { refuse: over };
    step = asking.path;
    return { write: { type: "approval.decided", data } };
  };
  const outcome = await orderByState(ctx, source, runId, order, options);
  // Where it had been given before, the step need not be open any more.
  return outcome.ok
    ? { ok: true, runId, step: step ?? (await stepAsking(ctx, source.log, runId, approvalId)) }
    : outcome;
}

/**
 * Which step of which run a decision of this id was given to, after a place in the log; undefined where there is none of this tenant's (W11).
 * For whoever gives one again: once an approval is decided, nobody knows any more which run had asked for it.
 */
export async function findDecision(
  ctx: Context,
  log: Log,
  approvalId: string,
  { id, since }: { readonly id: string; readonly since: Position },
): Promise<ApprovalStep | undefined> {
  const filter = { tenant: ctx.tenant, types: ["approval.decided"] };
  for (let from: Position | undefined = since; from !== undefined; ) {
    const page = await log.readAllPage(ctx, { from, limit: pageEvents, filter, decoding: "none" });
    const decided = page.events.find((event) => event.id === id);
    if (decided !== undefined) {
      const runId = runIdOf(decided.stream);
      return { runId, step: await stepAsking(ctx, log, runId, approvalId) };
    }
    from = page.isEnd ? undefined : page.events.at(-1)?.position;
  }
  return undefined;
}

/** The step of a run that has asked for an approval. */
async function stepAsking(ctx: Context, log: Log, runId: string, approvalId: string): Promise<string> {
  for await (const stored of readRun(ctx, log, runId)) {
    const event = toRunEvent(stored);
    if (event.type !== "step.waiting") continue;
    const { step, wait } = event.data;
    if (wait.for === "approval" && wait.approvalId === approvalId) return step;
  }
  invariant(false, "W2", `${approvalId} was decided in ${runId}, where no step has asked for it`);
}
