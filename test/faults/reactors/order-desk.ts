import type { Random } from "@viable/kernel";
import type { Done, Order } from "./worker-lines.ts";
import type { Answers, Worker } from "./worker-process.ts";

/** How long an order waits for its answer before it is given to another worker too, in milliseconds. */
const patienceMs = 3_000;

interface Open {
  readonly order: Order;
  askedMs: number;
  by: Worker | undefined;
  readonly resolve: (done: Done) => void;
}

/**
 * Has orders followed by whichever workers are there, for as long as it takes: of one that was killed, paused, or cut off from the
 * database they are asked of another. Each is repeatable, so its first answer is its answer.
 */
export class OrderDesk implements Answers {
  readonly #open = new Map<number, Open>();
  readonly #random: Random;
  #workers: readonly Worker[] = [];
  #nr = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get open(): number {
    return this.#open.size;
  }

  setWorkers(workers: readonly Worker[]): void {
    this.#workers = workers;
  }

  give(order: Order): Promise<Done> {
    const nr = ++this.#nr;
    return new Promise((resolve) => {
      this.#open.set(nr, { order, askedMs: 0, by: undefined, resolve });
    });
  }

  /** Asks what has not been asked, or not been answered in time. To be called often. */
  tick(nowMs: number): void {
    const running = this.#workers.filter(({ state }) => state === "running");
    if (running.length === 0) return;
    for (const [nr, each] of this.#open) {
      const isAtWork = each.by?.state === "running" || each.by?.state === "paused";
      if (isAtWork && nowMs - each.askedMs < patienceMs) continue;
      each.by = running[Math.floor(this.#random.next() * running.length)] as Worker;
      each.askedMs = nowMs;
      each.by.ask(nr, each.order);
    }
  }

  done(nr: number, done: Done): void {
    this.#open.get(nr)?.resolve(done);
    this.#open.delete(nr);
  }

  again(nr: number): void {
    const open = this.#open.get(nr);
    // Asked again in a while: the database may be away.
    if (open !== undefined) open.askedMs -= patienceMs * 0.9;
  }
}
