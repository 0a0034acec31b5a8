import { toWire } from "@viable/kernel";
import type { DelegateOutcome, JsonObject, JsonValue } from "viable";
import type { AgentBench, RunOptions } from "../../testing/run-agent.ts";
import { fitter } from "./agents/fitter.ts";
import { trainer } from "./agents/trainer.ts";

/** Trains as the service does: the fit is delegated to the fitter, which runs on the same bench. */
export async function trainOnBench(bench: AgentBench, args: JsonValue, options: RunOptions = {}): Promise<JsonObject> {
  const delegate = async (capability: string, given: JsonValue): Promise<DelegateOutcome> => {
    if (capability !== fitter.capability) throw new Error(`The trainer asks for ${capability}`);
    try {
      return { ok: true, executionId: "exe_fit", result: await bench.run(fitter, given) };
    } catch (error) {
      return { ok: false, status: "failed", executionId: "exe_fit", error: toWire(error) };
    }
  };
  return await bench.run(trainer, args, { delegate, ...options });
}
