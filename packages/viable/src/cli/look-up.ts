import { GatewayProblem } from "@viable/client";

/** What a person has named: where the gateway answers that it is not there, it is said which verb shows those that are. */
export async function lookUp<T>(asked: Promise<T>, verb: string): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!isAbsent(error) || error.next !== undefined) throw error;
    throw new GatewayProblem({ ...error.problem, next: `See what there is: viable ${verb}` });
  }
}

/** Whether a gateway answers that what it was asked for is not there. */
export const isAbsent = (error: unknown): error is GatewayProblem =>
  error instanceof GatewayProblem && error.problem.status === 404;
