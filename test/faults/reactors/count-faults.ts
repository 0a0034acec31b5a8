import type { Runs } from "./check-runs.ts";
import { claimsOf, parentOf } from "./check-runs.ts";
import type { SinkCall } from "./sink-lines.ts";
import type { Life } from "./worker-lines.ts";
import type { Told } from "./worker-process.ts";

/** What the faults have met: a run of the test that met nothing has shown nothing. */
export interface Met {
  /** Runs that went from one life of a process to another. */
  readonly takeovers: number;
  /** Killed processes of which a step was under way that another process did again. */
  readonly killsDuringSteps: number;
  /** Stopped processes that had lost runs to another by the time they went on. */
  readonly zombies: number;
  /** Appends to runs that others had claimed by then: refused by the log. */
  readonly refusedAppends: number;
  /** The same that were refused because somebody had ordered something: their writers read it and went on. */
  readonly overtakenAppends: number;
  /** Calls of the sink after somebody with a later claim had asked for the same: its key absorbed them, or its fence refused them. */
  readonly lateCalls: number;
  readonly fencedCalls: number;
  /** Calls that asked for what had been done, by anybody. */
  readonly callsRepeated: number;
  readonly calls: number;
  readonly reviews: number;
}

export function countFaults(
  runs: Runs,
  calls: readonly SinkCall[],
  told: Told,
  killed: ReadonlySet<Life>,
  paused: ReadonlySet<Life>,
): Met {
  let takeovers = 0;
  let reviews = 0;
  const robbed = new Set<Life>();
  for (const events of runs.values()) {
    const claims = claimsOf(events);
    for (const [index, claim] of claims.entries()) {
      const before = claims[index - 1];
      if (before === undefined || before.life === claim.life) continue;
      takeovers += 1;
      if (before.processId !== claim.processId) robbed.add(before.life);
    }
    reviews += events.filter(({ type }) => type === "run.needs_review").length;
  }
  const refusals = { zombie: 0, order: 0 };
  for (const { runId, after, types, by } of told.refused) {
    // Two that claim a run at once: one of them is refused, and that is how it is meant.
    if (types[0] === "run.claimed") continue;
    const next = claimsOf(runs.get(runId) ?? []).find(({ version }) => version > after);
    const isTaken = next !== undefined && next.life !== by;
    refusals[isTaken ? "zombie" : "order"] += 1;
  }
  const first = new Map<string, Life>();
  const interrupted = new Set<Life>();
  const met = { late: 0, fenced: 0, repeated: 0 };
  const newestClaim = new Map<string, number>();
  for (const { key, op, by, claim, outcome } of calls) {
    const mark = `${op} ${key}`;
    const beganBy = first.get(mark);
    if (beganBy === undefined) first.set(mark, by);
    else if (beganBy !== by && killed.has(beganBy)) interrupted.add(beganBy);
    const newest = newestClaim.get(mark) ?? 0;
    if (claim < newest) met.late += 1;
    newestClaim.set(mark, Math.max(newest, claim));
    if (op === "once" && outcome === "refused") met.fenced += 1;
    if (outcome === "repeated") met.repeated += 1;
  }
  return {
    takeovers,
    killsDuringSteps: interrupted.size,
    zombies: [...paused].filter((life) => robbed.has(life)).length,
    refusedAppends: refusals.zombie,
    overtakenAppends: refusals.order,
    lateCalls: met.late,
    fencedCalls: met.fenced,
    callsRepeated: met.repeated,
    calls: calls.length,
    reviews,
  };
}

/** How the runs of a reactor ended, by number. */
export function countEndings(runs: Runs, reactor: string): Record<string, number> {
  const counts: Record<string, number> = {
    begun: 0,
    completed: 0,
    compensated: 0,
    failed: 0,
    cancelled: 0,
    undoneLater: 0,
  };
  for (const events of runs.values()) {
    if (events[0]?.data.reactor !== reactor || (reactor === "transfer") !== (parentOf(events) === undefined)) continue;
    const ending = events.at(-1)?.type.slice("run.".length) ?? "";
    counts.begun = (counts.begun ?? 0) + 1;
    if (ending in counts) counts[ending] = (counts[ending] ?? 0) + 1;
    if (events.some(({ type }) => type === "run.undo_requested")) counts.undoneLater = (counts.undoneLater ?? 0) + 1;
  }
  return counts;
}
