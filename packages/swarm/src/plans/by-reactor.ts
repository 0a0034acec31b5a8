import type { JsonValue } from "@viable/kernel";
import { fromWire } from "@viable/kernel";
import type { z } from "zod";
import type { AgentDefinition } from "../agent.ts";
import { agent } from "../agent.ts";
import type { PlanSettings } from "./plan-agent.ts";
import { defaultMaxAttempts } from "./plan-agent.ts";

/** A plan that is a reactor: its steps, their order and what undoes them stand there. */
export interface ReactorPlan {
  readonly kind: "reactor";
  readonly reactor: string;
}

export interface ByReactorSettings<Input extends z.ZodType> extends PlanSettings<Input> {
  /** A reactor among the system's, or its name: of several versions the newest. */
  readonly reactor: { readonly name: string } | string;
  /** What the run is given, out of the task's arguments. Pure. Default: these. */
  readonly toInput?: (input: z.output<Input>) => JsonValue;
}

/** An agent whose work a run of a reactor does. Stands among a service's agents like any other. */
export interface ReactorPlanAgent extends AgentDefinition {
  readonly plan: ReactorPlan;
}

/**
 * Defines an agent whose work a durable run does (`ctx.run`): its result is the run's, and its failure too, by then undone as the reactor says.
 * A task that is cancelled or runs out of time while a worker has it has its run cancelled.
 */
export function byReactor<Input extends z.ZodType>({
  reactor,
  toInput,
  ...settings
}: ByReactorSettings<Input>): ReactorPlanAgent {
  const name = typeof reactor === "string" ? reactor : reactor.name;
  const carrier = agent({
    ...settings,
    maxAttempts: settings.maxAttempts ?? defaultMaxAttempts,
    async handle(ctx, input) {
      const outcome = await ctx.run(name, toInput === undefined ? (input as JsonValue) : toInput(input));
      if (!outcome.ok) throw fromWire(outcome.error);
      return outcome.result;
    },
  });
  return Object.freeze({ ...carrier, plan: Object.freeze({ kind: "reactor" as const, reactor: name }) });
}
