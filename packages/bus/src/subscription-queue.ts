import { BoundedQueue } from "@viable/kernel";
import type { SubscribeOptions } from "./bus.ts";

/** A second of messages at a thousand a second; whoever is further behind is better served by what is new. */
const defaultMaxWaiting = 1_000;
const defaultMaxConcurrent = 32;

/**
 * What waits for one subscription, and its handler's calls, of any adapter. Handling begins after whoever offered has gone on, in order.
 * `handle` does not reject: what a handler throws is dealt with before.
 */
export class SubscriptionQueue<Delivery> {
  readonly pattern: string;
  readonly group: string | undefined;
  readonly #handle: (delivery: Delivery) => Promise<void>;
  readonly #dropped: () => void;
  readonly #maxConcurrent: number;
  readonly #waiting: BoundedQueue<Delivery>;
  #underWay = 0;
  #woken = false;

  constructor(
    pattern: string,
    options: SubscribeOptions,
    handle: (delivery: Delivery) => Promise<void>,
    dropped: () => void,
  ) {
    this.pattern = pattern;
    this.group = options.group;
    this.#handle = handle;
    this.#dropped = dropped;
    this.#maxConcurrent = Math.max(1, options.maxConcurrent ?? defaultMaxConcurrent);
    this.#waiting = new BoundedQueue(Math.max(1, options.maxWaiting ?? defaultMaxWaiting));
  }

  /** Takes a message in; where the queue is full the oldest makes room, since of two pieces of news the later one counts. */
  offer(delivery: Delivery): void {
    if (!this.#waiting.offer(delivery)) {
      this.#waiting.take();
      this.#dropped();
      this.#waiting.offer(delivery);
    }
    this.#wake();
  }

  clear(): void {
    while (this.#waiting.take() !== undefined);
  }

  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    // A promise's turn, not a timer's: a timer's least delay would be added to every wake-up of the system.
    queueMicrotask(() => {
      this.#woken = false;
      this.#drain();
    });
  }

  #drain(): void {
    while (this.#underWay < this.#maxConcurrent) {
      const delivery = this.#waiting.take();
      if (delivery === undefined) return;
      this.#underWay += 1;
      void this.#handle(delivery).finally(() => {
        this.#underWay -= 1;
        if (this.#waiting.size > 0) this.#wake();
      });
    }
  }
}
