import { service } from "viable";
import { caching } from "./agents/caching.ts";
import { modelSelector } from "./agents/model-selector.ts";
import { providerManager } from "./agents/provider-manager.ts";
import { responseOptimizer } from "./agents/response-optimizer.ts";
import { summarizer } from "./agents/summarizer.ts";

/** LLM routing, model management and AI orchestration. */
export const ai = service({
  name: "ai",
  description: "LLM routing, model management and AI orchestration",
  port: 4000,
  startPriority: 10,
  agents: [modelSelector, providerManager, responseOptimizer, summarizer, caching],
});
