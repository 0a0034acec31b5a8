import { agent } from "viable";
import { z } from "zod";
import { applyModel } from "../apply-model.ts";
import { checkFeatures, readModel } from "../keep-models.ts";
import { maxRows, modelName, rowsInput } from "../row-input.ts";

/** Says of rows what a kept model says of them. */
export const predictor = agent({
  name: "predictor",
  capability: "prediction",
  description: "Applies a kept model to rows",
  input: z.strictObject({
    name: modelName.describe("The model's name"),
    version: z.number().int().min(1).optional().describe("Default the latest"),
    rows: rowsInput(maxRows),
  }),
  risk: "low",
  async handle(ctx, { name, version, rows }) {
    const { label, model } = await readModel(ctx.memory, name, version);
    checkFeatures(model, rows);
    return {
      name,
      version: label.version,
      origin: `the kept model, ${model.parameters.method}`,
      kind: model.kind,
      predictions: rows.map((row) => applyModel(model, row)),
      error: label.error,
    };
  },
});
