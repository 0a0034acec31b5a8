import { monitorEventLoopDelay } from "node:perf_hooks";

/** What a server's process took while it was measured. */
export interface ProcessUse {
  /** How late the main thread's event loop was, at the 99th percentile. */
  readonly loopDelayP99Ms: number;
  /** Processor time of all threads: JavaScript, the embedded database, garbage collection. */
  readonly cpuMs: number;
  /** Of that, the main thread's. */
  readonly mainThreadCpuMs: number;
}

/** How often the loop is asked whether it is on time, in milliseconds. */
const resolutionMs = 10;

/** Watches this process from the parent's `watch` to its `use`, to be handed to `answerParent`. */
export function watchProcess() {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  let cpu = process.cpuUsage();
  let mainThread = process.threadCpuUsage();
  return {
    watch: () => {
      histogram.reset();
      cpu = process.cpuUsage();
      mainThread = process.threadCpuUsage();
    },
    use: (): ProcessUse => ({
      // The histogram holds whole intervals, of which the first ten milliseconds are no delay.
      loopDelayP99Ms: Math.max(0, histogram.percentile(99) / 1e6 - resolutionMs),
      cpuMs: sumMs(process.cpuUsage(cpu)),
      mainThreadCpuMs: sumMs(process.threadCpuUsage(mainThread)),
    }),
  };
}

const sumMs = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1_000;
