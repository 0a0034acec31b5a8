import { performance } from "node:perf_hooks";

/** How long the steps of one long run took on average, in milliseconds, at its beginning and at its end. */
export interface LongRun {
  readonly earlyMs: number;
  readonly lateMs: number;
}

/** Steps over which a time is averaged. */
export const averagedSteps = 100;
/** The hundredth step is in the middle of those that are taken for early. */
const firstEarly = 50;

/** Each step tells it that it begins: the time from one beginning to the next holds the step and all that makes it durable. */
export function createStepTimes(steps: number) {
  const beganMs: number[] = [];
  const averageFrom = (first: number): number => {
    const [from, to] = [beganMs[first], beganMs[first + averagedSteps]] as [number, number];
    return (to - from) / averagedSteps;
  };
  return {
    begin: () => {
      beganMs.push(performance.now());
    },
    average(): LongRun {
      if (beganMs.length !== steps) throw new Error(`Of ${steps} steps ${beganMs.length} began.`);
      return { earlyMs: averageFrom(firstEarly), lateMs: averageFrom(steps - averagedSteps - 1) };
    },
  };
}
