import type { ErrorOnTheWire } from "@viable/kernel";
import type { RunView } from "@viable/protocol";

/** An error and what it follows from, in one line; a cause that its words tell already is left out. */
export function tellError({ message, code, cause }: ErrorOnTheWire): string {
  const told = [`${message} [${code}]`];
  for (let each = cause; each !== undefined; each = each.cause)
    if (!message.includes(each.message)) told.push(`since ${each.message} [${each.code}]`);
  return told.join(", ");
}

/** Why what a run did is undone, in some words. */
export function tellCause({ kind, step, by, reason, error }: NonNullable<RunView["cause"]>): string {
  const why = [kind === "step_failed" ? `${step ?? "a step"} failed` : "", reason ?? "", error && tellError(error)];
  const told = why.filter((each) => each !== undefined && each !== "").join(": ") || kind;
  return by === undefined ? told : `${told} (by ${by})`;
}

/** At which step a run failed; undefined where it ended otherwise, or its steps are too many for that to be known. */
export function failedStep({ status, cause, error, steps }: RunView): string | undefined {
  if (cause !== undefined) return cause.step;
  // Nothing was undone, so nothing says why.
  if (status !== "failed" || error === undefined) return undefined;
  return steps.find((each) => each.error?.code === error.code && each.error.message === error.message)?.step;
}
