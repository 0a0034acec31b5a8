/** How many tokens are looked at for the first time, and how often one is that is known. */
export interface TokenLoad {
  readonly firsts: number;
  readonly repeats: number;
}

export interface TokenRound {
  /** Microseconds for a token that was never seen before. */
  readonly firstUs: number;
  /** Microseconds for one that was. */
  readonly repeatUs: number;
  /** How much the live heap grew over all of that, in MB. */
  readonly grewMb: number;
}

/** Which of the tokens comes next: as many as a busy gateway has at once, in turns. */
export const tokensInUse = 1_000;
