import type { Context, JsonObject, JsonValue, Part } from "@viable/kernel";

/**
 * Called with a message. `ctx` is the sender's as far as it travels: tenant, principal, trace and deadline. The deadline travels as time
 * that is left, since no machine's wall clock is compared with another's: here it comes by as much later as the message was on its way. It
 * says who speaks, not what they may do: whoever acts on a message checks authority by what the message carries (W4).
 *
 * What it returns answers a request: any JSON value. `undefined` means that this handler does not answer. What it throws, a
 * requester gets; a publisher never does.
 */
export type BusHandler = (
  ctx: Context,
  message: JsonObject,
  subject: string,
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing is written without a return
) => JsonValue | undefined | void | Promise<JsonValue | undefined | void>;

export interface SubscribeOptions {
  /** Of all subscriptions with the same pattern and group, each message reaches one. */
  readonly group?: string;
  /** Messages that may wait for this subscription; beyond it the oldest is dropped and counted. Default 1,000. */
  readonly maxWaiting?: number;
  /** Calls of the handler under way at once. Default 32: enough that a slow answer does not hold up the others. */
  readonly maxConcurrent?: number;
}

/** Somebody who said that they are there. */
export interface Present {
  readonly kind: string;
  readonly id: string;
  readonly info: JsonObject;
}

/** Who is there, as far as this process has heard. */
export interface Presence {
  /**
   * Says that `id` is there until the returned function is called, the context's signal is aborted, or this bus stops; when the
   * process dies, others find out after a while. A second announcement of the same id replaces the first.
   */
  announce(ctx: Context, kind: string, id: string, info: JsonObject): () => void;
  /** Those of a kind, by id. */
  present(kind: string): readonly Present[];
}

/** Counts since the start, for health: what was lost must at least show. */
export interface BusStats {
  readonly published: number;
  readonly delivered: number;
  /** Dropped because a subscription's queue was full, or because the bus was not running or not connected. */
  readonly dropped: number;
  readonly handlerErrors: number;
  /** Received, and not what a bus of ours writes: dropped, and no handler was called. */
  readonly malformed: number;
  readonly subscriptions: number;
  /** Whether messages leave now: not before the start, not after the end, nor while no broker answers. */
  readonly connected: boolean;
}

/**
 * Carries messages between the parts of a system, on one machine or many. Best effort.
 *
 * Promised: a handler is never called inside `publish`; messages are copied, so sender and receivers share nothing; of a group,
 * at most one member gets each copy; every queue is bounded (W10); a handler's failure never reaches a publisher; a request ends
 * by its deadline.
 *
 * Not promised, since the bus may lose, repeat or reorder anything and be wiped (W3): that a message arrives, arrives once, or
 * arrives in order; that a subscription made on one machine is known on another at once; that presence is up to date. Truth is
 * in the log. A message only says "look now", carries what may be lost, or asks what may be asked again.
 */
export interface Bus extends Part {
  /**
   * Sends to whoever listens. Throws `bus.invalid_subject` or `bus.invalid_message` where the caller erred; where the bus is not
   * running, or no broker answers, the message is dropped and counted.
   */
  publish(ctx: Context, subject: string, message: JsonObject): void;
  /**
   * Calls the handler for every message to a subject that matches: tokens are joined by dots, `*` stands for one token, `>` at
   * the end for one or more. May be called before `start`. Returns how to end it; messages that wait are then dropped.
   */
  subscribe(pattern: string, options: SubscribeOptions, handler: BusHandler): () => void;
  /**
   * Asks, and resolves with the first answer. Every subscription that matches gets the request, of a group one member. Rejects
   * with `bus.no_responder` at once where nobody listens, with the handler's error (code, advice and causes kept), with
   * `context.deadline_exceeded` by the context's deadline or after 10 s where it has none, or with `context.cancelled`. An adapter may
   * refuse what it has no room or no connection for, with an error that may be retried.
   */
  request(ctx: Context, subject: string, message: JsonObject): Promise<JsonValue>;
  readonly presence: Presence;
  stats(): BusStats;
}

/** How long a request waits where its context has no deadline, in milliseconds: longer than an answer takes, shorter than patience. */
export const defaultRequestMs = 10_000;
/** How long a message may be, in characters of JSON: at three bytes each it still fits the megabyte that NATS takes. */
export const maxMessageChars = 300_000;
