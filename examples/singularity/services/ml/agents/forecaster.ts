import { threadAgent } from "viable";
import { z } from "zod";
import { forecast } from "../forecast.ts";
import { amount } from "../row-input.ts";

/** Values of one series: hours of minutes, years of days. */
const maxValues = 10_000;
/** Steps of one forecast: what is farther is guessed and not forecast. */
const maxHorizon = 100;

/** Says how a series goes on, by the method that would have said it best so far. */
export const forecaster = threadAgent({
  name: "forecaster",
  capability: "forecasting",
  description:
    "Forecasts a series of numbers by the method with the least error in a back-test, and lists the errors of all on later values",
  input: z.strictObject({
    series: z.array(amount).min(1).max(maxValues).describe("Numbers at equal distances, oldest first: [3,5,4]"),
    horizon: z.number().int().min(1).max(maxHorizon).default(5).describe("How many values to forecast"),
  }),
  risk: "low",
  joinable: true,
  module: import.meta.url,
  handle: (ctx, { series, horizon }) => forecast(series, horizon, ctx.signal),
});
