import type { SwarmHealth } from "@viable/protocol";

/** How long a status must hold, in milliseconds, before it is a fact: a part that its supervisor starts again is none. */
const holdMs = 5_000;
/** How many changes of one swarm in one process are told within `windowMs`: enough for a bad hour, and too few to fill a log. */
export const maxTold = 6;
/** In milliseconds. */
const windowMs = 10 * 60_000;
/** How long a swarm that changed too often must hold one status, in milliseconds, before the log hears of it again. */
const calmMs = 5 * 60_000;

/**
 * What of one swarm's health is told in the log, and what is not.
 *
 * States: telling ⇄ flapping. Telling: a status that has held for `holdMs` and is not the one told is told. The sixth within ten minutes
 * says that it changes too often, and from then on changes are counted only. Flapping ends when one status has held for `calmMs`, with a
 * change that says how many are not in the log. So no ten minutes have more than eight.
 */
export interface ToldHealth {
  /** What the log says of it, or will once what waits is written. */
  readonly told: SwarmHealth;
  /** What it was at the last look, and since when, in monotonic milliseconds. */
  readonly seen: SwarmHealth;
  readonly sinceMs: number;
  /** The last status that has held. */
  readonly held: SwarmHealth;
  /** When the last changes were told, in monotonic milliseconds; as many as count. */
  readonly toldAtMs: readonly number[];
  readonly isFlapping: boolean;
  /** Changes since the last one told. */
  readonly unrecorded: number;
}

/** What the log is to be told. */
export interface HealthChange {
  readonly from: SwarmHealth;
  readonly to: SwarmHealth;
  readonly unrecorded: number;
  readonly isFlapping: boolean;
}

export interface ToldDecision {
  readonly next: ToldHealth;
  readonly change: HealthChange | undefined;
}

/** Of a swarm that was not looked at before: that it starts is no news, and that it has started well is none either. */
export const beginTold = (nowMs: number): ToldHealth => ({
  told: "starting",
  seen: "starting",
  sinceMs: nowMs,
  held: "starting",
  toldAtMs: [],
  isFlapping: false,
  unrecorded: 0,
});

/**
 * What follows from one look. `waiting` is how many changes are decided and not in the log yet: while the log is away there are never more
 * than `maxTold` of them.
 */
export function decideTold(before: ToldHealth, status: SwarmHealth, nowMs: number, waiting: number): ToldDecision {
  const seen = status === before.seen ? before : { ...before, seen: status, sinceMs: nowMs };
  const heldMs = nowMs - seen.sinceMs;
  if (status === "healthy" && seen.told === "starting" && !seen.isFlapping)
    return { next: { ...seen, told: "healthy", held: "healthy" }, change: undefined };
  if (heldMs < holdMs) return { next: seen, change: undefined };
  const changed = status === seen.held ? seen : { ...seen, held: status };
  if (!seen.isFlapping)
    return status === seen.told ? { next: changed, change: undefined } : tell(changed, status, nowMs, waiting);
  const counted = status === seen.held ? changed : { ...changed, unrecorded: seen.unrecorded + 1 };
  if (heldMs < calmMs || waiting > 0) return { next: counted, change: undefined };
  const calm = tell(counted, status, nowMs, waiting);
  // The next change may begin it again; this one ends it, and is told even where all is as it was.
  return { next: { ...calm.next, isFlapping: false }, change: { ...calm.change, isFlapping: false } };
}

/**
 * The process of a swarm that others have found lost is back: always told, since the loss was. What waited to be told before was overtaken by
 * that, and counts as not in the log.
 */
export function tellReturn(before: ToldHealth, nowMs: number, waiting: number): ToldDecision {
  const { seen } = before;
  return tell({ ...before, told: "lost", held: seen, unrecorded: before.unrecorded + waiting }, seen, nowMs, 0);
}

function tell(
  state: ToldHealth,
  to: SwarmHealth,
  nowMs: number,
  waiting: number,
): { next: ToldHealth; change: HealthChange } {
  const toldAtMs = [...state.toldAtMs.filter((atMs) => atMs > nowMs - windowMs), nowMs];
  const isFlapping = toldAtMs.length >= maxTold || waiting + 1 >= maxTold;
  return {
    next: { ...state, told: to, toldAtMs, isFlapping, unrecorded: 0 },
    change: { from: state.told, to, unrecorded: state.unrecorded, isFlapping },
  };
}
