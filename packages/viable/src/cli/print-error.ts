import { GatewayProblem } from "@viable/client";
import type { ErrorOnTheWire } from "@viable/kernel";
import { codeOf, toWire } from "@viable/kernel";
import { paint } from "./paint.ts";
import { toPlainLine } from "./plain-text.ts";
import type { Screen } from "./shell.ts";

/** Says what went wrong, why, and what to do: the code comes with it, since that is what one can look up. */
export function printError(screen: Screen, error: unknown): void {
  const reasons = error instanceof GatewayProblem ? error.problem.reasons : [];
  printWireError(screen, toWire(error), reasons);
  // An error of ours has a code and says all. Anything else is a defect, and its stack is what a report needs.
  if (codeOf(error) === "internal" && error instanceof Error && error.stack !== undefined)
    screen.write(`${paint(screen, "dim", error.stack)}\n`);
}

/** The same for an error that came from elsewhere, such as the one an execution failed with. */
export function printWireError(screen: Screen, error: ErrorOnTheWire, reasons: readonly string[] = []): void {
  const lines = [`${paint(screen, "red", "error:")} ${toPlainLine(error.message)} [${toPlainLine(error.code)}]`];
  for (const reason of reasons) lines.push(`  - ${toPlainLine(reason)}`);
  for (let cause = error.cause; cause !== undefined; cause = cause.cause)
    if (!error.message.includes(cause.message.replace(/\.$/, "")))
      lines.push(`  because: ${toPlainLine(cause.message)}`);
  if (error.next !== undefined) lines.push(`  ${paint(screen, "cyan", "next:")} ${toPlainLine(error.next)}`);
  screen.write(`${lines.join("\n")}\n`);
}
