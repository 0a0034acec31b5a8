import { fromWire } from "@viable/kernel";
import type { JsonObject } from "viable";
import { agent, ViableError } from "viable";
import { z } from "zod";
import { toRows } from "../execution-rows.ts";
import { keepModel } from "../keep-models.ts";
import type { Model } from "../model.ts";
import { labelsInput, maxFeatures, maxTrainingRows, modelName, rowsInput } from "../row-input.ts";

/** An execution as the system lists it; more members are fine. */
const execution = z.object({
  command: z.string().min(1).max(200),
  acceptedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().optional(),
});

const input = z
  .strictObject({
    name: modelName.describe("What the model is called; training again makes its next version"),
    kind: z.enum(["classification", "regression"]).optional().describe("Whether labels are classes or amounts"),
    features: rowsInput(maxTrainingRows).optional(),
    labels: labelsInput(maxTrainingRows).optional(),
    featureNames: z.array(z.string().min(1).max(200)).max(maxFeatures).optional().describe("Default f1, f2, …"),
    ordered: z.boolean().default(false).describe("Whether rows follow each other in time: then the last are held out"),
    executions: z
      .array(execution)
      .min(1)
      .max(maxTrainingRows)
      .optional()
      .describe("In place of rows: executions as they are listed, to learn how long they take"),
  })
  .refine(
    ({ kind, features, labels, featureNames, executions }) =>
      executions === undefined
        ? kind !== undefined && features !== undefined && labels !== undefined
        : [kind, features, labels, featureNames].every((each) => each === undefined),
    "needs either kind, features and labels, or executions without any of them or featureNames",
  );

/** Trains a model and keeps it as the next version of its name, with how far off it is on rows it has not seen. */
export const trainer = agent({
  name: "trainer",
  capability: "model_training",
  description: "Trains a model on rows or on the system's executions, measures it on held-out rows and keeps it",
  input,
  timeoutMs: 6 * 60_000,
  async handle(ctx, { name, ...given }) {
    const rows = toTrainingRows(given);
    const outcome = await ctx.delegate("model_training.fit", rows);
    if (!outcome.ok) throw toRefusal(outcome.status, fromWire(outcome.error));
    const { tried, ...model } = outcome.result as unknown as Model & { tried: { method: string; error: number }[] };
    const { version, keptAt } = await keepModel(ctx, name, model);
    const { measure, heldOut, baseline } = model.error;
    return {
      name,
      version,
      keptAt,
      kind: model.kind,
      origin: `fitted to ${model.rows.fitted} rows and measured on ${model.rows.heldOut} others`,
      method: model.parameters.method,
      tried,
      features: model.features,
      classes: model.classes,
      rows: model.rows,
      error: { measure, heldOut, baseline },
      isBetterThanBaseline: heldOut < baseline,
    };
  },
});

function toTrainingRows({ executions, ...given }: Omit<z.output<typeof input>, "name">): JsonObject {
  if (executions === undefined) return given;
  return { kind: "regression", ordered: true, ...toRows(executions) };
}

/** What is wrong with the rows is the caller's to know; that nobody fits them is another matter. */
function toRefusal(status: string, error: ViableError): ViableError {
  if (status === "failed") return error;
  return new ViableError("training.not_done", `Nothing was fitted: ${error.message}`, {
    next: "See that the ml service offers model_training.fit; then train again.",
    retryable: error.retryable,
    cause: error,
  });
}
