import type { JsonValue } from "@viable/kernel";
import { healthView, swarmView } from "@viable/protocol";
import type { DelegateOutcome } from "viable";

/** A state that a system may be in, by service: how many workers, what they do, and whether all is well. */
export type SystemState = Readonly<
  Record<
    string,
    {
      readonly capabilities: string[];
      readonly queued?: number;
      readonly running?: number;
      readonly latencyMs?: number;
      readonly isBroken?: boolean;
    }
  >
>;

/** Answers Core's questions as a system in this state does, in the very shapes that the protocol fixes. */
export function answerAsSystem(state: SystemState) {
  return async (capability: string): Promise<DelegateOutcome> => {
    const answers: Record<string, () => unknown> = {
      "system.health": () => healthView.parse(healthOf(state)),
      "system.swarms": () => ({
        swarms: Object.entries(state).map(([service, each]) => swarmView.parse(viewOf(service, each))),
      }),
    };
    const result = answers[capability]?.();
    if (result !== undefined) return { ok: true, executionId: "exe_1", result: result as JsonValue };
    const error = { code: "intake.unknown_command", message: `There is no command "${capability}".`, retryable: false };
    return { ok: false, status: "refused", executionId: undefined, error };
  };
}

const healthOf = (state: SystemState) => ({
  status: Object.values(state).some(({ isBroken }) => isBroken) ? "degraded" : "ok",
  system: "s",
  version: "0.1.0",
  durability: "power-loss",
  durabilityNote: "",
  uptimeMs: 1,
  checks: Object.entries(state).map(([service, { isBroken }]) => ({
    name: `swarm ${service}`,
    status: isBroken ? "degraded" : "ok",
    detail: "",
  })),
});

const viewOf = (
  service: string,
  { capabilities, queued = 0, running = 0, latencyMs = 10, isBroken = false }: SystemState[string],
) => ({
  service,
  description: "",
  processId: "prc_1",
  status: isBroken ? "degraded" : "healthy",
  reasons: isBroken ? ["queen is restarting"] : [],
  capabilities,
  agents: [],
  measurement: { workers: 3, running, queued, completed: 0, failed: 0, latencyMs },
  parts: [],
  workers: [],
});
