import type { Clock } from "./clock.ts";
import { systemClock } from "./clock.ts";
import { ViableError } from "./errors.ts";
import type { Ids } from "./ids.ts";
import { createIds } from "./ids.ts";
import type { Random } from "./random.ts";
import { systemRandom } from "./random.ts";

/** Time, chance and ids: all that makes two runs of the same code differ. */
export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
}

/** Puts a runtime together; what is not given is the machine's own. */
export function createRuntime(parts: { clock?: Clock; random?: Random } = {}): Runtime {
  const clock = parts.clock ?? systemClock;
  const random = parts.random ?? systemRandom;
  return { clock, random, ids: createIds(clock, random) };
}

/**
 * What every call carries, explicitly and first. There is no ambient state: whoever has no context cannot act.
 */
export interface Context {
  readonly runtime: Runtime;
  /** Whose data this is about. Part of every event's metadata and every key (W11). */
  readonly tenant: string;
  /** Who acts: `owner`, `session:ses_…`, `agent:tools/complexity`, `system`. */
  readonly principal: string;
  /** W3C trace context (`traceparent`), carried from client to log. */
  readonly traceparent: string | undefined;
  /** Wall time in milliseconds by which the work must be done; undefined where the caller bounds it otherwise. */
  readonly deadline: number | undefined;
  /** Ends every wait made in this context. */
  readonly signal: AbortSignal;
}

/** The tenant of a system that has only one. */
export const defaultTenant = "default";

const never = new AbortController().signal;

/** The first context of a chain: at the composition root, at the gateway's door, in a test. */
export function rootContext(runtime: Runtime, parts: Partial<Omit<Context, "runtime">> = {}): Context {
  return {
    runtime,
    tenant: parts.tenant ?? defaultTenant,
    principal: parts.principal ?? "system",
    traceparent: parts.traceparent,
    deadline: parts.deadline,
    signal: parts.signal ?? never,
  };
}

/** The same context with some parts replaced. A deadline can only come nearer, an abort signal only be added. */
export function withContext(ctx: Context, parts: Partial<Omit<Context, "runtime">>): Context {
  const deadline =
    parts.deadline === undefined ? ctx.deadline : Math.min(parts.deadline, ctx.deadline ?? Number.POSITIVE_INFINITY);
  const signal =
    parts.signal === undefined || parts.signal === ctx.signal
      ? ctx.signal
      : ctx.signal === never
        ? parts.signal
        : AbortSignal.any([ctx.signal, parts.signal]);
  return { ...ctx, ...parts, deadline, signal };
}

/** Whether the context can end at all. Where it cannot, a wait in it needs neither timer nor listener. */
export const canEnd = (ctx: Context): boolean => ctx.deadline !== undefined || canBeCancelled(ctx);

/** Whether its signal can ever be. */
export const canBeCancelled = (ctx: Context): boolean => ctx.signal !== never;

/** Throws where the caller has gone away or the deadline has passed: called before starting something long. */
export function throwIfDone(ctx: Context): void {
  if (ctx.signal.aborted)
    throw new ViableError("context.cancelled", "The caller cancelled.", { cause: ctx.signal.reason });
  if (ctx.deadline !== undefined && ctx.runtime.clock.now() >= ctx.deadline) {
    throw new ViableError("context.deadline_exceeded", "The deadline passed.", {
      next: "Ask with a later deadline, or for less.",
    });
  }
}

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** A new W3C `traceparent` (version 00, sampled), for work that did not arrive with one. */
export function newTraceparent(random: Random): string {
  const hex = (length: number) => {
    let text = "";
    for (const byte of random.bytes(length)) text += hexOfByte[byte];
    return text;
  };
  return `00-${hex(16)}-${hex(8)}-01`;
}

const traceparentPattern = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Whether a header is a usable W3C `traceparent`; anything else is replaced, not passed on. */
export function isTraceparent(text: string): boolean {
  return traceparentPattern.test(text);
}
