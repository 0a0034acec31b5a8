import type { Clock } from "@viable/kernel";

/** How many processes are asked to accept a task: more would only add to what is too much already. */
const maxAsked = 3;
/** After so long no further one is asked, in milliseconds: two that do not answer are enough for whoever waits. */
const maxAskingMs = 4_000;

/** Why a process is passed over that did not accept a task. */
export const whyNot = {
  full: "its queue is full",
  overloaded: "its log takes no more",
  leaves: "it takes up nothing more",
  refused: "it is not the one that was known",
  unanswered: "it did not answer",
};

/** The processes that were asked to accept one task, and did not. */
export class AskedProcesses {
  readonly #clock: Clock;
  readonly #beganMs: number;
  readonly #reasons = new Map<string, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganMs = clock.monotonicMs();
  }

  /** Answers whether it was not known yet. */
  note(processId: string, reason: string): boolean {
    if (this.#reasons.has(processId)) return false;
    this.#reasons.set(processId, reason);
    return true;
  }

  /** Why it did not; undefined of one that was not asked. */
  whyNot(processId: string): string | undefined {
    return this.#reasons.get(processId);
  }

  /** Whether there is room and time for another one. */
  get mayGoOn(): boolean {
    return this.#reasons.size < maxAsked && this.#clock.monotonicMs() - this.#beganMs < maxAskingMs;
  }

  /** Whether one may have written it, or may still. */
  get isInDoubt(): boolean {
    return [...this.#reasons.values()].includes(whyNot.unanswered);
  }
}
