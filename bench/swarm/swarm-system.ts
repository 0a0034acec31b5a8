// The system of the subject `viable`, of which each process runs a part.
import type { SystemDefinition } from "viable";
import { agent, defineSystem, query, service } from "viable";
import { z } from "zod";

const message = z.strictObject({ n: z.number(), text: z.string() });

/** What a system is measured with. */
export interface SystemShape {
  /** How long a task of each of the services `waiter-1`, `waiter-2` … waits, in milliseconds; none of them where absent. */
  readonly waitMs?: readonly number[];
  /** Workers of every service. */
  readonly workers?: number;
  /** Swarms whose agents nobody asks anything; none where absent. */
  readonly idle?: { readonly swarms: number; readonly agentsEach: number };
  /** How one of the waiters is chosen. As the registry does by itself where absent. */
  readonly policy?: "least-loaded" | "power-of-two";
}

const answerer = (workers: number) =>
  service({
    name: "answerer",
    description: "Answers with the next number.",
    port: 0,
    workers,
    maxQueued: 10_000,
    queries: [
      query({
        name: "next.ask",
        description: "The next number, at once.",
        input: message,
        answer: (_ctx, { n, text }) => ({ n: n + 1, text }),
      }),
    ],
    agents: [
      agent({
        name: "next",
        capability: "next.do",
        description: "The next number, as a task.",
        input: message,
        handle: (_ctx, { n, text }) => ({ n: n + 1, text }),
      }),
    ],
  });

/** Has the other service do it, and says how long it waited for that, in milliseconds. */
const asker = (workers: number) =>
  service({
    name: "asker",
    description: "Asks another service for the next number.",
    port: 0,
    workers,
    maxQueued: 10_000,
    maxConcurrentDelegations: 10_000,
    agents: [
      agent({
        name: "asker",
        capability: "next.delegate",
        description: "The next number, from another service.",
        input: message,
        handle: async (ctx, { n, text }) => {
          const beganMs = ctx.runtime.clock.monotonicMs();
          const outcome = await ctx.delegate("next.do", { n, text });
          if (!outcome.ok) throw new Error(outcome.error.message);
          return { answer: outcome.result, waitedMs: ctx.runtime.clock.monotonicMs() - beganMs };
        },
      }),
    ],
  });

const waiter = (number: number, waitMs: number, workers: number) =>
  service({
    name: `waiter-${number}`,
    description: "Waits, then answers with the next number.",
    port: 0,
    workers,
    maxQueued: 10_000,
    agents: [
      agent({
        name: "waiter",
        capability: "next.wait",
        description: "The next number, after a while.",
        input: message,
        handle: async (ctx, { n, text }) => {
          await new Promise<void>((resolve) => {
            ctx.runtime.clock.setTimer(resolve, waitMs);
          });
          return { n: n + 1, text };
        },
      }),
    ],
  });

const idleSwarm = (swarm: number, agents: number) =>
  service({
    name: idleName(swarm),
    description: "Waits for work that does not come.",
    port: 0,
    agents: Array.from({ length: agents }, (_, index) =>
      agent({
        name: `idle_${index}`,
        capability: `idle_${swarm}.do_${index}`,
        description: "Would answer with the next number.",
        input: message,
        handle: (_ctx, { n, text }) => ({ n: n + 1, text }),
      }),
    ),
  });

export const idleName = (swarm: number): string => `idle-${swarm}`;
export const waiterName = (number: number): string => `waiter-${number}`;

export function swarmSystem({ waitMs = [], workers = 3, policy, idle }: SystemShape): SystemDefinition {
  return defineSystem({
    name: "bench",
    services: [
      answerer(workers),
      asker(workers),
      ...waitMs.map((each, index) => waiter(index + 1, each, workers)),
      ...Array.from({ length: idle?.swarms ?? 0 }, (_, index) => idleSwarm(index + 1, idle?.agentsEach ?? 0)),
    ],
    ...(policy !== undefined && { routing: [{ name: "chosen", when: { capability: "next.wait" }, policy }] }),
  });
}
