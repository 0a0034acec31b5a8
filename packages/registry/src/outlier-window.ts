/** How a task ended, as far as it says something of the swarm that had it. What its agent threw is `done`: the swarm did its part. */
export type TaskEnd = "done" | "failed" | "timed_out" | "late";

/** Counts kept at once; each is of a tenth of the window, so that what is old goes bit by bit. */
const slots = 10;

interface Slot {
  slot: number;
  ended: number;
  faults: number;
}

/** What ended in the last while, counted. It takes the same memory however much that is. */
export class OutlierWindow {
  readonly #slotMs: number;
  #counts: Slot[] = [];
  #last: Exclude<TaskEnd, "done"> | undefined;

  constructor(windowMs: number) {
    this.#slotMs = windowMs / slots;
  }

  record(end: TaskEnd, nowMs: number): void {
    const slot = Math.floor(nowMs / this.#slotMs);
    this.#forgetOld(slot);
    let count = this.#counts.at(-1);
    if (count?.slot !== slot) {
      count = { slot, ended: 0, faults: 0 };
      this.#counts.push(count);
    }
    count.ended += 1;
    if (end === "done") return;
    count.faults += 1;
    this.#last = end;
  }

  /** What has ended in the window, how much of it by the swarm's fault, and of what kind the last fault was. */
  counts(nowMs: number): {
    readonly ended: number;
    readonly faults: number;
    readonly last: Exclude<TaskEnd, "done"> | undefined;
  } {
    this.#forgetOld(Math.floor(nowMs / this.#slotMs));
    const sum = (of: "ended" | "faults") => this.#counts.reduce((total, each) => total + each[of], 0);
    return { ended: sum("ended"), faults: sum("faults"), last: this.#last };
  }

  clear(): void {
    this.#counts = [];
    this.#last = undefined;
  }

  #forgetOld(slot: number): void {
    while ((this.#counts[0]?.slot ?? slot) <= slot - slots) this.#counts.shift();
  }
}
