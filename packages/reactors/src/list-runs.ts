import type { Context, JsonObject, JsonValue } from "@viable/kernel";
import { isId, ViableError } from "@viable/kernel";
import type { Log, Position, StoredEvent } from "@viable/log";
import { foldStream } from "@viable/log";
import type { ApprovalList, ApprovalView, RunPage, RunStatus, RunView, UndecodableRun } from "@viable/protocol";
import type { RunState } from "./fold-run.ts";
import { runFold } from "./fold-run.ts";
import type { OpenRun } from "./open-run.ts";
import { toRunEvent } from "./read-run.ts";
import { runIdOf, runStream } from "./run-journal.ts";
import type { ApprovalWait } from "./run-view.ts";
import { toApprovalWaitView, toRunSummary, toRunView, toTime } from "./run-view.ts";

/** How many runs are looked at for one page: what is asked for may be rare, and the answer then says where to go on. */
const maxLooked = 1_000;
/** How many runs with open approvals are looked at for one list. */
const maxAskingRuns = 1_000;
/** What an approval's details may hold in a list, in characters of JSON. */
const maxDetailsChars = 65_536;

/** Of the run at the root of it: who began it, in which session and by what. */
export interface RunOrigin {
  readonly rootId: string;
  readonly principal: string;
  readonly session: string | undefined;
  /** What the root run directly follows from, as its event says. */
  readonly causation: string | undefined;
}

/** How deep runs are composed in runs: more than definitions can be. */
const maxAncestors = 100;

/** The run's first event, whatever of it can be read; undefined where there is none of this tenant's (W11). */
async function firstOf(ctx: Context, log: Log, runId: string): Promise<StoredEvent | undefined> {
  if (!isId("run", runId)) return undefined;
  const [first] = await log.readStream(ctx, runStream(runId), { limit: 1, decoding: "none" });
  return first?.metadata.tenant === ctx.tenant ? first : undefined;
}

/** Who began a run, or the run that it is composed in; undefined where there is none of this tenant's (W11). */
export async function originOfRun(ctx: Context, log: Log, runId: string): Promise<RunOrigin | undefined> {
  let rootId = runId;
  for (let depth = 0; depth < maxAncestors; depth++) {
    const first = await firstOf(ctx, log, rootId);
    if (first === undefined) return undefined;
    const { actor, session, causation } = first.metadata;
    const parentId = parentOf(first.data);
    if (parentId === undefined) return { rootId, principal: actor, session, causation };
    rootId = parentId;
  }
  return undefined;
}

/** Read as it is stored, an event may have any shape. */
function parentOf({ parent }: JsonObject): string | undefined {
  const runId = typeof parent === "object" && parent !== null && "runId" in parent ? parent.runId : undefined;
  return typeof runId === "string" ? runId : undefined;
}

async function readState(ctx: Context, log: Log, runId: string): Promise<RunState | undefined> {
  return (await foldStream(ctx, log, runStream(runId), runFold)).state;
}

/**
 * A run as its events tell, without its definition; undefined where there is none of this tenant's (W11). Of a run of any number of steps the
 * view holds a thousand, and says how many more there are.
 */
export async function readRunView(ctx: Context, log: Log, runId: string): Promise<RunView | undefined> {
  if ((await firstOf(ctx, log, runId)) === undefined) return undefined;
  const state = await readState(ctx, log, runId);
  if (state === undefined) return undefined;
  // What is too large for a state is read where it stands.
  const input = state.input ?? inputIn(await eventAt(ctx, log, runId, 1)) ?? null;
  const isCompleted = state.ended?.status === "completed";
  const result = isCompleted ? (state.result ?? resultIn(await eventAt(ctx, log, runId, state.version))) : undefined;
  return toRunView(state, { input, result });
}

async function eventAt(ctx: Context, log: Log, runId: string, version: number): Promise<StoredEvent | undefined> {
  return (await log.readStream(ctx, runStream(runId), { fromVersion: version, limit: 1 }))[0];
}

function inputIn(stored: StoredEvent | undefined): JsonValue | undefined {
  const event = stored && toRunEvent(stored);
  return event?.type === "run.started" ? event.data.input : undefined;
}

function resultIn(stored: StoredEvent | undefined): JsonValue | undefined {
  const event = stored && toRunEvent(stored);
  return event?.type === "run.completed" ? event.data.result : undefined;
}

function detailsIn(stored: StoredEvent | undefined): JsonValue | undefined {
  const event = stored && toRunEvent(stored);
  return event?.type === "step.waiting" && event.data.wait.for === "approval" ? event.data.wait.details : undefined;
}

export interface ListRunsOptions {
  readonly limit: number;
  /** The position that the last page ended at. */
  readonly before?: Position;
  readonly reactor?: string;
  readonly status?: RunStatus;
  /** Those that were begun in this session; not what they are composed of. */
  readonly session?: string;
}

/** Runs of this tenant (W11), the newest first, those whose events cannot be read apart. */
export async function listRuns(ctx: Context, log: Log, options: ListRunsOptions): Promise<RunPage> {
  const { limit, reactor, status, session } = options;
  const runs: RunPage["runs"] = [];
  const undecodable: UndecodableRun[] = [];
  let before = options.before;
  for (let looked = 0; looked < maxLooked; ) {
    const page = await log.readAll(ctx, {
      direction: "backward",
      limit,
      decoding: "none",
      ...(before !== undefined && { from: before }),
      filter: { tenant: ctx.tenant, types: ["run.started"], ...(session !== undefined && { session }) },
    });
    for (const started of page) {
      before = started.position;
      looked += 1;
      if (reactor !== undefined && started.data.reactor !== reactor) continue;
      const runId = runIdOf(started.stream);
      try {
        const state = await readState(ctx, log, runId);
        const summary = state && toRunSummary(state);
        if (summary === undefined || (status !== undefined && summary.status !== status)) continue;
        runs.push(summary);
      } catch (error) {
        // One that cannot be read must not hide the others.
        if (!isUndecodable(error)) throw error;
        undecodable.push({ runId, startedAt: toTime(started.time), undecodable: error.message });
      }
      if (runs.length + undecodable.length === limit) return toPage(runs, undecodable, before);
    }
    if (page.length < limit) return toPage(runs, undecodable, undefined);
  }
  return toPage(runs, undecodable, before);
}

const toPage = (runs: RunPage["runs"], undecodable: UndecodableRun[], next: Position | undefined): RunPage => ({
  runs,
  ...(undecodable.length > 0 && { undecodable }),
  ...(next !== undefined && { next }),
});

const isUndecodable = (error: unknown): error is ViableError =>
  error instanceof ViableError && error.code === "log.undecodable_event";

async function readStateIfReadable(
  ctx: Context,
  log: Log,
  runId: string,
): Promise<RunState | "undecodable" | undefined> {
  try {
    return await readState(ctx, log, runId);
  } catch (error) {
    if (!isUndecodable(error)) throw error;
    return "undecodable";
  }
}

/** What persons are asked for by open runs of this tenant, the longest asked first. */
export async function listApprovals(
  ctx: Context,
  log: Log,
  openRuns: Iterable<OpenRun>,
  { limit, session }: { readonly limit: number; readonly session?: string | undefined },
): Promise<ApprovalList> {
  const asking: OpenRun[] = [];
  for (const run of openRuns) if (run.tenant === ctx.tenant && run.approvals.length > 0) asking.push(run);
  const approvals: ApprovalView[] = [];
  let looked = 0;
  for (const { runId } of asking.slice(0, maxAskingRuns)) {
    if (approvals.length >= limit) break;
    const state = await readStateIfReadable(ctx, log, runId);
    // One that cannot be read must not hide the others; it counts among those that were not looked at.
    if (state === "undecodable") continue;
    looked += 1;
    if (state === undefined) continue;
    if (session !== undefined && (await originOfRun(ctx, log, runId))?.session !== session) continue;
    for (const step of state.open) {
      if (step.wait?.for === "approval" && approvals.length < limit)
        approvals.push(await toApprovalView(ctx, log, state, step, step.wait));
    }
  }
  approvals.sort((one, other) => (one.askedAt < other.askedAt ? -1 : one.askedAt > other.askedAt ? 1 : 0));
  return { approvals, more: asking.length - looked };
}

/** The open approval of that id, of this tenant's. */
export async function findApproval(
  ctx: Context,
  log: Log,
  openRuns: Iterable<OpenRun>,
  approvalId: string,
): Promise<ApprovalView | undefined> {
  for (const run of openRuns) {
    if (run.tenant !== ctx.tenant || !run.approvals.includes(approvalId)) continue;
    const state = await readState(ctx, log, run.runId);
    for (const step of state?.open ?? []) {
      const { wait } = step;
      if (state !== undefined && wait?.for === "approval" && wait.approvalId === approvalId)
        return await toApprovalView(ctx, log, state, step, wait);
    }
    return undefined;
  }
  return undefined;
}

async function toApprovalView(
  ctx: Context,
  log: Log,
  state: RunState,
  step: RunState["open"][number],
  wait: ApprovalWait,
): Promise<ApprovalView> {
  const { for: _, ...asked } = toApprovalWaitView(wait);
  const event = await eventAt(ctx, log, state.runId, step.waitVersion ?? 0);
  const details = detailsIn(event);
  const isSmall = details !== undefined && JSON.stringify(details).length <= maxDetailsChars;
  return {
    ...asked,
    ...(isSmall && { details }),
    ...(details !== undefined && !isSmall && { areDetailsOmitted: true }),
    runId: state.runId,
    reactor: state.started.reactor,
    step: step.step,
    askedAt: toTime(event?.time ?? step.startedAt),
  };
}
