// The reactors of the subject `viable`: what the other subjects do in their own words.
import { reactor } from "@viable/reactors";
import { z } from "zod";
import type { Numbered } from "./numbered.ts";

const numbered = z.strictObject({ n: z.number() });
const elements = z.strictObject({ elements: z.array(z.number()) });

export const three = reactor("three", { input: numbered }, (steps) =>
  steps
    .step("s1", { args: ({ input }) => ({ n: input.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
    .step("s2", { args: ({ results }) => ({ n: results.s1.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
    .step("s3", { args: ({ results }) => ({ n: results.s2.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
    .returns(({ results }) => ({ n: results.s3.n })),
);

export const five = reactor("five", { input: numbered }, (steps) =>
  steps
    .step("s1", { args: ({ input }) => ({ n: input.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
    .step("s2", { args: ({ results }) => ({ n: results.s1.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
    .step("s3", { args: ({ results }) => ({ n: results.s2.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
    .step("s4", { args: ({ results }) => ({ n: results.s3.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
    .step("s5", { args: ({ results }) => ({ n: results.s4.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
    .returns(({ results }) => ({ n: results.s5.n })),
);

/** Elements of which only how many there were is kept; each tells that it begins. */
const counted = (name: "long" | "sweep", maxConcurrency: number) => (begin: () => void) =>
  reactor(name, { input: elements }, (steps) =>
    steps
      .map("each", { over: ({ input }) => input.elements, maxConcurrency, collect: "count" }, (each) =>
        each
          .step("one", {
            args: ({ element }) => ({ n: element }),
            run: (_ctx, { n }): Numbered => {
              begin();
              return { n: n + 1 };
            },
          })
          .returns(({ results }) => results.one),
      )
      .returns(({ results }) => ({ n: results.each })),
  );

/** One element after the other. */
export const long = counted("long", 1);
/** Some elements at a time. */
export const sweep = counted("sweep", 100);

/** All elements at once, up to the most that it is asked for. */
export const fan = (maxConcurrency: number) =>
  reactor("fan", { input: elements, maxConcurrency }, (steps) =>
    steps
      .map("each", { over: ({ input }) => input.elements, maxConcurrency }, (each) =>
        each
          .step("one", { args: ({ element }) => ({ n: element }), run: (_ctx, { n }) => ({ n: n + 1 }) })
          .returns(({ results }) => results.one),
      )
      .returns(({ results }) => results.each),
  );

/** Sleeps until a time, and says when it woke. */
export const nap = (woke: (n: number) => void) =>
  reactor("nap", { input: z.strictObject({ n: z.number(), until: z.number() }) }, (steps) =>
    steps
      .sleep("rest", { args: ({ input }) => ({ until: input.until }) })
      .step("wake", {
        args: ({ input }) => ({ n: input.n }),
        after: ["rest"],
        run: (_ctx, { n }): Numbered => {
          woke(n);
          return { n: n + 1 };
        },
      })
      .returns(({ results }) => ({ n: results.wake.n })),
  );

/** How long a step may be held, in milliseconds: as long as it takes to begin all the others. */
const heldMs = 600_000;

/** Five steps, of which the third may not end. */
export const held = (hold: () => Promise<void> | void, ended: () => void) =>
  reactor("held", { input: numbered }, (steps) =>
    steps
      .step("s1", { args: ({ input }) => ({ n: input.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
      .step("s2", { args: ({ results }) => ({ n: results.s1.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
      .step("s3", {
        args: ({ results }) => ({ n: results.s2.n }),
        timeoutMs: heldMs,
        run: async (_ctx, { n }): Promise<Numbered> => {
          await hold();
          return { n: n + 1 };
        },
      })
      .step("s4", { args: ({ results }) => ({ n: results.s3.n }), run: (_ctx, { n }) => ({ n: n + 1 }) })
      .step("s5", {
        args: ({ results }) => ({ n: results.s4.n }),
        run: (_ctx, { n }): Numbered => {
          ended();
          return { n: n + 1 };
        },
      })
      .returns(({ results }) => ({ n: results.s5.n })),
  );
