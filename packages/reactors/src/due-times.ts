/** What falls due when: a heap by time, in which something may stand more than once. */
export class DueTimes<Item> {
  readonly #heap: { readonly atMs: number; readonly item: Item }[];

  constructor(due: readonly { readonly atMs: number; readonly item: Item }[] = []) {
    // In their order they are a heap.
    this.#heap = due.toSorted((one, other) => one.atMs - other.atMs);
  }

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest time; undefined where there is none. */
  get firstMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  add(atMs: number, item: Item): void {
    const heap = this.#heap;
    let at = heap.push({ atMs, item }) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#time(above) <= atMs) break;
      this.#swap(at, above);
      at = above;
    }
  }

  /** Takes away what is due by then, earliest first; at most `max`. */
  takeDue(nowMs: number, max: number): Item[] {
    const due: Item[] = [];
    while (due.length < max && (this.firstMs ?? Number.POSITIVE_INFINITY) <= nowMs) due.push(this.#takeFirst());
    return due;
  }

  #takeFirst(): Item {
    const heap = this.#heap;
    const first = heap[0] as { item: Item };
    const last = heap.pop() as { atMs: number; item: Item };
    if (heap.length > 0) {
      heap[0] = last;
      for (let at = 0; ; ) {
        const left = 2 * at + 1;
        if (left >= heap.length) break;
        const lower = left + 1 < heap.length && this.#time(left + 1) < this.#time(left) ? left + 1 : left;
        if (this.#time(at) <= this.#time(lower)) break;
        this.#swap(at, lower);
        at = lower;
      }
    }
    return first.item;
  }

  #time(at: number): number {
    return (this.#heap[at] as { atMs: number }).atMs;
  }

  #swap(one: number, other: number): void {
    const heap = this.#heap;
    const kept = heap[one] as { atMs: number; item: Item };
    heap[one] = heap[other] as { atMs: number; item: Item };
    heap[other] = kept;
  }
}
