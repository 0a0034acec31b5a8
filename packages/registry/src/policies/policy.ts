import type { Candidate } from "../candidate.ts";

/** A candidate with how long a task would stand there, in milliseconds, as far as is known: lower is better. */
export interface Scored {
  readonly candidate: Candidate;
  readonly score: number;
}

/** What a policy may go by beside the candidates. */
export interface Draw {
  /** From 0 up to 1, and of the task's key: the same for the same task, and spread evenly over tasks. */
  readonly chance: number;
  /** Shares by the name of the service; none where no rule gives them. */
  readonly weights: { readonly [service: string]: number };
}

/**
 * How one of several candidates is chosen. Pure (W8): the same candidates and the same chance, the same choice. `scored` comes with the
 * least loaded first and is not empty; the one that is to get the task stands first in the answer.
 */
export interface Policy {
  readonly name: string;
  /** Whether it goes by chance; where it does not, none is drawn. */
  readonly draws: boolean;
  rank(scored: readonly Scored[], draw: Draw): { readonly ranked: readonly Scored[]; readonly reason: string };
}
