import { agent } from "viable";
import { z } from "zod";
import { applyModel } from "../apply-model.ts";
import { judgeAnswers } from "../judge-model.ts";
import { checkFeatures, readModel } from "../keep-models.ts";
import { checkRows, labelsInput, maxRows, modelName, rowsInput } from "../row-input.ts";

/** Says how good a kept model is on rows whose answers are known, beside always answering the same. */
export const evaluator = agent({
  name: "evaluator",
  capability: "model_evaluation",
  description: "Measures a kept model on rows with known answers and compares it to the baseline it was trained with",
  input: z.strictObject({
    name: modelName.describe("The model's name"),
    version: z.number().int().min(1).optional().describe("Default the latest"),
    rows: rowsInput(maxRows),
    labels: labelsInput(maxRows),
  }),
  risk: "low",
  async handle(ctx, { name, version, rows, labels }) {
    const { label, model } = await readModel(ctx.memory, name, version);
    checkFeatures(model, rows);
    checkRows(model.kind, rows, labels);
    const judged = judgeAnswers(
      model.kind,
      rows.map((row) => applyModel(model, row)),
      labels,
    );
    const baseline = judgeAnswers(
      model.kind,
      labels.map(() => model.baseline),
      labels,
    );
    return {
      name,
      version: label.version,
      origin: "measured on the given rows",
      rows: rows.length,
      model: judged,
      baseline: { answer: model.baseline, error: baseline.error },
      isBetterThanBaseline: judged.error < baseline.error,
      // Answers that it cannot give are always wrong.
      unknownLabels: model.kind === "regression" ? 0 : labels.filter((each) => !model.classes.includes(each)).length,
    };
  },
});
