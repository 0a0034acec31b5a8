import type { Context, JsonObject, JsonValue } from "@viable/kernel";
import { isId, ViableError } from "@viable/kernel";
import type { Log, Position, StoredEvent } from "@viable/log";
import { comparePositions, foldStream } from "@viable/log";
import type { ApprovalList, ApprovalView, RunPage, RunStatus, RunView, UndecodableRun } from "@viable/protocol";
import type { RunState } from "./fold-run.ts";
import { runFold } from "./fold-run.ts";
import type { AskedApproval } from "./open-runs.ts";
import { toRunEvent } from "./read-run.ts";
import { runIdOf, runStream } from "./run-journal.ts";
import type { ApprovalWait } from "./run-view.ts";
import { toApprovalWaitView, toRunSummary, toRunView, toTime } from "./run-view.ts";

/** How many runs are looked at for one page: what is asked for may be rare, and the answer then says where to go on. */
const maxLooked = 1_000;
/** How many beginnings of runs are read at once: those that are asked for may be few of them. */
const minPageRuns = 100;
/** How many runs are folded at the same time, each from its snapshot or its events. */
const foldsAtOnce = 8;
/** How many approvals are looked at for one list: those whose run cannot be read are passed over. */
const maxLookedApprovals = 1_000;
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
  const pageRuns = Math.max(limit, minPageRuns);
  const runs: RunPage["runs"] = [];
  const undecodable: UndecodableRun[] = [];
  let before = options.before;
  for (let looked = 0; looked < maxLooked; ) {
    const page = await log.readAllPage(ctx, {
      direction: "backward",
      limit: pageRuns,
      decoding: "none",
      ...(before !== undefined && { from: before }),
      filter: { tenant: ctx.tenant, types: ["run.started"], ...(session !== undefined && { session }) },
    });
    looked += page.events.length;
    const wanted = page.events.filter(({ data }) => reactor === undefined || data.reactor === reactor);
    for (let at = 0; at < wanted.length; ) {
      const left = limit - runs.length - undecodable.length;
      const some = wanted.slice(at, at + (status === undefined ? Math.min(left, foldsAtOnce) : foldsAtOnce));
      at += some.length;
      const states = await Promise.all(some.map(({ stream }) => tryToReadState(ctx, log, runIdOf(stream))));
      for (const [nr, { stream, time, position }] of some.entries()) {
        const read = states[nr] as ReadState;
        if (read.undecodable !== undefined)
          undecodable.push({ runId: runIdOf(stream), startedAt: toTime(time), undecodable: read.undecodable });
        const summary = read.state && toRunSummary(read.state);
        if (summary !== undefined && (status === undefined || summary.status === status)) runs.push(summary);
        if (runs.length + undecodable.length === limit) return toPage(runs, undecodable, position);
      }
    }
    if (page.isEnd) return toPage(runs, undecodable, undefined);
    before = page.events.at(-1)?.position;
  }
  return toPage(runs, undecodable, before);
}

const toPage = (runs: RunPage["runs"], undecodable: UndecodableRun[], next: Position | undefined): RunPage => ({
  runs,
  ...(undecodable.length > 0 && { undecodable }),
  ...(next !== undefined && { next }),
});

/** A run as its events tell, or why they cannot be read. */
interface ReadState {
  readonly state?: RunState | undefined;
  readonly undecodable?: string;
}

/** What cannot be read of one run must not hide the others: an event of another shape, or one that is none of a run's. */
const undecodableCodes: ReadonlySet<string> = new Set(["log.undecodable_event", "reactor.foreign_event"]);

async function tryToReadState(ctx: Context, log: Log, runId: string): Promise<ReadState> {
  try {
    return { state: await readState(ctx, log, runId) };
  } catch (error) {
    if (!(error instanceof ViableError) || !undecodableCodes.has(error.code)) throw error;
    return { undecodable: error.message };
  }
}

/** What somebody else than a run asks a person for. */
export interface OtherApproval {
  readonly askedAt: Position;
  readonly session: string | undefined;
  /** As it is shown; asked where it is. */
  view(): ApprovalView;
}

export interface ListApprovalsOptions {
  readonly limit: number;
  /** The position that the last page ended at. */
  readonly after?: Position | undefined;
  /** Those that runs of this session ask for, and the runs those are composed of. */
  readonly session?: string | undefined;
}

/**
 * What persons are asked for, of what open runs of this tenant are known to ask for and of what others do; the longest asked first. `more` are those that
 * are not shown: further ones, and what cannot be read here.
 */
export async function listApprovals(
  ctx: Context,
  log: Log,
  asked: Iterable<AskedApproval>,
  { limit, after, session }: ListApprovalsOptions,
  others: readonly OtherApproval[] = [],
): Promise<ApprovalList> {
  const all = [...asked, ...others];
  if (others.length > 0) all.sort((one, other) => comparePositions(one.askedAt, other.askedAt));
  const wanted: (AskedApproval | OtherApproval)[] = [];
  for (const each of all)
    if (
      (session === undefined || each.session === session) &&
      (after === undefined || comparePositions(each.askedAt, after) > 0)
    )
      wanted.push(each);
  const approvals: ApprovalView[] = [];
  let unreadable = 0;
  let looked = 0;
  while (looked < Math.min(wanted.length, maxLookedApprovals) && approvals.length < limit) {
    const some = wanted.slice(looked, looked + Math.min(foldsAtOnce, limit - approvals.length));
    looked += some.length;
    const runs = some.flatMap((each) => ("runId" in each ? [each.runId] : []));
    const states = new Map(runs.map((runId) => [runId, tryToReadState(ctx, log, runId)]));
    const views = await Promise.all(
      some.map(async (each) => {
        if ("view" in each) return each.view();
        const { runId, approvalId } = each;
        const { state, undecodable } = (await states.get(runId)) as ReadState;
        return undecodable === undefined ? await findApprovalView(ctx, log, state, approvalId) : "unreadable";
      }),
    );
    for (const view of views)
      if (view === "unreadable") unreadable += 1;
      else if (view !== undefined) approvals.push(view);
  }
  const left = wanted.length - looked;
  const last = wanted[looked - 1];
  return { approvals, more: left + unreadable, ...(left > 0 && last !== undefined && { next: last.askedAt }) };
}

/** An approval as the run's state has it; undefined where it was decided meanwhile, or nobody takes the answer any more. */
async function findApprovalView(
  ctx: Context,
  log: Log,
  state: RunState | undefined,
  approvalId: string,
): Promise<ApprovalView | undefined> {
  if (state?.phase !== "going") return undefined;
  for (const step of state.open) {
    const { wait } = step;
    if (wait?.for === "approval" && wait.approvalId === approvalId)
      return await toApprovalView(ctx, log, state, step, wait);
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
