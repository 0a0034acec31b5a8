import { ViableError } from "@viable/kernel";
import type { Problem } from "@viable/protocol";

/** An error answer of the gateway's: its problem, with the HTTP status. */
export class GatewayProblem extends ViableError {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.code, problem.detail, { next: problem.next, retryable: problem.retryable });
    this.name = "GatewayProblem";
    this.problem = problem;
  }
}

export const unreachableCode = "client.unreachable";

/** `client.unreachable`: nobody answered at the gateway's address. */
export const unreachable = (url: string, cause: unknown): ViableError =>
  new ViableError(unreachableCode, `The gateway at ${url} cannot be reached.`, {
    retryable: true,
    next: "Start the system, or give the right address.",
    cause,
  });

/** `client.unexpected_answer`: what came back is not what the protocol says. */
export const unexpectedAnswer = (url: string, status: number, detail: string): ViableError =>
  new ViableError(
    "client.unexpected_answer",
    `${url} answered ${status} with what is not of the protocol: ${detail}.`,
    {
      next: "Compare the versions of client and gateway; something between them may have answered instead.",
    },
  );
