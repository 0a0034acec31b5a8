import type { Registration, SwarmMeasurement } from "@viable/protocol";

/** A swarm that offers what is asked for, with what this process knows of its load. */
export interface Candidate {
  /** What its entry is known by. */
  readonly key: string;
  readonly registration: Registration;
  /** Undefined for a swarm of another process that has not told its load. */
  readonly measurement: SwarmMeasurement | undefined;
  /** Whether it is this process's own, and its measurement of this moment. */
  readonly local: boolean;
  /**
   * How many tasks this process has routed to it since that measurement, less those that it has seen end since (below 0 where those are more),
   * and for a query how many queries too; 0 for its own, whose measurement has them.
   */
  readonly routed: number;
  /** How much of its share of tasks it gets while it is on its way back after it failed: above 0, and 1 where it is absent. */
  readonly share?: number | undefined;
  /** Why one task is to try whether it is well again; absent where none is. */
  readonly probe?: string | undefined;
}

/** A swarm that could have taken a task and was not considered, and why. */
export interface LeftOut {
  readonly service: string;
  readonly processId: string;
  readonly reason: string;
}

export const leaveOut = ({ registration: { service, processId } }: Candidate, reason: string): LeftOut => ({
  service,
  processId,
  reason,
});

export const addressOf = ({ registration }: Candidate): string => `${registration.service}/${registration.processId}`;
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
