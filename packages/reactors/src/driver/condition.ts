import { ViableError } from "@viable/kernel";

/**
 * What a condition answered: yes or no. Throws `reactor.invalid_condition` where that is neither. A promise above all is none: what it comes to
 * would have to be recorded before anything follows from it.
 */
export function truthOf(answer: unknown, step: string, condition: "where" | "when" | "until"): boolean {
  if (answer === true || answer === false) return answer;
  const isPromised = answer instanceof Promise;
  // Nobody waits for it: that it is broken must not end the process.
  if (isPromised) answer.catch(() => {});
  const said = isPromised ? "a promise" : answer === null ? "null" : typeof answer;
  throw new ViableError(
    "reactor.invalid_condition",
    `The \`${condition}\` of the step ${step} answered ${said}, and is to answer true or false at once.`,
    { next: "Compare what it is handed and return that; what takes its time belongs into a step before it." },
  );
}
