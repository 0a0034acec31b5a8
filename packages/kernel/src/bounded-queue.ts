/**
 * A first-in-first-out queue that cannot grow past its bound. A full queue is an answer (`false`), never a wait: back-pressure
 * is decided by whoever offers (W10).
 */
export class BoundedQueue<T> {
  readonly maxItems: number;
  #items: (T | undefined)[] = [];
  #head = 0;

  constructor(maxItems: number) {
    this.maxItems = maxItems;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Puts an item at the end; false, and nothing done, where the queue is full. */
  offer(item: T): boolean {
    if (this.size >= this.maxItems) return false;
    this.#items.push(item);
    return true;
  }

  /** Takes the first item, or undefined where there is none. */
  take(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    // Shifting an array costs its length; the emptied front is dropped only once it is the larger half.
    if (this.#head > 32 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out the first item that matches, wherever it stands. */
  remove(matches: (item: T) => boolean): T | undefined {
    for (let index = this.#head; index < this.#items.length; index++) {
      const item = this.#items[index] as T;
      if (matches(item)) {
        this.#items.splice(index, 1);
        return item;
      }
    }
    return undefined;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let index = this.#head; index < this.#items.length; index++) yield this.#items[index] as T;
  }
}
