import type { JsonValue } from "viable";
import type { TaskOutcome } from "./delegate-once.ts";
import type { Step } from "./plan.ts";
import { fillIn } from "./step-references.ts";

/** What became of a step. */
export type StepOutcome = TaskOutcome | { readonly status: "not_run"; readonly reason: string };

export interface PlanPorts {
  /** Has a step done. Throws only where the plan itself ends. */
  run(step: Step, args: JsonValue): Promise<TaskOutcome>;
  /** Called whenever a step begins or has its outcome. */
  onChange(outcomes: ReadonlyMap<string, StepOutcome>, running: ReadonlySet<string>): void;
}

/**
 * Runs steps, each when those before it have their outcome, at most so many side by side, in the order they were written. A step that
 * fails, or whose arguments are not to be had, stops the plan or not, as it says: then what runs is finished and nothing else begun.
 */
export async function runPlan(
  steps: readonly Step[],
  concurrency: number,
  { run, onChange }: PlanPorts,
): Promise<{ readonly step: Step; readonly outcome: StepOutcome }[]> {
  const outcomes = new Map<string, StepOutcome>();
  const running = new Set<string>();
  const answers = new Map<string, JsonValue>();
  let stoppedBy: string | undefined;

  const settle = (step: Step, outcome: StepOutcome): void => {
    running.delete(step.id);
    outcomes.set(step.id, outcome);
    if (outcome.status === "completed") answers.set(step.id, outcome.result ?? null);
    else if (step.onFailure === "stop") stoppedBy ??= step.id;
    onChange(outcomes, running);
  };

  await new Promise<void>((resolve, reject) => {
    /** Begins what can be begun; ends when nothing runs and nothing can. */
    const proceed = (): void => {
      for (let step = nextReady(); step !== undefined; step = nextReady()) {
        const current = step;
        const filled = fillIn(current.args, (id) => answers.get(id));
        if ("lacking" in filled) {
          settle(current, { status: "not_run", reason: `Its arguments are not to be had: ${filled.lacking}.` });
          continue;
        }
        running.add(current.id);
        onChange(outcomes, running);
        run(current, filled.args)
          .then((outcome) => {
            settle(current, outcome);
            proceed();
          })
          .catch(reject);
      }
      if (running.size === 0) resolve();
    };
    proceed();
  });

  return steps.map((step) => ({
    step,
    outcome: outcomes.get(step.id) ?? { status: "not_run", reason: `"${stoppedBy}" stopped the plan.` },
  }));

  function nextReady(): Step | undefined {
    if (stoppedBy !== undefined || running.size >= concurrency) return undefined;
    return steps.find(
      ({ id, after }) => !outcomes.has(id) && !running.has(id) && after.every((each) => outcomes.has(each)),
    );
  }
}
