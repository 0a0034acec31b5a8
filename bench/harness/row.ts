/** One measured value, as `--json` writes it. */
export interface Row {
  readonly bench: string;
  readonly case: string;
  /** `viable`, a peer's package name, or `limit`: the bare thing underneath, doing the same work by hand. */
  readonly subject: string;
  /** The median of the runs. */
  readonly value: number;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  readonly runs: number;
  readonly min: number;
  readonly max: number;
}

/** What a benchmark is asked for. */
export interface BenchOptions {
  /** Fewer and shorter rounds of the same work. */
  readonly quick: boolean;
  /** One of those that the benchmark names; all where absent. */
  readonly case?: string;
  /** Says what is being done, on stderr. */
  note(line: string): void;
}

/** What one subject is measured at, round by round. */
export interface Series {
  readonly bench: string;
  readonly case: string;
  readonly subject: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  readonly values: readonly number[];
}

/** A series as a row: its median, and how far the runs lay apart. */
export function toRow({ values, ...about }: Series): Row {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => sorted[index] as number;
  const middle = (sorted.length - 1) / 2;
  return {
    ...about,
    value: round((at(Math.floor(middle)) + at(Math.ceil(middle))) / 2),
    runs: sorted.length,
    min: round(at(0)),
    max: round(at(sorted.length - 1)),
  };
}

/**
 * One series against another, round by round: what disturbed the machine in one round disturbed both, so ratios of neighbours
 * say more than the ratio of two medians.
 */
export function compare(series: Series, to: Series): Row {
  const values = series.values.map((value, round) => value / (to.values[round] as number));
  return toRow({ ...series, unit: `× ${to.subject}`, values });
}

/** Four significant digits: more would be noise. */
const round = (value: number): number => (value === 0 ? 0 : Number(value.toPrecision(4)));
