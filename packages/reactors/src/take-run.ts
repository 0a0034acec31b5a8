import type { Membership } from "@viable/cluster";
import type { Context, Runtime } from "@viable/kernel";
import { rootContext, withContext } from "@viable/kernel";
import type { LogPage, StoredEvent } from "@viable/log";
import type { Claim, RunEvent } from "@viable/protocol";
import type { Definitions } from "./definitions.ts";
import type { OpenRun } from "./open-run.ts";
import { standingAfter } from "./open-run.ts";
import { planOf } from "./plan.ts";
import { Progress } from "./progress.ts";
import type { RunSource } from "./read-progress.ts";
import { endsRun, lastEvent, readRest, readRun, toRunEvent } from "./read-run.ts";
import { runStream } from "./run-journal.ts";
import { placeOrder } from "./run-orders.ts";
import { suspicionOf, Takeovers } from "./takeovers.ts";

/** How long after a claim that somebody else was quicker with a run is looked at again, in milliseconds: the log will have said by then what came. */
const overtakenMs = 50;

/** What taking a run needs of the process that does. */
export interface TakePorts extends RunSource {
  readonly runtime: Runtime;
  readonly membership: Membership;
  /** This process's claim, where it can take more. */
  claim(attempt: number): Claim | undefined;
}

/** A run that is this process's, and by which claim. */
export interface TakenRun {
  readonly ctx: Context;
  readonly progress: Progress;
  readonly claim: Claim;
  /** Paths of steps that had no outcome when the run was taken from whoever had it: they may have been begun. */
  readonly leftBehind: ReadonlySet<string>;
}

/** What came of taking a run. */
export type Taken =
  | ({ readonly kind: "taken" } & TakenRun)
  /** Another process has it. */
  | { readonly kind: "left" }
  /** It has ended, by its last event. */
  | { readonly kind: "ended"; readonly last: StoredEvent }
  /** To be tried again; undefined where that may be when runs are next looked through. */
  | { readonly kind: "later"; readonly afterMs: number | undefined }
  /** It may have taken down those that had it, and is left alone until then: wall time in milliseconds. */
  | { readonly kind: "held_back"; readonly untilMs: number }
  | { readonly kind: "unknown_definition"; readonly reason: string };

/**
 * Reads what `first` has left of a run, and claims it where it is not this process's yet, or where this process gave it up and does not know
 * what of it was under way. One that was taken too often without anything coming of it is claimed with a question to a person, in one append:
 * nothing of it is begun before that is answered.
 */
export async function takeRun(ports: TakePorts, run: OpenRun, first: LogPage, wasGivenUp: boolean): Promise<Taken> {
  const { log, definitions, runtime, membership } = ports;
  const definition = definitions.byHash(run.reactor, run.hash);
  let ctx = rootContext(runtime, { tenant: run.tenant });
  if (definition === undefined) {
    // A note may have outlived its run, which is over wherever its definition is.
    const last = first.isEnd ? first.events.at(-1) : await lastEvent(ctx, log, run.runId);
    if (last !== undefined && endsRun(last)) return { kind: "ended", last };
    return { kind: "unknown_definition", reason: whyUnknown(definitions, run) };
  }
  const progress = new Progress(planOf(definition), run.runId);
  const leftBehind = new Set<string>();
  const takeovers = new Takeovers();
  let standing: OpenRun["standing"];
  let last: StoredEvent | undefined;
  const apply = (event: RunEvent, version: number) => {
    // Who loads a run again later, without a claim, has to know it too; so it is told by the claims that the log has.
    if (event.type === "run.claimed" && progress.claim !== undefined)
      for (const path of progress.open.keys()) leftBehind.add(path);
    progress.apply(event, version);
  };
  for await (const stored of readRest(ctx, log, run.runId, first)) {
    if (stored.version === 1)
      ctx = withContext(ctx, { principal: stored.metadata.actor, traceparent: stored.metadata.traceparent });
    const event = toRunEvent(stored);
    apply(event, stored.version);
    takeovers.note(event, stored.time);
    standing = standingAfter(standing, event);
    last = stored;
  }
  if (last !== undefined && progress.phase === "ended" && progress.undoRequested === undefined)
    return { kind: "ended", last };
  const { claim } = progress;
  const isOwn = claim?.processId === membership.processId && claim.epoch === membership.epoch;
  if (isOwn && !wasGivenUp) return { kind: "taken", ctx, progress, claim, leftBehind };
  if (!isFree(membership, { claim, standing })) return { kind: "left" };
  const suspicion = await suspicionOf(ctx, log, progress, leftBehind, takeovers);
  if (suspicion !== undefined && suspicion.heldBackUntilMs > runtime.clock.now())
    return { kind: "held_back", untilMs: suspicion.heldBackUntilMs };

  const own = ports.claim((claim?.attempt ?? 0) + 1);
  if (own === undefined) return { kind: "later", afterMs: undefined };
  const events: RunEvent[] = [{ type: "run.claimed", data: { ...own, reason: whyTaken(claim, isOwn) } }];
  if (suspicion?.review !== undefined) events.push({ type: "run.needs_review", data: suspicion.review });
  const stream = { stream: runStream(run.runId), expected: progress.version, correlation: run.runId };
  const outcome = await log.append(ctx, { streams: [{ ...stream, events }] });
  // Somebody else was quicker, or has ordered something: the log will say what.
  if (!outcome.ok)
    return { kind: "later", afterMs: outcome.reason === "overloaded" ? outcome.retryAfterMs : overtakenMs };
  for (const event of events) apply(event, progress.version + 1);
  return { kind: "taken", ctx, progress, claim: own, leftBehind };
}

function whyTaken(claim: Claim | undefined, isOwn: boolean): string {
  if (claim === undefined) return "nobody had it";
  return isOwn ? "this process had given it up" : `${claim.processId} of epoch ${claim.epoch} is gone`;
}

/** Whether a process may take a run: its claim is its own, or nobody's, or one's that is gone; or whoever has it has parked it. */
export const isFree = (membership: Membership, { claim, standing }: Pick<OpenRun, "claim" | "standing">): boolean =>
  claim === undefined ||
  standing === "parked" ||
  claim.processId === membership.processId ||
  membership.isGone(claim.processId, claim.epoch);

/** Nobody here can carry a run on: it waits for a process that can, and says so. */
export async function parkRun(
  ctx: Context,
  { log, membership }: Pick<TakePorts, "log" | "membership">,
  run: OpenRun,
  reason: string,
): Promise<void> {
  if (run.standing === "parked") return;
  await placeOrder(ctx, log, run.runId, async () => {
    let claim: Claim | undefined;
    let last: StoredEvent | undefined;
    for await (const stored of readRun(ctx, log, run.runId)) {
      const event = toRunEvent(stored);
      if (event.type === "run.started") claim = event.data.claim;
      else if (event.type === "run.claimed") claim = event.data;
      last = stored;
    }
    // Whoever has it by now has its definition.
    if (
      last === undefined ||
      endsRun(last) ||
      last.type === "run.parked" ||
      !isFree(membership, { claim, standing: undefined })
    )
      return { refuse: "It need not be parked." };
    return { write: { type: "run.parked", data: { reason } }, version: last.version };
  });
}

function whyUnknown(definitions: Definitions, { reactor, hash }: OpenRun): string {
  const versions = definitions.all
    .filter(({ name }) => name === reactor)
    .map((each) => `${each.hash} (version ${each.version})`);
  const here = versions.length === 0 ? "none of that name is here" : `here is ${versions.join(", ")}`;
  return `It began with the definition ${hash} of "${reactor}"; ${here}.`;
}
