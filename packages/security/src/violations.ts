import type { Context, JsonObject } from "@viable/kernel";
import { createNoteLimit, rootContext } from "@viable/kernel";
import type { EventType, Log } from "@viable/log";
import { eventType } from "@viable/log";
import type { ViolationData } from "@viable/protocol";
import { violationEvents } from "@viable/protocol";
import type { Grant } from "./grant.ts";

/** How often the same principal's violation with the same code is recorded, in milliseconds: those between are counted with the next. */
const sameEveryMs = 60_000;
/** The same of what has a high risk: each by itself, unless a machine tries. */
const sameHighRiskEveryMs = 1_000;
/** How many are recorded in a minute in all: a person reads no more, and the log keeps them for ever. */
const maxPerMinute = 120;
/** Principals and kinds that are told apart; the oldest go first. Some 200 bytes each. */
const maxKinds = 10_000;
/** What is kept of a reason and an address, in characters: they may hold what a stranger wrote. */
const maxTextChars = 500;
/** So many within an hour are a pain: the number at which the seed's own trust breaker opens (three violations an hour). */
const alarmAt = 3;
const alarmWithinMs = 3_600_000;
/** Of one principal, at most: beyond it only that there are many matters. */
const maxRemembered = 1_000;

/** What was refused, to whom and why. */
export interface Violation {
  readonly grant: Grant;
  readonly code: string;
  readonly address: string;
  readonly reasons: readonly string[];
  readonly risk: "low" | "medium" | "high";
}

/** What a principal did within the last hour. */
interface Offender {
  /** When each was, in monotonic milliseconds, the last ones only. */
  readonly atMs: number[];
  alarmedMs: number;
}

/** Counts of this process since it started. */
export interface ViolationStats {
  readonly violations: number;
  readonly alarms: number;
}

/**
 * Tells of what was refused for want of authority. Promised: each is counted; the first of a kind (tenant, principal, code) in a minute is on its way to the
 * log when this returns, and nobody waits for it; what has a high risk singly; a principal with three within an hour is announced once an hour as an alarm.
 * Not promised: that each arrives, since whoever asked was told already, or that processes count together.
 */
export interface Violations {
  note(ctx: Context, violation: Violation): void;
  stats(): ViolationStats;
}

export const violationEventTypes: readonly EventType[] = Object.entries(violationEvents).map(([type, schema]) =>
  eventType(type, schema),
);

export function createViolations(log: Log): Violations {
  const notes = createNoteLimit({ maxPerMinute, maxKinds });
  const offenders = new Map<string, Offender>();
  const counts = { violations: 0, alarms: 0 };

  /** How many there were within the hour, where that is to be announced now. */
  const alarmOf = (key: string, nowMs: number): number | undefined => {
    const offender = offenders.get(key) ?? { atMs: [], alarmedMs: Number.NEGATIVE_INFINITY };
    if (!offenders.delete(key) && offenders.size >= maxKinds) offenders.delete(offenders.keys().next().value as string);
    offenders.set(key, offender);
    while (offender.atMs.length > 0 && nowMs - (offender.atMs[0] as number) >= alarmWithinMs) offender.atMs.shift();
    offender.atMs.push(nowMs);
    if (offender.atMs.length > maxRemembered) offender.atMs.shift();
    if (offender.atMs.length < alarmAt || nowMs - offender.alarmedMs < alarmWithinMs) return undefined;
    offender.alarmedMs = nowMs;
    return offender.atMs.length;
  };
  const write = (ctx: Context, sessionId: string | undefined, type: keyof typeof violationEvents, data: JsonObject) => {
    // Whoever asked may be gone at any moment, and its context with it.
    const ownCtx = rootContext(ctx.runtime, {
      tenant: ctx.tenant,
      principal: ctx.principal,
      ...(ctx.traceparent !== undefined && { traceparent: ctx.traceparent }),
    });
    const stream = `violations:${ctx.tenant}`;
    void log
      .append(ownCtx, { streams: [{ stream, expected: "any", events: [{ type, data }], session: sessionId }] })
      // It is counted, and the one that asked was refused.
      .catch(() => undefined);
  };

  return {
    stats: () => ({ ...counts }),
    note(ctx, { grant, code, address, reasons, risk }) {
      const nowMs = ctx.runtime.clock.monotonicMs();
      counts.violations += 1;
      const { principal } = grant;
      const last = grant.links?.at(-1)?.capabilityId;
      const told = {
        code,
        address: address.slice(0, maxTextChars),
        reason: reasons.join(" ").slice(0, maxTextChars),
        principal,
        ...(last !== undefined && { capabilityId: last }),
      };
      const inHour = alarmOf(`${ctx.tenant}\n${principal}`, nowMs);
      if (inHour !== undefined) {
        counts.alarms += 1;
        const alarm = { principal, violations: inHour, withinMs: alarmWithinMs, latest: told };
        write(ctx, grant.sessionId, "security.alarm", alarm);
      }
      const kind = `${ctx.tenant}\n${principal}\n${code}`;
      const more = notes.take(kind, risk === "high" ? sameHighRiskEveryMs : sameEveryMs, nowMs);
      if (more === undefined) return;
      const data: ViolationData = { ...told, more };
      write(ctx, grant.sessionId, "security.violation", data);
    },
  };
}
