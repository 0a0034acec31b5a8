/**
 * Forecasts a series of numbers. Which method fits it is found out by going back in time: each is set up on the first part of the
 * series, forecasts from every point of the rest as if nothing later were known, and is held against what then came. The first half
 * of that rest chooses the method; how far off it is, the second half says, since of several the one that was best had some luck too.
 */

/** What of a method was found out from a series, and how it goes on from the end of another. */
interface Fitted {
  readonly settings: { readonly [name: string]: number };
  forecast(series: readonly number[], horizon: number): number[];
}

interface Method {
  readonly name: "naive" | "moving_average" | "holt";
  fit(series: readonly number[]): Fitted;
}

/** Fewer values leave too few to go back to. */
const minValues = 12;
/** Values from which every method is asked, half of them to choose and half to measure: more change the mean error little, fewer say nothing. */
const maxOrigins = 200;
const minOrigins = 6;
/** Longer means of a series that changes are out of date. */
const longestMean = 12;
/** How strongly the latest value pulls, as tried for level and trend. */
const pulls = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] as const;
/** A more complicated method must be better by more than rounding. */
const tolerance = 1e-9;

/** From the simplest on. */
const methods: readonly Method[] = [
  { name: "naive", fit: () => ({ settings: {}, forecast: (series, horizon) => repeat(series.at(-1) ?? 0, horizon) }) },
  { name: "moving_average", fit: fitMovingAverage },
  { name: "holt", fit: fitHolt },
];

export type MethodError = {
  readonly method: Method["name"];
  readonly settings: Fitted["settings"];
  /** The mean absolute error by which methods were compared to choose one, in the series' unit. */
  readonly choiceMae: number;
  /** The same over the values after those, which neither the settings nor the choice have seen. */
  readonly mae: number;
  /** The latter as a multiple of the mean step of the part it was set up on; null where that never changed. */
  readonly mase: number | null;
};

export type Forecast = {
  readonly origin: "back_test" | "none";
  readonly reason: string;
  readonly method?: Method["name"];
  readonly forecast: readonly number[];
  /** How far off the chosen method was at each step on average; null for steps that the series was too short to try. */
  readonly errorByStep?: readonly (number | null)[];
  readonly errors: readonly MethodError[];
  /** How many values the methods were set up on, chosen by and measured on, in this order of time. */
  readonly backTest?: { readonly setUpOn: number; readonly chosenBy: number; readonly measuredOn: number };
};

/** Forecasts the next `horizon` values by the method with the least error in the back-test. */
export function forecast(series: readonly number[], horizon: number, signal: AbortSignal): Forecast {
  if (series.length < minValues) {
    const reason = `${series.length} values are too few to find a method by: ${minValues} are needed.`;
    return { origin: "none", reason, forecast: [], errors: [] };
  }
  const count = Math.min(maxOrigins, Math.max(minOrigins, Math.floor(series.length / 3)));
  const chosenBy = Math.floor(count / 2);
  const past = series.slice(0, series.length - count);
  const untilChoice = series.slice(0, past.length + chosenBy);
  const scale = mean(past.slice(1).map((value, index) => Math.abs(value - (past[index] ?? 0))));
  const tried = methods.map((method) => {
    signal.throwIfAborted();
    const { settings, forecast: goOn } = method.fit(past);
    const choiceMae = mean(goBack(untilChoice, past.length, horizon, goOn).flat());
    const differences = goBack(series, untilChoice.length, horizon, goOn);
    return { method, settings, choiceMae, differences, mae: mean(differences.flat()) };
  });
  const best = tried.reduce((a, b) => (b.choiceMae < a.choiceMae * (1 - tolerance) ? b : a));
  return {
    origin: "back_test",
    reason: `Least mean error of ${tried.length} methods over ${chosenBy} forecasts that were made as if nothing later were known; the errors are of ${count - chosenBy} later ones.`,
    method: best.method.name,
    forecast: best.method.fit(series).forecast(series, horizon),
    errorByStep: Array.from({ length: horizon }, (_, step) => {
      const atStep = best.differences.flatMap((each) => each[step] ?? []);
      return atStep.length === 0 ? null : mean(atStep);
    }),
    errors: tried.map(({ method, settings, choiceMae, mae }) => ({
      method: method.name,
      settings,
      choiceMae,
      mae,
      mase: scale === 0 ? null : mae / scale,
    })),
    backTest: { setUpOn: past.length, chosenBy, measuredOn: count - chosenBy },
  };
}

/** From each point of the last part, how far off each step of a forecast was that can be compared. */
function goBack(series: readonly number[], start: number, horizon: number, goOn: Fitted["forecast"]): number[][] {
  return series.slice(start).map((_, index) => {
    const known = series.slice(0, start + index);
    const came = series.slice(start + index, start + index + horizon);
    const said = goOn(known, came.length);
    return came.map((value, step) => Math.abs(value - (said[step] ?? 0)));
  });
}

/** The length of mean that was nearest to the value after it. */
function fitMovingAverage(series: readonly number[]): Fitted {
  const lengths = Array.from(
    { length: Math.min(longestMean, Math.floor(series.length / 2)) - 1 },
    (_, index) => index + 2,
  );
  const length = leastOf(lengths, (each) =>
    mean(series.slice(each).map((value, index) => Math.abs(value - mean(series.slice(index, index + each))))),
  );
  return {
    settings: { length },
    forecast: (known, horizon) => repeat(mean(known.slice(-length)), horizon),
  };
}

/** Level and trend, each pulled by the latest value (Holt's double exponential smoothing). */
function fitHolt(series: readonly number[]): Fitted {
  const pairs = pulls.flatMap((level) => pulls.map((trend) => ({ level, trend })));
  const settings = leastOf(pairs, (each) => smooth(series, each).error);
  return {
    settings,
    forecast(known, horizon) {
      const { level, trend } = smooth(known, settings);
      return Array.from({ length: horizon }, (_, step) => level + (step + 1) * trend);
    },
  };
}

/** Where level and trend stand at the end, and how far off the next value was on average on the way. */
function smooth(
  series: readonly number[],
  pull: { readonly level: number; readonly trend: number },
): { level: number; trend: number; error: number } {
  const [first = 0, second = first] = series;
  let [level, trend, error] = [second, second - first, 0];
  for (const value of series.slice(2)) {
    const expected = level + trend;
    error += Math.abs(value - expected);
    const next = pull.level * value + (1 - pull.level) * expected;
    trend = pull.trend * (next - level) + (1 - pull.trend) * trend;
    level = next;
  }
  return { level, trend, error: error / Math.max(1, series.length - 2) };
}

function leastOf<T>(candidates: readonly T[], measure: (candidate: T) => number): T {
  const measured = candidates.map((candidate) => ({ candidate, error: measure(candidate) }));
  return measured.reduce((a, b) => (b.error < a.error * (1 - tolerance) ? b : a)).candidate;
}

const repeat = (value: number, count: number): number[] => new Array<number>(count).fill(value);

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
