/**
 * Turns that steps of all runs of this process take at what bears only so many at a time. A step holds its place while a function of it runs,
 * whichever that is, and at no other time: not while it waits to be tried again, nor a composed reactor while its child runs. So nobody waits
 * for a place in a pool while holding another, and pools cannot lock each other up.
 */
export class Pools {
  readonly #sizes: { readonly [name: string]: number };
  readonly #used = new Map<string, number>();
  /** Who waits, longest first. Bounded by how many steps of active runs may run, or be cleared up after, at the same time. */
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Whose places are being handed on. */
  readonly #handedOn = new Set<string>();

  constructor(sizes: { readonly [name: string]: number }) {
    this.#sizes = sizes;
  }

  has(pool: string): boolean {
    return Object.hasOwn(this.#sizes, pool);
  }

  /**
   * Calls back once there is a place, now or later; answers how to give up waiting. Whoever was called must `leave`, and may do so at once.
   */
  enter(pool: string, callback: () => void): () => void {
    const waiting = this.#waiting.get(pool) ?? new Set();
    if (waiting.size === 0 && this.#hasPlace(pool)) {
      this.#take(pool);
      callback();
      return () => {};
    }
    this.#waiting.set(pool, waiting.add(callback));
    return () => waiting.delete(callback);
  }

  leave(pool: string): void {
    this.#used.set(pool, (this.#used.get(pool) ?? 1) - 1);
    // Whoever is given a place may leave at once: that is seen in the loop further out, however many do.
    if (this.#handedOn.has(pool)) return;
    this.#handedOn.add(pool);
    try {
      for (const next of this.#waiting.get(pool) ?? []) {
        if (!this.#hasPlace(pool)) break;
        this.#waiting.get(pool)?.delete(next);
        this.#take(pool);
        next();
      }
    } finally {
      this.#handedOn.delete(pool);
    }
  }

  #hasPlace(pool: string): boolean {
    return (this.#used.get(pool) ?? 0) < (this.#sizes[pool] ?? 1);
  }

  #take(pool: string): void {
    this.#used.set(pool, (this.#used.get(pool) ?? 0) + 1);
  }

  /** How many places are taken and how many steps wait for one, by pool. */
  stats(): { readonly [name: string]: { readonly size: number; readonly used: number; readonly waiting: number } } {
    return Object.fromEntries(
      Object.entries(this.#sizes).map(([name, size]) => [
        name,
        { size, used: this.#used.get(name) ?? 0, waiting: this.#waiting.get(name)?.size ?? 0 },
      ]),
    );
  }
}
