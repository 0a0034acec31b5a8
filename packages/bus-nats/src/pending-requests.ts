import type { JsonValue } from "@viable/kernel";
import { TransientMap } from "@viable/kernel";

/** A request that waits for its answer. */
export interface PendingRequest {
  readonly subject: string;
  readonly resolve: (value: JsonValue) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * How many may wait at a time: what a thousand a second amount to when each waits its ten seconds. Each is some hundred bytes and a
 * timer here, so that all of them are a few megabytes.
 */
export const maxPendingRequests = 10_000;

/**
 * Which answer belongs to which request. All answers come to one inbox, and a request's place in it is its token: the client's own way
 * makes more of each request than its answer is worth.
 */
export class PendingRequests {
  readonly #byToken = new TransientMap<string, PendingRequest>();
  #count = 0;

  /** The token that its answer is to bear; undefined, and nothing kept, where as many wait as may. */
  add(request: PendingRequest): string | undefined {
    if (this.#byToken.size >= maxPendingRequests) return undefined;
    const token = (++this.#count).toString(36);
    this.#byToken.set(token, request);
    return token;
  }

  get(token: string): PendingRequest | undefined {
    return this.#byToken.get(token);
  }

  delete(token: string): void {
    this.#byToken.delete(token);
  }

  rejectAll(reason: unknown): void {
    for (const { reject } of [...this.#byToken.values()]) reject(reason);
  }
}
