/** A scale whose marks are numbers that people count in: 1, 2 or 5 times a power of ten. */
export interface Scale {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
}

/** About so many marks: fewer say too little, more stand too close. */
const wantedTicks = 5;

/** A scale over all values; from zero where bars are drawn, since their length is read. One value alone gets room around it. */
export function chooseScale(values: readonly number[], fromZero: boolean): Scale {
  const known = fromZero ? [0, ...values] : values;
  let low = known.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  let high = known.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  if (low > high) [low, high] = [0, 1];
  if (low === high) {
    const room = low === 0 ? 1 : Math.abs(low) / 2;
    if (!fromZero || low === 0) high += room;
    if (!fromZero) low -= room;
  }
  const step = niceStep((high - low) / wantedTicks);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => round((first + index) * step));
  return { min: ticks[0] as number, max: ticks.at(-1) as number, ticks };
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = rough / power;
  return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

/** 0.1 + 0.2 as 0.3: twelve digits are more than anybody reads, and fewer than a double is right in. */
const round = (value: number): number => Number(value.toPrecision(12)) + 0;
