/** A scale whose marks are numbers that people count in: 1, 2 or 5 times a power of ten. */
export interface Scale {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
  /** The power of ten that its marks are counted in: they differ by 1, 2 or 5 times it. */
  readonly power: number;
}

/** About so many marks: fewer say too little, more stand too close. */
const wantedTicks = 5;

/** Smaller numbers are no measurements; they are drawn as zero. */
const leastSize = 1e-200;
/** Values that differ by a smaller part of themselves stand at one height: a double has too few numbers between them for marks. */
const leastSpread = 1e-14;
/** A value so many steps off a mark is on it: what is over comes from dividing. */
const onMark = 1e-6;

/** A scale over all values; from zero where bars are drawn, since their length is read. One value alone gets room around it. */
export function chooseScale(values: readonly number[], fromZero: boolean): Scale {
  const known = fromZero ? [0, ...values] : values;
  let low = known.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  let high = known.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  if (low > high) [low, high] = [0, 1];
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (high - low <= Math.max(size * leastSpread, leastSize)) {
    const isNothing = size <= leastSize;
    const room = isNothing ? 1 : size / 2;
    if (!fromZero || isNothing) high += room;
    if (!fromZero) low -= room;
  }
  const { lead, power } = niceStep((high - low) / wantedTicks);
  // Whole numbers times or divided by a power of ten come out as people write them: 3 / 10 is 0.3, and 3 * 0.1 is not.
  const countOf = (value: number): number => (power < 0 ? value * 10 ** -power : value / 10 ** power) / lead;
  const markAt = (count: number): number =>
    (power < 0 ? (count * lead) / 10 ** -power : count * lead * 10 ** power) + 0;
  const first = Math.floor(countOf(low) + onMark);
  const last = Math.ceil(countOf(high) - onMark);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => markAt(first + index));
  return { min: ticks[0] as number, max: ticks.at(-1) as number, power, ticks };
}

/** The next of 1, 2 and 5 times a power of ten that is not less. */
function niceStep(rough: number): { lead: number; power: number } {
  const power = Math.floor(Math.log10(rough));
  const lead = rough / 10 ** power;
  if (lead > 5) return { lead: 1, power: power + 1 };
  return { lead: lead <= 1 ? 1 : lead <= 2 ? 2 : 5, power };
}
