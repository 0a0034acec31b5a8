import type { JsonProblem } from "@viable/kernel";
import { ViableError } from "@viable/kernel";

/** `bus.invalid_subject`: a subject or pattern that a broker would refuse or misread. Nothing was sent or subscribed. */
export const invalidSubject = (subject: string, reason: string): ViableError =>
  new ViableError("bus.invalid_subject", `"${subject.slice(0, 80)}" cannot be used: ${reason}.`, {
    next: "Write tokens joined by dots, such as executions.default.changed; make a token of free text with toSubjectToken().",
  });

/** `bus.invalid_message`: what was handed in is not plain JSON, or is too large. Nothing was sent. */
export const invalidMessage = (problem: JsonProblem): ViableError =>
  new ViableError("bus.invalid_message", `${problem.path}: ${problem.reason}.`, {
    next: "Send plain JSON data, and of large things only where they are.",
    details: { path: problem.path, reason: problem.reason },
  });

/** `bus.no_responder`: nobody listens to that subject at present, as far as the bus knows. The request was not sent. */
export const noResponder = (subject: string): ViableError =>
  new ViableError("bus.no_responder", `Nobody answers "${subject}".`, {
    retryable: true,
    next: "Start a process that hosts it, or ask again later.",
  });

/** `bus.closed`: the bus was not started, or was stopped while an answer was awaited. */
export const busClosed = (): ViableError =>
  new ViableError("bus.closed", "The bus is not running.", {
    retryable: true,
    next: "Start it first; where it was stopped, ask another process.",
  });
