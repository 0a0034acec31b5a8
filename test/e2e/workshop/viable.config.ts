import { agent, defineSystem, query, service } from "viable";
import { z } from "zod";

const pause = (signal: AbortSignal, ms: number) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

const counter = agent({
  name: "word-counter",
  capability: "text.words",
  description: "Counts the words of a text.",
  input: z.strictObject({ text: z.string(), maxWords: z.number().int().optional(), loud: z.boolean().default(false) }),
  handle: (_ctx, { text, maxWords, loud }) => ({
    words: text.split(/\s+/).filter(Boolean).length,
    ...(maxWords !== undefined && { maxWords }),
    loud,
  }),
});

const folder = agent({
  name: "folder-teller",
  capability: "folder.tell",
  description: "Says which folder it was given.",
  input: z.strictObject({ path: z.string() }),
  handle: (_ctx, { path }) => ({ path }),
});

const sleeper = agent({
  name: "sleeper",
  capability: "sleep",
  description: "Takes as long as it is told, and tells how far it is.",
  input: z.strictObject({ ms: z.number().int() }),
  handle: async (ctx, { ms }) => {
    for (let part = 0; part < 10; part++) {
      ctx.progress(part * 10, `part ${part}`);
      await pause(ctx.signal, ms / 10);
    }
    return { slept: ms };
  },
});

const chief = agent({
  name: "chief",
  capability: "report",
  description: "Has two others work for it.",
  input: z.strictObject({ text: z.string(), ms: z.number().int().default(0) }),
  handle: async (ctx, { text, ms }) => {
    const [counted, slept] = await Promise.all([ctx.delegate("text.words", { text }), ctx.delegate("sleep", { ms })]);
    return {
      counted: counted.ok ? counted.result : counted.error.message,
      slept: slept.ok ? true : slept.error.message,
    };
  },
});

const breaker = agent({
  name: "breaker",
  capability: "break",
  description: "Always fails.",
  input: z.strictObject({}),
  handle: () => {
    throw new Error("it broke, as it should");
  },
});

const longest = query({
  name: "text.longest",
  description: "The longest word of a text.",
  input: z.strictObject({ text: z.string() }),
  answer: (_ctx, { text }) => ({ word: text.split(/\s+/).reduce((a, b) => (b.length > a.length ? b : a), "") }),
});

export default defineSystem({
  name: "workshop",
  services: [
    service({
      name: "text",
      description: "Works on texts.",
      port: 4191,
      agents: [counter, folder],
      queries: [longest],
    }),
    service({ name: "desk", description: "Sits and waits.", port: 4192, agents: [sleeper, chief, breaker] }),
  ],
  limits: { drainMs: 3_000 },
});
