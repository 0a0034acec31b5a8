import { defaultBackoff } from "@viable/kernel";
import type { Retry, StepFunction } from "./definition.ts";
import { maxOf } from "./definition-rules.ts";
import { invalidDefinition } from "./errors.ts";
import type { RetrySettings } from "./step-settings.ts";

// What is said in numbers and functions, with what holds where nothing is said. Each throws `reactor.invalid_definition` with the place.

/** How long a step may take, in milliseconds, where it says nothing: the seed's `task_timeout`. */
export const defaultStepTimeoutMs = 60_000;
/** How many steps of one run run at the same time where nothing is said: enough for work that waits for others. */
export const defaultConcurrency = 100;

export function checkWhole(reactor: string, path: string, value: number, max: number, min = 1): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalidDefinition(reactor, path, `${value} is no whole number from ${min} to ${max}`);
}

export function checkRunTimeout(reactor: string, timeoutMs: number | undefined): number | undefined {
  if (timeoutMs === undefined || (timeoutMs >= 1 && timeoutMs <= maxOf.runTimeoutMs)) return timeoutMs;
  throw invalidDefinition(reactor, "timeoutMs", `${timeoutMs} is no number of milliseconds from 1 to ten years`);
}

export function checkStepTimeout(reactor: string, path: string, timeoutMs: number = defaultStepTimeoutMs): number {
  if (timeoutMs > 0 && timeoutMs <= maxOf.stepTimeoutMs) return timeoutMs;
  throw invalidDefinition(reactor, path, "timeoutMs must be more than 0 and at most a day");
}

export function checkRetry(reactor: string, path: string, settings: RetrySettings | undefined): Retry {
  const {
    baseMs = defaultBackoff.baseMs,
    maxMs = defaultBackoff.maxMs,
    maxAttempts = defaultBackoff.maxAttempts,
  } = settings ?? {};
  if (!(baseMs >= 0 && maxMs >= baseMs && maxMs <= maxOf.stepTimeoutMs))
    throw invalidDefinition(
      reactor,
      path,
      `retry needs 0 ≤ baseMs ≤ maxMs ≤ a day, and has baseMs ${tell(baseMs, settings?.baseMs)} and maxMs ${tell(maxMs, settings?.maxMs)}`,
    );
  return {
    baseMs,
    maxMs,
    maxAttempts: checkWhole(reactor, `${path}.retry.maxAttempts`, maxAttempts, maxOf.attempts),
    on: settings === undefined ? "retryable" : "any",
  };
}

const tell = (value: number, said: number | undefined): string =>
  said === undefined ? `${value} (the default)` : `${value}`;

export function checkFunction(reactor: string, path: string, role: string, run: StepFunction): void {
  if (typeof run !== "function") throw invalidDefinition(reactor, path, `${role} must be a function`);
}
