import { threadId } from "node:worker_threads";
import { ViableError } from "@viable/kernel";
import { z } from "zod";
import { threadAgent } from "../../agent.ts";

const at = { module: import.meta.url, description: "For the thread pool's tests." };

export const doubler = threadAgent({
  ...at,
  name: "doubler",
  capability: "double",
  input: z.object({ n: z.number() }),
  handle: (_ctx, { n }) => n * 2,
});

export const reporter = threadAgent({
  ...at,
  name: "reporter",
  capability: "report",
  input: z.object({}),
  handle: (ctx) => {
    ctx.progress(50, "half way", { file: "a.ts" });
    return { executionId: ctx.executionId, attempt: ctx.attempt };
  },
});

export const thrower = threadAgent({
  ...at,
  name: "thrower",
  capability: "throw",
  input: z.object({}),
  handle: () => {
    throw Object.assign(new Error("no luck"), { code: "test.no_luck" });
  },
});

/** Reports, and then throws, with what no message between threads can hold. */
export const careless = threadAgent({
  ...at,
  name: "careless",
  capability: "careless",
  input: z.object({}),
  handle: (ctx) => {
    const details = { act: () => {} } as never;
    ctx.progress(50, "half way", details);
    throw new ViableError("test.careless", "no luck", { next: "Try another.", details });
  },
});

export const hog = threadAgent({
  ...at,
  name: "hog",
  capability: "hog",
  maxMemoryMb: 32,
  input: z.object({}),
  handle: () => {
    const kept: number[][] = [];
    for (;;) kept.push(new Array(100_000).fill(Math.PI));
  },
});

export const quitter = threadAgent({
  ...at,
  name: "quitter",
  capability: "quit",
  input: z.object({}),
  handle: () => {
    process.exit(3);
  },
});

export const spinner = threadAgent({
  ...at,
  name: "spinner",
  capability: "spin",
  input: z.object({}),
  handle: () => {
    for (;;);
  },
});

export const listener = threadAgent({
  ...at,
  name: "listener",
  capability: "listen",
  input: z.object({}),
  handle: (ctx) =>
    new Promise<never>((_, reject) => {
      ctx.signal.addEventListener("abort", () => reject(new Error("heard it")));
    }),
});

export const whereabouts = threadAgent({
  ...at,
  name: "whereabouts",
  capability: "whereabouts",
  input: z.object({}),
  handle: () => threadId,
});

const lateWord = Promise.withResolvers<void>();

/** Reports once more after its end. */
export const straggler = threadAgent({
  ...at,
  name: "straggler",
  capability: "straggle",
  input: z.object({}),
  handle: (ctx) => {
    setImmediate(() => {
      ctx.progress(99, "after my end");
      lateWord.resolve();
    });
    return "ended";
  },
});

/** Lasts until the straggler in its thread has reported after its end. */
export const successor = threadAgent({
  ...at,
  name: "successor",
  capability: "succeed",
  input: z.object({}),
  handle: async () => {
    await lateWord.promise;
    return "ended too";
  },
});
