import { service } from "viable";
import { evaluator } from "./agents/evaluator.ts";
import { fitter } from "./agents/fitter.ts";
import { forecaster } from "./agents/forecaster.ts";
import { predictor } from "./agents/predictor.ts";
import { riskRanker } from "./agents/risk-ranker.ts";
import { trainer } from "./agents/trainer.ts";

/** Small models, trained and served here. */
export const ml = service({
  name: "ml",
  description: "Machine learning: ranks risky files, trains, serves and judges small models, forecasts series",
  port: 4009,
  agents: [riskRanker, trainer, fitter, predictor, evaluator, forecaster],
});
