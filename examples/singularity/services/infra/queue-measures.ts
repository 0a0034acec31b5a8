/**
 * What happens in a queue before some workers that are all alike, by Erlang's formula: exact where arrivals come by chance (Poisson)
 * and tasks take exponentially distributed times; for others corrected by how much both vary (Allen and Cunneen).
 */

export interface Load {
  readonly arrivalsPerSecond: number;
  /** How long one task keeps one worker, on average. */
  readonly serviceMs: number;
  /** Squared coefficients of variation: variance over squared mean. 0 never varies, 1 is chance. */
  readonly arrivalVariation: number;
  readonly serviceVariation: number;
}

export type QueueMeasures = {
  readonly workers: number;
  /** The share of time in which a worker works; 1 or more cannot last. */
  readonly utilisation: number;
  readonly isStable: boolean;
  /** The share of tasks that wait at all. Null, as what follows, where the queue grows without end. */
  readonly chanceOfWaiting: number | null;
  readonly meanWaitMs: number | null;
  readonly meanWaiting: number | null;
};

/** How many workers the load would keep busy all the time, in Erlangs. */
export const offeredLoad = ({ arrivalsPerSecond, serviceMs }: Load): number => (arrivalsPerSecond * serviceMs) / 1_000;

/** What holds with 1, 2, … workers, up to `most`. */
export function measureQueues(load: Load, most: number): QueueMeasures[] {
  const offered = offeredLoad(load);
  // The chance that a task finds all workers busy where none may wait (Erlang B), which grows out of that with one worker less.
  let blocked = 1;
  return Array.from({ length: most }, (_, index) => {
    const workers = index + 1;
    blocked = (offered * blocked) / (workers + offered * blocked);
    return measureQueue(load, workers, blocked);
  });
}

function measureQueue(load: Load, workers: number, blocked: number): QueueMeasures {
  const utilisation = offeredLoad(load) / workers;
  if (utilisation >= 1) {
    return { workers, utilisation, isStable: false, chanceOfWaiting: null, meanWaitMs: null, meanWaiting: null };
  }
  const chanceOfWaiting = blocked / (1 - utilisation * (1 - blocked));
  const variation = (load.arrivalVariation + load.serviceVariation) / 2;
  const meanWaitMs = ((chanceOfWaiting * load.serviceMs) / (workers * (1 - utilisation))) * variation;
  return {
    workers,
    utilisation,
    isStable: true,
    chanceOfWaiting,
    meanWaitMs,
    meanWaiting: (load.arrivalsPerSecond * meanWaitMs) / 1_000,
  };
}
