import type { Facts } from "./condition.ts";
import { type Budget, createBudget, evaluateCondition } from "./evaluate-condition.ts";
import type { Workflow } from "./workflow-definition.ts";

export type Step =
  | { readonly moves: true; readonly to: string; readonly because: string[] }
  | { readonly moves: false; readonly reason: string; readonly because: string[] };

/** Where an event leads from a state, given these facts, or why nowhere. */
export function advance(
  { transitions }: Workflow,
  state: string,
  event: string,
  facts: Facts,
  budget: Budget = createBudget(),
): Step {
  const candidates = transitions.filter((each) => each.from === state && each.event === event);
  if (candidates.length === 0)
    return { moves: false, reason: `In the state "${state}" there is no event "${event}".`, because: [] };
  const refusals: string[] = [];
  for (const { to, when } of candidates) {
    const { holds, because } =
      when === undefined ? { holds: true, because: [] } : evaluateCondition(when, facts, budget);
    if (holds === true) return { moves: true, to, because: [...because] };
    refusals.push(...because);
    // One that comes later must not be taken where this one might have held.
    if (holds === undefined)
      return { moves: false, reason: `Whether it leads to "${to}" cannot be said.`, because: [...because] };
  }
  return { moves: false, reason: `The guard of "${event}" does not hold.`, because: refusals };
}

/** Which events lead on from a state, given these facts, and which are held back. */
export function listEvents(
  workflow: Workflow,
  state: string,
  facts: Facts,
): { allowed: string[]; guarded: { event: string; reason: string; because: string[] }[] } {
  const events = new Set(workflow.transitions.filter((each) => each.from === state).map((each) => each.event));
  const budget = createBudget();
  const allowed: string[] = [];
  const guarded: { event: string; reason: string; because: string[] }[] = [];
  for (const event of events) {
    const step = advance(workflow, state, event, facts, budget);
    if (step.moves) allowed.push(event);
    else guarded.push({ event, reason: step.reason, because: step.because });
  }
  return { allowed, guarded };
}
