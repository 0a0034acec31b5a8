import type { EncodedEvent } from "./store.ts";

/** An event as a store has it, with its place in its stream. */
export interface WrittenEvent {
  readonly stream: string;
  readonly version: number;
  readonly event: EncodedEvent;
}

/** Events that one process wrote, one after the other, and where in the log they stand. */
export interface WrittenEvents {
  /** Ordinal of the first. */
  readonly from: number;
  /** Id of the event before the first. They are for whoever has seen that one last: only there it is certain that nothing is left out. */
  readonly afterId: string;
  /** In the order of the log, without a gap; at least one. */
  readonly events: readonly WrittenEvent[];
}

/** What a process tells the others of what it wrote. */
export interface Word {
  /** The events themselves, where they are few and what stands before them is known; `many` where whoever hears of it has to look. */
  readonly events: WrittenEvents | "many" | "none";
  /** Whether records were written. */
  readonly records: boolean;
}

/**
 * How processes that share a database tell each other that there is something new. Best effort: word may be lost, repeated or late,
 * and costs whoever did not hear it a second (W3). What it carries must be what its sender wrote, unchanged; whoever cannot make sure of
 * that tells of no more than that there is something.
 */
export interface News {
  /**
   * Begins to listen, once: calls back when another process has told, with what it told where that is known, and when word may have been
   * missed.
   */
  listen(onNews: (word?: Word) => void): void;
  /** Tells the others. Does not wait, and does not fail. */
  announce(word: Word): void;
  /** How far apart two announcements are to be at least, in milliseconds, however little there is to tell: what one costs. */
  readonly apartMs: number;
  stop(): Promise<void>;
}
