/**
 * A map for values that come and go, as those of what is under way. Its methods do what those of a `Map` do.
 *
 * V8's collector keeps what was taken out of a `Map` for longer than anybody uses it. The table that a map outgrows, or has filled with what
 * was taken out, leads to the one that follows it; once such a table is old, all that was in it and in those after it passes for reachable
 * when young garbage is collected, and grows old with it. Of 2,000 values of which 50 are there at a time a third was kept so. Here each value
 * is in a box of its own that is emptied when it is taken out: what is kept then is a key and an empty box.
 */
export class TransientMap<Key, Value extends object> {
  readonly #boxes = new Map<Key, { value: Value | undefined }>();

  get size(): number {
    return this.#boxes.size;
  }

  has(key: Key): boolean {
    return this.#boxes.has(key);
  }

  get(key: Key): Value | undefined {
    return this.#boxes.get(key)?.value;
  }

  set(key: Key, value: Value): void {
    const box = this.#boxes.get(key);
    if (box === undefined) this.#boxes.set(key, { value });
    else box.value = value;
  }

  delete(key: Key): boolean {
    const box = this.#boxes.get(key);
    if (box === undefined) return false;
    box.value = undefined;
    return this.#boxes.delete(key);
  }

  clear(): void {
    for (const box of this.#boxes.values()) box.value = undefined;
    this.#boxes.clear();
  }

  /** In the order in which their keys came. What is put in meanwhile is among them, what is taken out is not. */
  *values(): Generator<Value, void, void> {
    for (const { value } of this.#boxes.values()) if (value !== undefined) yield value;
  }
}
