import type { Claim } from "@viable/protocol";
import type { AgentDefinition } from "./agent.ts";
import type { ExecutionState } from "./execution.ts";

/** An execution that this process has claimed and one of its workers will carry out. */
export interface Task {
  readonly state: ExecutionState;
  readonly claim: Claim;
  readonly agent: AgentDefinition;
}
