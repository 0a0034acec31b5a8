/** What an agent asks of the world outside: one effect, under a key that is the same for every attempt at one execution. */
export interface EffectRequest {
  readonly key: string;
  readonly execution: string;
  readonly service: string;
  /** Who asks: the process, and which attempt at the execution it works on; later attempts are higher. */
  readonly pid: number;
  readonly attempt: number;
}

/** `counted`: it was done just now. `absorbed`: it had been, so nothing was done. */
export type EffectOutcome = "counted" | "absorbed";

/** An arrival as the ledger's file keeps it, in the order in which they were decided. */
export interface EffectArrival extends EffectRequest {
  /** Its number, from 1. */
  readonly nr: number;
  /** Wall time of the machine that the database is on, too, in milliseconds. */
  readonly atMs: number;
  readonly outcome: EffectOutcome;
  /** The number of the arrival that counts under this key. */
  readonly receipt: number;
}

/** What whoever asks is told. */
export interface EffectAnswer {
  readonly key: string;
  readonly receipt: number;
}
