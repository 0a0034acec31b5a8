import type { Executions } from "./check-accounting.ts";
import { acceptanceOf, claimsOf, outcomeOf, parentOf } from "./check-accounting.ts";
import type { EffectArrival } from "./ledger-lines.ts";

/** The longest time without an answer between two moments, in milliseconds: before the first and after the last, too. */
export function longestGapMs(answeredAtMs: readonly number[], fromMs: number, toMs: number): number {
  let last = fromMs;
  let gap = 0;
  for (const atMs of answeredAtMs.filter((each) => each >= fromMs && each <= toMs).sort((a, b) => a - b)) {
    gap = Math.max(gap, atMs - last);
    last = atMs;
  }
  return Math.round(Math.max(gap, toMs - last));
}

export interface Spread {
  readonly rounds: number;
  readonly median: number;
  readonly worst: number;
}

/** The middle one and the largest; undefined of nothing. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] as number;
  return { rounds: values.length, median: Math.round(median), worst: Math.round(sorted.at(-1) as number) };
}

/** How long after a process was lost another claimed what it had, one number for each, in milliseconds. */
export function takeoversMs(executions: Executions, processId: string, lostAtMs: number): number[] {
  const times: number[] = [];
  for (const steps of executions.values()) {
    const claims = claimsOf(steps);
    for (const [index, claim] of claims.entries()) {
      const before = claims[index - 1];
      if (claim.atMs < lostAtMs || claim.processId === processId) continue;
      const isOfTheLost = before === undefined ? routeOf(steps) === processId : before.processId === processId;
      const isBefore = (before?.atMs ?? acceptanceOf(steps)?.atMs ?? Number.POSITIVE_INFINITY) < lostAtMs;
      if (isOfTheLost && isBefore) times.push(claim.atMs - lostAtMs);
    }
  }
  return times;
}

const routeOf = (steps: Parameters<typeof acceptanceOf>[0]): string | undefined =>
  (acceptanceOf(steps)?.data.route as { readonly chosen?: { readonly processId: string } } | undefined)?.chosen
    ?.processId;

/** How long after a process was lost the last task was still routed to it, in milliseconds; 0 where none was. */
export function routedAroundMs(executions: Executions, processId: string, lostAtMs: number, untilMs: number): number {
  let last = lostAtMs;
  for (const steps of executions.values()) {
    const accepted = acceptanceOf(steps);
    if (accepted === undefined || routeOf(steps) !== processId) continue;
    if (accepted.atMs >= lostAtMs && accepted.atMs <= untilMs) last = Math.max(last, accepted.atMs);
  }
  return last - lostAtMs;
}

/** What was accepted and what became of it, in numbers: the first is the sum of the others but `delegated`. */
export function countOutcomes(executions: Executions) {
  const counts = { accepted: 0, delegated: 0, completed: 0, failed: 0, cancelled: 0, timedOut: 0, open: 0 };
  const failedBy: Record<string, number> = {};
  for (const steps of executions.values()) {
    counts.accepted += 1;
    if (parentOf(steps) !== undefined) counts.delegated += 1;
    const outcome = outcomeOf(steps);
    if (outcome === undefined) counts.open += 1;
    else if (outcome.type === "execution.timed_out") counts.timedOut += 1;
    else counts[outcome.type.slice("execution.".length) as "completed" | "failed" | "cancelled"] += 1;
    const { code } = (outcome?.data.error ?? {}) as { readonly code?: string };
    if (code !== undefined) failedBy[code] = (failedBy[code] ?? 0) + 1;
  }
  return { ...counts, failedBy };
}

/** How often what a process had begun, or only been given, went to another, and what was asked of the ledger more than once. */
export function countRepeats(executions: Executions, arrivals: readonly EffectArrival[]) {
  let takenOver = 0;
  let takenUp = 0;
  let givenBack = 0;
  let wentOn = 0;
  for (const steps of executions.values()) {
    const claims = claimsOf(steps);
    for (const [index, claim] of claims.entries()) {
      const before = claims[index - 1];
      if (before === undefined) {
        if (claim.atMs > (acceptanceOf(steps)?.atMs ?? 0) && claim.processId !== routeOf(steps)) takenUp += 1;
        continue;
      }
      if (before.processId === claim.processId && before.attempt === claim.attempt) wentOn += 1;
      else if (before.processId !== claim.processId) takenOver += 1;
    }
    givenBack += steps.filter(({ type }) => type === "execution.released").length;
  }
  // By one clock: the ledger's machine is the database server's, too.
  const late = arrivals.filter(({ execution, attempt, atMs }) =>
    claimsOf(executions.get(execution) ?? []).some((claim) => claim.attempt > attempt && claim.atMs < atMs),
  );
  return {
    takenOver,
    takenUp,
    givenBack,
    wentOn,
    effects: arrivals.filter(({ outcome }) => outcome === "counted").length,
    arrivals: arrivals.length,
    absorbed: arrivals.filter(({ outcome }) => outcome === "absorbed").length,
    /** Asked for by an attempt when a later one had been claimed: absorbed, or, where they came first, those that count. */
    supersededAbsorbed: late.filter(({ outcome }) => outcome === "absorbed").length,
    supersededCounted: late.filter(({ outcome }) => outcome === "counted").length,
  };
}
