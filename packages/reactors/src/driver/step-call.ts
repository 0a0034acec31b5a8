import type { Context, Runtime, Timer } from "@viable/kernel";
import { stepTimedOut } from "../errors.ts";
import type { StepContext } from "../step-context.ts";

/**
 * A call of a step's function: what it is told, and how it is ended. Its signal is made when it is first asked for: most functions never
 * do, and making one costs more than the rest of a short step.
 */
export class StepCall implements StepContext {
  readonly kind = "calling";
  readonly runId: string;
  readonly reactor: string;
  readonly step: string;
  readonly attempt: number;
  readonly fencingToken: number;
  readonly #ctx: Context;
  readonly #check: () => void;
  #controller: AbortController | undefined;
  #told: { readonly reason: unknown } | undefined;
  #ended: { readonly reason: unknown } | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  /** `check` throws where nothing may be called any more. */
  constructor(
    ctx: Context,
    about: { runId: string; reactor: string; step: string; attempt: number; fencingToken: number },
    check: () => void,
  ) {
    this.#ctx = ctx;
    this.#check = check;
    this.runId = about.runId;
    this.reactor = about.reactor;
    this.step = about.step;
    this.attempt = about.attempt;
    this.fencingToken = about.fencingToken;
  }

  get idempotencyKey(): string {
    return `${this.runId}/${this.step}`;
  }

  get tenant(): string {
    return this.#ctx.tenant;
  }

  get principal(): string {
    return this.#ctx.principal;
  }

  get traceparent(): string | undefined {
    return this.#ctx.traceparent;
  }

  get runtime(): Runtime {
    return this.#ctx.runtime;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#told !== undefined) this.#controller.abort(this.#told.reason);
    return this.#controller.signal;
  }

  /** Whether it was told to end. */
  get isTold(): boolean {
    return this.#told !== undefined;
  }

  /** Tells the function by its signal to come to an end. What it then answers is waited for, and counts: it may have done what it was to do. */
  tell(reason: unknown): void {
    this.#told ??= { reason };
    this.#controller?.abort(reason);
  }

  /** Ends it: the function is told, and whoever waits for it by a rejection, whatever the function makes of that. */
  end(reason: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    this.tell(reason);
    this.#reject?.(reason);
  }

  /** Calls a function and waits for it, no longer than `timeoutMs`. What it does after that is nobody's business here. */
  async call(run: () => unknown, timeoutMs: number): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#ended.reason;
    this.#check();
    const answered = run();
    if (!isPromise(answered)) return answered;
    let timer: Timer | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#reject = reject;
        timer = this.runtime.clock.setTimer(() => this.end(stepTimedOut(this.step, timeoutMs)), timeoutMs);
        answered.then(resolve, reject);
      });
    } finally {
      timer?.cancel();
      this.#reject = undefined;
    }
  }
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
