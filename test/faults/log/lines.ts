import { writeSync } from "node:fs";

/**
 * What a writer or a reader tells the test, one JSON line each. A line is written when the thing has happened and not before: what
 * was told is known, whatever becomes of the process in the next instant: it is written past `process.stdout`, which keeps in memory
 * what a parent that is busy has not yet read.
 */
export type Line =
  /** The log is open. */
  | readonly ["open"]
  /** An append that was acknowledged: the position of its last event, the version of each stream, the version of each record. */
  | readonly ["ack", Ack]
  /** An append that was answered with a conflict: it must not be in the log. */
  | readonly ["conflict", string]
  /** Nobody knows whether it happened; it is sent again with the same ids. */
  | readonly ["unknown", string, string]
  /** The disk is full: it did not happen, and is sent again later. */
  | readonly ["full", string]
  /** It was refused: there is no reason for that in these tests. */
  | readonly ["refused", string, string]
  /** An append that had been acknowledged was sent again, and this came of it instead of the same answer. */
  | readonly ["denied", string, string]
  /** Events that a subscription handed out, in the order it did. */
  | readonly ["seen", readonly (readonly [position: number, id: string])[]]
  /** A follower that was ended has seen everything up to this position, or should have. */
  | readonly ["followed", number]
  /** A subscription that could not read and was begun again where it stood. */
  | readonly ["parked", string];

export interface Ack {
  readonly id: string;
  readonly position: number | undefined;
  readonly versions: readonly number[];
  readonly recordVersions: readonly number[];
  /** Of an append of records alone, which leaves no event to find it by: the key it wrote. */
  readonly key?: string | undefined;
  readonly repeated: boolean;
}

const pause = new Int32Array(new SharedArrayBuffer(4));

export const tell = (line: Line): void => {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(1, bytes, written);
    } catch (error) {
      // Something else has opened stdout as a stream, and whoever reads it is busy. Where nobody reads any more it is another error.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
};

/** Calls back when the parent asks for an end. A parent that is gone asks for nothing: then the process ends at once. */
export function onStop(stop: () => void): void {
  let asked = false;
  process.stdin.setEncoding("utf8").on("data", (text: string) => {
    if (asked || !text.includes("stop")) return;
    asked = true;
    stop();
  });
  process.stdin.on("end", () => {
    if (!asked) process.exit(1);
  });
}

export const readSettings = <Settings>(): Settings => JSON.parse(process.argv[2] as string) as Settings;
