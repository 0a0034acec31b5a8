import type { Registration, SwarmMeasurement } from "@viable/protocol";

/** A swarm that offers what is asked for, with its latest measurement. */
export interface Candidate {
  readonly registration: Registration;
  readonly measurement: SwarmMeasurement;
}
