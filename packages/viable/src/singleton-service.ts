import type { SingletonOffer, Singletons } from "@viable/cluster";
import type { Context } from "@viable/kernel";
import { rootContext, waitFor, withContext } from "@viable/kernel";
import type { ChildSpec } from "@viable/supervisor";
import type { Swarm } from "@viable/swarm";

/** A swarm that is not started yet, with what goes with it. */
export interface OpenedSwarm {
  readonly swarm: Swarm;
  close(ctx: Context): Promise<void>;
}

export interface SingletonServiceSettings {
  readonly service: string;
  readonly singletons: Singletons;
  /** How long its swarm may drain before the service is given away, in milliseconds. */
  readonly drainMs: number;
  /** Called each time that this process gets the service. */
  open(): Promise<OpenedSwarm>;
  /** Its swarm runs here from now on, or no more. */
  onSwarm(swarm: Swarm | undefined): void;
  onOffer(offer: SingletonOffer): void;
  onProblem(message: string): void;
}

/** Beyond its drain: what was given back last is written, in milliseconds. */
const afterDrainMs = 5_000;

/**
 * A service that one process at a time runs, of all that host it: a child of the system's supervisor that offers it, and runs its swarm while this
 * process has it. Two processes that begin at once both offer; one gets it, and the other waits and says for whom.
 */
export function singletonSpec(settings: SingletonServiceSettings): ChildSpec {
  const { service, singletons, drainMs } = settings;
  return {
    id: service,
    restart: "permanent",
    stopWithinMs: drainMs + afterDrainMs,
    start: async (ctx) => {
      const offer = singletons.run(ctx, `service.${service}`, {
        start: (heldCtx) => runWhileHeld(heldCtx, settings),
        onProblem: ({ message }) => settings.onProblem(message),
      });
      settings.onOffer(offer);
      const killed = new Promise<never>((_, reject) => {
        ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true });
      });
      return { done: killed, stop: (stopCtx) => offer.stop(stopCtx) };
    },
  };
}

/** Until the signal says that it is another's, or its swarm could not be kept running. */
async function runWhileHeld(ctx: Context, { drainMs, open, onSwarm }: SingletonServiceSettings): Promise<void> {
  const { swarm, close } = await open();
  // Its parts end by being stopped: what they hold may come to its end first.
  const life = new AbortController();
  const own = rootContext(ctx.runtime, { signal: life.signal });
  const within = (ms: number) => withContext(rootContext(ctx.runtime), { deadline: ctx.runtime.clock.now() + ms });
  try {
    const child = await swarm.childSpec().start(own);
    onSwarm(swarm);
    await Promise.race([whenAborted(ctx.signal), child.done]);
    await waitFor(within(drainMs + afterDrainMs), child.stop(within(drainMs)));
  } finally {
    onSwarm(undefined);
    life.abort(ctx.signal.reason);
    await close(within(afterDrainMs));
  }
}

const whenAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
