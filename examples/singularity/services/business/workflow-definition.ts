import { z } from "zod";
import { conditionInput } from "./condition.ts";

/** More states and transitions than anybody draws on one page. */
const maxStates = 200;
const maxTransitions = 1_000;

const word = z.string().min(1).max(100);

/** A workflow as data: what states there are, and which event leads from which to which, where its guard holds. */
export const workflowInput = z
  .strictObject({
    states: z.array(word).min(1).max(maxStates).describe("All states; one that nothing leads out of is an end"),
    initial: word.describe("The state an instance begins in"),
    transitions: z
      .array(z.strictObject({ from: word, event: word, to: word, when: conditionInput.optional() }))
      .max(maxTransitions)
      .describe("Of several for one event the first whose guard holds is taken"),
  })
  .superRefine(({ states, initial, transitions }, refinement) => {
    const report = (path: (string | number)[], message: string) =>
      refinement.addIssue({ code: "custom", path, message });
    const known = new Set(states);
    for (const [index, state] of states.entries()) {
      if (states.indexOf(state) < index) report(["states", index], `"${state}" is named twice`);
    }
    if (!known.has(initial)) report(["initial"], `"${initial}" is none of the states`);
    const unguarded = new Map<string, number>();
    for (const [index, { from, event, to, when }] of transitions.entries()) {
      if (!known.has(from)) report(["transitions", index, "from"], `"${from}" is none of the states`);
      if (!known.has(to)) report(["transitions", index, "to"], `"${to}" is none of the states`);
      const key = JSON.stringify([from, event]);
      const before = unguarded.get(key);
      if (before !== undefined)
        report(["transitions", index], `is never taken: transition ${before} has no guard and comes first`);
      else if (when === undefined) unguarded.set(key, index);
    }
  });

export type Workflow = z.infer<typeof workflowInput>;
