import { threadAgent } from "viable";
import { z } from "zod";
import { checkNames, checkRows, labelsInput, maxFeatures, maxTrainingRows, rowsInput } from "../row-input.ts";

/** Fits a model to rows, in a thread of its own; the trainer keeps what comes of it. */
export const fitter = threadAgent({
  name: "fitter",
  capability: "model_training.fit",
  description: "Fits a model to rows and measures it on held-out ones, without keeping it",
  input: z.strictObject({
    kind: z.enum(["classification", "regression"]),
    features: rowsInput(maxTrainingRows),
    labels: labelsInput(maxTrainingRows),
    featureNames: z.array(z.string().min(1).max(200)).max(maxFeatures).optional().describe("Default f1, f2, …"),
    ordered: z.boolean().default(false).describe("Whether rows follow each other in time: then the last are held out"),
  }),
  risk: "low",
  joinable: true,
  timeoutMs: 5 * 60_000,
  module: import.meta.url,
  async handle(ctx, { kind, features, labels, featureNames, ordered }) {
    checkRows(kind, features, labels);
    checkNames(featureNames, features);
    ctx.progress(10, `Fitting ${features.length} rows`);
    // Only the thread loads what it computes with.
    const { fitModel } = await import("../fit-model.ts");
    const names = featureNames ?? (features[0] ?? []).map((_, index) => `f${index + 1}`);
    return fitModel({ kind, features, labels, featureNames: names, ordered }, ctx.signal);
  },
});
