import { service } from "viable";
import { riskRanker } from "./agents/risk-ranker.ts";

/** Small models, trained and served here. */
export const ml = service({
  name: "ml",
  description: "Machine learning: ranks risky files, trains, serves and judges small models, forecasts series",
  port: 4009,
  agents: [riskRanker],
});
