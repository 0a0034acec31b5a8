import type { Membership } from "@viable/cluster";
import type { Context, JsonValue, Part, Runtime } from "@viable/kernel";
import { toWire, ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { BeginOptions, Begun, ForkOptions } from "./begin-run.ts";
import { beginRun, forkRun } from "./begin-run.ts";
import type { ApprovalDecision, Decided } from "./decide-approval.ts";
import { decideApproval } from "./decide-approval.ts";
import type { ReactorDefinition } from "./definition.ts";
import { Definitions } from "./definitions.ts";
import type { DoTask } from "./do-task.ts";
import type { OpenRun } from "./open-run.ts";
import type { AskedApproval } from "./open-runs.ts";
import { planOf } from "./plan.ts";
import { Pools } from "./pools.ts";
import type { RunEnding } from "./read-run.ts";
import { RunCarrier } from "./run-carrier.ts";
import { RunEndings } from "./run-endings.ts";
import type { Directed, OrderOptions, Review } from "./run-orders.ts";
import { cancelRun, reviewRun, undoRun } from "./run-orders.ts";
import type { SendOptions } from "./send-event.ts";
import { sendEvent } from "./send-event.ts";
import type { Thrown } from "./thrown.ts";

/** How many runs without an outcome there may be; at a few hundred bytes each, and every process knows them all. */
const defaultMaxOpenRuns = 1_000_000;

export interface ReactorsSettings {
  readonly log: Log;
  readonly runtime: Runtime;
  readonly membership: Membership;
  /** Those that can be begun and carried on here. Several versions of one may be there: runs keep theirs, new ones begin with the highest. */
  readonly definitions: readonly ReactorDefinition[];
  /** How many steps of one pool run at the same time in this process. */
  readonly pools?: { readonly [name: string]: number };
  /** Has tasks of `task` steps done. */
  readonly doTask?: DoTask;
  /** Whether runs are carried on here; where not, what is begun here is carried on by others. Default true. */
  readonly takesRuns?: boolean;
  /** Default 1,000,000. */
  readonly maxOpenRuns?: number;
  /** Told in a sentence of what went wrong and shows nowhere else. */
  onProblem?(message: string): void;
  /** Told of each error without a code that a function of a step threw, in each try: it may be a defect, and events hold no stack. */
  onThrown?(thrown: Thrown): void;
}

/**
 * Runs of reactors, in this process and any other that shares the log.
 *
 * Promised: what `begin` answered `ok` is durable (W1) and ends completed, failed, compensated or cancelled (W5), or stands in
 * `needs_review` and says so; no step begins before the outcomes it depends on are durable; a step's outcome is recorded once, and after a
 * crash no step that has one runs again; only whoever holds the claim writes outcomes: what a process writes that was held for gone is refused by the log.
 *
 * Not promised: that a step runs once: it runs at least once, unless it is declared not `idempotent`, and then at most once with a person asked where
 * nobody knows. That a run's steps run in one process. That pools bound what several processes do together.
 */
export interface Reactors extends Part {
  /**
   * Throws `reactor.unknown`, `reactor.invalid_input`, and where runs began each other over too many hops `reactor.too_deep`; then nothing
   * was recorded.
   */
  begin(ctx: Context, reactor: string, input: unknown, options?: BeginOptions): Promise<Begun>;
  /** Waits for a run's end, as long as the context lasts. */
  whenEnded(ctx: Context, runId: string): Promise<RunEnding>;
  /**
   * Ends a run and undoes what it did. Orders can be repeated with an `id`: one that was taken counts once and is answered so again. They
   * throw `reactor.order_overtaken` where others write to the run all the time: give them again.
   */
  cancel(ctx: Context, runId: string, reason: string, options?: OrderOptions): Promise<Directed>;
  /** Undoes a run that has completed, where its reactor is reversible. */
  undo(ctx: Context, runId: string, reason: string, options?: OrderOptions): Promise<Directed>;
  /**
   * Begins a run that repeats one that has ended from one of its outermost steps on, with the same input or another: what does not come
   * after that step is taken over as it was, and stays where the fork is undone. Throws `reactor.not_forkable`, `reactor.invalid_input`.
   */
  fork(ctx: Context, runId: string, options: ForkOptions): Promise<Begun>;
  /** Says how a run goes on that stands in `needs_review`. */
  review(ctx: Context, runId: string, said: Review, options?: OrderOptions): Promise<Directed>;
  /** The open run of this context's tenant (W11) a step of which asks for an approval, as far as this process has heard. */
  runAskingFor(ctx: Context, approvalId: string): string | undefined;
  /** Decides what an approval step asks for. Given again under its `id` once it is no more asked for, `findDecision` finds it. */
  decide(ctx: Context, approvalId: string, decision: ApprovalDecision, options?: OrderOptions): Promise<Decided>;
  /**
   * Hands something over to runs that wait for this event and key, now or later. Each run that asks for it takes it once. With an `id`
   * it can be repeated. Throws `reactor.invalid_input`, also for a payload of more than 4 MiB of JSON, and `reactor.not_taken` where the log is
   * busy.
   */
  send(ctx: Context, event: string, key: string, payload: JsonValue, options?: SendOptions): Promise<void>;
  readonly definitions: readonly ReactorDefinition[];
  /** Runs without an outcome, of this context's tenant (W11). */
  openRuns(ctx: Context): Iterable<OpenRun>;
  /** How many of them there are, by their reactor. */
  openCounts(ctx: Context): ReadonlyMap<string, number>;
  /** What they ask persons for, the longest asked first. */
  approvals(ctx: Context): Iterable<AskedApproval>;
  /** Measured, for health: runs carried on here, resting here, open anywhere, waiting to be read; and pools. */
  stats(): ReactorStats;
  /** Why the picture of open runs is no longer kept, where that is so: then the process should be restarted. */
  failure(): unknown;
}

export interface ReactorStats {
  /** Carried on here. */
  readonly active: number;
  /** In memory here, and nothing goes on in them. */
  readonly resting: number;
  /** Without an outcome, in any process. */
  readonly open: number;
  /** Of those, which have an event that this release cannot read: it leaves them alone. */
  readonly unreadable: number;
  /** To be read here. */
  readonly waiting: number;
  readonly pools: ReturnType<Pools["stats"]>;
}

/** Makes the runs of this process; nothing happens before `start`, which wants the log and the membership started. */
export function createReactors(settings: ReactorsSettings): Reactors {
  const { log, runtime, membership, doTask, maxOpenRuns = defaultMaxOpenRuns } = settings;
  const definitions = new Definitions(settings.definitions);
  const pools = new Pools(settings.pools ?? {});
  checkPools(definitions, pools);
  const source = { log, definitions };
  const carrier = new RunCarrier({
    ...{ log, runtime, membership, definitions, pools, doTask },
    takesRuns: settings.takesRuns ?? true,
    onEnded: (runId, ending) => endings.tell(runId, ending),
    onThrown(thrown) {
      try {
        settings.onThrown?.(thrown);
      } catch (error) {
        settings.onProblem?.(
          `${thrown.runId}: Whoever is told what a step throws has thrown: ${toWire(error).message}`,
        );
      }
    },
    onProblem: (message) => settings.onProblem?.(message),
  });
  const { open } = carrier;
  const endings = new RunEndings(log, {
    isCarried: (ctx, runId) => carrier.isCarried(ctx, runId),
    isOpen: (runId) => open.get(runId) !== undefined,
  });
  const beginning = { ...source, carrier, maxOpenRuns };
  const orders = { ...source, restingHere: (ctx: Context, runId: string) => carrier.restingHere(ctx, runId) };

  return {
    start: (ctx) => carrier.start(ctx),
    stop: (ctx) => carrier.stop(ctx),
    begin: (ctx, reactor, input, options = {}) => beginRun(ctx, beginning, reactor, input, options),
    fork: (ctx, runId, options) => forkRun(ctx, beginning, runId, options),
    whenEnded: (ctx, runId) => endings.whenEnded(ctx, runId),
    cancel: (ctx, runId, reason, options) => cancelRun(ctx, orders, runId, reason, options),
    undo: (ctx, runId, reason, options) => undoRun(ctx, source, runId, reason, options),
    review: (ctx, runId, said, options) => reviewRun(ctx, orders, runId, said, options),
    runAskingFor(ctx, approvalId) {
      const run = open.byApproval(approvalId);
      return run?.tenant === ctx.tenant ? run.runId : undefined;
    },
    decide: (ctx, approvalId, said, options) =>
      decideApproval(ctx, orders, open.byApproval(approvalId), approvalId, said, options),
    send: (ctx, event, key, payload, options) => sendEvent(ctx, log, event, key, payload, options),
    definitions: definitions.all,
    *openRuns(ctx) {
      for (const run of open.all()) if (run.tenant === ctx.tenant) yield run;
    },
    openCounts: (ctx) => open.counts(ctx.tenant),
    approvals: (ctx) => open.approvals(ctx.tenant),
    stats: () => ({ ...carrier.stats(), open: open.size, unreadable: open.unreadable, pools: pools.stats() }),
    failure: () => open.failure(),
  };
}

/** Refuses a step that takes turns where nobody has said how many may run. */
function checkPools(definitions: Definitions, pools: Pools): void {
  for (const definition of definitions.all)
    for (const { node } of planOf(definition).nodes.values())
      if (node.kind === "step" && node.pool !== undefined && !pools.has(node.pool))
        throw new ViableError(
          "reactor.unknown_pool",
          `${definition.name}/${node.name} takes turns in "${node.pool}", which has no size.`,
          { next: `Say how many may run at the same time: pools: { "${node.pool}": 5 }.` },
        );
}
