import type { Claim } from "@viable/protocol";
import type { AgentDefinition } from "./agent.ts";
import type { ExecutionState } from "./execution.ts";

/** An execution that this process has claimed and one of its workers will carry out. */
export interface Task {
  readonly state: ExecutionState;
  /** Replaced where the process had to claim it anew, under another epoch, while its worker went on. */
  claim: Claim;
  readonly agent: AgentDefinition;
}
