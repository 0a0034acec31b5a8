import type { Registration, SwarmMeasurement } from "@viable/protocol";

/** A swarm that offers what is asked for, with what this process knows of its load. */
export interface Candidate {
  readonly registration: Registration;
  /** Undefined for a swarm of another process that has not told its load. */
  readonly measurement: SwarmMeasurement | undefined;
  /** Whether it is this process's own, and its measurement of this moment. */
  readonly local: boolean;
  /** How many tasks this process has routed to it since that measurement; 0 for its own, whose measurement has them. */
  readonly routed: number;
}
