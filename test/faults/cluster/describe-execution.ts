import type { Executions, Step } from "./check-accounting.ts";
import { acceptanceOf, parentOf } from "./check-accounting.ts";
import type { EffectArrival } from "./ledger-lines.ts";

/** How much of what an event says is shown, in characters. */
const maxChars = 200;

/** An execution, what it had asked for, and what of it came to the ledger, as lines for people; times are from its acceptance on. */
export function describeExecution(id: string, executions: Executions, arrivals: readonly EffectArrival[]): string {
  const steps = executions.get(id) ?? [];
  const fromMs = steps[0]?.atMs ?? 0;
  const children = [...executions].filter(([, each]) => parentOf(each) === id);
  return [
    id,
    ...steps.map((step) => describeStep(step, fromMs)),
    ...arrivals
      .filter(({ execution }) => execution === id)
      .map(({ nr, attempt, pid, outcome }) => `  arrival ${nr} of attempt ${attempt} by process ${pid}: ${outcome}`),
    ...children.flatMap(([child, each]) => [
      `  asked for ${child}`,
      ...each.map((step) => `  ${describeStep(step, fromMs)}`),
    ]),
  ].join("\n");
}

function describeStep(step: Step, fromMs: number): string {
  const { command, route, claim, ...data } = step.data as Record<string, unknown>;
  const said =
    acceptanceOf([step]) === undefined ? data : { command, route: (route as { chosen: unknown }).chosen, claim };
  return `  ${Math.round(step.atMs - fromMs)} ms ${step.type} ${JSON.stringify(said).slice(0, maxChars)}`;
}
