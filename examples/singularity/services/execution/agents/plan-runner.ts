import { agent } from "viable";
import { z } from "zod";
import { delegateOnce } from "../delegate-once.ts";
import { stepsInput } from "../plan.ts";
import { createResultRoom } from "../result-room.ts";
import { runPlan } from "../run-plan.ts";

/** Each of them waits in another swarm, which has few workers. */
const maxConcurrency = 16;
/** In milliseconds: two hundred steps of a few minutes each. */
const timeoutMs = 12 * 3_600_000;
/** Running steps named in the progress: it is one line. */
const maxNamed = 5;

/** Runs plans of steps that need each other, each step by whoever offers it. */
export const planRunner = agent({
  name: "plan-runner",
  capability: "workflow_management",
  description:
    "Runs a plan: steps by capability, in the order they need, side by side where they can, with answers handed on",
  input: z.strictObject({
    steps: stepsInput.describe('The steps, as [{"id","capability","args","after","onFailure"}]'),
    concurrency: z.number().int().min(1).max(maxConcurrency).default(4).describe("Steps side by side"),
  }),
  timeoutMs,
  async handle(ctx, { steps, concurrency }) {
    const { truncated, place } = createResultRoom();
    const outcomes = await runPlan(steps, concurrency, {
      // The key is the step's, so of two steps that ask the same both are done, and after a crash each finds its own outcome.
      run: async (step, args) => await delegateOnce(ctx, step.capability, args, { key: `step ${step.id}` }),
      onChange(settled, running) {
        const names = [...running].slice(0, maxNamed).join(", ");
        const more = running.size > maxNamed ? ` and ${running.size - maxNamed} more` : "";
        const now = running.size === 0 ? "" : `; running: ${names}${more}`;
        ctx.progress(Math.floor((settled.size / steps.length) * 99), `${settled.size} of ${steps.length} steps${now}`);
      },
    });
    const reported = outcomes.map(({ step: { id, capability }, outcome }) => ({
      id,
      capability,
      ...(outcome.status === "not_run" ? outcome : place(outcome)),
    }));
    const count = (status: string) => reported.filter((each) => each.status === status).length;
    const [completed, notRun] = [count("completed"), count("not_run")];
    return {
      ok: completed === steps.length,
      completed,
      failed: steps.length - completed - notRun,
      notRun,
      steps: reported,
      truncated,
    };
  },
});
