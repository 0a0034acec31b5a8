import { GatewayProblem } from "@viable/client";
import { codeOf, ViableError } from "@viable/kernel";

/** What each exit status means to a script. */
export const exitStatus = {
  done: 0,
  /** The work failed, or what was to be shown is down or not there. */
  failed: 1,
  /** Wrong usage, as of a verb, an option or a command that there is none of, or an invalid config. */
  usage: 2,
  /** Denied or limited. */
  refused: 3,
  /** The gateway cannot be reached. */
  unreachable: 4,
  /** Nothing is known to go on until a person has done something: decided, said how it goes on, or brought back what a parked run lacks. */
  waitsForPerson: 5,
  /** Ended by a signal. */
  interrupted: 130,
} as const;

/** `cli.usage`: what was asked for cannot be asked for so. */
export const wrongUsage = (message: string, next?: string): ViableError =>
  new ViableError("cli.usage", message, { next });

/** `cli.not_found`: what was to be shown is not there. */
export const notFound = (message: string, next: string): ViableError =>
  new ViableError("cli.not_found", message, { next });

/** `cli.interrupted`: a person or a supervisor ended this. */
export const interrupted = (message: string): ViableError => new ViableError("cli.interrupted", message);

const statusOfCode: Readonly<Record<string, number>> = {
  "cli.usage": exitStatus.usage,
  "cli.interrupted": exitStatus.interrupted,
  "cli.not_running": exitStatus.unreachable,
  "client.unreachable": exitStatus.unreachable,
  // Something else listens at the gateway's address.
  "client.unexpected_answer": exitStatus.unreachable,
  "config.invalid": exitStatus.usage,
  "config.not_found": exitStatus.usage,
};

/** The HTTP statuses by which a gateway says no to a request that may be right. */
const refusals = new Set([401, 403, 429, 503]);
/** … and those by which it says that the request is wrong. What is not there (404) was asked for rightly. */
const mistakes = new Set([400, 413, 415, 422]);

/** The exit status that an error stands for. */
export function exitStatusOf(error: unknown): number {
  if (error instanceof GatewayProblem) {
    if (refusals.has(error.problem.status)) return exitStatus.refused;
    return mistakes.has(error.problem.status) ? exitStatus.usage : exitStatus.failed;
  }
  return statusOfCode[codeOf(error)] ?? exitStatus.failed;
}
