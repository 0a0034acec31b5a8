import type { Membership } from "@viable/cluster";
import type { Runtime } from "@viable/kernel";
import type { Claim } from "@viable/protocol";
import type { DoTask } from "./do-task.ts";
import type { RunPorts } from "./driver/driven-run.ts";
import type { Pools } from "./pools.ts";
import type { RunSource } from "./read-progress.ts";
import { readProgress } from "./read-progress.ts";
import { endingOf } from "./run-endings.ts";
import { cancelRun, undoRun } from "./run-orders.ts";
import { judgeInput, toStart } from "./run-start.ts";
import type { Thrown } from "./thrown.ts";

/** The parts of a process that runs are carried on by. */
export interface ProcessParts extends RunSource {
  readonly runtime: Runtime;
  readonly membership: Membership;
  readonly pools: Pools;
  readonly doTask: DoTask | undefined;
  /** A function of a step threw what may be a defect. */
  onThrown(thrown: Thrown): void;
}

/** What a run that is carried on asks of its process and of the log. `claim` answers this process's claim, where it can take more. */
export function createRunPorts(
  parts: ProcessParts,
  claim: (attempt: number) => Claim | undefined,
): Omit<RunPorts, "wakeAt"> {
  const { log, membership, runtime, pools, doTask } = parts;
  return {
    log,
    pools,
    doTask,
    onThrown: (thrown) => parts.onThrown(thrown),
    mayGoOn: (epoch) => membership.canClaim && membership.epoch === epoch,
    startOf: (definition, input, parent) =>
      toStart(definition, judgeInput(definition, input), runtime.clock.now(), { claim: claim(1), parent }),
    outcomeOf: (ctx, runId) => endingOf(ctx, log, runId),
    // One that refuses ends, or has ended, by itself.
    direct: async (ctx, runId, directive, reason) => {
      await (directive === "cancel" ? cancelRun : undoRun)(ctx, parts, runId, reason);
    },
    reload: async (ctx, runId) => {
      const progress = await readProgress(ctx, parts, runId);
      const holder = progress?.claim;
      const isOwn = holder?.processId === membership.processId && holder.epoch === membership.epoch;
      return isOwn ? progress : undefined;
    },
  };
}
