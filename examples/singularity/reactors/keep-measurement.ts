import { reactor } from "viable";
import { z } from "zod";

/** From how many files on a person is asked before a measurement is kept. */
const manyFiles = 10_000;

const measured = z.looseObject({
  languages: z.array(z.looseObject({ language: z.string(), files: z.number() })),
});

/**
 * Measures a folder and keeps what came of it under a name; of a large one only where a person agrees. Survives a crash between the two: what was
 * measured is not measured again.
 */
export const keepMeasurement = reactor(
  "keep-measurement",
  {
    description: "Measures a folder by language and keeps the measurement as a document.",
    input: z.strictObject({ path: z.string().min(1), name: z.string().min(1) }),
    timeoutMs: 7 * 24 * 3_600_000,
  },
  (steps) =>
    steps
      .task("measure", {
        capability: "code_analysis.sizes",
        args: ({ input }) => ({ path: input.path }),
        result: measured,
        timeoutMs: 600_000,
      })
      .step("count", {
        args: ({ results }) => ({ languages: results.measure.languages }),
        run: (_ctx, { languages }) => ({ files: languages.reduce((sum, { files }) => sum + files, 0) }),
      })
      .switch("agree", {
        args: ({ results }) => ({ files: results.count.files }),
        branches: {
          small: { when: ({ files }) => files < manyFiles, steps: (small) => small.returns(() => ({ by: "nobody" })) },
        },
        otherwise: (large) =>
          large
            .approval("ask", {
              title: "Keep the measurement of a large folder?",
              args: ({ input, results }) => ({ details: { name: input.name, files: results.count.files } }),
            })
            .returns(({ results }) => ({ by: results.ask.by })),
      })
      .task("keep", {
        after: ["agree"],
        capability: "data_persistence.keep",
        args: ({ input, results }) => ({ name: input.name, document: { languages: results.measure.languages } }),
      })
      .returns(({ results }) => ({ files: results.count.files, agreedBy: results.agree.by, kept: results.keep })),
);
