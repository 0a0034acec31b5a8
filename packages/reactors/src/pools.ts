/**
 * Turns that steps of all runs of this process take at what bears only so many at a time. A step holds its place while its function runs
 * and at no other time: not while it waits to be tried again, nor a composed reactor while its child runs. So nobody waits for a place in
 * a pool while holding another, and pools cannot lock each other up.
 */
export class Pools {
  readonly #sizes: { readonly [name: string]: number };
  readonly #used = new Map<string, number>();
  /** Who waits, longest first. Bounded by how many steps of active runs may run at the same time. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(sizes: { readonly [name: string]: number }) {
    this.#sizes = sizes;
  }

  has(pool: string): boolean {
    return Object.hasOwn(this.#sizes, pool);
  }

  /** Calls back once there is a place, now or later; answers how to give up waiting. Whoever was called must `leave`. */
  enter(pool: string, callback: () => void): () => void {
    const used = this.#used.get(pool) ?? 0;
    if (used < (this.#sizes[pool] ?? 1)) {
      this.#used.set(pool, used + 1);
      callback();
      return () => {};
    }
    const waiting = this.#waiting.get(pool) ?? new Set();
    this.#waiting.set(pool, waiting.add(callback));
    return () => waiting.delete(callback);
  }

  leave(pool: string): void {
    const waiting = this.#waiting.get(pool);
    const [next] = waiting ?? [];
    if (next === undefined) {
      this.#used.set(pool, (this.#used.get(pool) ?? 1) - 1);
      return;
    }
    waiting?.delete(next);
    next();
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
