import { ViableError } from "@viable/kernel";

/** `cluster.join_failed`: no lease could be written, though it was tried several times. Nothing is held. */
export const joinFailed = (cause: unknown): ViableError =>
  new ViableError("cluster.join_failed", "This process could not join: its lease could not be written.", {
    retryable: true,
    next: "Check that the log is started and its database can be reached, then make a new membership and start it.",
    cause,
  });

/** `cluster.left`: a membership lives once. */
export const hasLeft = (): ViableError =>
  new ViableError("cluster.left", "This membership was stopped and cannot be started again.", {
    next: "Make a new one with joinCluster().",
  });
