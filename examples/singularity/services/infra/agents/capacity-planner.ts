import { agent } from "viable";
import { z } from "zod";
import { measureQueues, offeredLoad, type QueueMeasures } from "../queue-measures.ts";

/** As many workers as a service may have. */
const maxWorkers = 1_000;
/** A day, in milliseconds. */
const maxMs = 24 * 3_600_000;

const variation = z.number().min(0).max(1_000).default(1);

/** How many workers a measured load needs to wait no longer, or work no harder, than wished. */
export const capacityPlanner = agent({
  name: "capacity-planner",
  capability: "capacity_planning",
  description: "How many workers a load needs for a mean wait or utilisation, by Erlang C and Allen-Cunneen",
  input: z
    .strictObject({
      arrivalsPerSecond: z.number().positive().max(1_000_000).describe("Tasks that arrive in a second, measured"),
      serviceMs: z.number().positive().max(maxMs).describe("How long one takes a worker on average, in milliseconds"),
      arrivalVariation: variation.describe("Variance over squared mean of the time between arrivals; 1 is chance"),
      serviceVariation: variation.describe("The same of how long tasks take; 0 if all take the same"),
      targetWaitMs: z.number().min(0).max(maxMs).optional().describe("The mean wait, at most, in milliseconds"),
      targetUtilisation: z.number().gt(0).lt(1).optional().describe("The share of time that workers work, at most"),
    })
    .refine(
      ({ targetWaitMs, targetUtilisation }) => targetWaitMs !== undefined || targetUtilisation !== undefined,
      "needs targetWaitMs, targetUtilisation, or both",
    ),
  risk: "low",
  joinable: true,
  handle(_ctx, { targetWaitMs, targetUtilisation, ...load }) {
    const isEnough = ({ isStable, utilisation, meanWaitMs }: QueueMeasures): boolean =>
      isStable &&
      (targetUtilisation === undefined || utilisation <= targetUtilisation) &&
      (targetWaitMs === undefined || (meanWaitMs ?? Number.POSITIVE_INFINITY) <= targetWaitMs);

    const isExact = load.arrivalVariation === 1 && load.serviceVariation === 1;
    const about = {
      offeredErlangs: offeredLoad(load),
      origin: isExact ? "Erlang C" : "Erlang C corrected by the variation (Allen-Cunneen), an approximation",
      assumes: "one queue, workers that are all alike, a load that stays as it was measured, nobody who gives up",
    };
    const measured = measureQueues(load, maxWorkers);
    const enough = measured.findIndex(isEnough);
    if (enough === -1) {
      const reason = `${maxWorkers} workers, the most that a service may have, are too few.`;
      return { ...about, workers: null, reason, options: measured.slice(-1) };
    }
    // One too few, what is asked for, one more.
    return { ...about, workers: enough + 1, options: measured.slice(Math.max(0, enough - 1), enough + 2) };
  },
});
