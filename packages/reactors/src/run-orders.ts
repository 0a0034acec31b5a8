import type { Context, JsonValue } from "@viable/kernel";
import { isId, sleep, ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { ReviewDecision, RunEvent } from "@viable/protocol";
import { runNotFound } from "./errors.ts";
import type { Progress } from "./progress.ts";
import type { RunSource } from "./read-progress.ts";
import { readProgress } from "./read-progress.ts";
import { firstEvent, isEnding, lastEvent, readRun, toRunEvent } from "./read-run.ts";
import { runStream } from "./run-journal.ts";

/** How often an order to a run is decided anew because somebody else wrote first. */
const maxDecisions = 50;
const definitionMissing =
  "The definition it began with is not here: list it in the config again, beside the new one, or ask a process that has it.";

/** What came of an order to a run. */
export type Directed = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * What a person says of a run that stands in `needs_review`. It may ask about another step by the time it is said: `step`, and the version of
 * the event that asked about it, say what is answered. Without them it is whatever the run asks about then.
 */
export interface Review {
  readonly step?: string;
  readonly reviewVersion?: number;
  readonly decision: ReviewDecision;
  readonly result?: JsonValue;
  readonly reason?: string;
}

/** How an order is given. */
export interface OrderOptions {
  /**
   * The id of the event that the order is. One that was taken is answered so again when it is given again under the same, whatever the run
   * has come to since, and counts once: a person's word answers no second question.
   */
  readonly id?: string;
}

/** Where runs are read from that orders are given to. */
export interface OrderSource extends RunSource {
  /** A run of this context's tenant that is in memory here and rests: it is as the log has it, unless somebody else has just written. */
  restingHere?(ctx: Context, runId: string): Progress | undefined;
}

/** An event to be written, or why there is none. */
export type Order = { readonly write: RunEvent } | { readonly refuse: string };
/** The same, and the version of the run that it was decided at. */
type DecidedOrder = { readonly write: RunEvent; readonly version: number } | { readonly refuse: string };

/** Ends a run and has what it did undone. */
export function cancelRun(
  ctx: Context,
  source: OrderSource,
  runId: string,
  reason: string,
  options?: OrderOptions,
): Promise<Directed> {
  const order = ({ phase }: Progress): Order => {
    if (phase === "ended") return { refuse: "It has ended." };
    if (phase !== "going") return { refuse: "It goes no further already, and is being undone." };
    return { write: { type: "run.cancel_requested", data: { by: ctx.principal, reason } } };
  };
  return orderByState(ctx, source, runId, order, options);
}

/** Has a run undone that has completed, where its reactor is reversible. */
export async function undoRun(
  ctx: Context,
  source: RunSource,
  runId: string,
  reason: string,
  options?: OrderOptions,
): Promise<Directed> {
  const first = isId("run", runId) ? await firstEvent(ctx, source.log, runId) : undefined;
  const started = first && toRunEvent(first);
  if (started?.type !== "run.started") throw runNotFound(runId);
  const { reactor, hash, parent } = started.data;
  const definition = source.definitions.byHash(reactor, hash);
  const parentId = parent === undefined ? {} : { parentId: parent.runId };
  const undo: RunEvent = {
    type: "run.undo_requested",
    data: { by: ctx.principal, reason, reactor, hash, ...parentId },
  };
  const decide = async (): Promise<DecidedOrder> => {
    if (definition === undefined) return { refuse: definitionMissing };
    if (!definition.reversible) return { refuse: `"${reactor}" is not declared reversible.` };
    const last = await lastEvent(ctx, source.log, runId);
    if (last === undefined) throw runNotFound(runId);
    const event = toRunEvent(last);
    if (event.type === "run.completed") return { write: undo, version: last.version };
    return { refuse: isEnding(event) ? "It has not completed." : "It has not ended; cancel it instead." };
  };
  return await placeOrder(ctx, source.log, runId, decide, options);
}

/** Says how a run goes on that stands in `needs_review`. */
export function reviewRun(
  ctx: Context,
  source: OrderSource,
  runId: string,
  said: Review,
  options?: OrderOptions,
): Promise<Directed> {
  const { decision, result, reason } = said;
  const more = { ...(result !== undefined && { result }), ...(reason !== undefined && { reason }) };
  let asked = said.reviewVersion;
  const order = ({ review, reviewVersion }: Progress): Order => {
    if (review === undefined) return { refuse: "It does not wait for a review." };
    const { step } = review;
    if (said.step !== undefined && said.step !== step)
      return { refuse: `It asks about ${step}, and this is an answer for ${said.step}.` };
    asked ??= reviewVersion;
    // Somebody else wrote first, and what is asked now was not known to whoever answers.
    if (asked !== reviewVersion)
      return { refuse: "What it asked was answered meanwhile, and it asks something else by now." };
    return { write: { type: "run.reviewed", data: { step, decision, by: ctx.principal, ...more } } };
  };
  return orderByState(ctx, source, runId, order, options);
}

/** Writes an order that is decided on all of the run; so its definition must be here. */
export function orderByState(
  ctx: Context,
  source: OrderSource,
  runId: string,
  order: (state: Progress) => Order,
  options?: OrderOptions,
): Promise<Directed> {
  let atHand = source.restingHere?.(ctx, runId);
  const decide = async (): Promise<DecidedOrder> => {
    const progress = atHand ?? (await readWhole(ctx, source, runId));
    // Decided anew, it is since somebody else has written.
    atHand = undefined;
    return progress === undefined ? { refuse: definitionMissing } : { ...order(progress), version: progress.version };
  };
  return placeOrder(ctx, source.log, runId, decide, options);
}

/** How far a run of this tenant's has come; undefined where its definition is not here. Throws `reactor.run_not_found`. */
async function readWhole(ctx: Context, source: RunSource, runId: string): Promise<Progress | undefined> {
  if (!isId("run", runId) || (await firstEvent(ctx, source.log, runId)) === undefined) throw runNotFound(runId);
  return await readProgress(ctx, source, runId);
}

/**
 * Writes an order into a run's stream at the version it was decided at; decided anew where somebody else wrote meanwhile. One of an id that
 * stands there already is not written again, and is answered as taken. Throws `reactor.order_overtaken`, which may pass, where somebody
 * else always was quicker.
 */
export async function placeOrder(
  ctx: Context,
  log: Log,
  runId: string,
  decide: () => Promise<DecidedOrder>,
  { id }: OrderOptions = {},
): Promise<Directed> {
  for (let tries = 0; tries < maxDecisions; tries++) {
    const decided = await decide();
    if ("refuse" in decided) {
      // That it was taken may be why it would not be now.
      const wasTaken = id !== undefined && (await holdsEvent(ctx, log, runId, id));
      return wasTaken ? { ok: true } : { ok: false, reason: decided.refuse };
    }
    const { write, version } = decided;
    const event = { ...write, ...(id !== undefined && { id }) };
    // Where the id is there, the log writes nothing and says that it was done, whatever version is expected.
    const outcome = await log.append(ctx, {
      streams: [{ stream: runStream(runId), expected: version, events: [event], correlation: runId }],
    });
    if (outcome.ok) return { ok: true };
    if (outcome.reason === "overloaded") await sleep(ctx, outcome.retryAfterMs);
  }
  throw new ViableError(
    "reactor.order_overtaken",
    `The run ${runId} did not take the order: each time somebody else had written first.`,
    { retryable: true, next: "Give it again." },
  );
}

async function holdsEvent(ctx: Context, log: Log, runId: string, id: string): Promise<boolean> {
  for await (const stored of readRun(ctx, log, runId, { decoding: "none" })) if (stored.id === id) return true;
  return false;
}
