import type { Client } from "@viable/client";
import { GatewayProblem } from "@viable/client";
import type { Runtime } from "@viable/kernel";
import { rootContext, sleep } from "@viable/kernel";
import type { EventView, ExecutionView } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import { executionOf, outcomeOf } from "./execution-tree.ts";

export interface FollowOptions {
  /** Whose feed the execution's events are in. */
  readonly sessionId: string | undefined;
  readonly executionId: string;
  /** What it and all that it delegates have in common. */
  readonly correlationId: string;
  /** Begins after this position of the feed; at its beginning where absent. */
  readonly after?: string | undefined;
  /** Ends the following, not the execution. */
  readonly signal: AbortSignal;
  /** Told of each event of the execution and of what it delegates. */
  onEvent?(event: EventView): void;
}

/** A feed that has silently died is found out by looking this often, in milliseconds; so is the end of what has no feed. */
const lookEveryMs = 5_000;
const lookWithoutFeedEveryMs = 500;
/** How long a gateway may be lost where no feed says that it is, in milliseconds: about as long as a feed tries. */
const lostAfterMs = 30_000;

/**
 * Follows an execution to its outcome, or until the signal; answers how it stands then. Throws where the gateway refuses, or has been
 * lost for half a minute.
 */
export async function followExecution(
  runtime: Runtime,
  client: Client,
  options: FollowOptions,
): Promise<ExecutionView> {
  const done = new AbortController();
  const signal = AbortSignal.any([options.signal, done.signal]);
  const ended = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  try {
    await Promise.race([ended, readFeed(client, options, signal), look(runtime, client, options, signal)]);
  } finally {
    done.abort();
  }
  return await client.execution(options.executionId);
}

/** Reads the feed up to the outcome. Without a feed it never ends: looking has to do. */
async function readFeed(client: Client, options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { sessionId, executionId, correlationId, after } = options;
  if (sessionId === undefined) return await new Promise(() => {});
  for await (const event of client.watch(sessionId, { signal, ...(after !== undefined && { after }) })) {
    if (event.correlationId !== correlationId) continue;
    options.onEvent?.(event);
    if (executionOf(event) === executionId && outcomeOf(event) !== undefined) return;
  }
}

async function look(runtime: Runtime, client: Client, options: FollowOptions, signal: AbortSignal): Promise<void> {
  const ctx = rootContext(runtime, { signal });
  const everyMs = options.sessionId === undefined ? lookWithoutFeedEveryMs : lookEveryMs;
  const { clock } = runtime;
  let lostSinceMs: number | undefined;
  while (!signal.aborted) {
    await sleep(ctx, everyMs).catch(() => undefined);
    const askedMs = clock.monotonicMs();
    try {
      const view = await client.execution(options.executionId);
      if (isOutcome(view.status)) return;
      lostSinceMs = undefined;
    } catch (error) {
      // Where there is a feed, whether the gateway is lost is its to say.
      if (options.sessionId !== undefined) continue;
      if (error instanceof GatewayProblem && !error.retryable) throw error;
      lostSinceMs ??= askedMs;
      if (clock.monotonicMs() - lostSinceMs >= lostAfterMs) throw error;
    }
  }
}
