import { isDeepStrictEqual } from "node:util";
import type { SinkCall } from "./sink-lines.ts";
import type { Posting, TransferInput } from "./transfer.ts";
import {
  depositStep,
  exchangeFails,
  exchangePostings,
  exchangeRestarts,
  feeTries,
  transferPostings,
} from "./transfer.ts";
import type { Life, Order } from "./worker-lines.ts";
import { toLife } from "./worker-lines.ts";
import type { Told } from "./worker-process.ts";

/**
 * What is wrong. `lost`: what was acknowledged, a run or an order to one, is not there, or a run has not ended. `doubled`: a step, an undo, an ending or an effect
 * more than once. `half`: a run that has ended and whose effects are neither all there nor all gone. `order`: something before what it
 * depends on. `ending`: not the one that what it met must lead to. `fence`: written, or claimed, by somebody who may not. `shape`: a
 * stream that makes no sense.
 */
export interface Violation {
  readonly kind: "lost" | "doubled" | "half" | "order" | "ending" | "fence" | "shape";
  readonly text: string;
}

/** An event of a run as it is stored: as much of it as is judged. */
export interface RunStep {
  readonly type: string;
  /** When it was written, in milliseconds, by the clock of whoever wrote it. All are on one machine. */
  readonly timeMs: number;
  readonly data: { readonly [name: string]: unknown };
}

/** A run as the log has it: its events in their order, version 1 first. */
export type Runs = ReadonlyMap<string, readonly RunStep[]>;

/** What whoever asked for it was told is done. */
export interface Acknowledged {
  readonly begun: { readonly key: string; readonly input: TransferInput; readonly runId: string }[];
  readonly orders: { readonly what: keyof typeof orderTypes; readonly runId: string }[];
}

export const nothingAcknowledged = (): Acknowledged => ({ begun: [], orders: [] });

/** What an order to a run is written as. */
const orderTypes = {
  cancel: "run.cancel_requested",
  undo: "run.undo_requested",
  review: "run.reviewed",
} as const satisfies Partial<Record<Order["what"], string>>;

interface Claim {
  readonly version: number;
  readonly life: Life;
  readonly processId: string;
  readonly epoch: number;
  readonly attempt: number;
}

const endings = new Set(["run.completed", "run.failed", "run.compensated", "run.cancelled"]);
/** What anybody may write to a run. */
const orders = new Set<string>([...Object.values(orderTypes), "run.parked", "run.claimed"]);

const inputOf = (events: readonly RunStep[]): TransferInput => events[0]?.data.input as TransferInput;
const reactorOf = (events: readonly RunStep[]): unknown => events[0]?.data.reactor;
export const parentOf = (events: readonly RunStep[]): string | undefined =>
  (events[0]?.data.parent as { runId: string } | undefined)?.runId;
const lastEnding = (events: readonly RunStep[]): RunStep | undefined => {
  const last = events.at(-1);
  return last !== undefined && endings.has(last.type) ? last : undefined;
};

/** Every claim of a run, in order. A run may begin with none. */
export function claimsOf(events: readonly RunStep[]): Claim[] {
  return events.flatMap(({ type, data }, index) => {
    const claim = (type === "run.claimed" ? data : type === "run.started" ? data.claim : undefined) as
      | { processId: string; epoch: number; attempt: number }
      | undefined;
    if (claim === undefined) return [];
    return [{ version: index + 1, life: toLife(claim.processId, claim.epoch), ...claim }];
  });
}

/** Which steps must have an outcome before this one may begin. */
function dependenciesOf(step: string, input: TransferInput): readonly string[] {
  const exchange = input.rate > 0 ? ["conversion:abroad/exchange"] : [];
  const timing = input.restMs > 0 ? ["timing:rests/rest"] : input.awaits !== "" ? ["timing:awaits/word"] : [];
  if (step === "fee" || step.startsWith("conversion")) return ["withdraw"];
  if (step.startsWith("timing")) return ["withdraw", "fee", ...exchange];
  if (step.startsWith("delivery")) return ["withdraw", "fee", ...exchange, ...timing];
  if (step === "notify") return ["withdraw", "fee", ...exchange, ...timing, depositStep(input)];
  return [];
}

/** Whether an event closes its step: what comes of it after that is a second outcome. */
const isOutcome = ({ type, data }: RunStep): boolean =>
  type === "step.succeeded" || type === "step.skipped" || (type === "step.failed" && data.retryAt === undefined);

/** What the stream of one run says by itself. */
function judgeStream(runId: string, events: readonly RunStep[]): Violation[] {
  const found: Violation[] = [];
  const complain = (kind: Violation["kind"], text: string) => found.push({ kind, text: `${runId}: ${text}` });
  const input = inputOf(events);
  const isTransfer = reactorOf(events) === "transfer";
  const outcomes = new Map<string, RunStep>();
  const compensated = new Set<string>();
  const restsUntilMs = new Map<string, number>();
  const undone = new Map<number, string>();
  let lastUndone = Number.POSITIVE_INFINITY;
  let ending: RunStep | undefined;
  let isUndoing = false;
  let isUndoRequested = false;
  for (const [index, event] of events.entries()) {
    const version = index + 1;
    const { type, data } = event;
    const step = String(data.step);
    if (index > 0 && type === "run.started") complain("doubled", `begins again at ${version}`);
    if (ending !== undefined && !isUndoRequested) {
      if (type === "run.undo_requested" && ending.type === "run.completed") isUndoRequested = true;
      else complain("doubled", `${type} at ${version}, after ${ending.type}`);
      continue;
    }
    if (ending !== undefined && isUndoRequested) {
      if (type === "run.undoing") {
        ending = undefined;
        isUndoing = true;
        isUndoRequested = false;
        lastUndone = Number.POSITIVE_INFINITY;
      } else if (!orders.has(type)) complain("shape", `${type} at ${version}, before the undo that was asked for`);
      continue;
    }
    if (type.startsWith("step.") && type !== "step.undone" && type !== "step.undo_failed" && data.during !== "undo") {
      const before = isTransfer ? dependenciesOf(step, input) : [];
      const missing = before.filter((each) => outcomes.get(each)?.type !== "step.succeeded");
      if (missing.length > 0) complain("order", `${type} of ${step} at ${version}, before ${missing.join(", ")}`);
      const closed = outcomes.get(step);
      const isOfCompensation =
        closed?.type === "step.failed" &&
        !compensated.has(step) &&
        (type === "step.compensated" || (type === "step.succeeded" && data.by === "compensation"));
      if (closed !== undefined && !isOfCompensation && data.during !== "compensate")
        complain("doubled", `${type} of ${step} at ${version}, which had ${closed.type}`);
      if (type === "step.compensated") compensated.add(step);
      if (type === "step.succeeded" && event.timeMs < (restsUntilMs.get(step) ?? 0))
        complain("order", `${step} rested until ${event.timeMs}, and was to rest until ${restsUntilMs.get(step)}`);
      const wait = data.wait as { readonly for: string; readonly until?: number } | undefined;
      if (type === "step.waiting" && wait?.for === "time") restsUntilMs.set(step, wait.until ?? 0);
      if (isUndoing) complain("shape", `${type} of ${step} at ${version}, while the run is undone`);
      if (isOutcome(event)) outcomes.set(step, event);
    }
    if (type === "run.undoing") isUndoing = true;
    if (type === "step.undone") {
      const of = Number(data.of);
      const success = events[of - 1];
      if (undone.has(of)) complain("doubled", `${step} of ${of} is undone again at ${version}`);
      undone.set(of, step);
      if (success?.type !== "step.succeeded" || success.data.step !== step || of >= version)
        complain("shape", `what is undone at ${version} is no success of ${step}`);
      if (of >= lastUndone) complain("order", `${of} is undone at ${version} after ${lastUndone}`);
      if (!isUndoing) complain("order", `${step} is undone at ${version}, and the run goes on`);
      lastUndone = of;
    }
    if (endings.has(type)) {
      ending = event;
      const left = events
        .slice(0, index)
        .flatMap((each, at) =>
          each.type === "step.succeeded" && hasUndo(String(each.data.step)) && !undone.has(at + 1)
            ? [String(each.data.step)]
            : [],
        );
      if (type === "run.completed" && undone.size > 0) complain("half", `completed with ${undone.size} steps undone`);
      if (type !== "run.completed" && left.length > 0) complain("half", `${type} with ${left.join(", ")} not undone`);
    }
  }
  return [...found, ...judgeClaims(runId, events)];
}

const hasUndo = (step: string): boolean => step !== "notify" && !step.startsWith("timing");

function judgeClaims(runId: string, events: readonly RunStep[]): Violation[] {
  const found: Violation[] = [];
  const lost = new Set<Life>();
  let before: Claim | undefined;
  const epochs = new Map<string, number>();
  for (const claim of claimsOf(events)) {
    const { life, processId, epoch, attempt, version } = claim;
    const complain = (text: string) => found.push({ kind: "fence", text: `${runId}: at ${version} ${text}` });
    if (lost.has(life)) complain(`${life} claims it again, which had been held for gone`);
    if (epoch < (epochs.get(processId) ?? 0)) complain(`${life} claims it under an epoch that is over`);
    if (before !== undefined && attempt !== before.attempt + 1)
      complain(`the claim counts ${attempt} after ${before.attempt}`);
    if (before !== undefined && before.life !== life) lost.add(before.life);
    epochs.set(processId, epoch);
    before = claim;
  }
  return found;
}

/** How a run must end, by what it was to meet and how what it composed ended; undefined where that is a matter of when. */
function expectedEnding(runId: string, events: readonly RunStep[], inner: readonly string[]): string | undefined {
  if (events.some(({ type }) => type === "run.cancel_requested")) return undefined;
  const wasUndone = events.some(({ type }) => type === "run.undo_requested");
  const succeeded = wasUndone ? "run.compensated" : "run.completed";
  if (reactorOf(events) === "exchange") {
    const fails = exchangeFails(runId);
    if (fails === undefined) return succeeded;
    // The other step may have been undone, or not have begun.
    return events.some(({ type }) => type === "step.undone") ? "run.compensated" : "run.failed";
  }
  const input = inputOf(events);
  if (input.isRefused) return "run.failed";
  const exchangeNeverWorks =
    inner.length > exchangeRestarts && inner.every((each) => exchangeFails(each) !== undefined);
  if (input.feeFailures >= feeTries || exchangeNeverWorks || input.notifyFails) return "run.compensated";
  return succeeded;
}

/** Runs, and what everybody told of them, held against each other. To be called when nothing goes on any more. */
export function judgeRuns(runs: Runs, acknowledged: Acknowledged, calls: readonly SinkCall[], told: Told): Violation[] {
  const found: Violation[] = [];
  const innerOf = new Map<string, string[]>();
  const runOfKey = new Map<string, string>();
  for (const [runId, events] of runs) {
    const parent = parentOf(events);
    if (parent !== undefined) innerOf.set(parent, [...(innerOf.get(parent) ?? []), runId]);
    const key = events[0]?.data.key;
    if (typeof key === "string" && runOfKey.has(key))
      found.push({ kind: "doubled", text: `${key} has begun ${runOfKey.get(key)} and ${runId}` });
    if (typeof key === "string") runOfKey.set(key, runId);
  }
  found.push(...judgeAcknowledged(runs, acknowledged));
  for (const [runId, inner] of innerOf)
    if (!runs.has(runId)) found.push({ kind: "lost", text: `${runId} composed ${inner}, and is not there` });
  const balances = balancesOf(calls);
  for (const currency of ["", "/foreign"]) {
    const sum = sumOf(balances, currency);
    if (sum !== 0) found.push({ kind: "half", text: `all accounts${currency} together come to ${sum}` });
  }
  const effects = effectsOf(calls);
  for (const [runId, events] of runs) {
    const ofRun = effects.get(runId) ?? new Map<string, Effect>();
    effects.delete(runId);
    if (events[0]?.type !== "run.started") {
      found.push({ kind: "shape", text: `${runId} does not begin with its beginning` });
      continue;
    }
    found.push(...judgeStream(runId, events), ...judgeInner(runId, events, innerOf.get(runId) ?? [], runs));
    const ending = lastEnding(events);
    if (ending === undefined) {
      found.push({ kind: "lost", text: `${runId} has not ended: ${events.at(-1)?.type} is the last of it` });
      continue;
    }
    const expected = expectedEnding(runId, events, innerOf.get(runId) ?? []);
    const wasCancelled = events.some(({ type }) => type === "run.cancel_requested");
    if (expected !== undefined && ending.type !== expected)
      found.push({ kind: "ending", text: `${runId} ended with ${ending.type} and not ${expected}` });
    if (wasCancelled && ending.type === "run.completed")
      found.push({ kind: "ending", text: `${runId} was cancelled and has completed` });
    found.push(...judgeEffects(runId, events, ending, ofRun));
  }
  for (const [runId] of effects)
    found.push({ kind: "shape", text: `the sink was called by ${runId}, which is not there` });
  return [...found, ...judgeWriters(runs, told)];
}

/** A transfer that buys another currency and has completed has one exchange that stands; every other has none. */
function judgeInner(
  runId: string,
  events: readonly RunStep[],
  inner: readonly string[],
  runs: Runs,
): readonly Violation[] {
  if (reactorOf(events) !== "transfer") return [];
  const ending = lastEnding(events)?.type;
  const standing = inner.filter((each) => lastEnding(runs.get(each) ?? [])?.type === "run.completed").length;
  if (standing === (ending === "run.completed" && inputOf(events).rate > 0 ? 1 : 0)) return [];
  return [{ kind: "half", text: `${runId}: ${ending}, and ${standing} of its exchanges stand` }];
}

/** What was acknowledged is in the log: each run as what it was asked to be, each order at least as often as somebody was told so. */
function judgeAcknowledged(runs: Runs, { begun, orders }: Acknowledged): Violation[] {
  const found: Violation[] = [];
  const lost = (text: string) => found.push({ kind: "lost", text });
  for (const { key, input, runId } of begun) {
    const [first] = runs.get(runId) ?? [];
    if (first === undefined) lost(`${key}: ${runId} was acknowledged and is not there`);
    else if (first.data.key !== key || !isDeepStrictEqual(first.data.input, input))
      lost(`${key}: ${runId} was acknowledged, and is ${first.data.key} with ${JSON.stringify(first.data.input)}`);
  }
  const given = new Map<string, number>();
  for (const { what, runId } of orders) {
    const type = orderTypes[what];
    const count = (given.get(`${type} ${runId}`) ?? 0) + 1;
    given.set(`${type} ${runId}`, count);
    const there = (runs.get(runId) ?? []).filter((each) => each.type === type).length;
    if (there < count)
      lost(`${runId}: to ${what} it was acknowledged ${count} times, and ${type} is there ${there} times`);
  }
  return found;
}

/** What stands on each account, by all that the sink has done. */
function balancesOf(calls: readonly SinkCall[]): Map<string, number> {
  const balances = new Map<string, number>();
  const posted = new Map<string, readonly Posting[]>();
  for (const { op, key, outcome, postings } of calls) {
    if (outcome !== "done" || op === "find") continue;
    const isPost = op === "post" || op === "once";
    if (isPost) posted.set(key, postings);
    for (const [account, amount] of (isPost ? postings : posted.get(key)) ?? [])
      balances.set(account, (balances.get(account) ?? 0) + (isPost ? amount : -amount));
  }
  return balances;
}

/** In one currency: all that was taken from somebody has come to somebody. */
const sumOf = (balances: ReadonlyMap<string, number>, currency: string): number =>
  [...balances].reduce(
    (sum, [account, amount]) => sum + (account.endsWith("/foreign") === (currency !== "") ? amount : 0),
    0,
  );

/** What was done for a step of a run, in the sink's own order. */
interface Effect {
  /** Numbers of calls that did it, and of all calls that asked for it. */
  readonly done: number[];
  readonly undone: number[];
  readonly asked: number[];
  /** As they were done last. */
  readonly postings: readonly Posting[];
  isDefect: boolean;
}

function effectsOf(calls: readonly SinkCall[]): Map<string, Map<string, Effect>> {
  const effects = new Map<string, Map<string, Effect>>();
  for (const [nr, { run, step, op, outcome, postings }] of calls.entries()) {
    const steps = effects.get(run) ?? new Map<string, Effect>();
    effects.set(run, steps);
    const known = steps.get(step) ?? { done: [], undone: [], asked: [], postings: [], isDefect: false };
    const isPost = op === "post" || op === "once";
    const effect = isPost && outcome === "done" ? { ...known, postings } : known;
    steps.set(step, effect);
    if (isPost) {
      effect.asked.push(nr);
      if (outcome === "done") effect.done.push(nr);
    } else if (op !== "find") {
      if (outcome === "done") effect.undone.push(nr);
      if (outcome === "defect") effect.isDefect = true;
    }
  }
  return effects;
}

function judgeEffects(
  runId: string,
  events: readonly RunStep[],
  ending: RunStep,
  effects: ReadonlyMap<string, Effect>,
): Violation[] {
  const found: Violation[] = [];
  const complain = (kind: Violation["kind"], text: string) => found.push({ kind, text: `${runId}: ${text}` });
  const input = inputOf(events);
  const isTransfer = reactorOf(events) === "transfer";
  const wanted: { readonly [step: string]: readonly Posting[] } = isTransfer
    ? transferPostings(input)
    : exchangePostings(input);
  const hasCompleted = ending.type === "run.completed";
  for (const [step, { done, undone, isDefect, postings }] of effects) {
    if (done.length > 1) complain("doubled", `${step} was done ${done.length} times outside`);
    if (undone.length > 1) complain("doubled", `${step} was undone ${undone.length} times outside`);
    if (isDefect) complain("order", `${step} was to be undone before it was done`);
    if (done.length > 0 && JSON.stringify(postings) !== JSON.stringify(wanted[step]))
      complain("half", `${step} posted ${JSON.stringify(postings)}`);
    const stays = done.length > undone.length;
    if (hasUndo(step) && stays !== hasCompleted)
      complain("half", `${ending.type}, and ${step} ${stays ? "stands" : "is gone"} outside`);
  }
  for (const step of hasCompleted ? Object.keys(wanted) : [])
    if ((effects.get(step)?.done.length ?? 0) === 0) complain("half", `${step} was never done outside`);
  found.push(...judgeEffectOrder(runId, events, effects));
  return found;
}

/** Within the sink's own order: nothing is asked for before what it depends on was done, and undone is what was done last. */
function judgeEffectOrder(
  runId: string,
  events: readonly RunStep[],
  effects: ReadonlyMap<string, Effect>,
): Violation[] {
  const found: Violation[] = [];
  const input = inputOf(events);
  const doneOutside = transferPostings(input);
  for (const [step, { asked }] of reactorOf(events) === "transfer" ? effects : []) {
    for (const before of dependenciesOf(step, input).filter((each) => each in doneOutside)) {
      const done = effects.get(before)?.done[0] ?? Number.POSITIVE_INFINITY;
      if (asked[0] !== undefined && asked[0] < done)
        found.push({ kind: "order", text: `${runId}: ${step} was asked for before ${before} was done` });
    }
  }
  const undoneInLog = events.flatMap(({ type, data }) => (type === "step.undone" ? [String(data.step)] : []));
  let last = -1;
  for (const step of undoneInLog) {
    const at = effects.get(step)?.undone[0];
    if (at === undefined) continue;
    if (at < last)
      found.push({ kind: "order", text: `${runId}: ${step} was undone outside before what came after it` });
    last = at;
  }
  return found;
}

/** The claim under which the event at a version was written. */
function claimAt(claims: readonly Claim[], version: number): Claim | undefined {
  return claims.findLast((claim) => claim.version <= version);
}

/** Who wrote what must have held the claim. */
function judgeWriters(runs: Runs, { wrote }: Told): Violation[] {
  const found: Violation[] = [];
  const claims = new Map<string, Claim[]>();
  for (const { runId, from, count, by } of wrote) {
    const events = runs.get(runId);
    if (events === undefined || events.length < from + count - 1) {
      found.push({ kind: "lost", text: `${runId}: ${by} wrote ${from} to ${from + count - 1}, which are not there` });
      continue;
    }
    const ofRun = claims.get(runId) ?? claimsOf(events);
    claims.set(runId, ofRun);
    for (let version = from; version < from + count; version++) {
      const type = events[version - 1]?.type as string;
      if (orders.has(type) || type === "run.started") continue;
      const holder = claimAt(ofRun, version);
      if (holder?.life !== by)
        found.push({
          kind: "fence",
          text: `${runId}: ${type} at ${version} is by ${by}, and ${holder?.life} has the claim`,
        });
    }
  }
  return found;
}

/**
 * While nothing goes on, since all that could act was killed: whatever was asked of the sink, what it depends on is in the log. Runs need
 * not have ended.
 */
export function judgeStill(runs: Runs, calls: readonly SinkCall[]): Violation[] {
  const found: Violation[] = [];
  const told = new Set<string>();
  for (const { run, step, op } of calls) {
    const mark = `${run} ${step} ${op}`;
    if (told.has(mark)) continue;
    told.add(mark);
    const events = runs.get(run);
    const complain = (text: string) =>
      found.push({ kind: "order", text: `${run}: ${step} was called (${op}) ${text}` });
    if (events === undefined) {
      complain("and its run had not begun");
      continue;
    }
    const has = (type: string, of: string) => events.some((each) => each.type === type && each.data.step === of);
    const before = reactorOf(events) === "transfer" ? dependenciesOf(step, inputOf(events)) : [];
    const missing = before.filter((each) => !has("step.succeeded", each));
    if (missing.length > 0) complain(`before ${missing.join(", ")} had an outcome`);
    if (op === "undo" && !events.some(({ type }) => type === "run.undoing")) complain("and the run is not undone");
    if (op === "void" && !has("step.failed", step)) complain("and it has not failed");
    if (op === "once" && !has("step.started", step)) complain("before its beginning was recorded");
  }
  return found;
}
